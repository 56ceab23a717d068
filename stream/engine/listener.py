"""What became of a record, told to the trace; costs nothing when there is none."""

from __future__ import annotations

from collections.abc import Sequence

from stream.core.model import Record
from stream.core.ports import Trace
from stream.engine.partition import Delivery


class Steps:
    """The trace lines that name a record."""

    def __init__(self, trace: Trace | None) -> None:
        self.is_on = trace is not None
        """Callers on the path of every event look here first."""
        self._trace = trace

    def emit(self, word: str, record: Record, workflow: str | None, **fields: object) -> None:
        """One step of design section 12: `delivered`, `filtered` or `dead_lettered`."""
        if self._trace is not None:
            where = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
            self._trace.emit(word, **where, workflow=workflow, **fields)

    def delivered(self, delivery: Delivery, workflow: str, status: int) -> None:
        """A workflow has taken an event."""
        record = delivery.open_event.event.record
        self.emit("delivered", record, workflow, attempts=delivery.attempts, status=status)


def topic_id_field(topic_id: str) -> dict[str, object]:
    """The field of a trace line, where the id is known."""
    return {"topic_id": topic_id} if topic_id else {}


class Traces:
    """`ports.Trace` that tells several."""

    def __init__(self, traces: Sequence[Trace]) -> None:
        self._traces = traces

    def emit(self, event: str, /, **fields: object) -> None:
        """Tell each of one step; never raises."""
        for trace in self._traces:
            trace.emit(event, **fields)

    def flush(self) -> None:
        """Let each make what it recorded outlive the process; never raises."""
        for trace in self._traces:
            trace.flush()


def joined(*traces: Trace | None) -> Trace | None:
    """One trace that tells all that there are; None when there is none."""
    there = [trace for trace in traces if trace is not None]
    return Traces(there) if len(there) > 1 else next(iter(there), None)

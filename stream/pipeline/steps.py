"""What became of a record, told to the trace; costs nothing when there is none."""

from __future__ import annotations

from stream.core.model import Record
from stream.core.ports import Trace


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

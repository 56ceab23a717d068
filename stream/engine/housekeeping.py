"""Once a second: gauges that would cost too much at every event, and reminders of what is held or fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stream.engine.endings import Endings
from stream.engine.intake import Intake
from stream.engine.ledger import Ledger
from stream.engine.workflow import Line
from stream.model.ports import Cancel, Logger, Scheduler
from stream.model.statistics import WorkflowStats
from stream.model.timeparse import format_wall

EVERY_S = 1.0
REMIND_EVERY_S = 60.0


class Overview:
    """Looks over the whole engine on its own timer."""

    def __init__(
        self,
        lines: Sequence[Line],
        ledger: Ledger,
        intake: Intake,
        endings: Endings,
        clock: Scheduler,
        logger: Logger,
    ) -> None:
        self.tidy: Callable[[], None] = lambda: None
        """Called each time, to forget what has been removed."""
        self._lines = lines
        self._ledger = ledger
        self._intake = intake
        self._endings = endings
        self._clock = clock
        self._logger = logger
        self._timer: Cancel | None = None
        self._remind_at = 0.0

    def start(self) -> None:
        """Look again and again from now on."""
        self._timer = self._clock.call_at(self._clock.monotonic() + EVERY_S, self._look)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        now, wall = self._clock.monotonic(), self._clock.wall()
        self._ledger.refresh_gauges()
        for index, line in enumerate(self._lines):
            line.refresh_gauges()
            line.stats.oldest_open_at = self._oldest_open(index)
            _show_gate(line, line.stats, wall - now)
        self.tidy()
        if now >= self._remind_at:
            self._remind_at = now + REMIND_EVERY_S
            self._remind()
        self.start()

    def _remind(self) -> None:
        for tenure in self._ledger.tenures.values():
            if tenure.is_held:
                self._intake.tell_held(tenure)
        for line in self._lines:
            self._endings.remind(line)
            self._remind_of_gate(line)

    def _remind_of_gate(self, line: Line) -> None:
        now, gate = self._clock.monotonic(), line.pace.gate
        if gate.closed_since is None or now - gate.closed_since < REMIND_EVERY_S:
            return
        self._logger.warning(
            "The workflow is still failing; only probes are sent.",
            workflow=line.policy.name,
            closed_since=format_wall(self._clock.wall() - (now - gate.closed_since)),
            next_probe_in_s=round(max(0.0, gate.closed_until - now), 1),
        )

    def _oldest_open(self, workflow: int) -> float | None:
        pending = (tenure.shares[workflow].pending for tenure in self._ledger.tenures.values())
        oldest = [deliveries[min(deliveries)].open_event.event.record for deliveries in pending if deliveries]
        known = [record.timestamp_ms for record in oldest if record.timestamp_ms >= 0]
        return min(known) / 1000 if known else None


def _show_gate(line: Line, stats: WorkflowStats, wall_offset: float) -> None:
    gate = line.pace.gate
    if gate.closed_since is None:
        stats.gate_closed_since = stats.gate_closed_until = None
    else:
        stats.gate_closed_since = gate.closed_since + wall_offset
        stats.gate_closed_until = gate.closed_until + wall_offset

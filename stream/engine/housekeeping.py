"""Once a second: gauges that would cost too much at every event, and reminders of what is held or fails."""

from __future__ import annotations

from collections.abc import Sequence

from stream.engine.failure import Failures
from stream.engine.intake import Intake
from stream.engine.ledger import Ledger
from stream.engine.reload import WorkflowChanges
from stream.engine.workflow import WorkflowState
from stream.model.events import FilterReason
from stream.model.ports import Cancel, Logger, Scheduler
from stream.model.statistics import WorkflowStats
from stream.model.timeparse import format_wall

EVERY_S = 1.0
REMIND_EVERY_S = 60.0
FILTER_ERRORS_EVERY_S = 10.0


class Housekeeping:
    """Looks over the whole engine on its own timer."""

    def __init__(
        self,
        workflows: Sequence[WorkflowState],
        ledger: Ledger,
        intake: Intake,
        failures: Failures,
        reload: WorkflowChanges,
        clock: Scheduler,
        logger: Logger,
    ) -> None:
        self._workflows = workflows
        self._ledger = ledger
        self._intake = intake
        self._failures = failures
        self._reload = reload
        self._clock = clock
        self._logger = logger
        self._timer: Cancel | None = None
        self._remind_at = 0.0
        self._filter_errors_at = 0.0

    def start(self) -> None:
        """Start the periodic look (every EVERY_S seconds)."""
        self._timer = self._clock.call_at(self._clock.monotonic() + EVERY_S, self._look)

    def stop(self) -> None:
        """End it."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        now, wall = self._clock.monotonic(), self._clock.wall()
        self._ledger.refresh_gauges()
        for index, workflow in enumerate(self._workflows):
            workflow.refresh_gauges()
            workflow.stats.oldest_open_at = self._oldest_open(index)
            _show_gate(workflow, workflow.stats, wall - now)
        self._reload.purge_removed()
        if now >= self._filter_errors_at:
            self._filter_errors_at = now + FILTER_ERRORS_EVERY_S
            self._log_filter_errors()
        if now >= self._remind_at:
            self._remind_at = now + REMIND_EVERY_S
            self._remind()
        self.start()

    def _log_filter_errors(self) -> None:
        for workflow in self._workflows:
            if workflow.filter_error is not None:
                self._logger.warning(
                    "A statement of the workflow's filters cannot judge an event; it is not sent. tray-stream explain "
                    "shows which statement.",
                    workflow=workflow.policy.name,
                    place=str(workflow.filter_error),
                    events=workflow.stats.filtered[FilterReason.FILTER_ERROR],
                )
                workflow.filter_error = None

    def _remind(self) -> None:
        for partition in self._ledger.partitions.values():
            self._intake.log_held(partition)
        for workflow in self._workflows:
            self._failures.remind(workflow)
            self._remind_of_stop(workflow)

    def _remind_of_stop(self, workflow: WorkflowState) -> None:
        if not workflow.pace.paused:
            self._remind_of_gate(workflow)
        elif waiting := workflow.dispatcher.waiting:
            self._logger.info(
                "The workflow is paused: nothing is sent to it, its events wait.",
                workflow=workflow.policy.name,
                waiting=waiting,
            )

    def _remind_of_gate(self, workflow: WorkflowState) -> None:
        now, gate = self._clock.monotonic(), workflow.gate
        if gate.closed_since is None or now - gate.closed_since < REMIND_EVERY_S:
            return
        self._logger.warning(
            "The workflow is still failing; only probes are sent.",
            workflow=workflow.policy.name,
            closed_since=format_wall(self._clock.wall() - (now - gate.closed_since)),
            next_probe_in_s=round(max(0.0, gate.closed_until - now), 1),
        )

    def _oldest_open(self, index: int) -> float | None:
        pending = (partition.workflows[index].pending for partition in self._ledger.partitions.values())
        oldest = [deliveries[min(deliveries)].record for deliveries in pending if deliveries]
        known = [record.timestamp_ms for record in oldest if record.timestamp_ms >= 0]
        return min(known) / 1000 if known else None


def _show_gate(workflow: WorkflowState, stats: WorkflowStats, wall_offset: float) -> None:
    gate = workflow.gate
    stats.gate_is_held = gate.is_held
    stats.held_since = next((hold.since for hold in workflow.held.values()), None)
    if gate.closed_since is None:
        stats.gate_closed_since = stats.gate_closed_until = None
    else:
        stats.gate_closed_since = gate.closed_since + wall_offset
        stats.gate_closed_until = gate.closed_until + wall_offset

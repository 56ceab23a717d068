"""Partitions that go: stop starting, wait for what is in flight, abort the rest, say what may be committed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from stream.engine.commits import Commits
from stream.engine.ledger import Ledger
from stream.engine.partition import PartitionState
from stream.engine.steps import Steps
from stream.engine.workflow import WorkflowState
from stream.model.ports import Cancel, OnDrained
from stream.model.records import TopicPartition
from stream.rules.listener import DeliveryListener

LAST_COMMIT_WAIT_S = 5.0


@dataclass(slots=True, eq=False)
class _Drain:
    partitions: list[PartitionState]
    on_drained: OnDrained
    timer: Cancel | None = None


class Drains:
    """Each drain ends once: when its partitions are idle, or when its time is over."""

    def __init__(
        self,
        timeout_s: float,
        ledger: Ledger,
        workflows: Sequence[WorkflowState],
        commits: Commits,
        steps: Steps,
        listeners: Sequence[DeliveryListener],
    ) -> None:
        self._timeout_s = timeout_s
        self._ledger = ledger
        self._workflows = workflows
        self._commits = commits
        self._steps = steps
        self._listeners = listeners
        self._drains: list[_Drain] = []
        self._closing: dict[tuple[TopicPartition, int], PartitionState] = {}
        """Closed partitions whose last commit was not answered yet, by partition and epoch."""

    def begin(self, tps: Sequence[TopicPartition], on_drained: OnDrained) -> None:
        """Drain these partitions; `on_drained` gets what is to be committed, at the latest after the timeout."""
        partitions = self._ledger.owned(tps)
        for partition in partitions:
            partition.start_draining()
            self._forget(partition)
        drain = _Drain(partitions, on_drained)
        drain.timer = self._steps.call_at(self._steps.monotonic() + self._timeout_s, partial(self._end, drain))
        self._drains.append(drain)

    def close(self, partitions: Sequence[PartitionState]) -> None:
        """End these assignments now; attempts still in flight are aborted.

        All of them together: what the attempts of one leave room for may belong to another one.
        """
        for partition in partitions:
            self._forget(partition)
            self._ledger.close(partition)
        for partition in partitions:
            if partition.in_flight:
                for workflow in self._workflows:
                    workflow.abort(partition)

    def end_step(self) -> None:
        """End the drains that have nothing left to wait for."""
        for drain in self._drains.copy():
            if all(partition.is_idle or partition.is_closed for partition in drain.partitions):
                self._end(drain)

    def closing(self, tp: TopicPartition, epoch: int) -> PartitionState | None:
        """A closed partition whose last commit is under way."""
        return self._closing.get((tp, epoch))

    def end(self, partition: PartitionState) -> None:
        """Its last commit was answered, or is no longer waited for."""
        if self._closing.pop((partition.tp, partition.epoch), None) is not None:
            self._notify_revoked(partition)

    def end_all(self) -> None:
        """No commit will be answered."""
        for partition in list(self._closing.values()):
            self.end(partition)

    def _forget(self, partition: PartitionState) -> None:
        for workflow in self._workflows:
            workflow.forget(partition)
            self._steps.touched.workflow(workflow)

    def _end(self, drain: _Drain) -> None:
        if drain not in self._drains:
            return
        self._drains.remove(drain)
        if drain.timer is not None:
            drain.timer.cancel()
        partitions = [partition for partition in drain.partitions if not partition.is_closed]
        offsets = {p.tp: due for p in partitions if (due := self._commits.take_due(p)) is not None}
        self.close(partitions)
        for partition in partitions:
            self._await_last_commit(partition)
        drain.on_drained(offsets)

    def _await_last_commit(self, partition: PartitionState) -> None:
        if not partition.commit.under_way:
            self._notify_revoked(partition)
        else:
            self._closing[partition.tp, partition.epoch] = partition
            self._steps.call_at(self._steps.monotonic() + LAST_COMMIT_WAIT_S, partial(self.end, partition))

    def _notify_revoked(self, partition: PartitionState) -> None:
        for listener in self._listeners:
            listener.on_revoked(partition.tp)

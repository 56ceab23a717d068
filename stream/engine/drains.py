"""Giving partitions back: stop starting, wait for what is in flight, abort the rest, say what may be committed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from stream.engine.commits import Commits
from stream.engine.deliverer import Deliverer
from stream.engine.ledger import Ledger
from stream.engine.partition import Phase, Tenure
from stream.model.ports import Cancel, OnDrained, Scheduler
from stream.model.records import TopicPartition

LAST_COMMIT_WAIT_S = 5.0


@dataclass(slots=True, eq=False)
class _Drain:
    tenures: list[Tenure]
    on_drained: OnDrained
    timer: Cancel | None = None
    is_over: bool = False


class Drains:
    """Each drain ends once: when its tenures are idle, or when its time is over."""

    def __init__(
        self, timeout_s: float, ledger: Ledger, deliverer: Deliverer, commits: Commits, clock: Scheduler
    ) -> None:
        self.on_ended: Callable[[Tenure], None] = lambda _tenure: None
        """Told once of each drained tenure when its last commit is answered, or is waited for no longer."""
        self._timeout_s = timeout_s
        self._ledger = ledger
        self._deliverer = deliverer
        self._commits = commits
        self._clock = clock
        self._drains: list[_Drain] = []
        self._closing: dict[tuple[TopicPartition, int], Tenure] = {}
        """Closed tenures whose last commit was not answered yet, by partition and epoch."""

    def begin(self, tps: Sequence[TopicPartition], on_drained: OnDrained) -> None:
        """Drain these partitions; `on_drained` gets what is to be committed, at the latest after the timeout."""
        tenures = self._ledger.owned(tps)
        for tenure in tenures:
            if tenure.phase is Phase.ACTIVE:
                tenure.phase = Phase.DRAINING
                self._deliverer.forget(tenure)
        drain = _Drain(tenures, on_drained)
        self._drains.append(drain)
        drain.timer = self._clock.call_at(self._clock.monotonic() + self._timeout_s, partial(self._end, drain))
        self._end_when_idle(drain)

    def close(self, tenures: Sequence[Tenure]) -> None:
        """End these tenures now; attempts still in flight are aborted.

        Nothing is started before the last of them is over: what their attempts leave room for may be another's of them.
        """
        for tenure in tenures:
            self._deliverer.forget(tenure)
            self._ledger.close(tenure)
        self._deliverer.abort(tenures)

    def on_idle(self, _tenure: Tenure) -> None:
        """A draining tenure has nothing in flight any more."""
        for drain in self._drains.copy():
            self._end_when_idle(drain)

    def closing(self, tp: TopicPartition, epoch: int) -> Tenure | None:
        """A tenure whose last commit is under way."""
        return self._closing.get((tp, epoch))

    def end(self, tenure: Tenure) -> None:
        """Its last commit was answered, or is not waited for any longer."""
        if self._closing.pop((tenure.tp, tenure.epoch), None) is not None:
            self.on_ended(tenure)

    def end_all(self) -> None:
        """No commit will be answered any more."""
        for tenure in list(self._closing.values()):
            self.end(tenure)

    def _end_when_idle(self, drain: _Drain) -> None:
        if all(tenure.is_idle or tenure.phase is Phase.CLOSED for tenure in drain.tenures):
            self._end(drain)

    def _end(self, drain: _Drain) -> None:
        if drain.is_over:
            return
        drain.is_over = True
        self._drains.remove(drain)
        if drain.timer is not None:
            drain.timer.cancel()
        tenures = [tenure for tenure in drain.tenures if tenure.phase is not Phase.CLOSED]
        offsets = {tenure.tp: due for tenure in tenures if (due := self._commits.take_due(tenure)) is not None}
        self.close(tenures)
        for tenure in tenures:
            self._await_last_commit(tenure)
        drain.on_drained(offsets)

    def _await_last_commit(self, tenure: Tenure) -> None:
        if not tenure.commits_under_way:
            self.on_ended(tenure)
        else:
            self._closing[tenure.tp, tenure.epoch] = tenure
            self._clock.call_at(self._clock.monotonic() + LAST_COMMIT_WAIT_S, partial(self.end, tenure))

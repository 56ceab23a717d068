"""The tracker against a plain model, over random histories; and that the test would notice a broken one."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from stream.engine.tracker import PartitionTracker
from stream.model.errors import EngineInvariantError

HISTORIES = settings(max_examples=1000, stateful_step_count=40, suppress_health_check=list(HealthCheck))


class PartitionHistory(RuleBasedStateMachine):
    """One partition's life: tenures that admit, settle in any order, commit, are revoked or crash.

    The model is the log (offsets that exist), the set of offsets that were ever settled, and the commit.
    """

    tracker_type: type[PartitionTracker] = PartitionTracker

    def __init__(self) -> None:
        super().__init__()
        self.existing: list[int] = []
        self.end = 0
        self.settled: set[int] = set()
        self.committed = 0
        self.tracker: PartitionTracker | None = None
        self.position = 0
        self.open: list[int] = []

    @rule(gap=st.integers(0, 3))
    def write(self, gap: int) -> None:
        self.end += gap
        self.existing.append(self.end)
        self.end += 1

    @rule(offsets=st.integers(1, 3))
    def write_marker(self, offsets: int) -> None:
        self.end += offsets

    @precondition(lambda self: self.tracker is None)
    @rule()
    def assign(self) -> None:
        self.tracker = self.tracker_type(self.committed)
        self.position = self.committed
        self.open = []

    @precondition(lambda self: self.tracker is not None)
    @rule(count=st.integers(1, 5))
    def poll(self, count: int) -> None:
        assert self.tracker is not None
        records = [offset for offset in self.existing if offset >= self.position][:count]
        if records:
            self.tracker.admit(records)
            self.open += records
            self.position = records[-1] + 1
        if not records and self.position < self.end:
            self.tracker.pass_to(self.end)
            self.position = self.end

    @precondition(lambda self: bool(self.tracker and self.open))
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        assert self.tracker is not None
        offsets = data.draw(st.lists(st.sampled_from(self.open), min_size=1, max_size=3, unique=True))
        self.tracker.settle(offsets)
        self.open = [offset for offset in self.open if offset not in offsets]
        self.settled.update(offsets)

    @precondition(lambda self: self.tracker is not None)
    @rule(data=st.data())
    def settle_what_is_not_open(self, data: st.DataObject) -> None:
        assert self.tracker is not None
        closed = data.draw(st.integers(0, self.end).filter(lambda o: o not in self.open))
        for offsets in ([closed], [*self.open[:1], closed], [*self.open[:1], *self.open[:1], closed]):
            with pytest.raises(EngineInvariantError, match=f"{closed}.*without being open"):
                self.tracker.settle(offsets)

    @precondition(lambda self: self.tracker is not None)
    @rule()
    def commit(self) -> None:
        assert self.tracker is not None
        self.committed = self.tracker.watermark

    @precondition(lambda self: self.tracker is not None)
    @rule()
    def revoke(self) -> None:
        self.commit()
        self.tracker = None

    @precondition(lambda self: self.tracker is not None)
    @rule()
    def crash(self) -> None:
        self.tracker = None

    @invariant()
    def watermark_is_the_lowest_open_offset(self) -> None:
        if self.tracker is not None:
            behind = self.position - min(self.open, default=self.position)  # asked first: nothing has moved the floor
            assert (self.tracker.is_ahead_by(behind), self.tracker.is_ahead_by(behind + 1)) == (True, False)
            assert self.tracker.watermark == min(self.open, default=self.position)
            assert self.tracker.open_count == len(self.open)

    @invariant()
    def no_commit_passes_an_unsettled_offset(self) -> None:
        passed = {offset for offset in self.existing if offset < self.committed}
        assert passed <= self.settled


class OneAhead(PartitionTracker):
    """Broken on purpose: says that it may be committed one further than it may."""

    @property
    def watermark(self) -> int:
        return super().watermark + (1 if self.open_count else 0)


class Forgiving(PartitionTracker):
    """Broken on purpose: takes an offset that is settled twice."""

    def settle(self, offsets: Collection[int]) -> None:
        super().settle(self._open.intersection(offsets))


class Gapless(PartitionTracker):
    """Broken on purpose: waits for offsets that never arrive."""

    def pass_to(self, position: int) -> None:
        if position != self.next_expected + 1:
            super().pass_to(position)


class Sluggish(PartitionTracker):
    """Broken on purpose: looks for the watermark only when nothing is open."""

    @property
    def watermark(self) -> int:
        return self._floor if self.open_count else super().watermark


def test_tracker_agrees_with_the_model() -> None:
    """Over a thousand random histories no commit passes an open offset, and the watermark is exact."""
    run_state_machine_as_test(PartitionHistory, settings=HISTORIES)


@pytest.mark.parametrize("broken", [OneAhead, Forgiving, Gapless, Sluggish])
def test_model_notices_a_broken_tracker(broken: type[PartitionTracker]) -> None:
    """The same histories fail when the tracker commits one ahead, settles twice, trips over gaps, or stands still."""
    history = type("BrokenHistory", (PartitionHistory,), {"tracker_type": broken})
    with pytest.raises((AssertionError, BaseExceptionGroup, pytest.fail.Exception)):
        run_state_machine_as_test(history, settings=settings(HISTORIES, phases=[Phase.generate], print_blob=False))


def test_a_stuck_offset_costs_no_memory() -> None:
    """However far the others go past an open offset, it alone is kept."""
    tracker = PartitionTracker(0)
    tracker.admit(range(50_000))
    tracker.settle(range(1, 50_000))
    assert (tracker.watermark, tracker.open_count) == (0, 1)


def test_what_never_arrives_is_done() -> None:
    """The watermark passes a gap at the start, and one at the end once the position is known."""
    tracker = PartitionTracker(10)
    tracker.admit([12])
    assert tracker.watermark == 12
    tracker.settle([12])
    tracker.pass_to(20)
    assert tracker.watermark == 20

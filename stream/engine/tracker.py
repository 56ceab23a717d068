"""How far one partition may be committed."""

from __future__ import annotations

from collections.abc import Collection

from stream.model.errors import EngineInvariantError


class PartitionTracker:
    """Open offsets of one partition in one epoch, and the watermark below which none is open.

    Only open offsets are kept; all others below `next_expected` are done. So an event stuck at the watermark costs no
    memory however far the others go, and offsets that never arrive (compaction, transaction markers, aborted records)
    count as done without being named.

    Invariant: `watermark` is the lowest open offset, or `next_expected` when none is open. It never goes backwards.
    """

    __slots__ = ("_floor", "_open", "next_expected")

    def __init__(self, start: int) -> None:
        self.next_expected = start
        self._open: set[int] = set()
        # Never above the watermark; at it while it is open.
        self._floor = start

    @property
    def watermark(self) -> int:
        """What may be committed. Costs a look at every open offset where the lowest one was settled since."""
        if self._floor not in self._open:
            self._floor = min(self._open, default=self.next_expected)
        return self._floor

    @property
    def open_count(self) -> int:
        """How many offsets are admitted and not settled."""
        return len(self._open)

    def is_ahead_by(self, offsets: int) -> bool:
        """Whether what was admitted last lies `offsets` or more beyond the watermark."""
        return self.next_expected - self._floor >= offsets and self.next_expected - self.watermark >= offsets

    def admit(self, offsets: Collection[int]) -> None:
        """Open `offsets`: ascending, none below `next_expected`, at least one."""
        self._open.update(offsets)
        self.next_expected = max(offsets) + 1

    def pass_to(self, position: int) -> None:
        """Nothing arrives from now on below `position`."""
        self.next_expected = max(self.next_expected, position)

    def settle(self, offsets: Collection[int]) -> None:
        """Everything is done with `offsets`.

        Raises:
            EngineInvariantError: one is not open: settled twice, or never admitted. Nothing has changed.
        """
        if not self._open.issuperset(offsets) or len(set(offsets)) < len(offsets):
            raise EngineInvariantError(f"Some of {sorted(offsets)} were settled without being open.")
        self._open.difference_update(offsets)

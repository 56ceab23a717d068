"""How far one partition may be committed."""

from __future__ import annotations

from stream.core.errors import EngineInvariantError


class PartitionTracker:
    """Open and done offsets of one partition in one tenure, and the watermark between them.

    Done offsets are kept as ranges, so that an event stuck at the watermark costs no memory however far the
    others go. Offsets that never arrive (compaction, transaction markers, aborted records) lie between two
    admitted offsets, or before the consumer's position, and count as done.

    Invariant: every offset in [start, next_expected) is either open or done; `watermark` is the lowest open
    offset, or `next_expected` when none is open. It never goes backwards.
    """

    __slots__ = ("_end_of", "_open", "_start_of", "next_expected", "watermark")

    def __init__(self, start: int) -> None:
        self.watermark = start
        self.next_expected = start
        self._open: set[int] = set()
        self._end_of: dict[int, int] = {}
        """Done range above the watermark: its start → its end (exclusive)."""
        self._start_of: dict[int, int] = {}
        """The same ranges the other way round."""

    @property
    def open_count(self) -> int:
        """How many offsets are admitted and not settled."""
        return len(self._open)

    @property
    def range_count(self) -> int:
        """How many separate done ranges lie above the watermark."""
        return len(self._end_of)

    def is_open(self, offset: int) -> bool:
        """Whether `offset` is admitted and not settled."""
        return offset in self._open

    def admit(self, offset: int) -> bool:
        """Open `offset`. False, and nothing changes, when it was admitted before in this tenure."""
        if offset < self.next_expected:
            return False
        self.pass_to(offset)
        self.next_expected = offset + 1
        self._open.add(offset)
        return True

    def pass_to(self, position: int) -> None:
        """Nothing will arrive any more from below `position`."""
        if position > self.next_expected:
            self._add_done(self.next_expected, position)
            self.next_expected = position

    def settle(self, offset: int) -> None:
        """Everything is done with `offset`.

        Raises:
            EngineInvariantError: it is not open: settled twice, or never admitted.
        """
        if offset not in self._open:
            raise EngineInvariantError(f"Offset {offset} was settled without being open.")
        self._open.remove(offset)
        self._add_done(offset, offset + 1)

    def _add_done(self, start: int, end: int) -> None:
        right = self._end_of.pop(end, None)
        if right is not None:
            del self._start_of[right]
            end = right
        if start == self.watermark:
            self.watermark = end
            return
        left = self._start_of.pop(start, start)
        self._end_of[left] = end
        self._start_of[end] = left

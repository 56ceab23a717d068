"""Whether there is room for more: the limits on what an engine holds open, and on what one partition may take of it.

Two rules. The whole engine takes nothing while its open events or bytes are at the limit, and goes on at half of it.
One partition is not read while it alone has half of the limit (when it is not the only one), a lane that is too long,
too many offsets beyond its watermark, or a commit map that is nearly too long; it goes on once each is well below.
"""

from __future__ import annotations

from collections.abc import Mapping

from stream.engine.partition import Tenure
from stream.model.policies import Limits
from stream.model.ports import Source
from stream.model.records import TopicPartition
from stream.model.statistics import EngineStats

MAP_SHARE = 0.75


class Room:
    """Tells the source what to read. `tenures` is the ledger's own table; counts come from the ledger."""

    def __init__(
        self, limits: Limits, tenures: Mapping[TopicPartition, Tenure], stats: EngineStats, source: Source
    ) -> None:
        self.open_events = 0
        self.is_open = True
        """The engine as a whole has room for records."""
        self.is_held = False
        """It takes none all the same, for a moment: every workflow has plenty to send."""
        self._limits = limits
        self._tenures = tenures
        self._stats = stats
        self._source = source

    def set_limits(self, limits: Limits) -> None:
        """Other limits from now on."""
        self._limits = limits
        for tenure in list(self._tenures.values()):
            self.after_settling(tenure)
            self.after_intake(tenure)
        self.tell_source()

    def after_intake(self, tenure: Tenure) -> None:
        """Records of this partition were admitted."""
        limits = self._limits
        if self.is_open and (
            self.open_events >= limits.max_open_events or self._stats.open_bytes >= limits.max_open_bytes
        ):
            self._set_open(False)
        if not tenure.is_stopped and self._must_stop(tenure):
            tenure.is_stopped = True
            self.tell_source()

    def after_settling(self, tenure: Tenure) -> None:
        """Something was settled, of this partition or another, while the engine or the partition was stopped."""
        limits = self._limits
        if (
            not self.is_open
            and self.open_events * 2 <= limits.max_open_events
            and self._stats.open_bytes * 2 <= limits.max_open_bytes
        ):
            self._set_open(True)
        if tenure.is_stopped and self._may_go_on(tenure):
            tenure.is_stopped = False
            self.tell_source()

    def after_commit(self, tenure: Tenure) -> None:
        """The length of its map is known anew."""
        if tenure.is_stopped:
            self.after_settling(tenure)
        else:
            self.after_intake(tenure)

    def tell_source(self) -> None:
        """Repeat which partitions are not to be read: the set changed, or partitions came."""
        stopped = [tenure.tp for tenure in self._tenures.values() if tenure.is_stopped or tenure.is_held]
        self._stats.partitions_paused = len(self._tenures) if not self.is_open else len(stopped)
        self._source.set_stopped(stopped)

    def hold(self, is_held: bool) -> None:
        """Take nothing for a moment, or go on; partitions do not count as paused by it."""
        if is_held != self.is_held:
            self.is_held = is_held
            self._source.set_intake(self.is_open and not is_held)

    def _set_open(self, is_open: bool) -> None:
        self.is_open = is_open
        self._source.set_intake(is_open and not self.is_held)
        self.tell_source()

    def _must_stop(self, tenure: Tenure) -> bool:
        events, size = self._share()
        return (
            tenure.tracker.open_count >= events
            or tenure.open_bytes >= size
            or tenure.tracker.is_ahead_by(self._limits.max_ahead)
            or tenure.map_bytes > MAP_SHARE * self._limits.metadata_max_bytes
            or any(share.crowded for share in tenure.shares)
        )

    def _may_go_on(self, tenure: Tenure) -> bool:
        events, size = self._share()
        return (
            tenure.tracker.open_count * 2 <= events
            and tenure.open_bytes * 2 <= size
            and not tenure.tracker.is_ahead_by(self._limits.max_ahead // 2 + 1)
            and tenure.map_bytes <= MAP_SHARE * self._limits.metadata_max_bytes
            and not any(share.crowded for share in tenure.shares)
        )

    def _share(self) -> tuple[int, int]:
        """(events, bytes) that one partition may hold open."""
        parts = 2 if len(self._tenures) > 1 else 1
        return self._limits.max_open_events // parts or 1, self._limits.max_open_bytes // parts

"""When a run that stops at the end of its topics is done."""

from __future__ import annotations

from collections.abc import Mapping

from stream.model.records import TopicPartition


def unfinished(
    ranges: Mapping[TopicPartition, tuple[int, int]], *reached: Mapping[TopicPartition, int]
) -> set[TopicPartition]:
    """Partitions that no member has brought to the end seen at start.

    `ranges` are (first offset, end) as they were then; an empty one is done. Each of `reached` maps partitions to
    an offset below which nothing is open: this process's own watermarks, or what the group has committed.
    """
    return {
        tp
        for tp, (first, end) in ranges.items()
        if first < end and not any(offsets.get(tp, -1) >= end for offsets in reached)
    }

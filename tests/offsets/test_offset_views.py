"""Offsets as the commands print and take them."""

from __future__ import annotations

import io

import pytest
import typer
from rich.console import Console

from stream.console.options import read_offset
from stream.dead_letters.options import read_place
from stream.kafka.groups import GroupState
from stream.model.records import RecordId, TopicPartition
from stream.offsets.report import print_standings
from stream.offsets.show import GroupOffsets, PartitionOffsets, PartitionProgress


def test_offsets_are_shown_as_other_commands_take_them() -> None:
    """Without separators between the thousands, which counts have."""
    progress = PartitionProgress(12_345, 23_456, {"orders": ()}, "none")
    standing = PartitionOffsets(TopicPartition("t", 0), 1_000, 23_456, progress, None, None)
    shown = io.StringIO()
    print_standings(
        Console(file=shown, width=200), [GroupOffsets("g", ("orders",), GroupState("empty"), [standing])], {}, 0
    )
    assert shown.getvalue().splitlines()[-1].split()[:5] == ["t", "0", "12345", "23456", "11,111"]


@pytest.mark.parametrize("text", ["1916", "1,916", "1_916"])
def test_offsets_are_taken_with_separators(text: str) -> None:
    """As an option, and at the end of a place."""
    assert read_offset(text) == 1916
    assert read_place(f"t:0:{text}") == RecordId("t", 0, 1916)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "end", "٣"])
def test_what_is_no_offset(text: str) -> None:
    """It is refused, by name."""
    with pytest.raises(typer.BadParameter, match="is not an offset"):
        read_offset(text)

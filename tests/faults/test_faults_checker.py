"""The checker is no yes-man: without a fault it finds nothing, and with a bug in the program it finds that bug."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from faults_matrix import ROWS
from faults_row import play
from support.topics import Broker

pytestmark = pytest.mark.acceptance

PLANTED = Path(__file__).with_name("faults_planted.py")
BY_NUMBER = {row.number: row for row in ROWS}


def test_without_a_fault_nothing_comes_again(apache_kafka: Broker, tmp_path: Path) -> None:
    """Zero duplicates, zero loss, and there was something to check."""
    result = play(BY_NUMBER[0], 1, apache_kafka, tmp_path / "row")
    assert result.findings == []
    assert result.counters["again"] == 0
    assert (result.counters["events"], result.counters["requests"]) == (800, 1600)
    assert int(result.counters["commits"]) > 0


@pytest.mark.parametrize(
    ("bug", "row", "found"),
    [
        ("commit_one_ahead", 33, "COMMIT-SAFE"),
        ("lane_released_before_the_retry", 33, "ORDER"),
        ("settle_before_the_letter_is_acknowledged", 44, ""),
        ("map_claims_what_is_open", 4, "NO-LOSS"),
    ],
)
def test_a_planted_bug_is_found(bug: str, row: int, found: str, apache_kafka: Broker, tmp_path: Path) -> None:
    """A row that passes fails with the bug, and says which promise was broken."""
    entry = (sys.executable, str(PLANTED), bug)
    result = play(BY_NUMBER[row], 1, apache_kafka, tmp_path / "row", entry)
    assert [finding for finding in result.findings if "every program has ended by itself" in finding] == []
    assert any(finding.startswith(found) for finding in result.findings), result.findings

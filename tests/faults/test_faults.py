"""The rows of the fault matrix that are quick, and that the matrix is whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from assertions import filled
from faults_matrix import ROWS
from faults_row import Row, play
from faults_stage import ProxiedKafka, Stage
from faults_table import table
from support.topics import Broker

pytestmark = pytest.mark.acceptance

SEED = 1
HERE = Path(__file__).parent
KNOWN = range(1, 59)
"""The faults that the matrix is about."""


def quick(stage: Stage) -> list[Row]:
    """Those of one stage."""
    return [row for row in ROWS if row.is_fast and row.stage is stage]


def name_of(row: Row) -> str:
    """As it stands in the report."""
    return f"row-{row.number}"


@pytest.fixture
def proxied_kafka(tmp_path: Path) -> Iterator[ProxiedKafka]:
    """A broker that the row may kill."""
    with ProxiedKafka(tmp_path / "kafka") as kafka:
        yield kafka


@pytest.mark.parametrize("row", quick(Stage.SHARED), ids=name_of)
def test_a_quick_row(row: Row, apache_kafka: Broker, tmp_path: Path) -> None:
    """Every promise is kept."""
    result = play(row, SEED, apache_kafka, tmp_path / "row")
    print(result.line())
    assert result.findings == []


@pytest.mark.kafka
@pytest.mark.parametrize("row", quick(Stage.OWN), ids=name_of)
def test_a_quick_row_that_breaks_its_broker(row: Row, proxied_kafka: ProxiedKafka, tmp_path: Path) -> None:
    """Every promise is kept."""
    result = play(row, SEED, proxied_kafka, tmp_path / "row")
    print(result.line())
    assert result.findings == []


def test_every_fault_has_its_row() -> None:
    """Each is played, or names the tests that prove it, which exist."""
    assert [row.number for row in ROWS] == [0, *KNOWN]
    for row in ROWS:
        assert row.play or row.elsewhere, f"row {row.number} proves nothing"
        for named in row.elsewhere:
            path, _, test = named.partition("::")
            assert f"def {test}(" in (HERE.parent / path).read_text(), f"row {row.number}: no {named}"


def test_the_document_is_the_table() -> None:
    """MATRIX.md says of each row what the table says; the verdicts are of its last run."""
    written = (HERE / "MATRIX.md").read_text()
    for row in filled(ROWS):
        assert table([row], {}).splitlines()[-1].rpartition("| ")[0].rpartition("| ")[0] in written

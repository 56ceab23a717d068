"""Writes MATRIX.md: the table of rows with the verdicts of the last full run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from faults_row import Result, Row

DOCUMENT = Path(__file__).parent / "MATRIX.md"
_BEGIN, _END = "<!-- begin: written by make faults -->", "<!-- end -->"
_HEAD = "| row | fault | injected how | invariants | verdict | seeds |\n|---|---|---|---|---|---|"

Verdicts = Mapping[int, Sequence[Result]]
"""By the row's number."""


def table(rows: Iterable[Row], verdicts: Verdicts) -> str:
    """The rows as Markdown."""
    return "\n".join([_HEAD, *(_line(row, verdicts.get(row.number, ())) for row in rows)])


def write(rows: Sequence[Row], results: Iterable[Result], took_s: float) -> None:
    """Put the table, and what the run said of itself, into the document."""
    by_row: dict[int, list[Result]] = defaultdict(list)
    for result in results:
        by_row[result.row.number].append(result)
    played = [result for found in by_row.values() for result in found]
    passed = sum(result.has_passed for result in played)
    again = sum(int(result.counters.get("again", 0)) for result in played)
    events = sum(int(result.counters.get("events", 0)) for result in played)
    requests = sum(int(result.counters.get("requests", 0)) for result in played)
    sums = (
        f"{passed} of {len(played)} plays passed, in {took_s / 60:.1f} minutes on two cores: {events:,} events, "
        f"{requests:,} requests, {again:,} events came again, each under its key."
    )
    before, _, rest = DOCUMENT.read_text().partition(_BEGIN)
    after = rest.partition(_END)[2]
    DOCUMENT.write_text(f"{before}{_BEGIN}\n{sums}\n\n{table(rows, by_row)}\n{_END}{after}")


def _line(row: Row, results: Sequence[Result]) -> str:
    elsewhere = ", ".join(f"`{named.rpartition('::')[2]}`" for named in row.elsewhere)
    injected = "; ".join(text for text in (row.injected, elsewhere and f"also {elsewhere}") if text)
    if row.play is None:
        injected = "; ".join(text for text in (row.injected, elsewhere) if text)
    return f"| {row.number} | {row.fault} | {injected} | {row.invariants} | {_verdict(row, results)} |"


def _verdict(row: Row, results: Sequence[Result]) -> str:
    if row.play is None:
        return "by tests | "
    if not results:
        return " | "
    word = "PASS" if all(result.has_passed for result in results) else "**FAIL**"
    return f"{word} | {', '.join(str(result.seed) for result in sorted(results, key=lambda one: one.seed))}"

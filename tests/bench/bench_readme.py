"""Writes docs/about/performance.md from the bench's results: `python tests/bench/bench_readme.py [results.json]`."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from bench_rows import HEAD, Row, cells, verdicts

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).parent / "results.json"
BEGIN, END = "<!-- bench: written by tests/bench/bench_readme.py -->\n", "<!-- end of bench -->\n"


def table(results: dict[str, Any]) -> str:
    """The results in Markdown."""
    rows = [Row(**row) for row in results["rows"]]
    told = f"Measured on {results['date']}: {results['machine']}. Endpoint: {results['endpoint']}."
    how = f"{results['events']:,} events of about 800 bytes unless it says otherwise."
    if results["rounds"] > 1:
        how += f" Each variant was measured {results['rounds']} times; shown is the middle."
    lines = [f"| {' | '.join(HEAD)} |", f"|---|---|{'---:|' * (len(HEAD) - 2)}"]
    lines += [f"| {' | '.join(cells(row, rows))} |" for row in rows]
    aims = [f"- {line}" for line in verdicts(rows)]
    return "\n".join([f"{told} {how}", "", *lines, "", *aims]) + "\n"


def with_table(document: str, results: dict[str, Any] | None) -> str:
    """The document with the table between its marks; nothing there without results."""
    if BEGIN not in document or END not in document:
        raise SystemExit(f"There is no place for the table: put {BEGIN.strip()} and {END.strip()} into the document.")
    whole = f"{BEGIN}\n{table(results)}\n{END}" if results else BEGIN + END
    return re.sub(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _found: whole, document, flags=re.DOTALL)


def kept(path: Path = RESULTS) -> dict[str, Any] | None:
    """The results that are kept there, if there are any."""
    found: dict[str, Any] | None = json.loads(path.read_text()) if path.exists() else None
    return found


def main() -> None:
    """Write the page anew."""
    results = kept(Path(sys.argv[1])) if len(sys.argv) > 1 else kept()
    path = ROOT / "docs/about/performance.md"
    path.write_text(with_table(path.read_text(), results))


if __name__ == "__main__":
    main()

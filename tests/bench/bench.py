"""The bench on real Kafka: the product, its sender alone, and what most people write, in one sitting.

    make bench                  the short table: a few minutes
    make bench ALL=1            every variant
    make bench ONLY=none,tls    the variants whose names begin so
    make bench EVENTS=20000 ROUNDS=3 JSON=results.json

Needs Java and Maven for Apache Kafka (fetched once). nginx, openssl and uv (for aiohttp) are used where they are;
without them a receiver in Python answers, and what cannot be measured is skipped by name.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench_cores import end_in_order, load, machine, stay_off_the_programs_core
from bench_endpoint import Endpoints
from bench_rows import HEAD, Row, cells, median_of, verdicts
from bench_runs import Stage, rows_of
from bench_topics import Topics
from bench_variants import Variant, chosen
from rich.console import Console
from rich.table import Table

from stream.demo.apache_kafka import ApacheKafka

EVENTS = 200_000
BUSY = 0.5
"""Load of the last minute above which the figures are in doubt."""
BIG_LOGS = {"log.segment.bytes": str(1 << 30), "log.index.size.max.bytes": str(10 << 20)}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--events", type=int, default=EVENTS, help="events of a variant, if it has no number of its own"
    )
    parser.add_argument("--rounds", type=int, default=1, help="measure each this often and show the middle one")
    parser.add_argument("--only", default="", help="variants whose names begin so, separated by commas")
    parser.add_argument("--all", action="store_true", help="every variant")
    parser.add_argument("--json", type=Path, help="write the results there, too")
    given = parser.parse_args()
    variants = chosen(given.only, given.all)
    stay_off_the_programs_core()
    end_in_order()
    if load() > BUSY:
        print(f"Others use this machine (load {load():.1f}): the rates will be too low.", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="tray-bench-") as scratch:
        rows, endpoint = run(variants, Path(scratch), given.events, given.rounds)
        results = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine(), "endpoint": endpoint}
        report(rows, results)
        if given.json:
            write_json(given.json, rows, {**results, "events": given.events, "rounds": given.rounds})
        if any(row.note.startswith("FAILED") for row in rows):
            keep = Path(tempfile.gettempdir()) / "tray-bench-failed"
            shutil.copytree(scratch, keep, dirs_exist_ok=True, ignore=shutil.ignore_patterns("data", "*.sock"))
            sys.exit(f"Settings and output of what failed are in {keep}.")


def run(variants: Sequence[Variant], directory: Path, events: int, rounds: int) -> tuple[list[Row], str]:
    """(every row, what the endpoint was)."""
    progress = Console(stderr=True)
    kafka = ApacheKafka(directory / "kafka", BIG_LOGS, heap="1g", java_options=())
    with kafka, Endpoints(directory / "endpoint") as endpoints:
        stage = Stage(directory, Topics(kafka.bootstrap), endpoints, events)
        measured: list[list[list[Row]]] = [[] for _ in variants]
        for number in range(
            rounds * len(variants)
        ):  # in turn, so that a machine whose speed changes is the same for all
            variant = variants[number % len(variants)]
            if progress.is_terminal:
                progress.print(f"[{number + 1}/{rounds * len(variants)}] {variant.what} …")
            measured[number % len(variants)].append(list(rows_of(variant, stage)))
        rows = [median_of(same) for rounds_of_one in measured for same in zip(*rounds_of_one, strict=True)]
        return rows, endpoints.plain().name


def report(rows: Sequence[Row], results: dict[str, Any]) -> None:
    """Print the table and what it says of the aims."""
    table = Table(title=f"{results['date']}, {results['machine']}, endpoint: {results['endpoint']}")
    for column in HEAD:
        table.add_column(column, justify="left" if column in HEAD[:2] else "right", overflow="fold")
    for row in rows:
        table.add_row(*cells(row, rows))
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    for line in verdicts(rows):
        print(line)


def write_json(path: Path, rows: Sequence[Row], results: dict[str, Any]) -> None:
    """Write the results for `bench_readme.py`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**results, "rows": [row.as_json() for row in rows]}, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""The rate at which lag stays flat, and what twice that rate does: `make load`.

    make load                  ten minutes at the highest rate found, with 1 workflow and with 10
    make load MINUTES=0.3      a quick look
    make load WORKFLOWS=1      one of the two

The rate is raised until the lag grows, and the highest good one is held; then comes twice as much for a minute, and
then nothing, until the lag is gone. The program has one core, Kafka and the workflows another. Exit code 0 when
every line says PASS.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import BIG_LOGS, BUSY
from bench_cores import end_in_order, load, machine, stay_off_the_programs_core
from bench_endpoint import Endpoints
from bench_runs import Stage
from bench_topics import Topics
from bench_trial import Loaded, Span, drain, hold, hold_the_highest, search, trial
from rich.console import Console
from rich.table import Table

from stream.demo.apache_kafka import ApacheKafka

START = 1_000.0
"""Requests a second of the first step."""
FIRST, WARM_UP_S = 50.0, 60.0
"""A trickle to begin with, until the program is up and has sent something."""
STEPS_S = (6.0, 12.0)
OVERLOAD = 2.0
OVERLOAD_S = 60.0
"""In less the buffers that are bounded are not full yet, so memory is judged after as long only."""
GROWTH = 1.1
COLUMNS = (
    "workflows",
    "held",
    "events/s",
    "requests/s",
    "lag",
    "memory",
    "overload",
    "lag then",
    "memory then",
    "gone",
)

Fields = dict[str, Any]
Say = Callable[[str], None]


def tried(loaded: Loaded, workflows: int, minutes: float, say: Say) -> Fields:
    """What was found with so many workflows."""
    seconds = minutes * 60
    hold(loaded, FIRST, WARM_UP_S, lambda look: look.requests > 0)
    drain(loaded)
    say(f"{workflows} workflow(s): raising the rate until the lag grows")
    found = search(loaded, START / workflows, min(max(seconds / 20, STEPS_S[0]), STEPS_S[1]))
    if not found:
        return {"workflows": workflows, "is_kept": False, "rate": 0.0}
    say(f"{workflows} workflow(s): holding {found:.0f} events a second for {seconds:.0f} s")
    held = hold_the_highest(loaded, found, seconds)
    say(f"{workflows} workflow(s): {OVERLOAD * held.rate:.0f} events a second for {min(seconds, OVERLOAD_S):.0f} s")
    over = hold(loaded, OVERLOAD * held.rate, min(seconds, OVERLOAD_S))
    return {"workflows": workflows, **_held(held), **_overdone(over, drain(loaded))}


def _held(span: Span) -> Fields:
    median, highest = span.lag_s
    return {
        "is_kept": span.is_flat and span.is_fed,
        "held_s": span.looks[-1].at - span.looks[0].at,
        "rate": span.written_rate,
        "request_rate": span.request_rate,
        "lag_s": median,
        "highest_lag_s": highest,
        "rss_mib": span.looks[-1].rss_mib,
    }


def _overdone(span: Span, gone_s: float | None) -> Fields:
    is_short = span.looks[-1].at - span.looks[0].at < OVERLOAD_S
    return {
        "is_overload_kept": gone_s is not None and (is_short or span.growth <= GROWTH),
        "is_overload_short": is_short,
        "overload_rate": span.written_rate,
        "overload_lag": max(look.lag for look in span.looks),
        "overload_rss_mib": max(look.rss_mib for look in span.looks),
        "overload_growth": span.growth,
        "gone_s": gone_s,
    }


def verdicts(found: Fields) -> list[str]:
    """A line for the rate, and one for what twice the rate did."""
    name = f"workflows={found['workflows']}"
    if not found["rate"]:
        return [f"FAIL load sustained {name} rate=0: the lag grew from the first step on"]
    sustained = (
        f"load sustained {name} rate={found['rate']:.0f}/s requests={found['request_rate']:.0f}/s "
        f"held={found['held_s']:.0f}s lag={found['lag_s']:.2f}s highest={found['highest_lag_s']:.2f}s "
        f"memory={found['rss_mib']:.0f}MiB"
    )
    gone = "never" if found["gone_s"] is None else f"{found['gone_s']:.0f}s"
    overload = (
        f"load overload {name} rate={found['overload_rate']:.0f}/s lag={found['overload_lag']} "
        f"memory={found['overload_rss_mib']:.0f}MiB growth={found['overload_growth']:.3f} gone={gone}"
        f"{' (short: memory not judged)' if found['is_overload_short'] else ''}"
    )
    return [_word(found["is_kept"]) + sustained, _word(found["is_overload_kept"]) + overload]


def _word(is_kept: bool) -> str:
    return "PASS " if is_kept else "FAIL "


def table_of(results: list[Fields]) -> Table:
    """The same as a table."""
    table = Table(title=machine(), title_justify="left")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    for found in (one for one in results if one["rate"]):
        gone = "never" if found["gone_s"] is None else f"{found['gone_s']:.0f} s"
        table.add_row(
            *(str(found["workflows"]), f"{found['held_s']:.0f} s", f"{found['rate']:,.0f}"),
            *(f"{found['request_rate']:,.0f}", f"{found['lag_s']:.1f} s", f"{found['rss_mib']:.0f} MiB"),
            *(f"{found['overload_rate']:,.0f}", f"{found['overload_lag']:,}", f"{found['overload_rss_mib']:.0f} MiB"),
            gone,
        )
    return table


def run(directory: Path, numbers: list[int], minutes: float, say: Say) -> list[Fields]:
    """Try each number of workflows on one broker."""
    kafka = ApacheKafka(directory / "kafka", BIG_LOGS, heap="1g", java_options=())
    with kafka, Endpoints(directory / "endpoint") as endpoints:
        stage = Stage(directory, Topics(kafka.bootstrap), endpoints, 0)
        results = []
        for workflows in numbers:
            with trial(stage, workflows) as loaded:
                results.append(tried(loaded, workflows, minutes, say))
        return results


def main() -> None:
    """Try, print, and exit with 1 where a line says FAIL."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the rate is held (default: 10)")
    parser.add_argument("--workflows", default="1,10", help="numbers of workflows to try (default: 1,10)")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    given = parser.parse_args()
    stay_off_the_programs_core()
    end_in_order()
    if load() > BUSY:
        print(f"Others use this machine (load {load():.1f}): the rates will be too low.", file=sys.stderr)
    numbers = [int(number) for number in given.workflows.split(",")]
    with tempfile.TemporaryDirectory(prefix="tray-load-") as scratch:
        results = run(Path(scratch), numbers, given.minutes, lambda what: print(what, file=sys.stderr, flush=True))
    Console(width=None if sys.stdout.isatty() else 140, highlight=False).print(table_of(results))
    lines = [line for found in results for line in verdicts(found)]
    print(*lines, sep="\n")
    if given.json:
        given.json.write_text(json.dumps({"machine": machine(), "results": results}, indent=1) + "\n")
    sys.exit(0 if all(line.startswith("PASS") for line in lines) else 1)


if __name__ == "__main__":
    main()

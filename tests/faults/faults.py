"""Plays the fault matrix on real Kafka: all rows, or ROW, each with SEEDS seeds; the table goes to MATRIX.md.

    make faults                 every row with one seed
    make faults SEEDS=3         every row with three
    make faults ROW=19 SEED=4   one row, the same way each time

Needs Java and Maven for Apache Kafka (fetched once). At most two brokers run at once.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from faults_matrix import ROWS
from faults_row import Result, Row, play
from faults_stage import Stage, Staged, set_up
from faults_table import write

AT_ONCE = 3
"""Rows that are played at the same time on the shared broker."""

Turn = tuple[Row, int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Play what is asked for; 1 when a promise was broken."""
    asked = _parser().parse_args(arguments)
    # A shell starts what runs in the background with SIGINT ignored, which programs started from here would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    seeds = range(1, asked.seeds + 1) if asked.seed is None else [asked.seed]
    turns = [(row, seed) for seed in seeds for row in ROWS if row.play and (not asked.row or row.number in asked.row)]
    began = time.monotonic()
    folder = Path(asked.keep or tempfile.mkdtemp(prefix="tray-faults-"))
    results = play_all(turns, folder)
    failed = [result for result in results if not result.has_passed]
    took = time.monotonic() - began
    if asked.write and not asked.row:
        write(ROWS, results, took)
    print(f"{len(results) - len(failed)} of {len(results)} passed in {took:.0f} s.", flush=True)
    if failed:
        print(f"Logs and traces of the {len(failed)} that failed are in {folder}.")
    return 1 if failed else 0


def play_all(turns: Sequence[Turn], folder: Path) -> list[Result]:
    """Rows of the shared broker beside those that need one of their own; the pair last, and alone."""
    lanes: list[tuple[list[Stage], int]] = [([Stage.SHARED], AT_ONCE), ([Stage.OWN, Stage.SECURED, Stage.SLOWED], 1)]
    with ThreadPoolExecutor(len(lanes)) as pool:
        found = pool.map(lambda lane: _play_lane(lane[0], lane[1], turns, folder), lanes)
        results = [result for lane in found for result in lane]
    return results + _play_lane([Stage.PAIR], 1, turns, folder)


def _play_lane(stages: Iterable[Stage], at_once: int, turns: Sequence[Turn], folder: Path) -> list[Result]:
    results: list[Result] = []
    for stage in stages:
        mine = [turn for turn in turns if turn[0].stage is stage]
        if mine:
            results += _play_on(stage, at_once, mine, folder)
    return results


def _play_on(stage: Stage, at_once: int, turns: Sequence[Turn], folder: Path) -> list[Result]:
    staged = set_up(stage, folder / stage.name.lower())
    try:
        with ThreadPoolExecutor(at_once) as players:
            return list(players.map(partial(_play_one, staged, folder), turns))
    finally:
        staged.close()


def _play_one(staged: Staged, folder: Path, turn: Turn) -> Result:
    row, seed = turn
    if row.stage is not Stage.SHARED:
        staged.start()  # in case that the row before has failed and left it dead
    result = play(row, seed, staged, folder / f"row-{row.number}-seed-{seed}")
    print(result.line(), *(f"\n    {found}" for found in result.findings[:8]), flush=True)
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", type=int, action="append", help="play this row only; may be given several times")
    parser.add_argument("--seed", type=int, help="play with this seed")
    parser.add_argument("--seeds", type=int, default=1, help="play each row with the seeds 1 to this")
    parser.add_argument(
        "--write", action="store_true", help="write the table of MATRIX.md anew, when all rows are played"
    )
    parser.add_argument("--keep", help="directory for logs and traces; default: a temporary one")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""`python -m support.simulate`: run seeds, judge each, print those that fail; replay one with its log."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor

from rich.console import Console
from rich.progress import Progress

from support.recreated_topic import RecreatedTopic, judge_recreated
from support.simulation import Simulation
from support.verdicts import judge

CHUNK = 25


def findings_of(seed: int) -> list[str]:
    """What is wrong with the runs of one seed; an exception counts as a finding."""
    findings: list[str] = []
    for simulation in _worlds(seed):
        try:
            simulation.run()
        except Exception as error:  # whatever the engine raises in a simulation is what is looked for
            findings.append(f"raised: {error!r}")
        else:
            findings += _judge(simulation)
    return findings


def _worlds(seed: int) -> list[Simulation]:
    return [Simulation(seed), RecreatedTopic(seed)]


def _judge(simulation: Simulation) -> list[str]:
    return judge_recreated(simulation) if isinstance(simulation, RecreatedTopic) else judge(simulation)


def failing(seeds: Iterable[int], processes: int | None = None) -> Iterator[tuple[int, list[str] | None]]:
    """(seed, findings) of each seed that fails, and (seed, None) of each that does not; on several processes."""
    # Not forked: a copy of a process in which Kafka clients have run crashes when it collects them.
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes or os.cpu_count(), mp_context=fresh) as pool:
        seeds = list(seeds)
        for seed, findings in zip(seeds, pool.map(findings_of, seeds, chunksize=CHUNK), strict=True):
            yield seed, findings or None


def replay(seed: int, out: Console) -> list[str]:
    """Run one seed again and print what happened in it."""
    findings: list[str] = []
    for simulation in _worlds(seed):
        simulation.run()
        out.print(f"{type(simulation).__name__}:", highlight=False)
        for line in simulation.log:
            out.print(line, highlight=False)
        findings += _judge(simulation)
    return findings


def main(arguments: list[str] | None = None) -> int:
    """0 when every seed is clean, else 1."""
    parser = argparse.ArgumentParser(prog="python -m support.simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="how many seeds (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="replay this one seed and print its log")
    given = parser.parse_args(arguments)
    out = Console()
    if given.seed is not None:
        findings = replay(given.seed, out)
        out.print("\n".join(findings) or f"seed {given.seed}: clean", highlight=False)
        return int(bool(findings))
    bad = 0
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("seeds", total=given.seeds)
        for seed, found in failing(range(given.first, given.first + given.seeds)):
            progress.advance(task)
            if found is not None:
                bad += 1
                out.print(f"seed {seed}: {found[0]} ({len(found)} findings)", highlight=False)
    out.print(f"{given.seeds} seeds, {bad} with findings")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())

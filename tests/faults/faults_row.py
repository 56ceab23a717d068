"""One row of the matrix, and how it is played."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from acceptance_support import ENTRY
from faults_stage import Stage
from faults_trial import Trial
from faults_verdict import findings
from support.receiver import FaultReceiver
from support.topics import Broker

Play = Callable[[Trial], None]


@dataclass(frozen=True)
class Row:
    """A fault, how it is injected, and what must hold all the same."""

    number: int
    fault: str
    injected: str
    invariants: str
    play: Play | None = None
    stage: Stage = Stage.SHARED
    partitions: int = 4
    is_fast: bool = False
    """Among those that `make test` plays."""
    elsewhere: tuple[str, ...] = ()
    """Tests that prove this row, or a part of it, as path::name from tests/ on."""


@dataclass(frozen=True)
class Result:
    """What came of playing a row with a seed."""

    row: Row
    seed: int
    findings: list[str] = field(default_factory=list)
    counters: dict[str, float | str] = field(default_factory=dict)
    took_s: float = 0.0

    @property
    def has_passed(self) -> bool:
        """Whether every promise was kept."""
        return not self.findings

    def line(self) -> str:
        """The closing line."""
        told = " ".join(f"{name}={value}" for name, value in self.counters.items())
        verdict = "PASS" if self.has_passed else "FAIL"
        return f"{verdict} row={self.row.number} seed={self.seed} {told} took={self.took_s:.1f}s  {self.row.fault}"


def play(row: Row, seed: int, stage: Broker, directory: Path, entry: Sequence[str] = ENTRY) -> Result:
    """Play a row on a stage that is set up; what the scenario itself asserts counts like the verdict."""
    assert row.play is not None
    began = time.monotonic()
    directory.mkdir(parents=True, exist_ok=True)
    topic = f"row-{row.number}-seed-{seed}-{time.time_ns() % 1_000_000_000:09d}"
    with FaultReceiver() as receiver:
        trial = Trial(stage, topic, receiver, directory, seed=row.number * 1000 + seed, entry=entry)
        stage.create_topic(topic, row.partitions)
        found = [*_whatever(row.play, trial), *_whatever(findings, trial)]
    if found:
        _keep_logs(trial)
    return Result(row, seed, found, trial.counters, time.monotonic() - began)


def _whatever(step: Callable[[Trial], list[str] | None], trial: Trial) -> list[str]:
    """What a step finds, or what ends it; afterwards no program runs."""
    try:
        return step(trial) or []
    except Exception as error:  # whatever ends a scenario is its finding
        return [f"{type(error).__name__}: {error}", traceback.format_exc()]
    finally:
        trial.close()


def _keep_logs(trial: Trial) -> None:
    for number, program in enumerate(trial.programs):
        (trial.directory / f"run-{number}.log").write_text(program.log)

"""What the one endpoint shows of all workers together; each sample has the label `worker`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import TimeoutError as NoAnswerError
from dataclasses import dataclass, field, replace

from prometheus_client import generate_latest

from stream import __version__
from stream.model.held import Json
from stream.model.held import merged as merged_held
from stream.model.statistics import EngineStats
from stream.runtime.loop_answer import Remembered
from stream.runtime.supervisor.messages import Ask
from stream.runtime.supervisor.supervisor import FRESH_WITHIN_S, Supervisor
from stream.runtime.supervisor.worker import Clock, Worker
from stream.telemetry.catalogue import WORKER_RESTARTS, WORKER_UP, Metric
from stream.telemetry.clock import SystemClock
from stream.telemetry.health import HEARTBEAT_MAX_AGE_S
from stream.telemetry.metrics import EngineCollector
from stream.telemetry.status.keeper import StatusKeeper
from stream.telemetry.status.merging import latest_changes
from stream.telemetry.status.merging import merged as merged_status
from stream.telemetry.status.report import ProcessStatus

HELP = "# HELP "


class ExposedWorkers:
    """`Exposed` of a supervisor and its workers; from any thread but the event loop's.

    Health and readiness are those of the last second; the metrics are asked for anew.
    """

    def __init__(
        self, supervisor: Supervisor, waiting: Sequence[EngineStats], loop: asyncio.AbstractEventLoop, clock: Clock
    ) -> None:
        """`waiting` has the numbers that are shown until a worker has some of its own."""
        self._supervisor = supervisor
        self._waiting = EngineCollector(waiting, __version__)
        self._waiting_status = StatusKeeper(waiting, __version__, SystemClock())
        self._status = Remembered(self._merged_status, SystemClock())
        self._loop = loop
        self._clock = clock

    def metrics(self) -> bytes:
        """The metrics of every worker, with its number; one that does not answer shows what it said last."""
        self._refresh(Ask.METRICS)
        workers = self._supervisor.workers
        up = _text(WORKER_UP, {worker.number: int(worker.is_running) for worker in workers})
        restarts = _text(WORKER_RESTARTS, {worker.number: worker.restarts for worker in workers})
        texts = {worker.number: worker.metrics for worker in workers}
        if not any(texts.values()):
            texts = dict.fromkeys(texts, generate_latest(self._waiting).decode())
        return (up + restarts + merged(texts)).encode()

    def held(self) -> Json | None:
        """What the workers hold, with their numbers; None while one that runs does not say."""
        self._refresh(Ask.HELD)
        running = [worker for worker in self._supervisor.workers if worker.is_running]
        if not all(worker.held for worker in running):
            return None
        return merged_held({worker.number: worker.held for worker in running})

    def status(self) -> ProcessStatus:
        """The status of all workers together, a second old at most unless one does not answer."""
        return self._status()

    def _merged_status(self) -> ProcessStatus:
        self._refresh(Ask.STATUS)
        workers, supervisor = self._supervisor.workers, self._supervisor
        said = {str(worker.number): status for worker in workers if (status := worker.status) is not None}
        whole = merged_status(said or {"": self._waiting_status.status()})
        return replace(
            whole,
            workers=len(workers),
            workers_up=sum(worker.is_running for worker in workers),
            worker_restarts=sum(worker.restarts for worker in workers),
            started_at=self._waiting_status.started_at,
            changes=latest_changes([*whole.changes, *supervisor.changes.copy()]),
        )

    def _refresh(self, what: Ask) -> None:
        with contextlib.suppress(NoAnswerError, RuntimeError):  # RuntimeError: the loop is closed
            asyncio.run_coroutine_threadsafe(self._supervisor.refresh(what), self._loop).result(2 * FRESH_WITHIN_S)

    def health_fault(self) -> str:
        """The workers that gave no sign of life for too long, or said themselves that something is stuck."""
        return " ".join(self._each(self._health_fault_of))

    def readiness_fault(self) -> str:
        """The workers that have not joined a group; or that all are stopping."""
        if self._supervisor.stopping.is_set():
            return "Stopping."
        return " ".join(self._each(_readiness_fault_of))

    def _each(self, fault_of: Callable[[Worker], str]) -> Iterator[str]:
        for worker in self._supervisor.workers:
            if fault := fault_of(worker):
                yield f"Worker {worker.number}: {fault}"

    def _health_fault_of(self, worker: Worker) -> str:
        age_s = 0.0 if worker.heard_at is None else self._clock() - worker.heard_at
        if age_s > HEARTBEAT_MAX_AGE_S:
            return f"No sign of life for {age_s:.0f} s."
        report = worker.report
        return report.health_fault if report else ""


def _readiness_fault_of(worker: Worker) -> str:
    report = worker.report
    return report.readiness_fault if report else "Not started yet."


def _text(metric: Metric, value_by_worker: Mapping[int, int]) -> str:
    head = f"# HELP {metric.name} {metric.sentence}\n# TYPE {metric.name} {metric.kind}\n"
    return head + "".join(f'{metric.name}{{worker="{n}"}} {value}.0\n' for n, value in value_by_worker.items())


@dataclass
class _Family:
    """What the text says of one metric: its two lines of comment, then samples of whichever worker."""

    comments: list[str]
    samples: list[str] = field(default_factory=list)


def merged(text_by_worker: Mapping[int, str]) -> str:
    """Every sample of every worker, those of one metric together, as the format wants it."""
    families: dict[str, _Family] = {}
    for worker, text in sorted(text_by_worker.items()):
        for comments, samples in _families(text.splitlines()):
            family = families.setdefault(comments[0], _Family(comments))
            family.samples += [_labelled(sample, worker) for sample in samples]
    lines = (line for family in families.values() for line in (*family.comments, *family.samples))
    return "".join(f"{line}\n" for line in lines)


def _families(lines: Iterable[str]) -> Iterator[tuple[list[str], list[str]]]:
    """(comments, samples) of each metric; a family begins with its line of help."""
    comments: list[str] = []
    samples: list[str] = []
    for line in lines:
        if line.startswith(HELP) and comments:
            yield comments, samples
            comments, samples = [], []
        (comments if line.startswith("#") else samples).append(line)
    if comments:
        yield comments, samples


def _labelled(sample: str, worker: int) -> str:
    """The sample with one label more. A name holds neither a brace nor a blank."""
    name, brace, rest = sample.partition("{")
    if brace and " " not in name:
        return f'{name}{{worker="{worker}",{rest}'
    name, _, value = sample.partition(" ")
    return f'{name}{{worker="{worker}"}} {value}'

"""What a scrape costs with ten workflows and 64 partitions: `python tests/bench/scrape_cost.py`.

The endpoint is asked over HTTP, as Prometheus does, while the event loop runs: the numbers are copied on the loop,
which stands still for that long, and written out on the endpoint's own thread. The bar is 20 ms for the whole answer.
"""

from __future__ import annotations

import asyncio
import http.client
import statistics
import time
from collections.abc import Callable, Sequence
from copy import deepcopy

from support.scripted_workflow import SilentLogger

from stream.model.records import TopicPartition
from stream.model.statistics import EngineStats
from stream.runtime.loop_answer import MonotonicStats, ask_loop
from stream.telemetry.clock import SystemClock
from stream.telemetry.health import ExposedProcess, Health
from stream.telemetry.metrics import build_registry
from stream.telemetry.server import TelemetryServer
from stream.telemetry.status.keeper import StatusKeeper
from stream.telemetry.status.report import ProcessStatus

TOPIC = "segment-events"
WORKFLOWS = [f"workflow-{number}" for number in range(10)]
PARTITIONS = 64
CODES = ("200", "400", "429", "500", "503")
SCRAPES = 51


def engine(group: str, workflows: Sequence[str]) -> EngineStats:
    """An engine that has run for a while."""
    stats = EngineStats(group, [TOPIC], workflows)
    for partition in range(PARTITIONS):
        tp = TopicPartition(TOPIC, partition)
        stats.committed[tp], stats.ends[tp], stats.records_lost[tp] = 1_000_000, 1_000_500, 0
    for workflow in stats.workflows.values():
        workflow.attempts.update(dict.fromkeys(CODES, 1_000))
        workflow.oldest_open_at = workflow.last_delivery_at = workflow.gate_closed_since = 1.7e9
        for number in range(100):
            workflow.attempt_duration.observe(0.002 * number)
            workflow.age.observe(0.1 * number)
    return stats


def ask(port: int, path: str) -> tuple[float, int, int]:
    """Milliseconds for one answer, its bytes and its lines that are no comments."""
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path)
    body = connection.getresponse().read()
    connection.close()
    elapsed = (time.perf_counter() - began) * 1e3
    return elapsed, len(body), sum(not line.startswith(b"#") for line in body.splitlines())


async def measure(name: str, engines: Sequence[EngineStats]) -> None:
    """Print the cost for these engines."""
    clock = SystemClock()
    loop, keeper = asyncio.get_running_loop(), StatusKeeper(engines, "bench", clock)
    registry = build_registry(MonotonicStats(loop, engines), "bench")

    def status() -> ProcessStatus | None:  # anew for each request, which a process does once a second
        return ask_loop(loop, keeper.status)

    exposed = ExposedProcess(registry, Health(clock), clock, dict, status)
    server = TelemetryServer("127.0.0.1:0", exposed, clock, SilentLogger())
    server.start()
    try:
        answers = [await asyncio.to_thread(ask, server.port, "/metrics") for _ in range(SCRAPES)]
        looks = [await asyncio.to_thread(ask, server.port, "/status.json") for _ in range(SCRAPES)]
        pages = [await asyncio.to_thread(ask, server.port, "/") for _ in range(SCRAPES)]
    finally:
        await asyncio.to_thread(server.close)
    began = time.perf_counter()
    deepcopy(list(engines))
    stall = (time.perf_counter() - began) * 1e3
    samples_s = [_timed(keeper.sample) for _ in range(60)]
    began = time.perf_counter()
    keeper.status()
    looked = (time.perf_counter() - began) * 1e3
    times, (_, size, samples) = [elapsed for elapsed, _, _ in answers], answers[-1]
    print(
        f"{name:<18} {samples:>5,} samples {size / 1024:>4.0f} KiB: {statistics.median(times):5.1f} ms a scrape "
        f"(slowest of {SCRAPES}: {max(times):.1f}), the event loop stands still for {stall:.1f} ms of it"
    )
    for what, found in (("/status.json", looks), ("the status page", pages)):
        took, (_, size, _) = [elapsed for elapsed, _, _ in found], found[-1]
        print(
            f"{'':<18} {what}, {size / 1024:.0f} KiB: {statistics.median(took):5.1f} ms a request "
            f"(slowest of {SCRAPES}: {max(took):.1f}), the event loop stands still for {looked:.1f} ms of it"
        )
    print(f"{'':<18} what the status keeps, once a second: {statistics.median(samples_s):.2f} ms")


def _timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e3


def main() -> None:
    """Both layouts of consumer groups."""
    print(f"{len(WORKFLOWS)} workflows, {PARTITIONS} partitions:")
    asyncio.run(measure("one shared group", [engine("tray", WORKFLOWS)]))
    asyncio.run(measure("a group for each", [engine(f"tray.{name}", [name]) for name in WORKFLOWS]))


if __name__ == "__main__":
    main()

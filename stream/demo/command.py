"""`tray-stream demo`: the main job, watched."""

from __future__ import annotations

import asyncio
import signal
import socket

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from stream.console.output import standard_output
from stream.console.stop_signals import call_on_signal
from stream.demo.report import DemoOutcome, events_table, offsets_table, verdict, workflows_table
from stream.demo.stage import DEAD_LETTERS, GROUP, TOPIC, WORKFLOWS, Stage, open_stage
from stream.demo.topics import committed_offsets, end_offsets
from stream.model.errors import StreamError, config_error
from stream.run.command import loop_factory
from stream.runtime.processor import Processor, RunOptions
from stream.telemetry.logs import configure_logs, logger

HOST, USUAL_PORT = "127.0.0.1", 9464
TIME_LIMIT_S = 60.0
TRICKLE_EVERY_S = 1.0
REFRESH_S = 0.1


class DemoError(StreamError):
    """The demo did not end as promised."""


def run_demo(keep: bool, listen: str | None) -> None:
    """Play the demo; with `keep` continue with a trickle of events until interrupted. `listen`: for its metrics.

    Raises:
        ConfigError: `listen` cannot be listened on.
        DemoError: an event is not accounted for, or an offset not committed.
    """
    address = _address(keep, listen)
    configure_logs("error")  # what its workflows do wrong is in the table
    out, progress_out = standard_output(), Console(stderr=True)
    out.print("An embedded Kafka broker, a topic of sample Segment events, and three workflows on this machine:")
    for name, what in WORKFLOWS.items():
        out.print(f"  {name:<11} {what}")
    with open_stage(address) as stage:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            processor = runner.run(_play(stage, keep, address, progress_out))
        outcome = DemoOutcome(
            processor.stats,
            committed_offsets(stage.bootstrap, GROUP, TOPIC),
            end_offsets(stage.bootstrap, TOPIC),
            is_stopped=keep,
        )
    _print_outcome(outcome, out)
    if not outcome.is_good:
        raise DemoError(verdict(outcome))


def _address(keep: bool, listen: str | None) -> str:
    """Where it listens; a port of its own where none was named, and the usual one is taken."""
    if listen is None:
        usual = _free_port(HOST, USUAL_PORT if keep else 0)
        return f"{HOST}:{usual or _free_port(HOST, 0)}"
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    if not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise config_error("--listen", f"{listen} is not host:port.", "Write it as 127.0.0.1:9500.")
    free = _free_port(host or HOST, int(port))
    if not free:
        raise config_error("--listen", f"{listen} cannot be listened on.", "Name another port.")
    return f"[{host}]:{free}" if ":" in host else f"{host or HOST}:{free}"


def _free_port(host: str, port: int) -> int:
    """The port, or any free one for 0; 0 when it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family) as server:
            return int(server.getsockname()[1])
    except (OSError, UnicodeError):
        return 0


def _print_outcome(outcome: DemoOutcome, out: Console) -> None:
    for table in (events_table(outcome), workflows_table(outcome), offsets_table(outcome)):
        out.print()
        out.print(table)
    out.print(f"\nDead letters are in the topic {DEAD_LETTERS}. {verdict(outcome)}")


async def _play(stage: Stage, keep: bool, address: str, console: Console) -> Processor:
    processor = Processor(stage.settings, logger(), RunOptions(until_end=not keep, inspect_topics=False))
    for number in (signal.SIGTERM, signal.SIGINT):
        call_on_signal(number, processor.request_stop)
    total = sum(end_offsets(stage.bootstrap, TOPIC).values())
    tasks = [asyncio.create_task(_show_progress(processor, total, console))]
    if keep:
        console.print(f"Ctrl-C ends it. Status page: http://{address}/, in the terminal:")
        console.print(f"  tray-stream top --url {address}")
        tasks.append(asyncio.create_task(_trickle(stage)))
    try:
        async with asyncio.timeout(None if keep else TIME_LIMIT_S):
            await processor.run()
    except TimeoutError:
        raise DemoError(f"The demo did not come to its end within {TIME_LIMIT_S:.0f} s.") from None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return processor


async def _show_progress(processor: Processor, total: int, console: Console) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        received = progress.add_task("received", total=total)
        settled = progress.add_task("settled", total=total)
        rows = {name: progress.add_task(f"→ {name}", total=None) for name in processor.stats.workflows}
        while True:
            progress.update(received, completed=processor.stats.received.total())
            progress.update(settled, completed=processor.stats.settled.total())
            for name, row in rows.items():
                progress.update(row, completed=processor.stats.workflows[name].deliveries["delivered"])
            try:
                await asyncio.sleep(REFRESH_S)
            finally:
                progress.update(settled, completed=processor.stats.settled.total())


async def _trickle(stage: Stage) -> None:
    seed = 2
    while True:
        await asyncio.sleep(TRICKLE_EVERY_S)
        await asyncio.to_thread(stage.produce, 5, seed)
        seed += 1

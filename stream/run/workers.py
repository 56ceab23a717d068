"""`tray-stream run --workers`: the supervisor's process, and a worker's."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from typing import cast

from stream.console.stop_signals import call_on_signal, stop_on_signals
from stream.model.errors import ConfigError, StreamError
from stream.model.ports import Logger
from stream.run.command import end_logged, loop_factory, prepare_log, reload_on_signal, say_stopping
from stream.runtime.engine_runtime import poster
from stream.runtime.policies import own_part
from stream.runtime.processor import Processor, RunOptions
from stream.runtime.supervisor.exits import STOPPED_ALONE
from stream.runtime.supervisor.life import open_connection
from stream.runtime.supervisor.link import Controls, SupervisorLink
from stream.runtime.supervisor.messages import Order, Reload, WorkerReport, WorkerTask
from stream.runtime.supervisor.supervised_run import SupervisedRun, stop_limit_s
from stream.settings.load import Loaded
from stream.telemetry.health import Exposed
from stream.telemetry.logs import LineLogger, configure_logs, logger


def run_supervised(read: Callable[[], Loaded], options: RunOptions) -> None:
    """Keep `options.workers` workers running until stopped, at the end, or none of them can continue.

    Raises:
        StreamError: what kept it from starting any worker.
        SystemExit: with the exit code of what ended all workers.
    """
    loaded = read()
    log = prepare_log(loaded, workers=options.workers)
    run = SupervisedRun(loaded, options, log)
    with end_logged(loaded, log), asyncio.Runner(loop_factory=loop_factory()) as runner:
        code = runner.run(_supervise(run, read, log))
    if code:
        sys.exit(code)


async def _supervise(run: SupervisedRun, read: Callable[[], Loaded], log: LineLogger) -> int:
    stop_on_signals(run, partial(_say_all_stop, log), before_exit=run.kill)
    reload_on_signal(partial(run.reload, read))
    return await run.run()


def _say_all_stop(log: LineLogger, name: str) -> None:
    log.info("Stopping: the workers drain, then make a last commit. A second signal ends all at once.", signal=name)


def run_worker(place: str) -> None:
    """Be the worker that a supervisor has started. `place`: its number and the file descriptor of the line between.

    Raises:
        SystemExit: it has ended with an error, which is in the log.
    """
    try:
        connection = open_connection(int(place.rpartition(":")[2]))
        task = cast(WorkerTask, connection.recv())  # always the first order
    except (ValueError, EOFError, OSError):
        sys.exit("There is no supervisor at the other end: --worker is what `run --workers` starts its workers with.")
    settings = task.loaded.settings
    configure_logs(settings.log.level, settings.log.format, worker=task.number)
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            is_stopped_alone = runner.run(_work(task, connection))
    except StreamError as error:
        logger().error(str(error))
        sys.exit(error.exit_code)
    if is_stopped_alone:
        sys.exit(STOPPED_ALONE)


async def _work(task: WorkerTask, connection: Connection[WorkerReport, Order]) -> bool:
    """Whether it ended since it got a signal of its own, without an order."""
    loop = asyncio.get_running_loop()
    log = logger()
    workers = task.options.workers
    settings = own_part(task.loaded.settings, task.number, workers)
    post = poster(loop)

    def open_link(_listen: str, exposed: Exposed, _logger: Logger) -> SupervisorLink:
        controls = Controls(
            stop=partial(post, processor.request_stop),
            reload=lambda order: post(processor.reload, partial(_own_loaded, order, task)),
            orphaned=partial(post, _on_orphaned, processor),
            logger=log,
            remaining=lambda: processor.remaining,
            end_within_s=stop_limit_s(settings),
        )
        return SupervisorLink(connection, exposed, controls)

    processor = Processor(settings, log, task.options, start=task.start, open_endpoint=open_link)
    alone: list[str] = []

    def say(name: str) -> None:
        if not processor.is_stopping:  # else the supervisor was faster, with the same signal
            alone.append(name)
            say_stopping(log, name)

    stop_on_signals(processor, say)
    call_on_signal(signal.SIGHUP, lambda: None)  # the supervisor reads the settings for all
    await processor.run()
    return bool(alone)


def _own_loaded(order: Reload, task: WorkerTask) -> Loaded:
    """This worker's part of settings that were read again. Raises ConfigError with what was wrong with them."""
    if order.loaded is None:
        raise ConfigError(list(order.problems))
    loaded = order.loaded
    return Loaded(own_part(loaded.settings, task.number, task.options.workers), loaded.path, loaded.warnings)


def _on_orphaned(processor: Processor) -> None:
    if not processor.is_stopping:
        processor.logger.error("The supervisor is gone; draining, then a last commit.")
        processor.request_stop()

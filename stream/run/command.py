"""`tray-stream run`: the processor."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from stream.console.stop_signals import call_on_signal, stop_on_signals
from stream.model.errors import StreamError
from stream.model.ports import Logger
from stream.runtime.processor import Processor, RunOptions
from stream.settings.load import Loaded
from stream.start_signals import RELOADS
from stream.telemetry.logs import LineLogger, configure_logs, logger


def run_processor(read: Callable[[], Loaded], options: RunOptions) -> None:
    """Run until stopped by a signal, at the end, or broken. `read` gives the settings, anew at each SIGHUP.

    Raises:
        StreamError: what ended it; its `exit_code` is the process's.
    """
    loaded = read()
    log = prepare_log(loaded)
    with end_logged(loaded, log), asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_run(Processor(loaded.settings, log, options), read))


@contextmanager
def end_logged(loaded: Loaded, log: LineLogger) -> Iterator[None]:
    """A log for machines has what ended the process as a line of its own kind as well.

    Raises:
        SystemExit: instead of a StreamError, with its exit code, once it is in such a log.
    """
    try:
        yield
    except StreamError as error:
        if loaded.settings.log.format != "json":
            raise
        log.error(str(error), exit_code=error.exit_code)
        sys.exit(error.exit_code)


def prepare_log(loaded: Loaded, **more: object) -> LineLogger:
    """Set the log up; say in it what is odd about the settings, and what is about to run, with `more` about it."""
    configure_logs(loaded.settings.log.level, loaded.settings.log.format)
    log = logger()
    for warning in loaded.warnings:
        log.warning(warning)
    announce(loaded, log, **more)
    return log


def announce(loaded: Loaded, log: LineLogger, **more: object) -> None:
    """Say what is about to run, in one or two lines."""
    settings = loaded.settings
    names = " ".join(workflow.name for workflow in settings.workflows)
    log.info(
        "Starting.",
        topics=" ".join(settings.kafka.topics),
        group=settings.kafka.group_id,
        workflows=names,
        config=str(loaded.path or "none"),
        **more,
    )
    if len(settings.workflows) > 1 and settings.isolation == "shared":
        log.info(
            "All workflows share one consumer group: while one is down the others continue until the open limits are "
            'full, then wait for it. isolation = "workflow" keeps them apart.',
            max_open_events=settings.limits.max_open_events,
        )


def loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    """uvloop's loop where there is one."""
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.Loop  # type: ignore[no-any-return, unused-ignore]  # a class, typed as Any where stubs are missing


async def _run(processor: Processor, read: Callable[[], Loaded]) -> None:
    stop_on_signals(processor, partial(say_stopping, processor.logger))
    reload_on_signal(partial(processor.reload, read))
    await processor.run()


def reload_on_signal(reload: Callable[[], None]) -> None:
    """Reload at each SIGHUP from now on, and for one that came since the settings were read."""
    if sys.platform != "win32":
        call_on_signal(signal.SIGHUP, reload)
    if RELOADS:
        reload()


def say_stopping(log: Logger, name: str) -> None:
    """The line of the first signal."""
    log.info("Stopping: draining, then a last commit. A second signal exits at once.", signal=name)

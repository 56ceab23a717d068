"""What a process takes of the machine: memory, freed from time to time, and file descriptors."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import gc
import os
import resource
from collections.abc import Callable

from stream.model.ports import Logger
from stream.settings.model import Settings

EVERY_S = 10.0
"""Failed connections leave a few cycles behind; this bounds what they hold."""


async def collect_now_and_then(every_s: float = EVERY_S) -> None:
    """Take the collector over until cancelled; what is alive by now is never scanned again.

    What an event leaves behind is freed by its reference count; nothing on its path makes cycles. The collector, left
    to itself, walks the thousands of events that are open again and again, which took a tenth of the process's time.

    After a backlog glibc keeps what lay between objects that live long: an hour of faults left a fifth more.
    """
    trim = _trim_of_allocator()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        while True:
            await asyncio.sleep(every_s)
            gc.collect()
            trim(0)
    finally:
        gc.enable()
        gc.unfreeze()


def _trim_of_allocator() -> Callable[[int], object]:
    """glibc's `malloc_trim`, which gives free memory back to the system; elsewhere nothing."""
    found: Callable[[int], object] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return found or (lambda _keep: None)


OF_THE_PROCESS = 100
"""Libraries, logs, the event loop, the metrics endpoint's connections."""
OF_A_GROUP = 100
"""Kafka's clients of one consumer group, to a cluster of about ten brokers."""
PLENTY = 65_536
NEARLY_ALL = 0.9
_OPEN = "/proc/self/fd"
_FIX = "Raise the limit of the process (ulimit -n, LimitNOFILE= of systemd, ulimits of Docker)."


def needed_descriptors(settings: Settings) -> int:
    """How many a process may come to need: each connection to a workflow or a broker takes one."""
    groups = len(settings.workflows) if settings.isolation == "workflow" else 1
    requests = sum(workflow.max_in_flight for workflow in settings.workflows)
    return OF_THE_PROCESS + groups * OF_A_GROUP + requests


def raise_descriptor_limit(settings: Settings, logger: Logger) -> None:
    """Raise the soft limit towards the hard one; warn when that is too little for the settings."""
    needed = needed_descriptors(settings)
    soft, hard = (_as_count(limit) for limit in resource.getrlimit(resource.RLIMIT_NOFILE))
    wanted = min(hard, max(PLENTY, needed))
    if soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
            soft = wanted
        except (OSError, ValueError):  # some systems have a lower limit of their own
            logger.info("The limit of file descriptors cannot be raised.", limit=soft)
    if soft < needed:
        what = f"With these settings the process may need more file descriptors than it is allowed. {_FIX}"
        logger.warning(what, limit=soft, needed=needed)


def warn_of_descriptors(logger: Logger) -> None:
    """Say so when nearly all are open; where the system does not tell, nothing."""
    limit = _as_count(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    try:
        count = len(os.listdir(_OPEN))
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            return
        count = limit
    if count >= NEARLY_ALL * limit:
        what = f"The process has nearly no file descriptors left: new connections fail. {_FIX}"
        logger.error(what, open=count, limit=limit, limit_key="descriptors")


def _as_count(limit: int) -> int:
    return 2**31 if limit == resource.RLIM_INFINITY else limit

"""File descriptors: each connection to a workflow or a broker takes one, and the usual limit is 1024."""

from __future__ import annotations

import errno
import os
import resource

from stream.model.ports import Logger
from stream.settings.model import Settings

OF_THE_PROCESS = 100
"""Libraries, logs, the event loop, the metrics endpoint's connections."""
OF_A_GROUP = 100
"""Kafka's clients of one consumer group, to a cluster of about ten brokers."""
PLENTY = 65_536
NEARLY_ALL = 0.9
_OPEN = "/proc/self/fd"
_FIX = "Raise the limit of the process (ulimit -n, LimitNOFILE= of systemd, ulimits of Docker)."


def needed_descriptors(settings: Settings) -> int:
    """How many a process may come to need with these settings."""
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

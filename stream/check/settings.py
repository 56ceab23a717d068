"""`tray-stream check`: what can be said of the settings without asking Kafka or a workflow."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

from stream.check.finding import Finding
from stream.settings.model import Http, Settings
from stream.settings.workflow import Workflow


def check_settings(settings: Settings) -> Iterator[Finding]:
    """A line for each workflow with what it receives, then what is worth a second thought."""
    if not settings.workflows:
        yield Finding("workflows", "warning", "None is configured: run needs at least one.")
    for workflow in settings.workflows:
        yield Finding(f"workflow {workflow.name}", "ok", _summary(settings, workflow))
    if len(settings.workflows) > 1 and settings.isolation == "shared":
        detail = (
            "shared: while one workflow is down, the others continue only until the limits are full. With "
            '"workflow" each has a consumer group of its own (offsets migrate carries offsets over).'
        )
        yield Finding("isolation", "warning", detail)


def _summary(settings: Settings, workflow: Workflow) -> str:
    types = "every type" if workflow.wanted_types is None else ", ".join(sorted(workflow.wanted_types))
    parts = [workflow.url.redacted(), types]
    if workflow.exclude_types:
        parts[-1] += f" but {', '.join(workflow.exclude_types)}"
    if workflow.events:
        parts.append(f"track events {', '.join(workflow.events)}")
    if workflow.where is not None:
        parts.append(f"where {workflow.where}")
    if filters := len(settings.destination.filters) + len(workflow.filters):
        parts.append("1 filter" if filters == 1 else f"{filters} filters")
    if workflow.paused:
        parts.append("paused")
    if workflow.rate_limit is not None:
        parts.append("limited in rate")
    signed = bool(settings.secrets_of(workflow))
    parts.append(f"signed ({settings.signing_of(workflow)})" if signed else "not signed")
    return "; ".join(parts)


def check_listen(http: Http) -> Iterator[Finding]:
    """Whether run could serve metrics; a tray-stream that runs on this machine is the usual reason why not."""
    what = f"http.listen {http.listen}"
    try:
        family, _, _, _, address = socket.getaddrinfo(http.host, http.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(address)
    except (socket.gaierror, UnicodeError):
        yield Finding(what, "failed", "The host cannot be resolved. Write an address of this machine.")
    except OSError as error:
        is_taken = error.errno == errno.EADDRINUSE
        detail = f"It cannot be listened on here ({(error.strerror or 'refused').lower()})."
        unless = "Unless a tray-stream runs here already, choose" if is_taken else "Choose"
        fix = f"{unless} another {'port' if is_taken else 'address'}: run would end with exit 2."
        yield Finding(what, "warning" if is_taken else "failed", f"{detail} {fix}")
    else:
        yield Finding(what, "ok")

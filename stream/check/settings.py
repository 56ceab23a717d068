"""What `check` finds in the settings alone: their warnings, a sample event's request, and each workflow's endpoint."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Iterator

from confluent_kafka import Consumer, Producer

from stream.check.finding import Finding
from stream.http.egress import Address
from stream.http.probe import probe
from stream.kafka.client_config import (
    KafkaPolicy,
    consumer_config,
    open_client,
    producer_config,
    require_patterns,
    without_token,
)
from stream.model.amounts import counted
from stream.model.errors import ConfigError
from stream.runtime.endpoints import WorkflowEndpoint, endpoints_of
from stream.runtime.extras import require_registry, require_tracing
from stream.runtime.policies import kafka_policy, layouts
from stream.runtime.reload import EnginePlan, plan_engines
from stream.settings.model import Http, Settings
from stream.settings.workflow import Workflow

PROBE_TIMEOUT_S = 5.0
_SILENT = logging.Logger("rehearsal", logging.CRITICAL + 1)


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
        parts.append(counted(filters, "filter"))
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


async def probe_workflows(settings: Settings) -> list[Finding]:
    """Whether each workflow takes a connection, as `run` would make it; no event is sent."""
    try:
        endpoints = endpoints_of(settings, settings.workflows)
    except ConfigError as error:
        return [Finding(problem.path, "failed", f"{problem.what} {problem.fix}") for problem in error.problems]
    return list(await asyncio.gather(*map(_probe, endpoints)))


async def _probe(endpoint: WorkflowEndpoint) -> Finding:
    fault = await probe(
        endpoint.url.reveal(),
        timeout_s=PROBE_TIMEOUT_S,
        tls=endpoint.tls,
        check=endpoint.guard(_say_nothing),
        proxy=endpoint.proxy_server(),
    )
    what = f"workflow {endpoint.workflow} at {endpoint.url.redacted()}"
    if endpoint.proxy is not None:
        what += f" through {endpoint.proxy.redacted()}"
    if fault:
        return Finding(what, "failed", f"No connection: {fault.rstrip('.')}.")
    return Finding(what, "ok", _praise(endpoint))


def _praise(endpoint: WorkflowEndpoint) -> str:
    if endpoint.proxy is not None:
        return "the proxy connects; what lies behind it is not looked at"
    return "connects, with TLS" if endpoint.url.reveal().lower().startswith("https:") else "connects, without TLS"


def _say_nothing(_address: Address, _why: str) -> None:
    """The finding says it."""


def rehearse_start(settings: Settings) -> None:
    """Build engines, senders and Kafka's clients as a run would, and let go of them. Blocking; nothing is sent.

    Raises:
        ConfigError: a run would end with it.
    """
    require_tracing(settings)
    require_registry(settings)
    planned = plan_engines(settings, layouts(settings)) if settings.workflows else ()
    asyncio.run(_open_senders(planned))
    policies = [kafka_policy(settings, layout, _SILENT) for layout, _ in planned]
    for policy in policies or [kafka_policy(settings, logger=_SILENT)]:
        _open_clients(without_token(policy), with_letters=settings.dead_letter.enabled)


async def _open_senders(planned: EnginePlan) -> None:
    for _, endpoints in planned:
        for endpoint in endpoints:
            await endpoint.open(_Unheard()).close()


def _open_clients(policy: KafkaPolicy, *, with_letters: bool) -> None:
    require_patterns(policy)
    open_client(Consumer, consumer_config(policy)).close()
    if with_letters:
        open_client(Producer, producer_config(policy))


class _Unheard:
    """A logger for senders that send nothing."""

    def info(self, sentence: str, /, **fields: object) -> None:
        """Nothing."""

    warning = error = info

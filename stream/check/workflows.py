"""`tray-stream check --probe`: whether each workflow can be reached."""

from __future__ import annotations

import asyncio

from stream.check.finding import Finding
from stream.http.egress import Address
from stream.http.probe import probe
from stream.model.errors import ConfigError
from stream.runtime.endpoints import WorkflowEndpoint, endpoints_of
from stream.settings.model import Settings

PROBE_TIMEOUT_S = 5.0


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

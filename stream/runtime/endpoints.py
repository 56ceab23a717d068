"""The endpoints of the workflows: senders that connect only to allowed addresses and trust the right certificates."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import ip_network
from pathlib import Path

from stream.http.egress import Address, CheckAddress, EgressGuard
from stream.http.proxy import ProxyServer
from stream.http.sender import WebhookSender
from stream.http.target import parse_target
from stream.http.tls import TlsFileError, client_tls, proxy_tls
from stream.model.errors import ConfigError, Problem
from stream.model.ports import Logger
from stream.settings.egress import ProxyUrl
from stream.settings.model import Settings
from stream.settings.secret import Secret
from stream.settings.workflow import Workflow


@dataclass(frozen=True)
class WorkflowEndpoint:
    """How to reach one workflow. Equal endpoints are interchangeable: a sender opened for one serves the other."""

    workflow: str
    url: Secret
    timeout_s: float
    max_connections: int
    max_connection_age_s: float
    proxy: ProxyUrl | None
    allow: tuple[str, ...]
    public_only: bool
    files: tuple[str, ...]
    """Digests of what the TLS files hold."""
    tls: ssl.SSLContext = field(compare=False)
    proxy_tls: ssl.SSLContext = field(compare=False)

    def open(self, logger: Logger, *, quotes_success: bool = False) -> WebhookSender:
        """A sender, on the running event loop; what it refuses to connect to is logged once for each address."""
        return WebhookSender(
            self.url.reveal(),
            timeout_s=self.timeout_s,
            max_connections=self.max_connections,
            max_connection_age_s=self.max_connection_age_s,
            tls=self.tls,
            check=self.guard(_teller(self.workflow, logger)),
            proxy=self.proxy_server(),
            quotes_success=quotes_success,
        )

    def guard(self, on_refused: Callable[[Address, str], None]) -> CheckAddress:
        """Which addresses may be connected to."""
        return EgressGuard(tuple(map(ip_network, self.allow)), self.public_only, on_refused)

    def proxy_server(self) -> ProxyServer | None:
        """The proxy on the way; None: there is none."""
        return None if self.proxy is None else ProxyServer(self.proxy.reveal(), self.proxy_tls)


def open_senders(settings: Settings, workflows: Sequence[Workflow], logger: Logger) -> list[WebhookSender]:
    """A sender for each of these workflows of the settings, in their order, on the running event loop.

    Raises:
        ConfigError: files of the TLS settings cannot be used.
    """
    return [endpoint.open(logger) for endpoint in endpoints_of(settings, workflows)]


def endpoints_of(settings: Settings, workflows: Sequence[Workflow]) -> list[WorkflowEndpoint]:
    """The endpoints of these workflows of the settings, in their order; TLS files are read anew.

    Raises:
        ConfigError: files cannot be used; each is named.
    """
    problems = [problem for workflow in workflows for problem in _problems(settings, workflow)]
    if problems:
        raise ConfigError(problems)
    return [_way(settings, workflow) for workflow in workflows]


def _way(settings: Settings, workflow: Workflow) -> WorkflowEndpoint:
    ca_file, certificate, key = map(_path, (workflow.ca_file, workflow.client_cert, workflow.client_key))
    return WorkflowEndpoint(
        workflow.name,
        workflow.url,
        workflow.timeout,
        workflow.max_in_flight,
        settings.http_client.max_connection_age,
        workflow.proxy,
        settings.egress.allow,
        settings.egress.public_only,
        tuple(_digest(path) for path in (ca_file, certificate, key)),
        client_tls(ca_file, certificate, key),
        proxy_tls(ca_file),
    )


def _problems(settings: Settings, workflow: Workflow) -> Iterator[Problem]:
    """What stands in the way, as far as that is known without connecting."""
    ca_file, certificate, key = map(_path, (workflow.ca_file, workflow.client_cert, workflow.client_key))
    at = f"workflow[{settings.workflows.index(workflow)}].{{}} ({workflow.name})"
    try:
        parse_target(workflow.url.reveal())
    except ValueError:
        yield Problem(at.format("url"), "cannot be used.", "Write its host as hosts are usually written.")
    try:
        proxy_tls(ca_file)
    except TlsFileError as error:
        yield Problem(at.format("ca_file"), f"{ca_file} {error}.", "Correct the path, or the file.")
    try:
        client_tls(None, certificate, key)
    except TlsFileError as error:
        yield Problem(at.format("client_cert"), f"{certificate} {error}.", "Correct the path, or the file.")


def _path(name: str | None) -> Path | None:
    return None if name is None else Path(name)


def _digest(path: Path | None) -> str:
    return "" if path is None else sha256(path.read_bytes()).hexdigest()


def _teller(workflow: str, logger: Logger) -> Callable[[Address, str], None]:
    logged: set[Address] = set()

    def tell(address: Address, why: str) -> None:
        if address not in logged:
            logged.add(address)
            logger.error(
                "The workflow's host leads to an address that is not connected to. If that is right, add it to "
                "egress.allow.",
                workflow=workflow,
                address=str(address),
                because=f"it {why}",
            )

    return tell

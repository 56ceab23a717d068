"""The settings of the connections to workflows: how old they get, where they may lead, and by which proxy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from stream.rules.secret_text import shown_host
from stream.settings.secret import Secret
from stream.settings.section import Fault, Section, refusal, with_unit
from stream.settings.units import DurationRange
from stream.settings.url import MAX_URL_CHARS, url_fault


class HttpClient(Section):
    """The connections that requests are sent over."""

    max_connection_age: Annotated[float, DurationRange("1s", "1d")] = with_unit(
        "5m",
        "Duration after which a connection is closed as soon as it is free, up to a quarter sooner: a host's new "
        "addresses are in use after that long.",
    )


class Egress(Section):
    """Which addresses workflows may be reached at; checked with the address itself, at each connection."""

    allow: tuple[str, ...] = Field(
        default=(),
        description="Networks (10.20.0.0/16) and addresses that are connected to although they would be refused: "
        "link-local ones, those of a cloud's metadata service and, with public_only, all that are not public.",
    )
    public_only: bool = Field(
        default=False, strict=True, description="Connect to no address but public ones and those that allow names."
    )

    @field_validator("allow")
    @classmethod
    def _networks_are_legal(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        if faults := list(_network_faults(networks)):
            raise refusal(*faults)
        return networks


def _network_faults(networks: tuple[str, ...]) -> Iterator[Fault]:
    for index, network in enumerate(networks):
        try:
            ip_network(network)
        except ValueError:
            yield Fault("is neither a network nor an address.", _fix(network), index)


def _fix(network: str) -> str:
    try:
        return f"Did you mean {ip_network(network, strict=False)}?"
    except ValueError:
        return 'Write it as "10.20.0.0/16" or "fd00::/8".'


_NOT_IN_CREDENTIALS = re.compile(r"[\x00-\x1f\x7f#]")


class ProxyUrl(Secret):
    """Where a proxy listens: http or https, perhaps with a user name and a password."""

    __slots__ = ()

    def redacted(self) -> str:
        """Scheme, host and port: what may be printed of it."""
        parts = urlsplit(self._text)
        return f"{parts.scheme}://{shown_host(parts.netloc.rpartition('@')[2])}"

    def fault(self) -> Fault | None:
        """The first thing that makes it unusable."""
        return proxy_fault(self._text)


def proxy_fault(proxy: str) -> Fault | None:
    """The first thing that makes `proxy` unusable, or None."""
    head, at, host = proxy.rpartition("@")
    scheme, slashes, _ = head.partition("://")
    if at and not slashes:
        return Fault("has no scheme.", "Write http://… in front of it.")
    if _NOT_IN_CREDENTIALS.search(head):
        return Fault("holds a control character or a # in its user name or password.", "Percent-encode it.")
    if len(proxy) > MAX_URL_CHARS:
        return Fault(f"is longer than {MAX_URL_CHARS} characters.", "Shorten it.")
    fault = url_fault(f"{scheme}://{host}" if at else proxy)
    if fault is not None:
        return fault
    if urlsplit(proxy).path not in ("", "/") or urlsplit(proxy).query:
        return Fault("has a path.", "Write it as http://host:port.")
    return None

"""The settings of the connections to workflows: how old they get, and where they may lead."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Annotated

from pydantic import Field, field_validator

from stream.settings.section import Fault, Section, refusal, with_unit
from stream.settings.units import DurationRange


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

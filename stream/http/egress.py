"""Which addresses may be connected to; asked with the address itself, after the name was resolved.

So it does not matter how an address is spelled in a URL (decimal, octal, hexadecimal), nor what a name server says the
next time: what was allowed is what is connected to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from stream.http.translate import EgressError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
CheckAddress = Callable[[Address], None]
"""Raises `EgressError` for an address that may not be connected to."""

_NEVER: dict[str, tuple[str, ...]] = {
    "is link-local": ("169.254.0.0/16", "fe80::/10"),
    "serves a cloud's metadata": (
        "fd00:ec2::/32",  # AWS: instance metadata, pod identity, time, names
        "fd20:ce::/32",  # Google Cloud
        "fd00:42::/32",  # Scaleway
        "fd00:c1::/32",  # Oracle Cloud
        "fd00:a9fe:a9fe::/48",  # Akamai
        "100.100.100.200/32",  # Alibaba Cloud
        "192.0.0.192/32",  # Oracle Cloud
        "168.63.129.16/32",  # Azure
    ),
}
_NEVER_NETWORKS = [(why, ip_network(network)) for why, networks in _NEVER.items() for network in networks]
_UNIQUE_LOCAL = ip_network("fc00::/7")
_METADATA = [ip_network(network) for network in ("169.254.169.0/24", "169.254.170.0/24", "100.100.100.200/32")]
"""Clouds form the address of their metadata in IPv6 from these."""
_GLOBAL_UNICAST = ip_network("2000::/3")
_NOT_PUBLIC = [
    ip_network(network)
    for network in (
        "192.88.99.0/24",  # once the way to 6to4
        "2001::/23",  # protocols: Teredo, benchmarks, identifiers
        "2001:db8::/32",  # documentation
        "2002::/16",  # once 6to4
        "3ffe::/16",  # once 6bone
        "3fff::/20",  # documentation
    )
]
"""Addresses that some versions of Python take for global."""
_NAT64 = ip_network("64:ff9b::/96")
_OWN_NAT64 = ip_network("64:ff9b:1::/48")
_TRANSLATED = ip_network("::ffff:0:0:0/96")
_COMPATIBLE = ip_network("::/96")
_ISATAP = (0x00005EFE, 0x02005EFE)
_32_BITS = 0xFFFFFFFF


def allow_all(_address: Address) -> None:
    """Lets every address pass."""


@dataclass(frozen=True)
class EgressGuard:
    """Fulfils `CheckAddress`. `allow` passes whatever else is said; `on_refused` is called with each refusal."""

    allow: tuple[Network, ...] = ()
    public_only: bool = False
    on_refused: Callable[[Address, str], None] = lambda _address, _why: None

    def __call__(self, address: Address) -> None:
        """Raises EgressError, with the reason, when the address may not be connected to."""
        why = self.reason(address)
        if why:
            self.on_refused(address, why)
            raise EgressError(f"The address {why}; it is not connected to.")

    def reason(self, address: Address) -> str:
        """Why the address may not be connected to; empty when it may."""
        if self._is_allowed(address):
            return ""
        for each in (address, *embedded(address)):
            why = _why_never(each)
            if why and not self._is_allowed(each):
                return why
        return "is not a public one" if self.public_only and not is_public(address) else ""

    def _is_allowed(self, address: Address) -> bool:
        return any(address in network for network in self.allow)


def is_public(address: Address) -> bool:
    """Whether the whole internet may reach the address, as far as its number says."""
    inner = list(embedded(address))
    if inner and (address in _NAT64 or (isinstance(address, IPv6Address) and address.ipv4_mapped)):
        return is_public(inner[0])
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    if address.is_multicast or not address.is_global or any(address in network for network in _NOT_PUBLIC):
        return False
    return all(is_public(each) for each in inner)


def embedded(address: Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses that an IPv6 address stands for, or leads to through a gateway."""
    if isinstance(address, IPv4Address):
        return
    number = int(address)
    if address.ipv4_mapped is not None or address in _NAT64 or address in _TRANSLATED or address in _COMPATIBLE:
        yield IPv4Address(number & _32_BITS)
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if number >> 32 & _32_BITS in _ISATAP:
        yield IPv4Address(number & _32_BITS)
    if address in _OWN_NAT64:
        yield from map(IPv4Address, _in_own_nat64(number))


def numeric(text: str) -> Address:
    """The address of a socket. Raises EgressError when it is none: what is not understood is not connected to."""
    try:
        return ip_address(text)
    except ValueError as error:
        raise EgressError("The address cannot be read; it is not connected to.") from error


def _in_own_nat64(number: int) -> Iterator[int]:
    """By RFC 6052 the IPv4 address may lie behind 48, 56, 64 or 96 bits, and bits 64 to 71 are skipped."""
    yield (number >> 64 & 0xFFFF) << 16 | (number >> 40 & 0xFFFF)
    yield (number >> 64 & 0xFF) << 24 | (number >> 32 & 0xFFFFFF)
    yield number >> 24 & _32_BITS
    yield number & _32_BITS


def _why_never(address: Address) -> str:
    if address in _UNIQUE_LOCAL and any(map(_is_metadata, _pairs_of_groups(int(address)))):
        return "serves a cloud's metadata"
    return next((why for why, network in _NEVER_NETWORKS if address in network), "")


def _pairs_of_groups(number: int) -> Iterator[IPv4Address]:
    """Each two neighbouring groups of an IPv6 address, as an IPv4 address."""
    return (IPv4Address(number >> shift & _32_BITS) for shift in range(0, 112, 16))


def _is_metadata(address: IPv4Address) -> bool:
    return any(address in network for network in _METADATA)

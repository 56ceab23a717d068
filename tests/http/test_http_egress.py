"""Which addresses are connected to, however they are spelled and whatever the name server says."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from assertions import HANG_S
from conformance_server import OK, ScriptedServer
from http_support import Run, answering, ask
from hypothesis import given
from hypothesis import strategies as st

from stream.http.egress import Address, EgressGuard, numeric
from stream.http.lookup import Address as SocketAddress
from stream.http.lookup import system_lookup
from stream.http.sender import WebhookSender
from stream.http.translate import EgressError

LINK_LOCAL = "The address is link-local; it is not connected to."


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("169.254.169.254", "is link-local"),
        ("169.254.170.2", "is link-local"),
        ("fe80::1", "is link-local"),
        ("fe80::1%2", "is link-local"),
        ("::ffff:169.254.169.254", "is link-local"),
        ("::169.254.169.254", "is link-local"),
        ("::ffff:0:169.254.169.254", "is link-local"),
        ("64:ff9b::a9fe:a9fe", "is link-local"),
        ("64:ff9b:1:a9fe:a9:fe00::", "is link-local"),
        ("64:ff9b:1:ffa9:fe:a9fe::", "is link-local"),
        ("64:ff9b:1:abcd:a9:fea9:fe00:0", "is link-local"),
        ("64:ff9b:1::a9fe:a9fe", "is link-local"),
        ("2002:a9fe:a9fe::1", "is link-local"),
        ("2001:0:a9fe:a9fe::1", "is link-local"),
        ("2001:0:808:808::5601:5601", "is link-local"),
        ("2001:db8::5efe:169.254.169.254", "is link-local"),
        ("2001:db8::200:5efe:a9fe:a9fe", "is link-local"),
        ("fd00:ec2::254", "serves a cloud's metadata"),
        ("fd20:ce::254", "serves a cloud's metadata"),
        ("fd00:a9fe:a9fe::1", "serves a cloud's metadata"),
        ("fd00:c1::a9fe:a9fe", "serves a cloud's metadata"),
        ("fd00:42::42", "serves a cloud's metadata"),
        ("fd12:3456:789a::a9fe:a9fe", "serves a cloud's metadata"),
        ("fd12:a9fe:a9fe:1::5", "serves a cloud's metadata"),
        ("fc00::a9fe:aa02", "serves a cloud's metadata"),
        ("fd00::6464:64c8", "serves a cloud's metadata"),
        ("::ffff:168.63.129.16", "serves a cloud's metadata"),
        ("64:ff9b::a83f:8110", "serves a cloud's metadata"),
        ("2002:6464:64c8::1", "serves a cloud's metadata"),
        ("100.100.100.200", "serves a cloud's metadata"),
        ("::ffff:100.100.100.200", "serves a cloud's metadata"),
        ("168.63.129.16", "serves a cloud's metadata"),
    ],
)
def test_link_local_and_metadata_addresses_are_refused(address: str, why: str) -> None:
    """In every form in which an address can lead to another."""
    assert EgressGuard().reason(ip_address(address)) == why


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::1",
        "10.1.2.3",
        "fc00::1",
        "fd12:3456:a9fe::1",
        "fec0::1",
        "8.8.8.8",
        "2606:4700::1",
        "100.64.0.1",
    ],
)
def test_any_other_address_may_be_connected_to(address: str) -> None:
    """The operator names the URLs; a workflow in the own network is nothing strange."""
    assert EgressGuard().reason(ip_address(address)) == ""


NOT_PUBLIC = "is not a public one"


@pytest.mark.parametrize(
    ("address", "why"),
    [
        *((public, "") for public in ("8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8")),
        *((private, NOT_PUBLIC) for private in ("10.0.0.1", "127.0.0.1", "0.0.0.1", "::", "::1", "172.16.0.1")),
        *((special, NOT_PUBLIC) for special in ("100.64.1.1", "192.88.99.1", "198.18.0.1", "224.0.1.1", "240.0.0.1")),
        *((special, NOT_PUBLIC) for special in ("255.255.255.255", "fc00::1", "2001:db8::1", "ff0e::1", "100::1")),
        *((hidden, NOT_PUBLIC) for hidden in ("64:ff9b::a00:1", "::ffff:10.0.0.1", "2002:a00:1::1", "5f00::1")),
        *(
            (other, NOT_PUBLIC)
            for other in ("fec0::1", "feff::1", "4000::1", "1000::1", "c000::1", "200::1", "::8.8.8.8")
        ),
        *(
            (inner, NOT_PUBLIC)
            for inner in ("2001::1", "2001:20::1", "2001:2::1", "3ffe::1", "2002:808:808::1", "64:ff9b:1::808:808")
        ),
        *((public, "") for public in ("2a00:1450:4001::1", "2001:4860:4860::8888")),
        ("64:ff9b::a9fe:a9fe", "is link-local"),
    ],
)
def test_public_only_refuses_what_is_not_public(address: str, why: str) -> None:
    """By what an address leads to, not by its own number alone."""
    assert EgressGuard(public_only=True).reason(ip_address(address)) == why


@pytest.mark.parametrize("address", ["169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "10.1.2.3"])
def test_what_is_allowed_passes(address: str) -> None:
    """Also where it is spelled differently."""
    allow = (ip_network("169.254.169.254"), ip_network("10.0.0.0/8"))
    guard = EgressGuard(allow, public_only=not address.startswith(("::", "64")))
    assert guard.reason(ip_address(address)) == ""
    assert guard.reason(ip_address("169.254.169.253")) == "is link-local"


@given(st.integers(0, 0xFFFF), st.sampled_from(["::ffff:0:0", "64:ff9b::", "::ffff:0:0:0", "::"]))
def test_no_prefix_hides_a_link_local_address(host: int, prefix: str) -> None:
    """Every link-local address behind every prefix that ends in an IPv4 address."""
    inner = int(IPv4Address("169.254.0.0")) + host
    assert EgressGuard().reason(IPv6Address(int(IPv6Address(prefix)) + inner)) == "is link-local"


def test_an_address_that_cannot_be_read_is_refused() -> None:
    """What is not understood is not connected to."""
    with pytest.raises(EgressError, match="cannot be read"):
        numeric("workflow.test")


# With the senders

SPELLINGS = [
    "2852039166",
    "0xA9FEA9FE",
    "0xa9.254.0xa9fe",
    "169.254.43518",
    "169.254.169.254",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]",
    "[fe80::1]",
]


@pytest.mark.parametrize("host", SPELLINGS)
def test_no_spelling_of_a_url_gets_past_the_guard(host: str, run: Run) -> None:
    """The attempt ends before anything is sent, with a reason that names no URL."""

    async def main() -> None:
        refused: list[Address] = []
        guard = EgressGuard(on_refused=lambda address, _why: refused.append(address))
        sender = WebhookSender(f"http://{host}/latest/meta-data", timeout_s=HANG_S, check=guard)
        answer = await ask(sender)
        await sender.close()
        assert (answer.code, answer.excerpt) == ("connect", LINK_LOCAL.replace("The", "the"))
        assert len(refused) == 1

    run(main())


def test_octal_numbers_are_no_host() -> None:
    """A sender is not even made."""
    with pytest.raises(ValueError, match="cannot be used"):
        WebhookSender("http://0251.0376.0251.0376/", timeout_s=HANG_S)


def test_a_name_that_changes_its_address_gains_nothing(run: Run) -> None:
    """The address that was checked is the one connected to; the name is not asked for again in between."""

    async def main() -> None:
        asked: list[str] = []

        async def lookup(host: str, port: int) -> list[SocketAddress]:
            asked.append(host)
            ip = "127.0.0.1" if len(asked) == 1 else "169.254.169.254"
            return [SocketAddress(socket.AF_INET, (ip, port))]

        async with ScriptedServer(answering([OK, b""])) as server:
            sender = WebhookSender(
                f"http://rebound.test:{server.port}/", timeout_s=HANG_S, lookup=lookup, check=EgressGuard()
            )
            assert (await ask(sender)).status == 200
            await sender.close()
        assert asked == ["rebound.test"]
        assert server.accepts == 1

    run(main())


def test_a_refused_address_does_not_stand_in_for_others(run: Run) -> None:
    """A name with several addresses is reached at one that may be connected to."""

    async def main() -> None:
        async def lookup(_host: str, port: int) -> list[SocketAddress]:
            first = SocketAddress(socket.AF_INET, ("169.254.169.254", port))
            return [first, *await system_lookup("127.0.0.1", port)]

        async with ScriptedServer(answering([OK])) as server:
            sender = WebhookSender(
                f"http://both.test:{server.port}/", timeout_s=HANG_S, lookup=lookup, check=EgressGuard()
            )
            assert (await ask(sender)).status == 200
            await sender.close()

    run(main())

"""Names, addresses, connections and heads of the sender."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import httpx
import pytest
from assertions import HANG_S
from conformance_server import OK, ScriptedServer, Step
from http_support import Run, answering, ask, closed_port, deaf_port, send, server_tls, timed
from hypothesis import given
from hypothesis import strategies as st
from proxy_server import ProxyUnderTest

from stream.http.head import HeadWriter
from stream.http.lookup import Address
from stream.http.proxy import ProxyServer
from stream.http.resolver import Resolver
from stream.http.sender import WebhookSender
from stream.http.translate import EgressError
from stream.model.attempts import Answer, HttpRequest


class Names:
    """A resolver of names that answers as it is told, and counts."""

    def __init__(self, *hosts: str) -> None:
        self.hosts: Sequence[str] = hosts
        self.asked: list[tuple[str, int]] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def lookup(self, host: str, port: int) -> list[Address]:
        """The current addresses; none: the name is unknown."""
        self.asked.append((host, port))
        await self.may_answer.wait()
        if not self.hosts:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [Address(socket.AF_INET, (address, port)) for address in self.hosts]


# Names and addresses


def test_a_flood_of_connections_asks_for_the_name_once(run: Run) -> None:
    """Sixty-four at once wait for the same answer, and one of them may go without harm to the others."""

    async def main() -> None:
        names = Names("127.0.0.1")
        names.may_answer.clear()
        async with ScriptedServer(answering([OK])) as server:
            sender = WebhookSender(f"http://workflow.test:{server.port}/", timeout_s=HANG_S, lookup=names.lookup)
            first = send(sender, lambda _answer: None)
            answers = [ask(sender) for _ in range(63)]
            await asyncio.sleep(0)
            first.cancel()
            names.may_answer.set()
            assert [answer.status for answer in await asyncio.gather(*answers)] == [200] * 63
            await sender.close()
        assert names.asked == [("workflow.test", server.port)]
        assert f"host: workflow.test:{server.port}" in server.requests[0].head

    run(main())


def test_a_name_is_resolved_again_after_a_failure(run: Run) -> None:
    """An unknown name, and addresses that nobody answers at, are not remembered."""

    async def main() -> None:
        names = Names()
        async with ScriptedServer(answering([OK])) as server:
            sender = WebhookSender(f"http://workflow.test:{server.port}/", timeout_s=HANG_S, lookup=names.lookup)
            codes = [(await ask(sender)).code]
            names.hosts = ["127.0.0.9"]
            codes.append((await ask(sender)).code)
            names.hosts = ["127.0.0.1"]
            codes.append((await ask(sender)).code)
            await sender.close()
        assert codes == ["dns", "connect", "200"]
        assert len(names.asked) == 3

    run(main())


def test_an_answer_about_a_name_is_used_again_for_a_moment_only(run: Run) -> None:
    """A change is seen by the connections of the next second."""

    async def main() -> None:
        names = Names("127.0.0.1")
        resolver = Resolver("workflow.test", 80, names.lookup, fresh_s=0.0)
        assert [address.sockaddr for address in await resolver.addresses()] == [("127.0.0.1", 80)]
        names.hosts = ["127.0.0.2"]
        assert [address.sockaddr for address in await resolver.addresses()] == [("127.0.0.2", 80)]
        held = Resolver("workflow.test", 80, names.lookup, fresh_s=60.0)
        await held.addresses()
        await held.addresses()
        assert len(names.asked) == 3

    run(main())


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_an_address_needs_no_lookup(run: Run, host: str) -> None:
    """A URL may name an address itself."""

    async def main() -> None:
        names = Names()
        sender = WebhookSender(f"http://{host}:{closed_port()}/", timeout_s=HANG_S, lookup=names.lookup)
        assert (await ask(sender)).code == "connect"
        await sender.close()
        assert names.asked == []

    run(main())


def test_all_addresses_are_tried(run: Run) -> None:
    """The first two refuse, the third answers."""

    async def main() -> None:
        names = Names("127.0.0.7", "127.0.0.8", "127.0.0.1")
        async with ScriptedServer(answering([OK])) as server:
            sender = WebhookSender(f"http://workflow.test:{server.port}/", timeout_s=HANG_S, lookup=names.lookup)
            assert (await ask(sender)).status == 200
            await sender.close()
        assert server.accepts == 1

    run(main())


def test_an_address_that_does_not_answer_costs_a_moment_only(run: Run) -> None:
    """The next one is tried as well, long before the deadline."""

    async def main() -> None:
        async with ScriptedServer(answering([OK])) as server:
            with deaf_port("127.0.0.3", server.port):
                names = Names("127.0.0.3", "127.0.0.1")
                sender = WebhookSender(f"http://workflow.test:{server.port}/", timeout_s=HANG_S, lookup=names.lookup)
                answer, elapsed_s = await timed(ask(sender))
                assert (answer.status, elapsed_s < HANG_S / 2) == (200, True)
                await sender.close()

    run(main())


def test_addresses_that_all_refuse_are_a_connect_failure(run: Run) -> None:
    """The last one's reason is told."""

    async def main() -> None:
        names = Names("127.0.0.7", "127.0.0.8")
        sender = WebhookSender(f"http://workflow.test:{closed_port()}/", timeout_s=HANG_S, lookup=names.lookup)
        answer = await ask(sender)
        await sender.close()
        assert (answer.failure, answer.excerpt) == ("connect", "connection refused")

    run(main())


def test_cancel_while_several_addresses_are_tried_leaves_nothing_open(run: Run) -> None:
    """Both are on their way."""

    async def main() -> None:
        with deaf_port("127.0.0.3") as port, deaf_port("127.0.0.4", port):
            names = Names("127.0.0.3", "127.0.0.4")
            sender = WebhookSender(f"http://workflow.test:{port}/", timeout_s=0.4, lookup=names.lookup)
            assert (await ask(sender)).code == "timeout"
            await sender.close()

    run(main())
    gc.collect()


def test_an_address_that_is_not_allowed_is_not_connected_to(run: Run) -> None:
    """The check sees the address itself, whatever the name; others of the same name are still tried."""

    async def main() -> None:
        seen: list[str] = []

        def check(address: IPv4Address | IPv6Address) -> None:
            seen.append(str(address))
            if str(address) == "127.0.0.1":
                raise EgressError("not an address for workflows")

        async with ScriptedServer(answering([OK])) as server:
            names = Names("127.0.0.1", "127.0.0.7")
            sender = WebhookSender(
                f"http://workflow.test:{server.port}/", timeout_s=HANG_S, lookup=names.lookup, check=check
            )
            assert (await ask(sender)).excerpt == "connection refused"
            names.hosts = ["127.0.0.7", "127.0.0.1"]
            answer = await ask(sender)
            await sender.close()
        assert (answer.failure, answer.excerpt) == ("connect", "not an address for workflows")
        assert seen == ["127.0.0.1", "127.0.0.7", "127.0.0.7", "127.0.0.1"]
        assert server.accepts == 0

    run(main())


@pytest.mark.parametrize("is_tunnelled", [False, True], ids=["direct", "tunnel"])
def test_an_absolute_name_is_a_name_without_its_dot_to_tls(run: Run, certificate: Path, is_tunnelled: bool) -> None:
    """The server's name and the certificate have none; the Host header keeps it, as curl does."""
    theirs = server_tls(certificate)
    names: list[str | None] = []
    theirs.sni_callback = lambda _tls, name, _context: names.append(name)

    async def main() -> None:
        tls = ssl.create_default_context(cafile=certificate)
        async with ScriptedServer(answering([OK]), theirs) as server, ProxyUnderTest() as proxy:
            url = f"https://localhost.:{server.port}/"
            through = ProxyServer(f"http://localhost.:{proxy.port}") if is_tunnelled else None
            lookup = Names("127.0.0.1").lookup
            sender = WebhookSender(url, timeout_s=HANG_S, tls=tls, lookup=lookup, proxy=through)
            assert (await ask(sender)).code == "200"
            await sender.close()
        assert names == ["localhost"]
        assert f"host: localhost.:{server.port}\r\n" in server.requests[0].head
        if is_tunnelled:
            assert proxy.heads[0].startswith(f"CONNECT localhost.:{server.port} HTTP/1.1\r\nhost: localhost.:")

    run(main())


# Connections


def test_a_busy_connection_is_closed_when_it_is_old(run: Run) -> None:
    """Each time it is free; requests follow one another without a pause, and a new address is found."""

    async def main() -> None:
        names = Names("127.0.0.1")
        async with ScriptedServer(answering([OK])) as server:
            url = f"http://workflow.test:{server.port}/"
            sender = WebhookSender(url, timeout_s=HANG_S, lookup=names.lookup, max_connection_age_s=0.05)
            while server.accepts < 4:
                assert (await ask(sender)).status == 200
            await server.disconnected.wait()
            names.hosts = ["127.0.0.9"]
            while (answer := await ask(sender)).status == 200:
                pass
            await sender.close()
        assert answer.code == "connect"

    run(main())


# Attempts


def test_the_most_recently_used_connection_is_taken_first(run: Run) -> None:
    """So that those not needed are idle for long enough to be closed."""

    async def main() -> None:
        async with ScriptedServer(answering([OK], [Step.WAIT, OK], [OK])) as server:
            sender = WebhookSender(server.url(), timeout_s=HANG_S)
            await ask(sender)
            slow = ask(sender)
            await ask(sender)
            server.answered.set()
            await slow
            for _ in range(3):
                await ask(sender)
            await sender.close()
        assert [request.connection for request in server.requests] == [1, 1, 2, 1, 1, 1]

    run(main())


def test_a_request_costs_no_task(run: Run) -> None:
    """Tasks open connections; everything else is done by callbacks."""

    async def main() -> None:
        made: list[str] = []

        def make_task(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
            made.append(coroutine.__qualname__)
            return asyncio.Task(coroutine, loop=loop, **options)

        async with ScriptedServer(answering([OK])) as server:
            sender = WebhookSender(server.url(), timeout_s=HANG_S)
            await ask(sender)
            asyncio.get_running_loop().set_task_factory(make_task)
            for _ in range(20):
                await ask(sender)
            await sender.close()
        assert made == []

    run(main())


def test_a_bad_request_can_be_cancelled_before_it_is_reported(run: Run) -> None:
    """As any other."""

    async def main() -> None:
        async with ScriptedServer(answering([OK])) as server:
            sender = WebhookSender(server.url(), timeout_s=HANG_S)
            answers: list[Answer] = []
            send(sender, answers.append, HttpRequest([("a b", "c")], b"")).cancel()
            assert (await ask(sender)).status == 200
            await sender.close()
        assert answers == []

    run(main())


def test_what_ended_in_the_same_moment_is_told_together(run: Run) -> None:
    """At a deadline above all; each once, and a cancel comes too late for what is being told."""

    async def main() -> None:
        async with ScriptedServer(answering([Step.HANG])) as server:
            sender = WebhookSender(server.url(), timeout_s=0.1)
            answers: list[Answer] = []

            def on_answer(answer: Answer) -> None:
                answers.append(answer)
                second.cancel()

            send(sender, on_answer)
            second = send(sender, answers.append)
            third = await ask(sender)
            await sender.close()
        assert [answer.code for answer in [*answers, third]] == ["timeout"] * 3

    run(main())


def test_a_sender_can_be_closed_twice_and_unused(run: Run) -> None:
    """Whoever winds down need not know."""

    async def main() -> None:
        async with ScriptedServer(answering([OK])) as server:
            sender = WebhookSender(server.url(), timeout_s=HANG_S)
            await sender.close()
            await ask(sender)
            await asyncio.gather(sender.close(), sender.close())

    run(main())


# Heads

TOKENS = st.text("abcdefghijklmnopqrstuvwxyzABC0123456789-_", min_size=1, max_size=8)
VALUES = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=12)
HEADERS = st.lists(st.tuples(TOKENS, VALUES), max_size=4)


@given(st.lists(st.tuples(HEADERS, HEADERS), min_size=1, max_size=4), HEADERS, st.binary(max_size=20))
def test_what_is_written_once_is_what_would_be_written_each_time(
    pairs: list[tuple[list[tuple[str, str]], list[tuple[str, str]]]], constant: list[tuple[str, str]], body: bytes
) -> None:
    """Whatever headers follow one another, each head is as if it were the only one."""
    writer = HeadWriter(httpx.URL("https://host:8443/p?q"))
    for one, other in pairs:
        for shared, own in ((tuple(constant), one), (tuple(constant), other), ((), one)):
            lines = "".join(f"{name}: {value}\r\n" for name, value in [*shared, *own])
            expected = f"POST /p?q HTTP/1.1\r\nhost: host:8443\r\naccept-encoding: identity\r\n{lines}"
            expected += f"content-length: {len(body)}\r\n\r\n"
            assert writer.write(HttpRequest(own, body, shared)) == expected.encode("latin-1")


def test_what_one_writer_made_of_a_request_serves_the_next() -> None:
    """Each puts its own host and the headers of its workflow before it."""
    own, body = [("idempotency-key", "m-1")], b"{}"
    writers = [HeadWriter(httpx.URL(f"http://{host}/")) for host in ("one", "other")]
    requests = [HttpRequest(own, body, (("x-team", team),)) for team in ("data", "sales")]
    heads = [writers[0].write(requests[0])]
    requests[1].lines = requests[0].lines
    heads.append(writers[1].write(requests[1]))
    for head, host, team in zip(heads, ("one", "other"), ("data", "sales"), strict=True):
        text = f"POST / HTTP/1.1\r\nhost: {host}\r\naccept-encoding: identity\r\nx-team: {team}\r\n"
        assert head.decode() == f"{text}idempotency-key: m-1\r\ncontent-length: 2\r\n\r\n"


@pytest.mark.parametrize(
    "header",
    [
        ("", "x"),
        ("a b", "x"),
        ("a:", "x"),
        ("a\n", "x"),
        ("ä", "x"),
        ("a", "x\r\nb: c"),
        ("a", "\x00"),
        ("a", "\x7f"),
        ("a", "\u2603"),
    ],
)
def test_a_header_that_would_break_the_head_is_refused(header: tuple[str, str]) -> None:
    """At each place and each time."""
    writer = HeadWriter(httpx.URL("http://host/"))
    good = ("content-type", "application/json")
    for headers in ([header], [good, header], [good], [good, header], [header, good]):
        if header in headers:
            for request in (HttpRequest(headers, b""), HttpRequest([], b"", tuple(headers))):
                with pytest.raises(ValueError, match=r".*"):
                    writer.write(request)
        else:
            assert writer.write(HttpRequest(headers, b"")).endswith(b"application/json\r\ncontent-length: 0\r\n\r\n")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://Host:80/", "host"),
        ("https://host:443/", "host"),
        ("https://host:80", "host:80"),
        ("http://[::1]:8080/", "[::1]:8080"),
        ("http://bücher.example/", "xn--bcher-kva.example"),
        ("http://bücher.example.:8080/", "xn--bcher-kva.example.:8080"),
        ("http://Host./", "host."),
    ],
)
def test_the_host_header_has_a_port_when_it_is_not_the_default(url: str, host: str) -> None:
    """Names are in lower case and in ASCII."""
    head = HeadWriter(httpx.URL(url)).write(HttpRequest([], b""))
    assert head.startswith(f"POST / HTTP/1.1\r\nhost: {host}\r\n".encode())

"""A proxy on the way to a workflow."""

from __future__ import annotations

import asyncio
import base64
import ssl
from pathlib import Path

import pytest
from assertions import HANG_S
from conformance_server import OK, SECRET_PATH, ScriptedServer
from http_support import REQUEST, Run, answering, ask, server_tls
from proxy_server import ProxyUnderTest
from support.authority import Authority

from stream.http.egress import Address, EgressGuard
from stream.http.proxy import ProxyServer
from stream.http.sender import WebhookSender
from stream.http.tls import client_tls, proxy_tls


def password(user: str, secret: str) -> str:
    """The header that a proxy gets."""
    return "proxy-authorization: Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


def test_a_request_is_forwarded(run: Run) -> None:
    """To a workflow without TLS; the proxy's password stays with the proxy."""

    async def main() -> None:
        async with ScriptedServer(answering([OK])) as server, ProxyUnderTest() as proxy:
            through = ProxyServer(f"http://ann:s%40crt@127.0.0.1:{proxy.port}")
            sender = WebhookSender(server.url(), timeout_s=HANG_S, proxy=through)
            assert [(await ask(sender)).status for _ in range(2)] == [200, 200]
            await sender.close()
        (head,) = proxy.heads
        assert head.startswith(f"POST {server.url()} HTTP/1.1\r\n")
        assert password("ann", "s@crt") in head
        assert [request.body for request in server.requests] == [REQUEST.body] * 2
        assert "authorization" not in server.requests[0].head.lower()

    run(main())


def test_a_tunnel_hides_everything_but_the_host(run: Run, certificate: Path) -> None:
    """TLS is with the workflow, whose certificate is verified; the connection is used again."""

    async def main() -> None:
        tls = ssl.create_default_context(cafile=certificate)
        async with ScriptedServer(answering([OK]), server_tls(certificate)) as server, ProxyUnderTest() as proxy:
            sender = WebhookSender(
                server.url("localhost"), timeout_s=HANG_S, tls=tls, proxy=ProxyServer(f"http://127.0.0.1:{proxy.port}")
            )
            assert [(await ask(sender)).status for _ in range(3)] == [200, 200, 200]
            await sender.close()
        (head,) = proxy.heads
        assert head.startswith(f"CONNECT localhost:{server.port} HTTP/1.1\r\n")
        assert SECRET_PATH not in head
        assert server.accepts == 1

    run(main())


def test_a_certificate_of_another_host_is_refused_behind_a_proxy(run: Run, certificate: Path) -> None:
    """A proxy that leads somewhere else is found out."""

    async def main() -> None:
        tls = ssl.create_default_context(cafile=certificate)
        async with ScriptedServer(answering([OK]), server_tls(certificate)) as server, ProxyUnderTest() as proxy:
            sender = WebhookSender(
                server.url("127.0.0.1"), timeout_s=HANG_S, tls=tls, proxy=ProxyServer(f"http://127.0.0.1:{proxy.port}")
            )
            assert (await ask(sender)).code == "tls"
            await sender.close()
        assert server.requests == []

    run(main())


def test_a_proxy_may_be_reached_over_tls(run: Run, tmp_path: Path) -> None:
    """It is verified, too: by the usual authorities or by those of the workflow's ca_file."""
    authority = Authority(tmp_path)
    proxys_own = server_tls(authority.issue("localhost"))

    async def main() -> None:
        async with ScriptedServer(answering([OK])) as server, ProxyUnderTest(tls=proxys_own) as proxy:
            url = f"https://localhost:{proxy.port}"
            trusted = WebhookSender(
                server.url(), timeout_s=HANG_S, proxy=ProxyServer(url, proxy_tls(authority.certificate))
            )
            assert (await ask(trusted)).status == 200
            await trusted.close()
            strange = WebhookSender(server.url(), timeout_s=HANG_S, proxy=ProxyServer(url, proxy_tls(None)))
            assert (await ask(strange)).code == "tls"
            await strange.close()

    run(main())


@pytest.mark.parametrize(("refusal", "code", "excerpt"), [(407, "407", ""), (403, "connect", "the proxy answered 403")])
def test_a_tunnel_that_is_refused_says_so(refusal: int, code: str, excerpt: str, run: Run, certificate: Path) -> None:
    """407 is an answer like any other: it puts the settings at fault. Nothing of the proxy's own words is kept."""

    async def main() -> None:
        async with ScriptedServer(answering([OK]), server_tls(certificate)) as server, ProxyUnderTest(refusal) as proxy:
            sender = WebhookSender(
                server.url("localhost"), timeout_s=HANG_S, proxy=ProxyServer(f"http://127.0.0.1:{proxy.port}")
            )
            answer = await ask(sender)
            assert (answer.code, answer.excerpt) == (code, excerpt)
            proxy.refusal = 0
            await sender.close()
        assert server.requests == []

    run(main())


def test_the_guard_looks_at_the_proxys_address(run: Run) -> None:
    """What the proxy resolves is the proxy's to decide; the proxy itself has to be where it may be."""

    async def main() -> None:
        seen: list[str] = []

        class Noting(EgressGuard):
            def __call__(self, address: Address) -> None:
                seen.append(str(address))
                super().__call__(address)

        async with ScriptedServer(answering([OK])) as server, ProxyUnderTest() as proxy:
            url = f"http://localhost:{server.port}/"
            good = WebhookSender(
                url, timeout_s=HANG_S, check=Noting(), proxy=ProxyServer(f"http://127.0.0.1:{proxy.port}")
            )
            assert (await ask(good)).status == 200
            assert seen == ["127.0.0.1"]
            await good.close()
            bad = WebhookSender(url, timeout_s=HANG_S, check=Noting(), proxy=ProxyServer("http://169.254.1.1:3128"))
            answer = await ask(bad)
            assert (answer.code, answer.excerpt) == ("connect", "the address is link-local; it is not connected to.")
            await bad.close()

    run(main())


def test_a_proxy_that_hangs_ends_with_the_attempt(run: Run) -> None:
    """The deadline is for the whole attempt, the tunnel included."""

    async def main() -> None:
        gone = asyncio.Event()

        async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.read(1024):
                pass
            writer.close()
            gone.set()

        server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        sender = WebhookSender("https://localhost/", timeout_s=0.2, proxy=ProxyServer(f"http://127.0.0.1:{port}"))
        assert (await ask(sender)).code == "timeout"
        await asyncio.wait_for(gone.wait(), HANG_S)
        await sender.close()
        server.close()

    run(main())


def test_a_proxy_does_not_show_its_password() -> None:
    """Whoever prints it."""
    assert "s3cret" not in repr(ProxyServer("http://ann:s3cret@proxy:3128"))


@pytest.mark.parametrize("is_encrypted", [False, True], ids=["plain", "tls"])
def test_a_tunnel_leads_through_either_kind_of_proxy(is_encrypted: bool, run: Run, tmp_path: Path) -> None:
    """TLS within TLS where the proxy has it itself; a certificate for each."""
    authority = Authority(tmp_path)
    theirs = server_tls(authority.issue("localhost"))
    ours = client_tls(authority.certificate, None)

    async def main() -> None:
        async with (
            ScriptedServer(answering([OK]), theirs) as server,
            ProxyUnderTest(tls=theirs if is_encrypted else None) as proxy,
        ):
            url = f"{'https' if is_encrypted else 'http'}://ann:\u2603@localhost:{proxy.port}"
            through = ProxyServer(url, proxy_tls(authority.certificate))
            sender = WebhookSender(server.url("localhost"), timeout_s=HANG_S, tls=ours, proxy=through)
            assert [(await ask(sender)).code for _ in range(3)] == ["200"] * 3
            await sender.close()
        assert server.accepts == 1
        assert password("ann", "\u2603") in proxy.heads[0]

    run(main())


@pytest.mark.parametrize(
    ("greeting", "code"),
    [
        (b"HTTP/1.1 200 Connected\r\n\r\n", "tls"),
        (b"HTTP/1.1 200 Connected\r\nContent-Length: 99\r\n\r\n", "tls"),
        (b"HTTP/1.0 502 No\r\n\r\n", "connect"),
        (b"garbage\r\n\r\n", "connect"),
        (b"", "connect"),
        (b"HTTP/1.1 200 Conn", "connect"),
    ],
)
def test_a_tunnel_that_ends_early_has_an_answer(run: Run, greeting: bytes, code: str) -> None:
    """The proxy hangs up, in the head or behind it; nothing is left open."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(greeting)
        writer.close()

    async def main() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            proxy = ProxyServer(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            sender = WebhookSender("https://workflow.invalid/", timeout_s=HANG_S, proxy=proxy)
            assert (await ask(sender)).code == code
            await sender.close()

    run(main())

"""HTTP/2, for a workflow that asks for it."""

from __future__ import annotations

from pathlib import Path

from conformance_server import OK, ScriptedServer
from h2_server import H2Server
from webhook_support import REQUEST, Run, answering, ask, server_tls

from stream.core.model import HttpRequest
from stream.webhook.choose import WebhookSender, choose_sender
from stream.webhook.fast.sender import FastSender
from stream.webhook.sender import HttpxSender
from stream.webhook.tls import client_tls, shared_tls


def http2_sender(url: str, certificate: Path) -> WebhookSender:
    """As a workflow with `http2 = true` gets it."""
    tls = client_tls(certificate, None, is_own=True)
    return choose_sender(url, timeout_s=5, max_connections=8, tls=tls, http2=True)


def test_events_arrive_over_http2(run: Run, certificate: Path) -> None:
    """With headers and body as over HTTP/1.1, on a connection that is kept."""

    async def main() -> None:
        async with H2Server(server_tls(certificate), (200, {}), (503, {"retry-after": "7"})) as server:
            sender = http2_sender(server.url, certificate)
            first, second = await ask(sender), await ask(sender)
            await sender.close()
        assert (first.status, second.status, second.retry_after, second.excerpt) == (200, 503, "7", "answer")
        assert server.accepts == 1
        for headers, body in server.requests:
            assert (headers[":method"], headers[":scheme"], headers[":path"]) == ("POST", "https", "/hook?token=1")
            assert headers["content-type"] == "application/json"
            assert body == REQUEST.body

    run(main())


def test_a_body_beyond_the_flow_window_arrives_whole(run: Run, certificate: Path) -> None:
    """It is sent in pieces, as the server lets it."""

    async def main() -> None:
        async with H2Server(server_tls(certificate), (200, {})) as server:
            sender = http2_sender(server.url, certificate)
            answer = await ask(sender, HttpRequest([("content-type", "application/json")], b"x" * 500_000))
            await sender.close()
        assert answer.status == 200
        assert [len(body) for _, body in server.requests] == [500_000]

    run(main())


def test_a_server_that_says_goodbye_gets_the_next_event_on_another_connection(run: Run, certificate: Path) -> None:
    """Nothing fails."""

    async def main() -> None:
        async with H2Server(server_tls(certificate), (200, {}), per_connection=1) as server:
            sender = http2_sender(server.url, certificate)
            for number in range(1, 4):
                assert (await ask(sender)).status == 200
                assert server.accepts == number
            await sender.close()

    run(main())


def test_a_server_without_http2_gets_http1(run: Run, certificate: Path) -> None:
    """The handshake decides."""

    async def main() -> None:
        async with ScriptedServer(answering([OK]), server_tls(certificate)) as server:
            sender = http2_sender(server.url("localhost"), certificate)
            assert [(await ask(sender)).status for _ in range(2)] == [200, 200]
            await sender.close()
        assert [request.body for request in server.requests] == [REQUEST.body] * 2

    run(main())


def test_who_gets_which_sender() -> None:
    """HTTP/2 is httpx's, with TLS settings of its own: it changes what they offer to the server."""
    url = "https://localhost/hook"
    assert isinstance(choose_sender(url, timeout_s=1, max_connections=1, http2=True), HttpxSender)
    assert isinstance(choose_sender(url, timeout_s=1, max_connections=1), FastSender)
    assert client_tls(None, None, is_own=True) is not shared_tls()

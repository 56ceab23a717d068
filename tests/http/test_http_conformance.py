"""The sender against the table: on either event loop, in the clear, over TLS and through a proxy."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
from conformance_server import OK, SECRET_PATH, Script, ScriptedServer
from conformance_table import CASES, Case, Seen
from http_support import REQUEST, Run, ask, run_on, send, server_tls

from stream.http.proxy import ProxyServer
from stream.http.sender import WebhookSender
from stream.model.attempts import Answer, HttpRequest


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_the_table_says_is_what_happens(case: Case, run: Run) -> None:
    """The code, the reuse of the connection, the second try: nothing else of an attempt is seen from outside."""

    async def main() -> None:
        assert await seen(case) == case.seen

    run(main())


@pytest.mark.parametrize("case", [case for case in CASES if case.is_for_tls], ids=lambda case: case.name)
def test_it_happens_over_tls_as_well(case: Case, certificate: Path, run: Run) -> None:
    """Encryption makes no difference to what is said."""
    tls = ssl.create_default_context(cafile=certificate), server_tls(certificate)

    async def main() -> None:
        assert await seen(case, tls) == (case.on_tls or case.seen)

    run(main())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_happens_behind_a_proxy_as_well(case: Case) -> None:
    """A proxy that forwards is the server, as far as the sender can see."""

    async def main() -> None:
        assert await seen(case, is_proxied=True) == case.seen

    run_on("uvloop", main())


async def seen(case: Case, tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None, is_proxied: bool = False) -> Seen:
    """Play the case and say what there was to see."""

    def script_of(number: int) -> Script:
        return case.script if number == 1 + case.used else [OK]

    ours, theirs = tls or (None, None)
    async with ScriptedServer(script_of, theirs) as server:
        url = server.url("localhost" if tls else "127.0.0.1")
        proxy = ProxyServer(url) if is_proxied else None
        url = f"http://workflow.invalid{SECRET_PATH}" if is_proxied else url
        sender = WebhookSender(url, timeout_s=case.timeout_s, tls=ours, proxy=proxy)
        if case.used:
            assert (await ask(sender)).status == 200
            server.ended.clear()
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        sent = send(sender, answered.set_result, HttpRequest(REQUEST.headers, case.body))
        answer = await answered
        arrivals = len(server.requests)
        server.answered.set()
        await server.ended.wait()
        await let_arrive()
        while (following_code := (await ask(sender)).code) == "timeout":
            pass  # the machine is busy, and the case's timeout short
        assert following_code == "200"
        await sender.close()
    assert sent.resent == arrivals - 1 - case.used
    asked, following = server.requests[arrivals - 1], server.requests[-1]
    return Seen(
        answer.code,
        reused=asked.connection == following.connection,
        retried=arrivals == 2 + case.used,
        retry_after=answer.retry_after,
        excerpt=None if case.seen.excerpt is None else answer.excerpt,
    )


async def let_arrive() -> None:
    """Let the loop read what the server has written."""
    for _ in range(10):
        await asyncio.sleep(0)

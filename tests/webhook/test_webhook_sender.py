"""The httpx sender against real servers on loopback whose every byte is scripted."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import subprocess
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from stream.core.model import Answer, HttpRequest
from stream.webhook.sender import Attempt, HttpxSender

Script = Callable[[asyncio.StreamWriter, int], Awaitable[None]]
Run = Callable[[Coroutine[Any, Any, None]], None]
REQUEST = HttpRequest(headers=[("Content-Type", "application/json")], body=b'{"type":"track"}')
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SECRET_PATH = "/hooks/5f3c9a77e1d24b60"


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a test's coroutine on either loop, for at most 20 s; nothing may end in the loop's exception handler."""

    def run(main: Coroutine[Any, Any, None]) -> None:
        strays: list[dict[str, Any]] = []
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.get_loop().set_exception_handler(lambda _loop, context: strays.append(context))
            runner.run(asyncio.wait_for(main, 20))
        # The server's own complaint of a handshake that the client ended is not the sender's.
        assert [stray for stray in strays if "incoming connection" not in stray["message"]] == []

    return run


class ScriptedServer:
    """Reads requests and lets a script answer: `script(writer, number)`, requests numbered from 1."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._tls = tls
        self._serving: set[asyncio.Task[None]] = set()
        self.accepts = 0
        self.requests: list[tuple[str, bytes]] = []
        self.disconnected = asyncio.Event()

    async def __aenter__(self) -> ScriptedServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._server.wait_closed()

    def url(self, scheme: str = "http", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}{SECRET_PATH}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._serving.add(task)
        self.accepts += 1
        try:
            while not writer.is_closing():
                await self._serve_one(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            self.disconnected.set()
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            writer.transport.abort()
            self._serving.discard(task)

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = next(int(line[15:]) for line in head.splitlines() if line.lower().startswith("content-length:"))
        self.requests.append((head, await reader.readexactly(length)))
        await self._script(writer, len(self.requests))
        await writer.drain()


def answering(*answers: bytes) -> Script:
    """One answer after the other; an empty one closes the connection; the last one repeats."""

    async def script(writer: asyncio.StreamWriter, number: int) -> None:
        answer = answers[min(number, len(answers)) - 1]
        if answer:
            writer.write(answer)
        else:
            writer.close()

    return script


def then_closing(answer: bytes) -> Script:
    """Answers and closes without a word about it."""

    async def script(writer: asyncio.StreamWriter, _number: int) -> None:
        writer.write(answer)
        await writer.drain()
        writer.close()

    return script


async def hanging(_writer: asyncio.StreamWriter, _number: int) -> None:
    """Never answers."""
    await asyncio.Event().wait()


def ask(sender: HttpxSender, request: HttpRequest = REQUEST) -> asyncio.Future[Answer]:
    """Send, and wait for the answer; a second answer would raise."""
    answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    sender.send(request, answered.set_result)
    assert not answered.done()
    return answered


async def answers_of(script: Script, count: int = 1, timeout_s: float = 10.0) -> tuple[list[Answer], ScriptedServer]:
    """The answers to `count` requests, one after the other."""
    async with ScriptedServer(script) as server:
        sender = HttpxSender(server.url(), timeout_s=timeout_s)
        answers = [await ask(sender) for _ in range(count)]
        await sender.close()
    return answers, server


def test_a_request_goes_out_as_given_and_its_answer_comes_back(run: Run) -> None:
    """Headers are sent in latin-1, the body byte for byte, and what the protocol needs is added."""

    async def main() -> None:
        async with ScriptedServer(answering(OK)) as server:
            sender = HttpxSender(server.url(), timeout_s=10)
            answer = await ask(sender, HttpRequest([("X-Place", "Zürich")], b'{"a": 1}'))
            await sender.close()
        head, body = server.requests[0]
        assert (answer.status, answer.failure, answer.code, answer.excerpt) == (200, "", "200", "ok")
        assert answer.elapsed_s > 0
        assert body == b'{"a": 1}'
        assert head.startswith(f"POST {SECRET_PATH} HTTP/1.1\r\n")
        lines = {line.lower() for line in head.splitlines()}
        assert {"x-place: zürich", "content-length: 8", "accept-encoding: identity"} <= lines
        assert f"host: 127.0.0.1:{server.port}" in lines

    run(main())


def test_an_answer_without_a_body_is_an_answer(run: Run) -> None:
    """204 is complete at the end of its head, and its connection is used again."""

    async def main() -> None:
        answers, server = await answers_of(answering(b"HTTP/1.1 204 No Content\r\n\r\n"), count=2)
        assert [(a.status, a.excerpt) for a in answers] == [(204, ""), (204, "")]
        assert server.accepts == 1

    run(main())


def test_redirects_and_cookies_are_not_followed(run: Run) -> None:
    """A 302 is an answer like any other, and a cookie it sets is not sent back."""
    moved = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"

    async def main() -> None:
        answers, server = await answers_of(answering(moved), count=2)
        assert [a.status for a in answers] == [302, 302]
        assert len(server.requests) == 2
        assert all(head.startswith(f"POST {SECRET_PATH}") for head, _ in server.requests)
        assert not any("cookie" in head.lower() for head, _ in server.requests)

    run(main())


def test_the_environment_gives_no_proxy_and_no_password(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proxies and .netrc of the environment are left alone."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")

    async def main() -> None:
        answers, server = await answers_of(answering(OK))
        assert answers[0].status == 200
        assert "authorization" not in server.requests[0][0].lower()

    run(main())


def test_retry_after_is_handed_on(run: Run) -> None:
    """The header comes back as it was sent, for others to read."""
    busy = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n"

    async def main() -> None:
        answers, _ = await answers_of(answering(busy, OK), count=2)
        assert [(a.code, a.retry_after) for a in answers] == [("429", "17"), ("200", None)]

    run(main())


def test_the_excerpt_is_short_printable_and_without_the_url(run: Run) -> None:
    """Error pages quote the path; the path is a secret."""
    page = f"Cannot POST {SECRET_PATH}\n\x1b[31mred".encode() + b"x" * 1000
    answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n%b" % (len(page), page)

    async def main() -> None:
        answers, _ = await answers_of(answering(answer))
        assert answers[0].excerpt.startswith("Cannot POST ***\\n\\x1b[31mredxxx")
        assert len(answers[0].excerpt) < 300
        assert SECRET_PATH[7:] not in answers[0].excerpt

    run(main())


@pytest.mark.parametrize("framing", [b"Content-Length: 200000\r\n", b"Connection: close\r\n"])
def test_a_long_body_is_cut_off_and_its_status_stands(run: Run, framing: bytes) -> None:
    """Beyond 64 KiB nothing is read, and the connection is not used again."""
    answer = b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n" + b"x" * 200_000

    async def main() -> None:
        answers, server = await answers_of(answering(answer, OK), count=2)
        assert [(a.status, a.failure) for a in answers] == [(200, ""), (200, "")]
        assert answers[0].excerpt == "x" * 256
        assert server.accepts == 2

    run(main())


def test_a_body_of_exactly_the_limit_keeps_its_connection(run: Run) -> None:
    """64 KiB are read to the end."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n" + b"x" * 65536

    async def main() -> None:
        answers, server = await answers_of(answering(answer), count=2)
        assert [a.status for a in answers] == [200, 200]
        assert server.accepts == 1

    run(main())


def test_an_endless_body_does_not_hold_the_attempt(run: Run) -> None:
    """A server that never stops talking is left, with the status it gave."""

    async def script(writer: asyncio.StreamWriter, _number: int) -> None:
        writer.write(b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"400\r\n" + b"y" * 1024 + b"\r\n")
            await writer.drain()

    async def main() -> None:
        answers, _ = await answers_of(script)
        assert (answers[0].status, answers[0].failure) == (500, "")

    run(main())


def test_the_deadline_is_for_the_whole_attempt(run: Run) -> None:
    """A server that sends a byte now and then cannot stretch it."""

    async def script(writer: asyncio.StreamWriter, _number: int) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"z")
            await writer.drain()
            await asyncio.sleep(0.02)

    async def main() -> None:
        answers, _ = await answers_of(script, timeout_s=0.2)
        assert (answers[0].status, answers[0].failure, answers[0].code) == (0, "timeout", "timeout")
        assert 0.2 <= answers[0].elapsed_s < 2

    run(main())


def test_a_server_that_never_answers_times_out(run: Run) -> None:
    """No head in time is a timeout; the connection is closed and not used again."""

    async def main() -> None:
        async with ScriptedServer(hanging) as server:
            sender = HttpxSender(server.url(), timeout_s=0.1)
            answers = [await ask(sender), await ask(sender)]
            await sender.close()
        assert [a.failure for a in answers] == ["timeout", "timeout"]
        assert answers[0].excerpt == "TimeoutError: no complete answer in time"
        assert server.accepts == 2

    run(main())


def test_a_refused_connection_says_so(run: Run) -> None:
    """Nobody listens: `connect`, with the system's word and never the URL."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

    async def main() -> None:
        sender = HttpxSender(f"http://127.0.0.1:{port}{SECRET_PATH}", timeout_s=5)
        answer = await ask(sender)
        await sender.close()
        assert (answer.failure, answer.excerpt) == ("connect", "ConnectionRefusedError: Connection refused")

    run(main())


def test_an_unknown_host_is_a_dns_failure(run: Run) -> None:
    """`.invalid` never resolves."""

    async def main() -> None:
        sender = HttpxSender(f"http://x.invalid{SECRET_PATH}", timeout_s=15)
        answer = await ask(sender)
        await sender.close()
        assert answer.failure == "dns"
        assert answer.excerpt.startswith("gaierror: ")
        assert "x.invalid" not in answer.excerpt

    run(main())


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
        b"HTTP/1.1 20",
        b"",
    ],
    ids=["in the body", "in a chunk", "in the head", "before a byte"],
)
def test_an_answer_cut_short_is_a_reset(run: Run, answer: bytes) -> None:
    """A status whose answer did not end counts for nothing; on a fresh connection there is no second try."""

    async def main() -> None:
        answers, server = await answers_of(then_closing(answer))
        assert (answers[0].status, answers[0].failure) == (0, "reset")
        assert len(server.requests) == 1

    run(main())


def test_a_connection_reset_amid_the_answer_is_a_reset(run: Run) -> None:
    """RST instead of an orderly end."""

    async def script(writer: asyncio.StreamWriter, _number: int) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal")
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    async def main() -> None:
        answers, _ = await answers_of(script)
        assert (answers[0].status, answers[0].failure) == (0, "reset")

    run(main())


def test_what_is_not_http_is_a_reset(run: Run) -> None:
    """Garbage is no answer, and none of it is quoted."""

    async def main() -> None:
        answers, server = await answers_of(answering(b"garbage " + SECRET_PATH.encode() + b"\r\n\r\n", OK), count=2)
        assert [a.code for a in answers] == ["reset", "200"]
        assert answers[0].excerpt == "RemoteProtocolError"
        assert server.accepts == 2

    run(main())


def test_a_connection_closed_between_requests_is_replaced_unseen(run: Run) -> None:
    """A server may close an idle connection at any time; nobody is told."""

    async def main() -> None:
        answers, server = await answers_of(then_closing(OK), count=3)
        assert [a.code for a in answers] == ["200", "200", "200"]
        assert server.accepts == 3

    run(main())


def test_a_used_connection_that_ends_without_a_byte_is_tried_once_more(run: Run) -> None:
    """The server closed it while the request was on its way: one more try, on a new connection."""

    async def main() -> None:
        answers, server = await answers_of(answering(OK, b"", OK), count=2)
        assert [a.code for a in answers] == ["200", "200"]
        assert (server.accepts, len(server.requests)) == (2, 3)

    run(main())


def test_the_second_try_is_the_last(run: Run) -> None:
    """A server that closes the new connection, too, has failed."""

    async def main() -> None:
        answers, server = await answers_of(answering(OK, b"", b""), count=2)
        assert [a.code for a in answers] == ["200", "reset"]
        assert len(server.requests) == 3

    run(main())


def test_a_used_connection_that_began_to_answer_is_not_tried_again(run: Run) -> None:
    """One byte proves that the request arrived."""

    async def script(writer: asyncio.StreamWriter, number: int) -> None:
        writer.write(OK if number == 1 else b"H")
        if number > 1:
            await writer.drain()
            writer.close()

    async def main() -> None:
        answers, server = await answers_of(script, count=2)
        assert [a.code for a in answers] == ["200", "reset"]
        assert len(server.requests) == 2

    run(main())


def test_requests_one_after_the_other_share_a_connection(run: Run) -> None:
    """Ten requests, one connection."""

    async def main() -> None:
        answers, server = await answers_of(answering(OK), count=10)
        assert [a.status for a in answers] == [200] * 10
        assert server.accepts == 1

    run(main())


def test_sixty_four_requests_are_in_flight_together(run: Run) -> None:
    """Each has a connection of its own, and the next sixty-four take the same ones."""
    arrived = 0
    all_arrived = [asyncio.Event(), asyncio.Event()]

    async def script(writer: asyncio.StreamWriter, number: int) -> None:
        nonlocal arrived
        arrived += 1
        if arrived % 64 == 0:
            all_arrived[arrived // 64 - 1].set()
        await all_arrived[(number - 1) // 64].wait()
        writer.write(OK)

    async def main() -> None:
        async with ScriptedServer(script) as server:
            sender = HttpxSender(server.url(), timeout_s=10)
            for _ in range(2):
                answers = await asyncio.gather(*(ask(sender) for _ in range(64)))
                assert [a.code for a in answers] == ["200"] * 64
            await sender.close()
        assert server.accepts == 64

    run(main())


def test_more_connections_than_wanted_are_not_kept(run: Run) -> None:
    """`max_connections` wait for the next request, the others are closed."""
    both_arrived = asyncio.Event()

    async def script(writer: asyncio.StreamWriter, number: int) -> None:
        if number == 2:
            both_arrived.set()
        await both_arrived.wait()
        writer.write(OK)

    async def main() -> None:
        async with ScriptedServer(script) as server:
            sender = HttpxSender(server.url(), timeout_s=10, max_connections=1)
            await asyncio.gather(ask(sender), ask(sender))
            await server.disconnected.wait()
            assert (await ask(sender)).status == 200
            assert server.accepts == 2
            await sender.close()

    run(main())


def test_an_idle_connection_is_closed_in_time(run: Run) -> None:
    """Nothing is kept open for a workflow that gets nothing."""

    async def main() -> None:
        async with ScriptedServer(answering(OK)) as server:
            sender = HttpxSender(server.url(), timeout_s=10, keepalive_s=0.05)
            await ask(sender)
            await server.disconnected.wait()
            assert (await ask(sender)).status == 200
            assert server.accepts == 2
            await sender.close()

    run(main())


def test_cancel_closes_the_connection_and_keeps_the_answer_back(run: Run) -> None:
    """The server sees the end of the connection, the caller hears nothing."""
    asked = asyncio.Event()

    async def script(_writer: asyncio.StreamWriter, _number: int) -> None:
        asked.set()

    async def main() -> None:
        async with ScriptedServer(script) as server:
            sender = HttpxSender(server.url(), timeout_s=10)
            answers: list[Answer] = []
            attempt = sender.send(REQUEST, answers.append)
            await asked.wait()
            attempt.cancel()
            await server.disconnected.wait()
            await sender.close()
            assert answers == []

    run(main())


def test_cancel_before_the_start_sends_nothing(run: Run) -> None:
    """No connection is opened for it."""

    async def main() -> None:
        async with ScriptedServer(answering(OK)) as server:
            sender = HttpxSender(server.url(), timeout_s=10)
            answers: list[Answer] = []
            sender.send(REQUEST, answers.append).cancel()
            assert (await ask(sender)).status == 200
            await sender.close()
        assert answers == []
        assert (server.accepts, len(server.requests)) == (1, 1)

    run(main())


def test_cancel_between_the_answer_and_its_report_keeps_it_back(run: Run) -> None:
    """The exchange is over, the caller not yet told."""

    async def exchange() -> Answer:
        return Answer(200)

    async def main() -> None:
        answers: list[Answer] = []
        attempt = Attempt(exchange(), answers.append)
        asyncio.get_running_loop().call_soon(attempt.cancel)
        assert (await attempt.task).status == 200
        assert answers == []

    run(main())


def test_close_ends_what_is_in_flight_and_what_is_idle(run: Run) -> None:
    """After close there is no connection and no answer to come."""

    async def script(writer: asyncio.StreamWriter, number: int) -> None:
        if number == 1:
            writer.write(OK)
        else:
            asked.set()
            await asyncio.Event().wait()

    asked = asyncio.Event()

    async def main() -> None:
        async with ScriptedServer(script) as server:
            sender = HttpxSender(server.url(), timeout_s=10)
            await ask(sender)
            answers: list[Answer] = []
            pending = sender.send(REQUEST, answers.append)
            await asked.wait()
            await sender.close()
            assert pending.task.cancelled()
            assert answers == []
            assert server.accepts == 1

    run(main())


def test_an_error_in_on_answer_reaches_the_loop(run: Run) -> None:
    """It is the caller's, and the sender goes on."""

    def failing(_answer: Answer) -> None:
        raise LookupError

    async def main() -> None:
        seen: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: seen.append(context))
        async with ScriptedServer(answering(OK)) as server:
            sender = HttpxSender(server.url(), timeout_s=10)
            await sender.send(REQUEST, failing).task
            assert (await ask(sender)).status == 200
            await sender.close()
        assert [type(context["exception"]) for context in seen] == [LookupError]

    run(main())


def test_a_request_that_cannot_be_written_has_an_answer(run: Run) -> None:
    """Even a header that HTTP forbids does not leave its lane standing."""

    async def main() -> None:
        async with ScriptedServer(answering(OK)) as server:
            sender = HttpxSender(server.url(), timeout_s=10)
            answers = [await ask(sender, HttpRequest([("X-Bad", bad)], b"{}")) for bad in ("a\nb", "\u2603")]
            await sender.close()
        assert [a.code for a in answers] == ["reset", "reset"]
        assert server.requests == []

    run(main())


def test_a_url_that_cannot_be_used_is_refused_without_naming_it() -> None:
    """The text of the error holds nothing of the URL."""
    with pytest.raises(ValueError, match=r"^The workflow's URL cannot be used\.$") as caught:
        HttpxSender("http://host:secretport/path", timeout_s=1)
    assert caught.value.__suppress_context__


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of `localhost` and its key, in one file."""
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", path, "-out", path.with_suffix(".crt")),
        ],
        check=True,
        capture_output=True,
    )
    path.write_text(path.read_text() + path.with_suffix(".crt").read_text())
    return path


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    """The server's side of the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def ask_over_tls(server: ScriptedServer, host: str, tls: ssl.SSLContext | None = None) -> list[Answer]:
    """Two answers, one after the other."""
    sender = HttpxSender(server.url("https", host), timeout_s=10, tls=tls)
    answers = [await ask(sender), await ask(sender)]
    await sender.close()
    return answers


def test_a_certificate_that_nobody_vouches_for_is_a_tls_failure(run: Run, server_tls: ssl.SSLContext) -> None:
    """Verification is on, and the reason is told."""

    async def main() -> None:
        async with ScriptedServer(answering(OK), server_tls) as server:
            answers = await ask_over_tls(server, "localhost")
        assert [a.failure for a in answers] == ["tls", "tls"]
        assert answers[0].excerpt == "SSLCertVerificationError: self-signed certificate"
        assert server.requests == []

    run(main())


def test_a_certificate_of_another_host_is_a_tls_failure(
    run: Run, server_tls: ssl.SSLContext, certificate: Path
) -> None:
    """The name is checked, too."""
    tls = ssl.create_default_context(cafile=certificate)

    async def main() -> None:
        async with ScriptedServer(answering(OK), server_tls) as server:
            answers = await ask_over_tls(server, "127.0.0.1", tls)
        assert [a.failure for a in answers] == ["tls", "tls"]
        assert answers[0].excerpt == "SSLCertVerificationError: IP address mismatch"

    run(main())


def test_a_trusted_certificate_is_served_on_one_connection(
    run: Run, server_tls: ssl.SSLContext, certificate: Path
) -> None:
    """TLS settings of the caller's replace the shared ones; the connection is kept."""
    tls = ssl.create_default_context(cafile=certificate)

    async def main() -> None:
        async with ScriptedServer(answering(OK), server_tls) as server:
            answers = await ask_over_tls(server, "localhost", tls)
        assert [a.status for a in answers] == [200, 200]
        assert server.accepts == 1

    run(main())


def test_a_used_tls_connection_that_ends_without_a_byte_is_tried_once_more(
    run: Run, server_tls: ssl.SSLContext, certificate: Path
) -> None:
    """As without TLS."""
    tls = ssl.create_default_context(cafile=certificate)

    async def main() -> None:
        async with ScriptedServer(answering(OK, b"", OK), server_tls) as server:
            answers = await ask_over_tls(server, "localhost", tls)
        assert [a.status for a in answers] == [200, 200]
        assert server.accepts == 2

    run(main())


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""], ids=["plain HTTP", "goodbye"])
def test_a_server_without_tls_is_a_tls_failure(run: Run, greeting: bytes) -> None:
    """The handshake fails, whatever the other side says."""

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        writer.close()

    async def main() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            sender = HttpxSender(f"https://127.0.0.1:{port}{SECRET_PATH}", timeout_s=10)
            answer = await ask(sender)
            await sender.close()
        assert answer.failure == "tls"
        assert SECRET_PATH not in answer.excerpt

    run(main())


def test_a_handshake_that_hangs_times_out_and_leaves_nothing_open(run: Run) -> None:
    """The deadline counts from the connect; the socket is closed."""
    disconnected = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1024):
            pass
        disconnected.set()
        writer.close()

    async def main() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            sender = HttpxSender(f"https://127.0.0.1:{port}{SECRET_PATH}", timeout_s=0.2)
            assert (await ask(sender)).failure == "timeout"
            await disconnected.wait()
            await sender.close()

    run(main())

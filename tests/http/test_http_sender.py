"""What both senders do between and around answers: requests, connections, cancelling, closing, TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
from assertions import HANG_S, every, names_of_code
from conformance_server import OK, SECRET_PATH, ScriptedServer, Step
from http_support import (
    Run,
    answering,
    answers_of,
    ask,
    closed_port,
    deaf_port,
    send,
    server_tls,
    timed,
)

from stream.http.connection import HttpConnection
from stream.http.sender import WebhookSender
from stream.model.attempts import Answer, HttpRequest


def test_a_request_goes_out_as_given_and_its_answer_comes_back(run: Run) -> None:
    """Headers are sent in latin-1, the body byte for byte, and what the protocol needs is added."""

    async def main() -> None:
        async with ScriptedServer(answering([OK])) as server:
            sender = WebhookSender(server.url(), timeout_s=HANG_S)
            request = HttpRequest([("X-Place", "Zürich")], b'{"a": 1}', (("X-Team", "data"),))
            answer, elapsed_s = await timed(ask(sender, request))
            await sender.close()
        seen = server.requests[0]
        assert (answer.status, answer.failure, answer.code, answer.retry_after) == (200, "", "200", None)
        assert 0 <= elapsed_s < HANG_S
        assert seen.body == b'{"a": 1}'
        assert seen.head.startswith(f"POST {SECRET_PATH} HTTP/1.1\r\n")
        assert sorted(line.lower() for line in seen.head.splitlines()[1:-1]) == [
            "accept-encoding: identity",
            "content-length: 8",
            f"host: 127.0.0.1:{server.port}",
            "x-place: zürich",
            "x-team: data",
        ]

    run(main())


def test_path_and_query_are_percent_encoded(run: Run) -> None:
    """Both senders write a URL's odd characters in the same way."""

    async def main() -> None:
        async with ScriptedServer(answering([OK])) as server:
            url = f"http://127.0.0.1:{server.port}/a b/%2F/ü?q=a b&r=%20'\"<>|^#gone"
            sender = WebhookSender(url, timeout_s=HANG_S)
            await ask(sender)
            await sender.close()
        assert server.requests[0].head.startswith("POST /a%20b/%2F/%C3%BC?q=a%20b&r=%20'%22%3C%3E|^ HTTP/1.1\r\n")

    run(main())


def test_an_empty_body_has_a_length(run: Run) -> None:
    """A POST without a length would make servers wait."""

    async def main() -> None:
        async with ScriptedServer(answering([OK])) as server:
            sender = WebhookSender(server.url(), timeout_s=HANG_S)
            await ask(sender, HttpRequest([], b""))
            await sender.close()
        assert "content-length: 0\r\n" in server.requests[0].head.lower()

    run(main())


def test_cookies_are_not_kept(run: Run) -> None:
    """What one answer sets is not sent with the next request."""
    setting = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"

    async def main() -> None:
        _, server = await answers_of([setting], count=2)
        assert every("cookie" not in request.head.lower() for request in server.requests)

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
        answers, server = await answers_of([OK])
        assert answers[0].status == 200
        assert "authorization" not in server.requests[0].head.lower()

    run(main())


def test_nothing_of_garbage_is_quoted(run: Run) -> None:
    """The reason for a reset names an error, never what the server sent."""

    async def main() -> None:
        answers, _ = await answers_of([b"garbage " + SECRET_PATH.encode() + b"\r\n\r\n"])
        assert answers[0].failure == "unreadable"
        assert answers[0].excerpt == "the answer is not HTTP, or its head is too large"

    run(main())


def test_a_reset_has_the_systems_word(run: Run) -> None:
    """The reason for a reset is a class and the text of an errno."""

    async def main() -> None:
        answers, _ = await answers_of([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", Step.RESET])
        assert (answers[0].failure, answers[0].excerpt) == ("reset", "connection reset by peer")

    run(main())


def test_the_deadline_is_for_the_whole_attempt(run: Run) -> None:
    """A server that sends a byte now and then cannot stretch it."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"

    async def main() -> None:
        began = asyncio.get_running_loop().time()
        answers, _ = await answers_of([head, b"z", Step.DRIP], timeout_s=0.2)
        assert (answers[0].status, answers[0].failure, answers[0].code) == (0, "timeout", "timeout")
        assert answers[0].excerpt == "no complete answer in time"
        assert asyncio.get_running_loop().time() - began >= 0.19  # uvloop's clock counts whole milliseconds

    run(main())


def test_each_attempt_has_its_own_deadline(run: Run) -> None:
    """One that starts later ends later, and those answered in between disturb nothing."""

    async def main() -> None:
        async with ScriptedServer(answering([Step.HANG], [OK], [Step.HANG], [OK])) as server:
            sender = WebhookSender(server.url(), timeout_s=1)
            first = asyncio.create_task(timed(ask(sender)))
            await server.asked.wait()
            assert (await ask(sender)).status == 200
            second = timed(ask(sender))
            answers = await asyncio.gather(first, second)
            assert (await ask(sender)).status == 200
            await sender.close()
        assert [answer.code for answer, _ in answers] == ["timeout", "timeout"]
        assert every(elapsed_s >= 0.99 for _, elapsed_s in answers)  # uvloop's clock counts whole milliseconds

    run(main())


def test_a_connect_that_hangs_times_out(run: Run) -> None:
    """The deadline counts from the connect."""

    async def main() -> None:
        with deaf_port() as port:
            sender = WebhookSender(f"http://127.0.0.1:{port}{SECRET_PATH}", timeout_s=0.1)
            assert (await ask(sender)).code == "timeout"
            await sender.close()

    run(main())


def test_a_refused_connection_says_so(run: Run) -> None:
    """Nobody listens: `connect`, with the system's word and never the URL."""

    async def main() -> None:
        sender = WebhookSender(f"http://127.0.0.1:{closed_port()}{SECRET_PATH}", timeout_s=HANG_S)
        answer = await ask(sender)
        await sender.close()
        assert (answer.failure, answer.excerpt) == ("connect", "connection refused")

    run(main())


def test_an_unknown_host_is_a_dns_failure(run: Run) -> None:
    """`.invalid` never resolves."""

    async def main() -> None:
        sender = WebhookSender(f"http://x.invalid{SECRET_PATH}", timeout_s=HANG_S)
        answer = await ask(sender)
        await sender.close()
        assert answer.failure == "dns"
        assert names_of_code(answer.excerpt) == []
        assert "x.invalid" not in answer.excerpt

    run(main())


def test_the_second_try_is_the_last(run: Run) -> None:
    """A server that closes the new connection, too, has failed."""

    async def main() -> None:
        answers, server = await answers_of([OK], [Step.CLOSE], [Step.CLOSE], count=2)
        assert [a.code for a in answers] == ["200", "reset"]
        assert [request.connection for request in server.requests] == [1, 1, 2]

    run(main())


def test_the_second_try_takes_a_fresh_connection(run: Run) -> None:
    """Another used one might be as stale as the first."""
    three = [OK], [OK], [Step.CLOSE], [OK]

    async def main() -> None:
        async with ScriptedServer(answering(*three)) as server:
            sender = WebhookSender(server.url(), timeout_s=HANG_S)
            await asyncio.gather(ask(sender), ask(sender))
            assert (await ask(sender)).status == 200
            await sender.close()
        assert server.requests[-1].connection == 3

    run(main())


def test_requests_one_after_the_other_share_a_connection(run: Run) -> None:
    """Ten requests, one connection."""

    async def main() -> None:
        answers, server = await answers_of([OK], count=10)
        assert [a.status for a in answers] == [200] * 10
        assert server.accepts == 1

    run(main())


def test_sixty_four_requests_are_in_flight_together(run: Run) -> None:
    """Each has a connection of its own, and the next sixty-four take the same ones."""

    async def main() -> None:
        async with ScriptedServer(lambda number: [Step.WAIT, OK] if number <= 64 else [OK]) as server:
            sender = WebhookSender(server.url(), timeout_s=HANG_S)
            answers = [ask(sender) for _ in range(64)]
            await server.received(64)
            server.answered.set()
            answers += [ask(sender) for answer in await asyncio.gather(*answers) if answer.status == 200]
            assert [a.code for a in await asyncio.gather(*answers)] == ["200"] * 128
            await sender.close()
        assert server.accepts == 64

    run(main())


def test_more_connections_than_wanted_are_not_kept(run: Run) -> None:
    """`max_connections` wait for the next request, the others are closed."""

    async def main() -> None:
        async with ScriptedServer(answering([Step.WAIT, OK], [Step.WAIT, OK], [OK])) as server:
            sender = WebhookSender(server.url(), timeout_s=HANG_S, max_connections=1)
            both = asyncio.gather(ask(sender), ask(sender))
            await server.received(2)
            server.answered.set()
            await both
            await server.disconnected.wait()
            assert (await ask(sender)).status == 200
            assert server.accepts == 2
            await sender.close()

    run(main())


def test_an_idle_connection_is_closed_in_time(run: Run) -> None:
    """Nothing is kept open for a workflow that gets nothing."""

    async def main() -> None:
        async with ScriptedServer(answering([OK])) as server:
            sender = WebhookSender(server.url(), timeout_s=HANG_S, keepalive_s=0.05)
            await ask(sender)
            await server.disconnected.wait()
            assert (await ask(sender)).status == 200
            assert server.accepts == 2
            await sender.close()

    run(main())


# Cancelling and closing


def unread(listener: socket.socket, tls: ssl.SSLContext | None, may_read: threading.Event) -> tuple[int, bool]:
    """Serve one connection that is not read for a while: (bytes that came then, whether it ended in a reset)."""
    connection, _ = listener.accept()
    if tls is not None:
        connection = tls.wrap_socket(connection, server_side=True)
    may_read.wait(60)
    received = 0
    with connection:
        try:
            while chunk := connection.recv(65536):
                received += len(chunk)
        except ConnectionResetError:
            return received, True
    return received, False


@pytest.mark.parametrize("ending", ["cancel", "deadline", "close"])
@pytest.mark.parametrize("is_encrypted", [False, True], ids=["plain", "tls"])
def test_what_the_kernel_had_not_sent_yet_is_not_sent(
    run: Run, certificate: Path, ending: str, is_encrypted: bool
) -> None:
    """The receiver's window was closed when the attempt was given up; opened again, it gets a reset, not the event."""
    tls = server_tls(certificate) if is_encrypted else None

    async def main() -> None:
        may_read = threading.Event()
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            reading = asyncio.create_task(asyncio.to_thread(unread, listener, tls, may_read))
            url = f"{'https' if tls else 'http'}://localhost:{listener.getsockname()[1]}/"
            ours = ssl.create_default_context(cafile=certificate)
            sender = WebhookSender(url, timeout_s=1 if ending == "deadline" else HANG_S, tls=ours)
            ended: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            attempt = send(sender, ended.set_result, HttpRequest([], b"x" * 60_000))
            while not all(map(is_sent, sender._connections)):  # noqa: ASYNC110 - the kernel gives no notice
                await asyncio.sleep(0.01)
            if ending == "cancel":
                attempt.cancel()
            elif ending == "deadline":
                assert (await ended).code == "timeout"
            await sender.close()
            may_read.set()
            received, was_reset = await reading
        assert was_reset or is_encrypted  # OpenSSL takes a reset amid a record for an end
        assert received < 50_000

    run(main())


def is_sent(connection: HttpConnection) -> bool:
    """The kernel has all of the request, and nothing of it waits in this process."""
    transport = connection._transport
    return transport.get_extra_info("socket") is not None and not transport.get_write_buffer_size()


@pytest.mark.parametrize(
    "script",
    [
        [Step.HANG],
        [b"HTTP/1.1 200 OK\r\nContent-Le", Step.HANG],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", Step.HANG],
    ],
    ids=["before the answer", "in the head", "in the body"],
)
def test_cancel_closes_the_connection_and_keeps_the_answer_back(run: Run, script: list[Any]) -> None:
    """The server sees the end of the connection, the caller hears nothing."""

    async def main() -> None:
        async with ScriptedServer(answering(script, [OK])) as server:
            sender = WebhookSender(server.url(), timeout_s=HANG_S)
            answers: list[Answer] = []
            attempt = send(sender, answers.append)
            await server.asked.wait()
            attempt.cancel()
            await server.disconnected.wait()
            attempt.cancel()
            assert (await ask(sender)).status == 200
            await sender.close()
            assert answers == []

    run(main())


def test_cancel_while_the_request_is_being_sent_closes_the_connection(run: Run) -> None:
    """The server does not read, the request does not end."""

    async def main() -> None:
        async with ScriptedServer(answering([Step.WAIT, Step.READ_BODY])) as server:
            sender = WebhookSender(server.url(), timeout_s=HANG_S)
            answers: list[Answer] = []
            attempt = send(sender, answers.append, HttpRequest([], b"x" * 4_000_000))
            await server.asked.wait()
            attempt.cancel()
            server.answered.set()
            await server.disconnected.wait()
            await sender.close()
            assert answers == []

    run(main())


def test_cancel_while_connecting_ends_it(run: Run) -> None:
    """Nothing is left to close."""

    async def main() -> None:
        with deaf_port() as port:
            sender = WebhookSender(f"http://127.0.0.1:{port}{SECRET_PATH}", timeout_s=HANG_S)
            answers: list[Answer] = []
            attempt = send(sender, answers.append)
            for _ in range(5):
                await asyncio.sleep(0)
            attempt.cancel()
            await sender.close()
            assert answers == []

    run(main())


def test_cancel_before_the_start_sends_nothing(run: Run) -> None:
    """No request arrives for it."""

    async def main() -> None:
        async with ScriptedServer(answering([OK])) as server:
            sender = WebhookSender(server.url(), timeout_s=HANG_S)
            answers: list[Answer] = []
            send(sender, answers.append).cancel()
            assert (await ask(sender)).status == 200
            await sender.close()
        assert answers == []
        assert (server.accepts, len(server.requests)) == (1, 1)

    run(main())


def test_cancel_after_the_answer_does_nothing(run: Run) -> None:
    """The connection may carry another request by then."""

    async def main() -> None:
        async with ScriptedServer(answering([OK], [Step.WAIT, OK])) as server:
            sender = WebhookSender(server.url(), timeout_s=HANG_S)
            answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            first = send(sender, answered.set_result)
            await answered
            second = ask(sender)
            first.cancel()
            server.answered.set()
            assert (await second).status == 200
            await sender.close()
        assert server.accepts == 1

    run(main())


def test_close_ends_what_is_in_flight_and_what_is_idle(run: Run) -> None:
    """After close there is no connection and no answer to come."""

    async def main() -> None:
        async with ScriptedServer(answering([OK], [OK], [Step.HANG])) as server:
            sender = WebhookSender(server.url(), timeout_s=HANG_S)
            await asyncio.gather(ask(sender), ask(sender))
            server.asked.clear()
            answers: list[Answer] = []
            send(sender, answers.append)
            await server.asked.wait()
            await sender.close()
            assert answers == []
            assert server.accepts == 2

    run(main())


def test_a_sender_that_retires_waits_for_its_last_answers(run: Run) -> None:
    """What was in flight is answered; then nothing is left open."""

    async def main() -> None:
        async with ScriptedServer(answering([OK], [Step.WAIT, OK])) as server:
            sender = WebhookSender(server.url(), timeout_s=HANG_S)
            assert (await ask(sender)).status == 200
            answer = ask(sender)
            retired = asyncio.create_task(sender.retire())
            await server.received(2)
            await asyncio.sleep(0.1)  # as long as it takes to see that it does not end
            assert not retired.done()
            server.answered.set()
            assert (await answer).status == 200
            await asyncio.wait_for(retired, HANG_S)
            await server.disconnected.wait()

    run(main())


def test_close_while_connecting_ends_it(run: Run) -> None:
    """Nothing is left open."""

    async def main() -> None:
        with deaf_port() as port:
            sender = WebhookSender(f"http://127.0.0.1:{port}{SECRET_PATH}", timeout_s=HANG_S)
            answers: list[Answer] = []
            for _ in range(3):
                send(sender, answers.append)
            await sender.close()
            assert answers == []

    run(main())


def test_an_error_in_on_answer_reaches_the_loop(run: Run) -> None:
    """It is the caller's, and the sender goes on."""

    async def main() -> None:
        seen: list[dict[str, Any]] = []
        failed = asyncio.Event()

        def failing(_answer: Answer) -> None:
            asyncio.get_running_loop().call_soon(failed.set)
            raise LookupError

        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: seen.append(context))
        async with ScriptedServer(answering([OK])) as server:
            sender = WebhookSender(server.url(), timeout_s=HANG_S)
            send(sender, failing)
            await failed.wait()
            assert (await ask(sender)).status == 200
            await sender.close()
        assert [type(context["exception"]) for context in seen] == [LookupError]

    run(main())


def test_the_next_request_may_be_sent_from_on_answer(run: Run) -> None:
    """That is how the engine does it; the connection is free by then."""

    async def main() -> None:
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        answers: list[Answer] = []

        def on_answer(answer: Answer) -> None:
            answers.append(answer)
            if len(answers) == 100:
                done.set_result(len(answers))
            else:
                send(sender, on_answer)

        async with ScriptedServer(answering([OK])) as server:
            sender = WebhookSender(server.url(), timeout_s=HANG_S)
            send(sender, on_answer)
            await done
            await sender.close()
        assert {answer.status for answer in answers} == {200}

    run(main())


def test_a_request_that_cannot_be_written_has_an_answer(run: Run) -> None:
    """Even a header that HTTP forbids does not leave its lane standing."""

    async def main() -> None:
        async with ScriptedServer(answering([OK])) as server:
            sender = WebhookSender(server.url(), timeout_s=HANG_S)
            answers = [await ask(sender, HttpRequest([("X-Bad", bad)], b"{}")) for bad in ("a\nb", "\u2603")]
            await sender.close()
        assert [a.code for a in answers] == ["reset", "reset"]
        assert server.requests == []

    run(main())


@pytest.mark.parametrize(
    "url",
    ["http://host:secretport/path", "secret", "ftp://host/secret", "http:///secret", "http://me:secret@host/"],
)
def test_a_url_that_cannot_be_used_is_refused_without_naming_it(url: str) -> None:
    """The text of the error holds nothing of the URL."""
    with pytest.raises(ValueError, match=r"^The workflow's URL cannot be used\.$") as caught:
        WebhookSender(url, timeout_s=1)
    assert caught.value.__context__ is None


# TLS


async def ask_over_tls(server: ScriptedServer, host: str, tls: ssl.SSLContext | None = None) -> list[Answer]:
    """Two answers, one after the other."""
    sender = WebhookSender(server.url(host), timeout_s=HANG_S, tls=tls)
    answers = [await ask(sender), await ask(sender)]
    await sender.close()
    return answers


def test_a_certificate_that_nobody_vouches_for_is_a_tls_failure(run: Run, certificate: Path) -> None:
    """Verification is on, and the reason is told."""

    async def main() -> None:
        async with ScriptedServer(answering([OK]), server_tls(certificate)) as server:
            answers = await ask_over_tls(server, "localhost")
        assert [a.failure for a in answers] == ["tls", "tls"]
        assert answers[0].excerpt == "the certificate is not accepted: self-signed certificate"
        assert server.requests == []

    run(main())


def test_a_certificate_of_another_host_is_a_tls_failure(run: Run, certificate: Path) -> None:
    """The name is checked, too."""
    tls = ssl.create_default_context(cafile=certificate)

    async def main() -> None:
        async with ScriptedServer(answering([OK]), server_tls(certificate)) as server:
            answers = await ask_over_tls(server, "127.0.0.1", tls)
        assert [a.failure for a in answers] == ["tls", "tls"]
        assert answers[0].excerpt == "the certificate is not accepted: IP address mismatch"

    run(main())


def test_a_trusted_certificate_is_served_on_one_connection(run: Run, certificate: Path) -> None:
    """TLS settings of the caller's replace the shared ones; the server is told the name and HTTP/1.1."""
    tls = ssl.create_default_context(cafile=certificate)
    theirs = server_tls(certificate)
    theirs.set_alpn_protocols(["h2", "http/1.1"])
    names: list[str | None] = []
    theirs.sni_callback = lambda _tls, name, _context: names.append(name)

    async def main() -> None:
        async with ScriptedServer(answering([OK]), theirs) as server:
            answers = await ask_over_tls(server, "localhost", tls)
        assert [a.status for a in answers] == [200, 200]
        assert server.accepts == 1
        assert names == ["localhost"]

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
            sender = WebhookSender(f"https://127.0.0.1:{port}{SECRET_PATH}", timeout_s=HANG_S)
            answer = await ask(sender)
            await sender.close()
        assert answer.failure == "tls"
        assert SECRET_PATH not in answer.excerpt

    run(main())


@pytest.mark.parametrize("ending", ["deadline", "cancel", "close"])
def test_a_handshake_that_hangs_leaves_nothing_open(run: Run, ending: str) -> None:
    """However the attempt ends, the socket is closed."""
    connected, disconnected = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1024):
            connected.set()
        disconnected.set()
        writer.close()

    async def main() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            sender = WebhookSender(
                f"https://127.0.0.1:{port}{SECRET_PATH}", timeout_s=0.2 if ending == "deadline" else HANG_S
            )
            answers: list[Answer] = []
            attempt = send(sender, answers.append)
            await connected.wait()
            if ending == "cancel":
                attempt.cancel()
            elif ending == "close":
                await sender.close()
            await disconnected.wait()
            await sender.close()
        assert [a.code for a in answers] == (["timeout"] if ending == "deadline" else [])

    run(main())

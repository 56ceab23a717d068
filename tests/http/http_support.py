"""What the tests of the sender share."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvloop
from assertions import HANG_S
from conformance_server import Script, ScriptedServer

from stream.http.sender import WebhookSender
from stream.model.attempts import RESENT, Answer, HttpRequest
from stream.model.ports import AttemptResult

Run = Callable[[Coroutine[Any, Any, None]], None]
REQUEST = HttpRequest(own=[("Content-Type", "application/json")], body=b'{"type":"track"}')
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def run_on(loop: str, main: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine for at most 20 s; nothing may end in the loop's exception handler."""
    strays: list[dict[str, Any]] = []
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.get_loop().set_exception_handler(lambda _loop, context: strays.append(context))
        runner.run(asyncio.wait_for(main, 2 * HANG_S))
    # The server's own complaint of a handshake that the client ended is not the sender's.
    strays = [stray for stray in strays if "incoming connection" not in stray["message"]]
    assert not strays, strays


def ask(sender: WebhookSender, request: HttpRequest = REQUEST) -> asyncio.Future[Answer]:
    """Send, and wait for the answer; a second answer would raise."""
    answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    send(sender, answered.set_result, request)
    assert not answered.done()
    return answered


class Sent:
    """An attempt that a test has started."""

    def __init__(self, sender: WebhookSender, on_answer: Callable[[Answer], None]) -> None:
        self.on_answer = on_answer
        self.resent = 0
        """How often its request was sent again."""
        self._sender = sender

    def cancel(self) -> None:
        """Give it up."""
        self._sender.cancel(self)


def send(sender: WebhookSender, on_answer: Callable[[Answer], None], request: HttpRequest = REQUEST) -> Sent:
    """Send, and call back with the answer."""
    sent = Sent(sender, on_answer)
    sender.send(request, sent, tell)
    return sent


def tell(answered: Sequence[AttemptResult]) -> None:
    """Hand each answer to who waits for it."""
    for sent, answer, elapsed_s in answered:
        assert elapsed_s >= 0
        if answer is RESENT:
            sent.resent += 1
        else:
            sent.on_answer(answer)


async def timed(answer: asyncio.Future[Answer]) -> tuple[Answer, float]:
    """(the answer, seconds that it took from now on)."""
    began = asyncio.get_running_loop().time()
    return await answer, asyncio.get_running_loop().time() - began


def answering(*scripts: Script) -> Callable[[int], Script]:
    """One script after the other, a request each; the last one repeats."""
    return lambda number: scripts[min(number, len(scripts)) - 1]


async def answers_of(*scripts: Script, count: int = 1, timeout_s: float = 10.0) -> tuple[list[Answer], ScriptedServer]:
    """The answers to `count` requests, one after the other."""
    async with ScriptedServer(answering(*scripts)) as server:
        sender = WebhookSender(server.url(), timeout_s=timeout_s)
        answers = [await ask(sender) for _ in range(count)]
        await sender.close()
    return answers, server


@contextmanager
def deaf_port(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A port that neither accepts nor refuses: its queue is full."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port


def make_certificate(path: Path) -> Path:
    """A self-signed certificate of `localhost` and its key, in one file."""
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


def server_tls(certificate: Path) -> ssl.SSLContext:
    """The server's side of a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context

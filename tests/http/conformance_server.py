"""A server whose every byte is scripted."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

SECRET_PATH = "/hooks/5f3c9a77e1d24b60"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: (\d+)\r\n")


class Step(Enum):
    """What a server does besides sending bytes."""

    CLOSE = auto()
    """Close in an orderly way."""
    RESET = auto()
    """Close with a TCP reset."""
    HALF_CLOSE = auto()
    """Send nothing more, and go on reading."""
    HANG = auto()
    """Do nothing until the client closes."""
    REPEAT = auto()
    """Send the last bytes again and again until the client closes."""
    DRIP = auto()
    """Likewise, slowly."""
    WAIT = auto()
    """Go on when the client has had its answer."""
    WORK = auto()
    """Take longer than a packet takes to any place on earth and back."""
    READ_BODY = auto()
    """Read the request's body now; without this step it has been read before the first one."""


Script = Sequence[bytes | Step]


@dataclass(frozen=True)
class Request:
    """A request as it arrived. `connection` counts from 1."""

    connection: int
    head: str
    body: bytes


class ScriptedServer:
    """Answers the request number n (from 1) by `script_of(n)`."""

    def __init__(self, script_of: Callable[[int], Script], tls: ssl.SSLContext | None = None) -> None:
        self._script_of = script_of
        self._tls = tls
        self._serving: set[asyncio.Task[None]] = set()
        self.accepts = 0
        self.requests: list[Request] = []
        self.asked = asyncio.Event()
        """A request has arrived."""
        self.answered = asyncio.Event()
        """To be set by the test: the client has had its answer."""
        self.ended = asyncio.Event()
        """The script of a request has come to its end, or its client has."""
        self.disconnected = asyncio.Event()
        """A client has closed a connection."""

    async def __aenter__(self) -> ScriptedServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._server.wait_closed()

    def url(self, host: str = "127.0.0.1") -> str:
        """The URL that leads here."""
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{SECRET_PATH}"

    async def received(self, count: int) -> None:
        """Wait until `count` requests have arrived."""
        while len(self.requests) < count:
            self.asked.clear()
            await self.asked.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._serving.add(task)
        self.accepts += 1
        conversation = Conversation(self.accepts, reader, writer, self.answered)
        try:
            while not writer.is_closing():
                await self._serve_one(conversation)
        except (OSError, asyncio.IncompleteReadError, RuntimeError):  # RuntimeError: uvloop, of a closed transport
            self.disconnected.set()
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            writer.transport.abort()
            self._serving.discard(task)

    async def _serve_one(self, conversation: Conversation) -> None:
        head = await conversation.read_head()
        number = len(self.requests) + 1
        script = self._script_of(number)
        self.requests.append(Request(conversation.number, head.decode("latin-1"), b""))
        if Step.READ_BODY not in script:
            body = await conversation.read_body()
            self.requests[number - 1] = Request(conversation.number, head.decode("latin-1"), body)
        self.asked.set()
        try:
            await conversation.follow(script)
        finally:
            self.ended.set()
        if Step.HALF_CLOSE in script:
            await conversation.hear_out()


class Conversation:
    """One connection of the server's."""

    def __init__(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answered: asyncio.Event
    ) -> None:
        self.number = number
        self._answered = answered
        self._reader = reader
        self._writer = writer
        self._unread = 0

    async def read_head(self) -> bytes:
        """The next request's head."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        assert length
        self._unread = int(length[1])
        return head

    async def read_body(self) -> bytes:
        """The rest of the request."""
        body = await self._reader.readexactly(self._unread)
        self._unread = 0
        return body

    async def hear_out(self) -> None:
        """Read until the client closes."""
        await self._reader.read()
        raise ConnectionResetError

    async def follow(self, script: Script) -> None:
        """Do all that the script says."""
        last = b""
        for step in script:
            if isinstance(step, bytes):
                last = step
                await self._say(step)
            else:
                await self._do(step, last)

    async def _say(self, words: bytes) -> None:
        if self._writer.is_closing():  # uvloop raises a RuntimeError for a write after the client's reset
            raise ConnectionResetError
        self._writer.write(words)
        await self._writer.drain()

    async def _do(self, step: Step, last: bytes) -> None:
        match step:
            case Step.CLOSE:
                self._writer.close()
            case Step.RESET:
                linger = struct.pack("ii", 1, 0)
                self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self._writer.transport.abort()
            case Step.HALF_CLOSE:
                self._writer.write_eof()
            case Step.WAIT:
                await self._answered.wait()
            case Step.WORK:
                await asyncio.sleep(1.1)
            case Step.READ_BODY:
                await self.read_body()
            case Step.HANG:
                await self.hear_out()
            case Step.REPEAT | Step.DRIP:
                while not self._writer.is_closing():  # uvloop raises at a write to a closed transport
                    await self._say(last)
                    await asyncio.sleep(0.02 if step is Step.DRIP else 0)

"""A TCP proxy that makes lines sick on demand: slow, cut, reset, silent; in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from stream.demo.apache_kafka import free_ports
from support.toxics import HEALTHY, Flow, Toxics

T = TypeVar("T")

WAIT_S = 60.0
_CHUNK = 64 * 1024
_QUEUED_PIECES = 256
"""Per direction and connection: beyond it the sender is not read, as a full line would do."""
_END = b""
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

UP = "up"
"""From the client to the server."""
DOWN = "down"
"""From the server to the client."""


class TcpProxy:
    """Listens on the loopback and passes every connection on to `port`, through the toxics of each direction.

    It runs from construction until `close`. Every method may be called from any thread; toxics hold at once, for
    open connections as well. Jitter follows from `seed`. To stand before a broker, its port is what the broker
    advertises; before a `FaultReceiver`, what the workflow's URL names.
    """

    def __init__(self, port: int, seed: int = 0, host: str = "127.0.0.1") -> None:
        self._target = (host, port)
        self._rng = random.Random(seed)
        self._toxics = {UP: HEALTHY, DOWN: HEALTHY}
        self._links: set[_Link] = set()
        self.connections_made = 0
        self._loop = asyncio.new_event_loop()
        self._changed = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tcp-proxy", daemon=True)
        self._thread.start()
        self.port = free_ports(1)[0]
        self._server: asyncio.Server | None = None
        self.accept()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def address(self) -> str:
        """`host:port` to connect to."""
        return f"127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        """Connections that are open now."""
        return len(self._links)

    def set(self, up: Toxics = HEALTHY, down: Toxics = HEALTHY) -> None:
        """Make these the toxics of the two directions."""
        self._call(self._set({UP: up, DOWN: down}))

    def black_hole(self) -> None:
        """Let nothing pass in either direction; connections stay, and new ones are accepted and not passed on."""
        self.set(Toxics(is_black_hole=True), Toxics(is_black_hole=True))

    def reset_connections(self) -> int:
        """Reset every open connection, to both sides; how many there were."""
        return self._call(self._reset())

    def refuse(self) -> None:
        """Listen no more and reset what is open, as a host does whose service is gone."""
        self._call(self._stop_listening())

    def accept(self) -> None:
        """Listen (again) on the same port."""
        self._call(self._listen())

    def heal(self) -> None:
        """A healthy line from now on: no toxics, and connections are accepted."""
        self.set()
        self.accept()

    def close(self) -> None:
        """Reset every connection and end the thread. May be called again."""
        if self._loop.is_closed():
            return
        self.refuse()
        self._call(self._end_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def toxics(self, direction: str) -> Toxics:
        """What holds for a direction now (asked by connections, on the proxy's thread)."""
        return self._toxics[direction]

    def luck(self) -> float:
        """At random from 0 to 1."""
        return self._rng.random()

    async def opened(self, direction: str) -> None:
        """Return once the direction is no black hole."""
        while self._toxics[direction].is_black_hole:
            await self._changed.wait()

    def left(self, link: _Link) -> None:
        """A connection is gone."""
        self._links.discard(link)

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT_S)

    async def _set(self, toxics: dict[str, Toxics]) -> None:
        self._toxics = toxics
        self._changed.set()
        self._changed = asyncio.Event()

    async def _reset(self) -> int:
        links = list(self._links)
        for link in links:
            link.reset()
        return len(links)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._join, "127.0.0.1", self.port)

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._reset()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections_made += 1
        link = _Link(self, reader, writer)
        self._links.add(link)
        await link.carry(self._target)

    async def _end_tasks(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Link:
    """One connection through the proxy."""

    def __init__(self, proxy: TcpProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._client = (reader, writer)
        self._writers = [writer]
        self._tasks: list[asyncio.Task[None]] = []

    async def carry(self, target: tuple[str, int]) -> None:
        """Pass bytes in both directions until one side closes, or `reset`."""
        try:
            await self._proxy.opened(UP)
            server = await asyncio.open_connection(*target)
            self._writers.append(server[1])
            self._tasks = [
                asyncio.ensure_future(work)
                for reader, writer, direction in (
                    (self._client[0], server[1], UP),
                    (server[0], self._client[1], DOWN),
                )
                for work in self._direction(reader, writer, direction)
            ]
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        except OSError:
            self.reset()
        finally:
            self._end()

    def reset(self) -> None:
        """End both sides with a RST."""
        for writer in self._writers:
            connection = writer.get_extra_info("socket")
            if connection is not None:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            writer.transport.abort()
        self._end()

    def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.close()
        self._proxy.left(self)

    def _direction(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: str
    ) -> tuple[Coroutine[Any, Any, None], Coroutine[Any, Any, None]]:
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_QUEUED_PIECES)
        return self._take(reader, line, direction), self._give(line, writer, direction)

    async def _take(self, reader: asyncio.StreamReader, line: asyncio.Queue[tuple[float, bytes]], way: str) -> None:
        flow, loop = Flow(), asyncio.get_running_loop()
        toxics = HEALTHY
        with contextlib.suppress(OSError):  # a side that resets has ended, too
            while not flow.is_over(toxics) and (chunk := await reader.read(_CHUNK)):
                toxics = self._proxy.toxics(way)
                for piece in flow.pieces(chunk, toxics):
                    await line.put((flow.due_at(piece, toxics, loop.time(), self._proxy.luck()), piece))
        await line.put((0.0, _END))
        await asyncio.Event().wait()  # the other half ends the connection, when all has passed

    async def _give(self, line: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter, way: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                due_at, piece = await line.get()
                await asyncio.sleep(max(0.0, due_at - loop.time()))
                await self._proxy.opened(way)
                if piece == _END:
                    return
                writer.write(piece)
                await writer.drain()
        except OSError:
            return

"""A proxy before a Kafka broker that answers chosen kinds of requests late, and counts the requests of each kind."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from stream.demo.apache_kafka import ApacheKafka, free_ports

KINDS: Mapping[str, int] = {
    "ListOffsets": 2,
    "Metadata": 3,
    "OffsetCommit": 8,
    "OffsetFetch": 9,
    "FindCoordinator": 10,
    "JoinGroup": 11,
    "Heartbeat": 12,
    "SyncGroup": 14,
    "ConsumerGroupHeartbeat": 68,
}
"""Keys of the requests that a member's start depends on."""
_CHUNK = 64 * 1024
_WAIT_S = 60.0


class KafkaProxy:
    """Listens on `port` and passes each connection on to `target_port`. Every method may be called from any thread.

    A request that is held back holds back those that follow on its connection, as in a broker, which answers in order.
    """

    def __init__(self, port: int, target_port: int) -> None:
        self.port = port
        self.requests: Counter[int] = Counter()
        """Requests passed on so far, by key."""
        self._target_port = target_port
        self._delays: dict[int, float] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="kafka-proxy", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(_WAIT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def bootstrap(self) -> str:
        """`host:port` to connect to."""
        return f"127.0.0.1:{self.port}"

    def slow(self, *kinds: str, seconds: float) -> None:
        """Pass requests of exactly these kinds on that much later; others at once."""
        self._delays = {KINDS[kind]: seconds for kind in kinds}

    def count(self, kind: str) -> int:
        """How many requests of a kind were passed on."""
        return self.requests[KINDS[kind]]

    def close(self) -> None:
        """Close every connection and end the thread. May be called again."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(_WAIT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)

    async def _end(self) -> None:
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        tasks = []
        try:
            answers, broker = await asyncio.open_connection("127.0.0.1", self._target_port)
            writers.append(broker)
            ways = self._pass_requests(reader, broker), _pass_bytes(answers, writer)
            tasks = [asyncio.ensure_future(way) for way in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        except OSError:
            return
        finally:
            for task in tasks:
                task.cancel()
            for one in writers:
                one.close()

    async def _pass_requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                size = await reader.readexactly(4)
                body = await reader.readexactly(int.from_bytes(size, "big"))
                key = int.from_bytes(body[:2], "big")
                self.requests[key] += 1
                if (delay := self._delays.get(key, 0.0)) > 0:
                    await asyncio.sleep(delay)
                writer.write(size + body)
                await writer.drain()


async def _pass_bytes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()


class SlowedKafka(ApacheKafka):
    """A broker with a second listener, whose clients come through `proxy`, which is to be closed for itself."""

    def __init__(self, directory: Path | str) -> None:
        super().__init__(directory)
        proxy_port, port = free_ports(2)
        plain, controller = f"PLAINTEXT://{self.bootstrap}", f"CONTROLLER://127.0.0.1:{self.controller_port}"
        self.properties |= {
            "listeners": f"{plain},PROXIED://127.0.0.1:{port},{controller}",
            "advertised.listeners": f"{plain},PROXIED://127.0.0.1:{proxy_port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
        }
        self.proxy = KafkaProxy(proxy_port, port)

"""The whole processor of `tray-stream run`, on a thread beside the test."""

from __future__ import annotations

import asyncio
import threading
import time
from types import TracebackType
from typing import Any, Self

import orjson
from assertions import HANG_S
from support import topics
from support.engine_world import event
from support.receiver import FaultReceiver
from support.topics import Broker

from stream.model.errors import StreamError
from stream.runtime.processor import Processor
from stream.settings.model import Settings
from stream.telemetry.logs import logger

PATH = "/orders"


class RunningProcessor:
    """A processor on a thread and an event loop of its own; stopped at the end of the block."""

    def __init__(self, broker: Broker, topic: str, receiver: FaultReceiver, **kafka: Any) -> None:
        given: dict[str, Any] = {
            "kafka": {"bootstrap_servers": broker.bootstrap, "topics": [topic], "group_id": topic, **kafka},
            "workflow": [{"name": "orders", "url": receiver.url(PATH)}],
            "http": {"listen": "127.0.0.1:0"},
        }
        self.settings = Settings.model_validate(given)
        self.error: StreamError | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(HANG_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def held(self) -> int:
        """How many partitions it owns."""
        return sum(len(run.world.engine.owned()) for run in self.processor.runs)

    @property
    def halted(self) -> int:
        """How many of them it must not read."""
        return sum(len(run.world.engine.halted()) for run in self.processor.runs)

    def stop(self) -> float:
        """Stop it, and how many seconds that took."""
        began = time.monotonic()
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self.processor.request_stop)
        self._thread.join(60)
        assert not self._thread.is_alive()
        return time.monotonic() - began

    def wait_ended(self) -> None:
        """Wait until it has ended by itself."""
        self._thread.join(30)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.processor = Processor(self.settings, logger())
        self._started.set()
        try:
            await self.processor.run()
        except StreamError as error:
            self.error = error


def put(broker: Broker, topic: str, count: int, first: int = 0) -> None:
    """Events of ten users, on four partitions by turns."""
    given: list[topics.Given] = [
        (f"u{n % 10}", orjson.dumps(event(f"u{n % 10}", f"m{n}")), n % 4, None) for n in range(first, first + count)
    ]
    topics.produce_events(broker.bootstrap, topic, given)

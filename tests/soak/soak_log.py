"""What reached the workflows of a soak, kept on disk in a few bytes a request, however long it runs."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from soak_load import WORKFLOWS, number_in
from support.behaviours import Act, Misdeed
from support.receiver import FaultReceiver

from stream.demo.behaviours import Reply
from stream.demo.receiver import Arrival, RequestHead

LINE = struct.Struct("<ddiHB")
"""When it came and was answered, the event's number, the status, and which workflow."""
_BLOCK = 10_000


REJECTED = 422
"""The one status with which a soak's workflows reject an event for good."""


class Request(NamedTuple):
    """One request, as the log keeps it."""

    at: float
    answered_at: float
    """0.0 when it was never answered."""
    number: int
    status: int
    workflow: str

    @property
    def is_success(self) -> bool:
        """Whether it was answered with a 2xx."""
        return 200 <= self.status < 300

    @property
    def is_end(self) -> bool:
        """Whether its event was done with: taken, or rejected and so a dead letter."""
        return self.is_success or self.status == REJECTED


class LoggedReceiver(FaultReceiver):
    """A receiver that keeps nothing in memory and a line for each request in `path`."""

    def __init__(self, path: Path) -> None:
        self._lines: BinaryIO = path.open("ab", buffering=1 << 16)
        self.delivered: Counter[str] = Counter()
        super().__init__(keeps_log=False)

    def arrived(self, head: RequestHead, body: bytes) -> tuple[Arrival, Reply]:
        """As always; what will not be answered is written down now."""
        arrival, reply = super().arrived(head, body)
        if isinstance(reply, Misdeed) and reply.act in (Act.RESET, Act.HANG):
            self._write(arrival, 0.0, 0)
        return arrival, reply

    def answered(self, arrival: Arrival, status: int) -> None:
        """As always, and written down."""
        super().answered(arrival, status)
        self.delivered[arrival.path] += arrival.is_success
        self._write(arrival, arrival.answered_at, status)

    def close(self) -> None:
        """As always."""
        super().close()
        self._lines.close()

    def _write(self, arrival: Arrival, answered_at: float, status: int) -> None:
        workflow = WORKFLOWS.index(arrival.path[1:])
        self._lines.write(LINE.pack(arrival.at, answered_at, number_in(arrival.body), status, workflow))


def read_requests(path: Path) -> Iterator[Request]:
    """The log, in the order of answers."""
    with path.open("rb") as log:
        while block := log.read(LINE.size * _BLOCK):
            for at, answered_at, number, status, workflow in LINE.iter_unpack(block):
                yield Request(at, answered_at, number, status, WORKFLOWS[workflow])

"""One request on its way."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from stream.core.model import Answer, HttpRequest

if TYPE_CHECKING:
    from stream.webhook.fast.connection import Connection


class Owner(Protocol):
    """Who started an attempt."""

    def give_up(self, attempt: Attempt) -> None:
        """Forget the attempt and close its connection, if it is not over."""


class Attempt:
    """A request in flight; `ports.Cancel`."""

    __slots__ = ("_owner", "body", "connection", "head", "on_answer", "started_at")

    def __init__(
        self, owner: Owner, request: HttpRequest, on_answer: Callable[[Answer], None], started_at: float
    ) -> None:
        self._owner = owner
        self.head = b""
        self.body = request.body
        self.on_answer = on_answer
        self.started_at = started_at
        self.connection: Connection | None = None

    def cancel(self) -> None:
        """Close the connection; no answer is reported any more."""
        self._owner.give_up(self)

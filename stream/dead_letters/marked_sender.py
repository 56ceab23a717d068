"""Keeps requests back while too many letters are delivered and not marked: after a crash they would be sent again."""

from __future__ import annotations

from collections import deque

from stream.dead_letters.markers import MarkerWriter
from stream.model.attempts import HttpRequest
from stream.model.ports import Attempt, OnResults, Sender


class MarkingSender:
    """Fulfils `Sender`: another one, with at most `limit` of the workflow's markers outstanding."""

    def __init__(self, sender: Sender, marks: MarkerWriter, workflow: str, limit: int) -> None:
        self._sender = sender
        self._marks = marks
        self._workflow = workflow
        self._limit = limit
        self._waiting: deque[tuple[HttpRequest, Attempt, OnResults]] = deque()
        marks.listeners.append(self._go_on)

    def send(self, request: HttpRequest, attempt: Attempt, on_results: OnResults) -> None:
        """Start one attempt now, or as soon as enough is marked; its time begins then."""
        self._waiting.append((request, attempt, on_results))
        self._go_on()

    def cancel(self, attempt: Attempt) -> None:
        """Give the attempt up: its callback is not called."""
        self._waiting = deque(waiting for waiting in self._waiting if waiting[1] is not attempt)
        self._sender.cancel(attempt)

    async def close(self) -> None:
        """Close every connection."""
        self._marks.listeners.remove(self._go_on)
        await self._sender.close()

    def _go_on(self) -> None:
        while self._waiting and self._marks.outstanding_of[self._workflow] < self._limit:
            self._sender.send(*self._waiting.popleft())

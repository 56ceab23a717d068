"""What the httpx sender alone has to get right."""

from __future__ import annotations

import asyncio

from webhook_support import Run, send

from stream.core.model import Answer, HttpRequest
from stream.core.ports import Answered, Attempt
from stream.webhook.sender import HttpxSender


class AtOnce(HttpxSender):
    """Has each answer in the next turn of the event loop."""

    async def _exchange(self, _request: HttpRequest, attempt: Attempt, _started_at: float) -> Answered:
        return attempt, Answer(200), 0.0


def test_cancel_between_the_answer_and_its_report_keeps_it_back(run: Run) -> None:
    """The exchange is over, the caller not yet told."""

    async def main() -> None:
        sender = AtOnce("http://workflow.test/", timeout_s=10)
        answers: list[Answer] = []
        attempt = send(sender, answers.append)
        (exchange,) = sender._exchanges.values()
        asyncio.get_running_loop().call_soon(attempt.cancel)
        assert (await exchange)[1].status == 200
        assert answers == []

    run(main())

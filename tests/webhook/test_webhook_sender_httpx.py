"""What the httpx sender alone has to get right."""

from __future__ import annotations

import asyncio

from webhook_support import Run

from stream.core.model import Answer
from stream.webhook.sender import Attempt


def test_cancel_between_the_answer_and_its_report_keeps_it_back(run: Run) -> None:
    """The exchange is over, the caller not yet told."""

    async def exchange() -> Answer:
        return Answer(200)

    async def main() -> None:
        answers: list[Answer] = []
        attempt = Attempt(exchange(), answers.append)
        asyncio.get_running_loop().call_soon(attempt.cancel)
        assert (await attempt.task).status == 200
        assert answers == []

    run(main())

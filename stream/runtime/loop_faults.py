"""What happens when something raises within the event loop, outside of any task that is awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from stream.model.errors import StreamError, describe_error
from stream.model.ports import Logger


def fail_on_loop_faults(logger: Logger, fail: Callable[[StreamError], None]) -> None:
    """Call `fail` for each from now on, on the running loop: nothing may be committed or sent on its strength.

    A fault of the network concerns one connection, and is only logged.
    """

    def on_exception(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is None or isinstance(error, OSError):
            logger.warning("The event loop reports a fault of the network.", what=context["message"])
            return
        logger.error("The engine broke; nothing more is committed.", error=describe_error(error))
        fail(as_stream_error(error))

    asyncio.get_running_loop().set_exception_handler(on_exception)


def as_stream_error(error: BaseException) -> StreamError:
    """The error of ours to end with."""
    return error if isinstance(error, StreamError) else StreamError(f"The engine broke: {describe_error(error)}.")

"""Which sender a workflow gets."""

from __future__ import annotations

import ssl

from stream.webhook.fast.sender import FastSender
from stream.webhook.sender import HttpxSender

WebhookSender = FastSender | HttpxSender


def choose_sender(
    url: str,
    *,
    timeout_s: float,
    max_connections: int,
    tls: ssl.SSLContext | None = None,
    needs_httpx: bool = False,
) -> WebhookSender:
    """The fast sender, unless the workflow needs what only httpx can do.

    Raises ValueError, without the URL in it, when `url` cannot be used.
    """
    kind = HttpxSender if needs_httpx else FastSender
    return kind(url, timeout_s=timeout_s, max_connections=max_connections, tls=tls)

"""Which sender a workflow gets."""

from __future__ import annotations

import ssl

from stream.webhook.egress import CheckAddress, allow_all
from stream.webhook.fast.sender import FastSender
from stream.webhook.proxy import ProxyServer
from stream.webhook.sender import HttpxSender

WebhookSender = FastSender | HttpxSender


def choose_sender(
    url: str,
    *,
    timeout_s: float,
    max_connections: int,
    tls: ssl.SSLContext | None = None,
    check: CheckAddress = allow_all,
    proxy: ProxyServer | None = None,
    http2: bool = False,
) -> WebhookSender:
    """The fast sender, unless the workflow needs what only httpx can do: a proxy, HTTP/2.

    Raises ValueError, without the URL in it, when `url` cannot be used.
    """
    if proxy is None and not http2:
        return FastSender(url, timeout_s=timeout_s, max_connections=max_connections, tls=tls, check=check)
    return HttpxSender(
        url, timeout_s=timeout_s, max_connections=max_connections, tls=tls, check=check, proxy=proxy, http2=http2
    )

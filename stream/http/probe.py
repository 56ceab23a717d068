"""Connects to a workflow as its sender would, and sends nothing."""

from __future__ import annotations

import asyncio
import ssl
from typing import cast

from stream.http.dialer import Dialer
from stream.http.egress import CheckAddress
from stream.http.httpx_parts import URL
from stream.http.lookup import system_lookup
from stream.http.proxy import ProxyServer
from stream.http.target import parse_target
from stream.http.translate import failure_text


async def probe(
    url: str, *, timeout_s: float, tls: ssl.SSLContext, check: CheckAddress, proxy: ProxyServer | None
) -> str:
    """Name, address, TCP, TLS: empty when all of that works, else what does not, as text that may be shown.

    With a proxy that is as far as the proxy itself: what lies behind it is reached by requests alone.
    """
    target, context = (parse_target(url), tls) if proxy is None else (URL(proxy.url), proxy.tls)
    dialer = Dialer(target, context, timeout_s, system_lookup, check)
    try:
        async with asyncio.timeout(timeout_s):
            await dialer.open(_Unsaid())
    except TimeoutError:
        return f"nothing within {timeout_s:g} s"
    except Exception as error:  # whatever it is, it is what stands in the way
        return failure_text(error)
    finally:
        await dialer.close()
    return ""


class _Unsaid(asyncio.Protocol):
    """A connection that is closed as soon as it is made."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()

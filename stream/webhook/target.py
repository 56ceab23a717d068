"""Where a sender sends to: a workflow's URL, taken apart the way httpx does."""

from __future__ import annotations

import httpx


def parse_target(url: str) -> httpx.URL:
    """`url`, its path and query percent-encoded. Raises ValueError, without the URL in it, when it cannot be used."""
    try:
        target = httpx.URL(url)
    except httpx.InvalidURL:
        target = httpx.URL()
    if target.scheme not in ("http", "https") or not target.raw_host or target.userinfo:
        raise ValueError("The workflow's URL cannot be used.")
    return target

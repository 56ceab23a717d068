"""Segment events to forward, and what a topic of them looks like.

Needs nothing of the tests' own world: a program that is measured imports it, too.
"""

from __future__ import annotations

import random
from typing import NamedTuple

import orjson

KINDS = ("track",) * 6 + ("page",) * 2 + ("identify", "screen")
AGENT = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_9_5) AppleWebKit/537.36 (KHTML, like Gecko)"
PAGE = {"path": "/shop/", "referrer": "", "search": "", "title": "Shop", "url": "https://example.com/shop/"}
PRODUCTS = [{"sku": "kettle-1l", "quantity": 1, "price": 39.5}, {"sku": "cup-blue", "quantity": 2, "price": 8.25}]
SEED = 7


class Shape(NamedTuple):
    """What a topic looks like."""

    events: int
    size: int = 800
    """Bytes of an event, nearly."""
    users: int = 20_000
    """At random; where there are as many as events, each has one."""
    partitions: int = 4


def event(number: int, user: str, padding: str = "", *, is_small: bool = False) -> dict[str, object]:
    """One event as a web page sends it; a small one has only what it must."""
    kind = KINDS[number % len(KINDS)]
    named = {"event": "Order Completed"} if kind == "track" else {}
    found: dict[str, object] = {"messageId": f"m-{number}", "type": kind, "userId": user, **named}
    if is_small:
        return {**found, "timestamp": "2026-01-05T09:00:00.000Z", "properties": {"orderId": number, "total": 42.5}}
    return {
        **found,
        "anonymousId": f"a-{number:032d}",
        "timestamp": "2026-01-05T09:00:00.000Z",
        "receivedAt": "2026-01-05T09:00:00.100Z",
        "integrations": {"All": True},
        "context": {"ip": "192.0.2.1", "locale": "en-US", "userAgent": AGENT, "page": PAGE},
        "properties": {"orderId": number, "total": 42.5, "products": PRODUCTS, "note": padding},
    }


def filler(size: int) -> str:
    """Text that brings an event to this size."""
    bare = len(orjson.dumps(event(100_000, "user-10000")))
    chooser = random.Random(SEED)
    words = ("order", "kettle", "gift", "blue", "please", "ring", "twice", "thanks", "door", "left")
    text = " ".join(chooser.choice(words) for _ in range(max(0, size - bare) // 4))
    return text[: max(0, size - bare)]

"""Segment events to try things with: every message type and every odd form that is legal, the same for a seed."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from copy import copy
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import Any

import orjson

Event = dict[str, Any]

FIRST_EVENT_AT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
EVENTS_PER_USER = 6
"""On average, so that the order of one user's events can be seen."""

ONE_MEGABYTE = 1_000_000

INTEGRATIONS: tuple[Any, ...] = (
    {},
    {"All": True},
    {"All": False},
    {"all": False},
    {"tray.io": True},
    {"tray.io": False},
    {"All": False, "tray.io": True},
    {"All": True, "tray.io": False},
    {"All": False, "tray.io": {"trigger": "nightly"}},
    {"All": False, "tray.io": None},
    {"Tray": False, "Mixpanel": True},
    None,
    [],
)
"""Integrations objects of all sorts. The destination is called `tray.io`, in exactly this spelling."""

_PRODUCTS = (("kettle-1l", "Kettle", 39.5), ("cup-blue", "Blue Cup", 8.25), ("tea-assam", "Assam Tea", 12.0))
_PAGES = (("Docs", "Getting started", "/docs/start"), ("Shop", "Teas", "/shop/teas"), ("Blog", "News", "/blog"))
_CITIES = ("Lisbon", "Québec", "東京", "Kraków")


def sample_events(count: int, seed: int = 0) -> list[Event]:
    """`count` events, the same for the same arguments. The first 40 hold every type and form at least once."""
    maker = _Maker(random.Random(seed), users=max(3, count // EVENTS_PER_USER))
    return [maker.make(number) for number in range(count)]


def event_key(event: Event) -> str | None:
    """The Kafka key that producers of Segment events use: the user, else the visitor, else the group."""
    found = event.get("userId") or event.get("anonymousId") or event.get("groupId")
    return None if found is None else str(found)


def poison_values() -> list[tuple[str, bytes | None]]:
    """Record values that break careless consumers, each with its name; those in `LEGAL` are valid events."""
    return [
        ("null", None),
        ("empty", b""),
        ("not JSON", b"Order Completed, user 17, 42.50"),
        ("array", b'[{"type":"track","event":"In a list","userId":"user-1"}]'),
        ("NaN", b'{"type":"track","event":"No number","userId":"user-1","properties":{"revenue":NaN}}'),
        ("lone surrogate", b'{"type":"track","event":"Half an emoji \\ud83d","userId":"user-1"}'),
        ("invalid UTF-8", b'{"type":"track","event":"Caf\xe9","userId":"user-1"}'),
        ("1 MB", _padded(ONE_MEGABYTE)),
        ("100-deep nesting", b'{"type":"track","event":"Deep","userId":"user-1","properties":%b}' % _nested(100)),
        ("no type", b'{"event":"Typeless","userId":"user-1","messageId":"no-type"}'),
        ("no user", b'{"type":"track","event":"By nobody","messageId":"no-user"}'),
    ]


LEGAL = frozenset({"lone surrogate", "1 MB", "100-deep nesting"})
"""Names of poison values that are valid events and must be forwarded, byte for byte."""


class _Maker:
    """Makes event after event; all randomness comes from one seeded source."""

    def __init__(self, rng: random.Random, users: int) -> None:
        self._rng = rng
        self._users = users
        self._at = FIRST_EVENT_AT
        self._integrations = cycle(INTEGRATIONS)
        self._forms: list[Callable[[], Event]] = [
            self._identify,
            self._order_completed,
            self._page,
            self._product_viewed,
            self._screen,
            self._group,
            self._anonymous_page,
            self._signed_up,
            self._alias,
            self._delete_with_nulls,
            self._order_refunded,
            self._audience,
            self._product_added,
            self._computed_trait,
            self._delete_with_arrays,
            self._audience_track,
            self._numeric_user,
            self._delete_reduced,
            self._php_style,
            self._already_delivered_by_the_client,
        ]

    def make(self, number: int) -> Event:
        """The event of this number: forms take turns, and so do, more slowly, integrations objects."""
        self._at = FIRST_EVENT_AT + timedelta(seconds=1.7 * number)
        event = self._forms[number % len(self._forms)]()
        if number % 2 == 0 and event.get("integrations") == {}:
            event["integrations"] = copy(next(self._integrations))
        return event

    def _common(self, type_: str, **fields: Any) -> Event:
        at, user = _iso(self._at), self._user()
        return {
            "type": type_,
            "messageId": self._uuid(),
            "userId": user,
            "anonymousId": str(uuid.uuid5(uuid.NAMESPACE_URL, str(fields.get("userId") or user))),
            "channel": self._rng.choice(["client", "server", "mobile"]),
            "context": self._context(),
            "integrations": {},
            "timestamp": at,
            "originalTimestamp": at,
            "sentAt": _iso(self._at + timedelta(milliseconds=120)),
            "receivedAt": _iso(self._at + timedelta(milliseconds=250)),
            "version": self._rng.choice([2, "1.1"]),
            **fields,
        }

    def _context(self) -> Event:
        return {
            "ip": f"192.0.2.{self._rng.randrange(1, 255)}",
            "locale": self._rng.choice(["en-GB", "pt-PT", "ja-JP"]),
            "library": {"name": "sample-library", "version": "1.4.2"},
            "userAgent": "SampleBrowser/7.1 (sample; rv:7)",
        }

    def _identify(self) -> Event:
        user = self._user()
        traits = {"email": f"{user}@example.com", "city": self._rng.choice(_CITIES), "plan": "trial"}
        return self._common("identify", userId=user, traits=traits)

    def _track(self, name: str, properties: Event, **fields: Any) -> Event:
        return self._common("track", event=name, properties=properties, **fields)

    def _order_completed(self) -> Event:
        lines = [self._product() | {"quantity": self._rng.randrange(1, 4)} for _ in range(2)]
        total = round(sum(line["price"] * line["quantity"] for line in lines), 2)
        order = {"order_id": self._number(), "total": total, "revenue": total, "currency": "EUR"}
        return self._track("Order Completed", order | {"products": lines})

    def _order_refunded(self) -> Event:
        return self._track("Order Refunded", {"order_id": self._number(), "total": 39.5, "currency": "EUR"})

    def _product_viewed(self) -> Event:
        return self._track("Product Viewed", self._product())

    def _product_added(self) -> Event:
        return self._track("Product Added", self._product() | {"cart_id": self._number(), "quantity": 1})

    def _signed_up(self) -> Event:
        return self._track("Signed Up", {"plan": "team", "seats": self._rng.randrange(1, 50)})

    def _page(self, **fields: Any) -> Event:
        category, name, path = self._rng.choice(_PAGES)
        properties = {"path": path, "title": name, "url": f"https://shop.example.com{path}", "referrer": ""}
        return self._common("page", category=category, name=name, properties=properties, **fields)

    def _anonymous_page(self) -> Event:
        return self._page(userId=None)

    def _screen(self) -> Event:
        return self._common("screen", name="Cart", properties={"items": self._rng.randrange(0, 9)})

    def _group(self) -> Event:
        company = self._rng.randrange(1, 20)
        traits = {"name": f"Company {company}", "industry": "Tea", "employees": 10 * company}
        return self._common("group", groupId=f"company-{company}", traits=traits)

    def _alias(self) -> Event:
        return self._common("alias", previousId=self._uuid())

    def _audience(self) -> Event:
        name = "order_completed_last_30days"
        return self._computed("audience", name, self._rng.random() < 0.7, integrations=_FOR_TRAY_ONLY.copy())

    def _computed_trait(self) -> Event:
        value = round(self._rng.uniform(1, 900), 2)
        return self._computed("trait", "total_revenue_180_days", value, integrations=_FOR_TRAY_ONLY.copy())

    def _computed(self, class_: str, key: str, value: Any, **fields: Any) -> Event:
        event = self._common("identify", traits={key: value}, **fields)
        event["context"]["personas"] = _personas(class_, key)
        return event

    def _audience_track(self) -> Event:
        key = "first_time_shopper"
        event = self._track("Audience Entered", {"audience_key": key, key: True})
        event["context"]["personas"] = _personas("audience", key)
        return event

    def _numeric_user(self) -> Event:
        return self._track("Newsletter Opened", {"issue": 12}, userId=self._rng.randrange(1000, 1010))

    def _php_style(self) -> Event:
        """Libraries of a language that knows no empty object write empty arrays."""
        return self._common("identify", traits=[], context=[], integrations=[])

    def _already_delivered_by_the_client(self) -> Event:
        return self._track("Banner Clicked", {"banner": "spring"}, _metadata={"bundled": ["tray.io"]})

    def _delete_with_nulls(self) -> Event:
        return self._delete(context=None, integrations=None, messageId=f"delete-{self._uuid()}::job-1-sample")

    def _delete_with_arrays(self) -> Event:
        return self._delete(context=[], integrations=[], messageId=f"delete-{self._uuid()}")

    def _delete(self, **fields: Any) -> Event:
        at = _iso(self._at)
        return {
            "type": "delete",
            "channel": "server",
            "userId": self._user(),
            "projectId": "sampleProject",
            "timestamp": at,
            "receivedAt": at,
            "sentAt": _iso(self._at - timedelta(hours=6)),
            "originalTimestamp": f"{self._at:%Y-%m-%d %H:%M:%S}.209808489 +0000 UTC m=+{self._number()}.298768264",
            **fields,
        }

    def _delete_reduced(self) -> Event:
        return {"type": "delete", "userId": self._user(), "timestamp": _iso(self._at)}

    def _user(self) -> str:
        return f"user-{self._rng.randrange(self._users)}"

    def _product(self) -> Event:
        sku, name, price = self._rng.choice(_PRODUCTS)
        return {"product_id": sku, "sku": sku, "name": name, "price": price}

    def _number(self) -> int:
        return self._rng.randrange(10_000, 99_999)

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))


_FOR_TRAY_ONLY = {"All": False, "tray.io": True}


def _personas(class_: str, key: str) -> Event:
    return {
        "computation_class": class_,
        "computation_id": f"{class_[:3]}_{uuid.uuid5(uuid.NAMESPACE_URL, key).hex[:20]}",
        "computation_key": key,
        "namespace": "spa_sample",
        "space_id": "spa_sample",
    }


def _iso(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def _padded(size: int) -> bytes:
    event = {"type": "track", "event": "Large", "userId": "user-1", "properties": {"padding": ""}}
    event["properties"] = {"padding": "x" * (size - len(orjson.dumps(event)))}
    return orjson.dumps(event)


def _nested(depth: int) -> bytes:
    return b'{"in":' * (depth - 1) + b"{}" + b"}" * (depth - 1)

"""The recipes of the guide to filters: each is loaded as it stands, and does what it says."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from assertions import filled

from stream.explain.explainer import Explainer
from stream.model.records import Record
from stream.settings import Settings, load_settings

GUIDE = Path(__file__).resolve().parents[2] / "docs/guides/filters.md"
RECIPES = dict(re.findall(r"<!-- recipe: (\w+) -->\n```toml\n(.*?)```", GUIDE.read_text(), re.DOTALL))
KAFKA = '[kafka]\ntopics = ["events"]\n'
WORKFLOW = '[[workflow]]\nname = "w"\nurl = "https://hooks.example.com"\n'


def loaded(recipe: str, folder: Path) -> Settings:
    """Its settings; a workflow is added where it has none."""
    text = RECIPES[recipe]
    path = folder / "stream.toml"
    path.write_text(KAFKA + text + ("" if "[[workflow]]" in text else WORKFLOW))
    urls = {name: f"https://hooks.example.com/{name}" for name in re.findall(r"env:(\w+_URL)", text)}
    found = load_settings(path, {**urls, "HASH_SALT": "pepper"}, {})
    assert found.warnings == ()
    return found.settings


def sent(settings: Settings, **event: Any) -> Any:
    """The body that is sent of an event; of one that is not, the reason."""
    whole = {"type": "track", "event": "Order Completed", "userId": "u1", "messageId": "m1"} | event
    record = Record("events", 0, 0, 0, None, json.dumps(whole).encode())
    (verdicts,) = Explainer(settings, with_body=True).explain(record, 0).workflows
    if not verdicts.wanted:
        return verdicts.rules[-1].rule
    assert verdicts.request is not None
    return json.loads(verdicts.request.body or "")


def sha256(text: str) -> str:
    """In lower-case hex."""
    return hashlib.sha256(text.encode()).hexdigest()


PRODUCT = {"sku": "a", "quantity": 2, "price": 9.5}
KEPT_BACK: list[tuple[str, dict[str, Any], str]] = [
    ("paying", {"traits": {"plan": "free"}}, "where"),
    ("paying", {}, "where"),
    ("employees", {"traits": {"email": "ann@company.com"}}, "filter"),
    ("employees", {"context": {"traits": {"email": "ann@company.com"}}}, "filter"),
    ("country", {"context": {"location": {"country": "France"}}}, "where"),
    ("total", {"properties": {"total": 49.99}}, "where"),
    ("total", {"properties": {"total": "50"}}, "where"),
    ("total", {"event": "Order Updated", "properties": {"total": 50}}, "where"),
    ("allow", {"type": "identify"}, "type"),
    ("version", {"context": {"app": {"version": "2.0.9"}}}, "where"),
    ("version", {}, "where"),
    ("test", {"properties": {"environment": "TEST"}}, "filter"),
    ("test", {"event": "Test Order"}, "filter"),
    ("anonymous", {"event": "Password Reset"}, "where"),
]
SENT: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("paying", {"traits": {"plan": "pro"}}, {"traits": {"plan": "pro"}}),
    ("paying", {"properties": {"plan": "enterprise"}}, {"properties": {"plan": "enterprise"}}),
    ("employees", {"traits": {"email": "ann@example.com"}}, {"traits": {"email": "ann@example.com"}}),
    ("employees", {}, {"userId": "u1"}),
    ("country", {"traits": {"address": {"country": "DE"}}}, {"traits": {"address": {"country": "DE"}}}),
    ("ip", {"context": {"ip": "192.0.2.1", "userAgent": "x", "locale": "de"}}, {"context": {"locale": "de"}}),
    ("hash", {"traits": {"email": "a@b.c", "n": 1}}, {"traits": {"email": sha256("peppera@b.c"), "n": 1}}),
    ("total", {"properties": {"total": 50}}, {"properties": {"total": 50}}),
    (
        "allow",
        {"properties": {"orderId": 7, "email": "a@b.c", "products": [PRODUCT]}},
        {"properties": {"orderId": 7, "products": [{"sku": "a", "quantity": 2}]}},
    ),
    ("version", {"context": {"app": {"version": "2.10"}}}, {"context": {"app": {"version": "2.10"}}}),
    ("test", {"properties": {"environment": "live"}}, {"properties": {"environment": "live"}}),
    ("anonymous", {"context": {"ip": "192.0.2.1", "locale": "de"}}, {"context": {"locale": "de"}, "userId": None}),
]


@pytest.mark.parametrize(("recipe", "event", "reason"), KEPT_BACK)
def test_what_a_recipe_keeps_back(recipe: str, event: dict[str, Any], reason: str, tmp_path: Path) -> None:
    """By the reason that is counted."""
    assert sent(loaded(recipe, tmp_path), **event) == reason


@pytest.mark.parametrize(("recipe", "event", "parts"), SENT)
def test_what_a_recipe_sends(recipe: str, event: dict[str, Any], parts: dict[str, Any], tmp_path: Path) -> None:
    """What is left of the event."""
    body = sent(loaded(recipe, tmp_path), **event)
    assert {name: body.get(name) for name in parts} == parts


def test_a_tenth_of_the_page_views(tmp_path: Path) -> None:
    """Always of the same people; other events are all sent."""
    settings = loaded("sample", tmp_path)
    people = [f"person-{number}" for number in range(300)]
    kept = {who for who in filled(people) if sent(settings, type="page", anonymousId=who) != "sampled"}
    assert 10 <= len(kept) <= 50
    assert {who for who in people if sent(settings, type="page", anonymousId=who, n=2) != "sampled"} == kept
    assert sent(settings, anonymousId="person-1") != "sampled"


def test_every_recipe_is_executed() -> None:
    """Ten at least, and none without a test."""
    assert len(RECIPES) >= 10
    assert set(RECIPES) == {recipe for recipe, *_ in (*KEPT_BACK, *SENT)} | {"sample"}

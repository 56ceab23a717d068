"""What filters do to an event, besides what the comparison with Segment's own code shows."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import orjson
import pytest
from assertions import every

from stream.dead_letters.plan import UNWANTED, EligibilityChecker
from stream.fql.fields import fault_of
from stream.fql.pipeline import Pipeline, body_of
from stream.fql.rules import Filter, FilterSet
from stream.fql.transform import share_of
from stream.model.events import Event
from stream.model.policies import WorkflowPolicy
from stream.model.records import Record
from stream.rules.decode import Decoder
from stream.rules.filter import EventFilter
from stream.rules.request import RequestBuilder
from stream.runtime.policies import workflow_policies
from stream.settings import Settings
from stream.validation.schemas import SchemaValidator

RECORD = Record("events", 3, 41, 0, None, None)


def apply(*filters: Filter, where: str = "", salt: str = "", type_: str = "track", **event: Any) -> Any:
    """What is sent of the event, or the reason why it is not."""
    refusal, changed = Pipeline(FilterSet(where, filters, salt)).judge(event, type_, RECORD)
    return refusal or changed


def sha256(text: str) -> str:
    """In lower-case hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def test_hashes() -> None:
    """A text as it is, numbers, booleans and what holds others as JSON; null and what is missing stay so."""
    hashing = Filter("hash_properties", fields=("a.text", "a.number", "a.yes", "a.list", "a.none", "a.missing"))
    holder = {"text": "Ann é", "number": 450.0, "yes": True, "list": [1, {"b": "c"}], "none": None, "other": 1}
    assert apply(hashing, a=holder)["a"] == {
        "text": sha256("Ann é"),
        "number": sha256("450"),
        "yes": sha256("true"),
        "list": sha256('[1,{"b":"c"}]'),
        "none": None,
        "other": 1,
    }


def test_hashes_with_salt() -> None:
    """The salt is put before the text."""
    hashing = Filter("hash_properties", fields=("userId",))
    assert apply(hashing, salt="pepper", userId="u1") == {"userId": sha256("pepperu1")}


def test_hashes_in_every_element_of_a_list() -> None:
    """Of a list of products each product's field."""
    hashing = Filter("hash_properties", fields=("properties.products.sku",))
    products = [{"sku": "a", "n": 1}, "no product", {"n": 2}]
    changed = apply(hashing, properties={"products": products})
    assert changed["properties"]["products"] == [{"sku": sha256("a"), "n": 1}, "no product", {"n": 2}]


def test_a_deletion_hides_both_spellings_of_its_user() -> None:
    """Whoever hashes or drops one of userId and userID means the user."""
    deletion: dict[str, Any] = {"userId": "u1", "userID": "u1", "messageId": "m"}
    assert apply(Filter("drop_properties", fields=("userId",)), type_="delete", **deletion) == {"messageId": "m"}
    hashed = apply(Filter("hash_properties", fields=("userID",)), type_="delete", **deletion)
    assert hashed["userId"] == hashed["userID"] == sha256("u1")


def test_the_order_is_segments() -> None:
    """Sample, drop, drop fields, allow fields, hash: in whatever order they are written."""
    email = ("traits.email",)
    no_employees = Filter("drop", condition="match(traits.email, '*@company.com')")
    hashing, dropping = Filter("hash_properties", fields=email), Filter("drop_properties", fields=email)
    event: dict[str, Any] = {"traits": {"email": "ann@company.com", "plan": "free"}}
    assert apply(hashing, dropping, no_employees, **event) == "filter"
    assert apply(hashing, dropping, **event) == {"traits": {"plan": "free"}}
    assert apply(no_employees, Filter("sample", percent=0), **event) == "sampled"


def test_a_later_filter_sees_what_an_earlier_one_left() -> None:
    """As at Segment."""
    dropping = Filter("drop_properties", fields=("traits.email",))
    hashing = Filter("hash_properties", condition="length(traits.email) > 0", fields=("userId",))
    assert apply(dropping, hashing, userId="u1", traits={"email": "a@b.c"})["userId"] == "u1"


def test_where_comes_first() -> None:
    """An event that the workflow does not ask for is not sampled."""
    assert apply(Filter("sample", percent=0), where="type = 'page'", type="track") == "where"


@pytest.mark.parametrize("condition", ["'a' in properties.list", "!('a' in properties.list)"])
@pytest.mark.parametrize("action", ["drop", "drop_properties", "hash_properties"])
def test_what_cannot_be_judged_is_not_sent(condition: str, action: Any) -> None:
    """Whatever the filter would have done."""
    assert apply(Filter(action, condition, fields=("a",)), properties={"list": "text"}) == "filter_error"
    assert apply(where=condition, properties={}) == "filter_error"


def test_an_unchanged_event_is_the_same_object() -> None:
    """So its bytes can be sent as they are."""
    event = {"traits": {"plan": "free"}, "properties": {"products": [{"a": 1}]}}
    filters = (
        Filter("drop_properties", fields=("traits.email", "properties.products.price", "context.ip")),
        Filter("allow_properties", fields=("traits.plan",)),
        Filter("hash_properties", fields=("userId",)),
    )
    _, changed = Pipeline(FilterSet("", filters)).judge(event, "track", RECORD)
    assert changed is event


def test_the_parsed_event_itself_is_not_changed() -> None:
    """Another workflow gets it whole."""
    event: dict[str, Any] = {"userId": "u", "properties": {"products": [{"price": 1, "n": 2}], "a": [[1, 2]]}}
    before = orjson.dumps(event)
    fields = ("userId", "properties.products.price", "properties.a.0")
    assert apply(Filter("drop_properties", fields=fields), **event)["properties"]["products"] == [{"n": 2}]
    assert apply(Filter("hash_properties", fields=fields), **event)["properties"]["a"] == [[sha256("1"), 2]]
    assert orjson.dumps(event) == before


# Samples.


def test_a_sample_keeps_its_share() -> None:
    """Of 20,000 users about as many stay as were asked for, at any percentage."""
    shares = [share_of(f"user-{number}") for number in range(20_000)]
    for percent in (1, 10, 50, 90):
        kept = sum(share < percent / 100 for share in shares) / len(shares) * 100
        assert abs(kept - percent) < 1


@pytest.mark.parametrize("value", ["user-1", None, 5, {"a": [1, "b"]}, "é😀"])
def test_a_sample_decides_by_the_md5_of_the_json_text(value: object) -> None:
    """The first 64 bits as a fraction, so that the same users stay as on Segment's servers."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    digest = hashlib.md5(text.encode(), usedforsecurity=False).digest()
    assert share_of(value) == pytest.approx(int.from_bytes(digest[:8], "big") / 2**64, abs=1e-15)
    assert 0 <= share_of(value) < 1


def test_whoever_stays_in_a_small_sample_stays_in_a_larger_one() -> None:
    """A sample of 30 percent is a part of one of 60 percent."""

    def kept(percent: float) -> set[int]:
        sample = Filter("sample", percent=percent)
        return {n for n in range(500) if apply(sample, userId=f"u{n}") != "sampled"}

    assert kept(0) == set()
    assert kept(30) < kept(60) < kept(100)


def test_a_sample_by_default_is_by_user() -> None:
    """Else by anonymous id, message id and place: the same event always has the same fate."""
    half = Filter("sample", percent=50)
    ids: dict[str, Any] = {"userId": "u7", "anonymousId": "a2", "messageId": "m3"}
    by_user = apply(half, userId="u7", n=1) != "sampled"
    assert (apply(half, **ids) != "sampled") is by_user
    fates = {name: apply(half, where="", **{name: id_}) for name, id_ in ids.items()}
    assert every((fates[name] != "sampled") is (share_of(id_) < 0.5) for name, id_ in ids.items())
    assert (apply(half) != "sampled") is (share_of("events:3:41") < 0.5)
    assert (apply(half, userId="", anonymousId=None, messageId="m3") != "sampled") is (share_of("m3") < 0.5)


def test_a_sample_by_path() -> None:
    """Events with one value of the field share their fate; those without it, too."""
    half = Filter("sample", percent=50, path="properties.order")
    fates = {apply(half, userId=f"u{n}", properties={"order": "o1"}) == "sampled" for n in range(20)}
    missing = {apply(half, userId=f"u{n}") == "sampled" for n in range(20)}
    assert (len(fates), len(missing)) == (1, 1)


# The body.


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ('{ "a" : 1.50, "b": "\\u00e9" }', '{"a":1.5,"b":"é"}'),
        ('{"a": "\\ud83d"}', '{"a":"\\ud83d"}'),
        ('{"a": 12345678901234567890123}', '{"a":12345678901234567890123}'),
        ('{"a": 1e400}', '{"a":null}'),
        ('{"a": "\\ud83d\\ude00"}', '{"a":"😀"}'),
    ],
)
def test_a_changed_body(text: str, body: str) -> None:
    """Without spaces; what cannot be written as UTF-8 stays an escape."""
    assert body_of(json.loads(text)) == body.encode()


@pytest.mark.parametrize(
    "field", ["a..b", "", ".a", "a.", "a[0].b", "$.a", "a.*.b", "a\\.b", "type.x", "userId.x", " a", "a. b"]
)
def test_fields_that_can_never_be_there(field: str) -> None:
    """Each with a fix."""
    fault = fault_of(field)
    assert fault is not None
    assert fault.fix


def test_odd_fields_that_may_be_there() -> None:
    """Names with spaces and signs are legal in JSON."""
    assert every(fault_of(field) is None for field in ("a b.c d", "$set.x", "utm*", "products.0.price", "é"))


def test_a_redrive_holds_a_letter_against_the_filters_in_force() -> None:
    """A letter that the workflow does not want now is not sent again."""
    workflow = {"name": "w", "url": "https://hooks.example.com", "where": "properties.total >= 50"}
    settings = Settings.model_validate({"kafka": {"topics": ["events"]}, "workflow": [workflow]})
    checker = EligibilityChecker(settings, workflow_policies(settings))
    event = {"type": "track", "event": "Order Completed", "userId": "u"}
    small, large = (json.dumps(event | {"properties": {"total": total}}).encode() for total in (49, 50))
    assert checker.obstacle(Record("events", 0, 0, 0, None, small), "w") == UNWANTED
    assert checker.obstacle(Record("events", 0, 1, 0, None, large), "w") is None


def test_a_record_that_is_read_again_counts_once() -> None:
    """The body that filters made of it the time before is gone."""
    policy = WorkflowPolicy("w", filters=FilterSet("", (Filter("drop_properties", fields=("userId",)),)))
    event = {"type": "track", "event": "Order Completed", "userId": "u", "messageId": "m"}
    record = Record("events", 0, 0, 0, None, json.dumps(event).encode())
    decode, route = Decoder("strict", SchemaValidator()).decode, EventFilter("tray.io", [policy]).route
    for _ in range(3):
        read = decode(record)
        assert isinstance(read, Event)
        assert route(read).wanted == (0,)
        assert 0 < record.derived_bytes < len(record.value or b"")


def test_workflows_with_the_same_filters_share_one_body() -> None:
    """Whatever their statements: it is made, and counted as held, once."""
    filters = (Filter("drop_properties", fields=("userId", "context.ip")),)
    statements = ("", "", "type = 'track'", "userId = 'u'", "type = 'page'")
    policies = [WorkflowPolicy(f"w{n}", filters=FilterSet(where, filters)) for n, where in enumerate(statements)]
    event = {"type": "track", "event": "Order Completed", "userId": "u", "messageId": "m", "context": {"ip": "1.2.3.4"}}
    read = Decoder("strict", SchemaValidator()).decode(Record("events", 0, 0, 0, None, json.dumps(event).encode()))
    assert isinstance(read, Event)
    route = EventFilter("tray.io", policies).route(read)
    assert (route.wanted, route.unwanted) == ((0, 1, 2, 3), ((4, "where"),))
    ((_, body),) = read.filtered
    assert read.record.derived_bytes == len(body)
    sent = [RequestBuilder(policy, "agent").build(read).body for policy in policies[:4]]
    assert every(each is body for each in sent)


def test_only_what_leads_to_a_dropped_field_is_copied() -> None:
    """The rest of the event is shared with the parsed one."""
    event: dict[str, Any] = {"properties": {"a": {}}, "context": {"ip": "1.2.3.4", "page": {"url": "u"}, "app": {}}}
    changed = apply(Filter("drop_properties", fields=("context.ip", "context.page.url")), **event)
    assert changed == {"properties": {"a": {}}, "context": {"page": {}, "app": {}}}
    assert changed["properties"] is event["properties"]
    assert changed["context"]["app"] is event["context"]["app"]

"""What `explain` says of an event that lies nowhere yet."""

from __future__ import annotations

import json
from typing import Any

from stream.explain.explainer import Explainer, Explanation, Setting
from stream.explain.place import CLOCKS_APART_MS, letters_from_ms
from stream.model.records import Record
from stream.settings.model import Settings
from stream.settings.secret import MASK

SECRETS = {"url": "hook-8b1f", "header": "token-77aa", "signature": "s3cret-5d2e"}
NOW = 1_795_498_217.0


def settings_of(*workflows: dict[str, Any], **more: Any) -> Settings:
    """Settings of these workflows, `orders` unless told."""
    orders = {"name": "orders", "url": f"https://hooks.example.com/{SECRETS['url']}"}
    kafka = {"topics": ["segment-events"]}
    return Settings.model_validate({"kafka": kafka, "workflow": workflows or [orders], **more})


def explained(settings: Settings, with_body: bool = False, topic: str = "", **event: Any) -> Explanation:
    """What is said of an event."""
    record = Record(topic, 3, 41, 1_795_498_000_000, None, json.dumps(event).encode())
    return Explainer(settings, with_body).explain(record, NOW)


def test_each_rule_names_its_setting() -> None:
    """By its path and value, up to the rule that says no."""
    privacy = {"name": "privacy", "url": "https://p.example.com", "types": ["delete"]}
    orders = {"name": "orders", "url": "https://o.example.com", "events": ["Order *"]}
    found = explained(settings_of(orders, privacy), type="track", userId="u", event="Order Paid")
    assert (found.decoded.verdict, found.decoded.type) == ("event", "track")
    assert found.decoded.schema == "schemas/track.schema.json"
    assert found.decoded.mode == Setting("validation.mode", "strict")
    first, second = found.workflows
    assert (first.workflow, first.wanted) == ("orders", True)
    assert [rule.rule for rule in first.rules] == ["integrations", "device_mode", "type", "event"]
    assert first.rules[-1].setting == Setting("workflow[0].events", ["Order *"])
    assert (second.workflow, second.wanted, second.request, second.lane) == ("privacy", False, None, None)
    assert second.rules[-1].setting == Setting("workflow[1].types", ["delete"])
    assert second.rules[0].setting == Setting("destination.integration_name", "tray.io")


def test_the_request_hides_what_is_secret() -> None:
    """Of the URL the host, of the headers what the settings do not hold; the body when it is asked for."""
    workflow = {
        "name": "orders",
        "url": f"https://hooks.example.com/{SECRETS['url']}",
        "headers": {"Authorization": SECRETS["header"]},
    }
    destination = {"shared_secret": SECRETS["signature"], "signing": "both"}
    settings = settings_of(workflow, destination=destination)
    found = explained(settings, type="identify", userId="user-77", messageId="m-1")
    request = found.workflows[0].request
    assert request is not None
    assert (request.method, request.url) == ("POST", "https://hooks.example.com")
    assert request.headers["idempotency-key"] == request.headers["webhook-id"] == "m-1"
    assert {name for name, value in request.headers.items() if value == MASK} == {
        "Authorization",
        "x-signature",
        "webhook-signature",
    }
    assert request.is_original
    assert not [secret for secret in (*SECRETS.values(), "user-77") if secret in repr(found)]
    shown = explained(settings, True, type="identify", userId="user-77").workflows[0]
    assert shown.request is not None
    assert shown.request.body == '{"type": "identify", "userId": "user-77"}'
    assert shown.lane is not None
    assert (shown.lane.by, shown.lane.name) == ("userId", "user-77")


def test_a_deletion_is_shown_as_it_would_be_sent() -> None:
    """Completed, and counted so."""
    found = explained(settings_of(), True, topic="segment-events", type="delete", userId="u")
    request = found.workflows[0].request
    assert request is not None
    assert not request.is_original
    assert json.loads(request.body or "")["userID"] == "u"
    assert request.headers["idempotency-key"] == "segment-events-3-41"


def test_a_key_made_of_the_place_is_not_guessed() -> None:
    """A file has no place."""
    request = explained(settings_of(), type="delete", userId="u").workflows[0].request
    assert request is not None
    assert request.headers["idempotency-key"] == "<topic>-<partition>-<offset>"


def test_an_invalid_event_names_field_schema_and_end() -> None:
    """And never its value; no workflow is asked."""
    found = explained(settings_of(), type="track", event="x")
    assert found.workflows == []
    assert (found.decoded.verdict, found.decoded.reason) == ("invalid", "invalid_event")
    assert found.decoded.schema == "schemas/track.schema.json"
    assert found.decoded.detail == "userId is missing and anonymousId is missing."
    assert found.decoded.then == "it becomes a dead letter on tray.dead-letters"
    place = "segment-events:3:41"
    given_up = settings_of(validation={"give_up": [place]})
    assert "given up" in explained(given_up, topic="segment-events", type="track").decoded.then
    lenient = explained(settings_of(validation={"mode": "lenient"}), type="track")
    assert (lenient.decoded.verdict, lenient.decoded.schema) == ("event", "schemas/common.schema.json")


def test_what_is_no_json_and_what_is_no_value() -> None:
    """Both end before any schema."""
    explainer = Explainer(settings_of(), False)
    broken = explainer.explain(Record("", 0, 0, 0, None, b"{nope"), NOW).decoded
    assert (broken.verdict, broken.reason, broken.schema) == ("invalid", "invalid_json", "")
    assert explainer.explain(Record("", 0, 0, 0, None, None), NOW).decoded.verdict == "tombstone"


def test_lanes() -> None:
    """What names them, by the workflow's ordering; without a user there is none."""
    names = ("user", "key", "partition", "none")
    workflows = [{"name": name, "url": f"https://{name}.example.com", "ordering": name} for name in names]
    found = explained(settings_of(*workflows), type="group", groupId="g", anonymousId="a")
    assert [one.lane.by for one in found.workflows if one.lane] == ["anonymousId", "", "partition", ""]
    alone = explained(settings_of(*workflows[:1]), type="renewed").workflows[0]
    assert alone.lane is not None
    assert alone.lane.by == ""


def test_an_event_that_is_given_up() -> None:
    """The workflow's setting that names it is told."""
    workflow = {"name": "orders", "url": "https://o.example.com", "give_up": ["segment-events:3:41"]}
    found = explained(settings_of(workflow), topic="segment-events", type="identify", userId="u").workflows[0]
    assert found.given_up == Setting("workflow[0].give_up", ["segment-events:3:41"])


def test_letters_of_a_record_from_the_future_are_looked_for_everywhere() -> None:
    """A letter is written when it fails, whatever its event's timestamp says."""
    now_ms = int(NOW * 1000)
    assert letters_from_ms(now_ms, now_ms) == now_ms - CLOCKS_APART_MS
    assert letters_from_ms(now_ms + CLOCKS_APART_MS, now_ms) == now_ms
    assert letters_from_ms(2**62, now_ms) == letters_from_ms(-1, now_ms) == letters_from_ms(0, now_ms) == 0


FILTERS: dict[str, Any] = {
    "destination": {"filters": [{"action": "drop_properties", "fields": ["traits.email"]}]},
    "workflow": {
        "name": "orders",
        "url": "https://o.example.com",
        "where": "type = 'identify' and (traits.plan = 'paid' or traits.vip)",
        "filters": [{"action": "drop", "if": "match(traits.email, '*@company.com')"}],
    },
}


def test_filters_are_explained_step_by_step() -> None:
    """Which statement, which part of it decided, where it stands in the settings; the body before and after."""
    settings = settings_of(FILTERS["workflow"], destination=FILTERS["destination"])
    traits = {"email": "ann@example.com", "plan": "paid"}
    (found,) = explained(settings, with_body=True, type="identify", userId="u", traits=traits).workflows
    assert [(rule.rule, rule.passes, rule.setting.path, rule.why) for rule in found.rules[3:]] == [
        ("where", True, "workflow[0].where", "type = 'identify' is true; traits.plan = 'paid' is true"),
        (
            "filter",
            True,
            "workflow[0].filters[0]",
            "the filter does not apply: match(traits.email, '*@company.com') is not true",
        ),
        ("drop_properties", True, "destination.filters[0]", "drops traits.email"),
    ]
    assert found.rules[4].ir == ["match", "traits.email", {"value": "*@company.com"}]
    assert found.request is not None
    assert json.loads(found.request.body or "")["traits"] == {"plan": "paid"}
    assert json.loads(found.request.body_before or "")["traits"] == traits


def test_what_a_filter_keeps_back_is_explained() -> None:
    """The last rule is the one that says no, by the reason that is counted."""
    settings = settings_of(FILTERS["workflow"], destination=FILTERS["destination"])
    (employee,) = explained(
        settings, type="identify", userId="u", traits={"email": "ann@company.com", "vip": True}
    ).workflows
    assert (employee.wanted, employee.rules[-1].rule) == (False, "filter")
    assert employee.rules[-1].why == "the event is dropped, since match(traits.email, '*@company.com') is true"
    (unpaid,) = explained(settings, type="identify", userId="u", traits={"plan": "free"}).workflows
    assert (unpaid.wanted, unpaid.rules[-1].rule) == (False, "where")
    assert unpaid.rules[-1].why == "traits.plan = 'paid' is not true; traits.vip is not true"


def test_an_event_that_cannot_be_judged_is_explained() -> None:
    """With the statement and what is wrong with the event."""
    settings = settings_of({"name": "w", "url": "https://o.example.com", "where": "'a' in properties.tags"})
    (found,) = explained(settings, type="track", userId="u", event="A").workflows
    assert (found.wanted, found.rules[-1].rule) == (False, "filter_error")
    assert found.rules[-1].why == "'a' in properties.tags cannot be judged: what stands behind in is not a list"


def test_a_sample_is_explained() -> None:
    """Whether the event is among those that are sent."""
    filters = [{"action": "sample", "percent": 0}]
    settings = settings_of({"name": "w", "url": "https://o.example.com", "filters": filters})
    (found,) = explained(settings, type="track", userId="u", event="A").workflows
    assert found.rules[-1].why == "the event is not among the 0 % that are sent"

"""Which workflows get which events."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.fql.rules import Filter, FilterSet
from stream.model.events import SEGMENT_TYPES, Event, FilterReason
from stream.model.policies import WorkflowPolicy
from stream.model.records import Record
from stream.rules.filter import EventFilter, Route, WorkflowFilter, common_reason

NAME = "tray.io"
ON, OFF = True, False


def event(type_: str = "track", **payload: Any) -> Event:
    """An event of `type_` with these fields."""
    return Event(Record("events", 0, 0, 0, None, b""), b"", type_, None, None, payload)


def reason(policy: WorkflowPolicy, an_event: Event) -> FilterReason | None:
    """Why a workflow of `policy` does not want the event."""
    return WorkflowFilter(policy, NAME).reason(an_event)


INTEGRATIONS_RULES: list[tuple[str, Any, bool]] = [
    # no integrations object: on
    ("null", None, ON),
    ("empty object", {}, ON),
    ("empty array", [], ON),
    ("array that lists another", ["Salesforce"], ON),
    ("array of false", [False], ON),
    ("string", "false", ON),
    ("false", False, ON),
    ("true", True, ON),
    ("zero", 0, ON),
    # the destination's own switch
    ("named true", {"tray.io": True}, ON),
    ("named false", {"tray.io": False}, OFF),
    ("named true against All", {"All": False, "tray.io": True}, ON),
    ("named false against All", {"All": True, "tray.io": False}, OFF),
    ("named with an object", {"All": False, "tray.io": {"key": "value"}}, ON),
    ("named with an empty object", {"All": False, "tray.io": {}}, ON),
    ("named with a string", {"All": False, "tray.io": "false"}, ON),
    ("named with an empty string", {"All": False, "tray.io": ""}, ON),
    ("named with a number", {"All": False, "tray.io": 1}, ON),
    ("named with zero", {"All": False, "tray.io": 0}, ON),
    ("named with an array", {"All": False, "tray.io": []}, ON),
    # null is as if absent: All decides
    ("named null", {"tray.io": None}, ON),
    ("named null, All false", {"All": False, "tray.io": None}, OFF),
    ("named null, All true", {"All": True, "tray.io": None}, ON),
    # not named: All decides if it is a boolean
    ("All true", {"All": True}, ON),
    ("All false", {"All": False}, OFF),
    ("All false, others named", {"All": False, "Salesforce": True}, OFF),
    ("others switched off", {"Salesforce": False}, ON),
    ("All null", {"All": None}, ON),
    ("All zero", {"All": 0}, ON),
    ("All a string", {"All": "false"}, ON),
    ("All an object", {"All": {}}, ON),
    ("All an array", {"All": []}, ON),
    # other spellings of All; the exact one wins
    ("lower-case all false", {"all": False}, OFF),
    ("lower-case all true", {"all": True}, ON),
    ("lower-case all a string", {"all": "false"}, ON),
    ("upper-case ALL false", {"ALL": False}, OFF),
    ("mixed aLL false", {"aLL": False}, OFF),
    ("exact All true before all", {"All": True, "all": False}, ON),
    ("exact All true behind all", {"all": False, "All": True}, ON),
    ("exact All false behind all", {"ALL": True, "All": False}, OFF),
    ("exact All that is no boolean", {"All": "x", "all": False}, ON),
    ("all before ALL", {"all": False, "ALL": True}, OFF),
    ("ALL before all", {"ALL": True, "all": False}, ON),
    ("all with the destination named", {"all": False, "tray.io": True}, ON),
    ("a name that begins with all", {"Allocadia": False}, ON),
    ("a name as long as all", {"CRM": False}, ON),
    # names are compared exactly
    ("Tray.io is another name", {"Tray.io": False}, ON),
    ("TRAY.IO is another name", {"TRAY.IO": False}, ON),
    ("tray is another name", {"tray": False}, ON),
    ("Tray is another name", {"All": False, "Tray": True}, OFF),
    ("a space makes another name", {"All": False, "tray.io ": True}, OFF),
]


@pytest.mark.parametrize("type_", ["track", "delete", "custom type"])
@pytest.mark.parametrize(
    ("integrations", "is_on"),
    [(integrations, is_on) for _, integrations, is_on in INTEGRATIONS_RULES],
    ids=[name for name, _, _ in INTEGRATIONS_RULES],
)
def test_integrations_object(type_: str, integrations: Any, is_on: bool) -> None:
    """The integrations object switches the destination on or off, alike for every type."""
    expected = None if is_on else FilterReason.INTEGRATIONS
    assert reason(WorkflowPolicy("w"), event(type_, integrations=integrations)) is expected


def test_without_integrations_object() -> None:
    """An event without an integrations object goes everywhere."""
    assert reason(WorkflowPolicy("w"), event()) is None


def test_integration_name_is_a_setting() -> None:
    """The destination's name in the integrations object is what the settings say."""
    assert common_reason({"integrations": {"Hook": False}}, "Hook") is FilterReason.INTEGRATIONS
    assert common_reason({"integrations": {"tray.io": False}}, "Hook") is None


@pytest.mark.parametrize(
    ("metadata", "is_on"),
    [
        ({"bundled": ["tray.io"]}, OFF),
        ({"bundled": ["Amplitude", "tray.io"]}, OFF),
        ({"bundled": ["Amplitude"]}, ON),
        ({"bundled": ["Tray.io"]}, ON),
        ({"bundled": []}, ON),
        ({"bundled": None}, ON),
        ({"bundled": "tray.io"}, ON),
        ({"bundled": {"tray.io": True}}, ON),
        ({"bundled": [["tray.io"], None, 1]}, ON),
        ({"unbundled": ["tray.io"]}, ON),
        ({}, ON),
        ([], ON),
        (None, ON),
        ("tray.io", ON),
    ],
)
def test_device_mode(metadata: Any, is_on: bool) -> None:
    """An event that the client has delivered itself is not sent again."""
    expected = None if is_on else FilterReason.DEVICE_MODE
    assert reason(WorkflowPolicy("w"), event(_metadata=metadata)) is expected


@pytest.mark.parametrize(
    ("types", "exclude_types", "wanted"),
    [
        (None, set(), {*SEGMENT_TYPES, "renewed"}),
        ({"all"}, set(), {*SEGMENT_TYPES, "renewed"}),
        ({"All", "track"}, set(), {*SEGMENT_TYPES, "renewed"}),
        ({"track"}, set(), {"track"}),
        ({" Track ", "IDENTIFY"}, set(), {"track", "identify"}),
        ({"delete"}, set(), {"delete"}),
        ({"renewed"}, set(), {"renewed"}),
        (set(), set(), set()),
        (None, {"delete"}, {*SEGMENT_TYPES, "renewed"} - {"delete"}),
        ({"all"}, {" SCREEN", "renewed"}, set(SEGMENT_TYPES) - {"screen"}),
        ({"track", "page"}, {"page"}, {"track"}),
    ],
)
def test_types(types: set[str] | None, exclude_types: set[str], wanted: set[str]) -> None:
    """`types` says which types are wanted, left out or with "all" every one; `exclude_types` takes away."""
    policy = WorkflowPolicy("w", None if types is None else frozenset(types), frozenset(exclude_types))
    for type_ in (*SEGMENT_TYPES, "renewed"):
        assert reason(policy, event(type_)) is (None if type_ in wanted else FilterReason.TYPE)


@pytest.mark.parametrize(
    ("patterns", "name", "is_on"),
    [
        (("Order *",), "Order Completed", ON),
        (("Order *",), "Order", OFF),
        (("Order *",), "order completed", OFF),
        (("Order *",), "My Order Completed", OFF),
        (("Order *", "Trait Computed"), "Trait Computed", ON),
        (("Order *", "Trait Computed"), "Trait Computed!", OFF),
        (("Order ?",), "Order 1", ON),
        (("Order [12]",), "Order 3", OFF),
        (("Order [!12]",), "Order 3", ON),
        (("*",), "any\nthing", ON),
        (("*",), "", ON),
        (("a.c",), "abc", OFF),
        (("a|b",), "a", OFF),
        (("42",), 42, ON),
        (("*",), None, ON),
        (("?*",), None, OFF),
        (("*\ud83d",), "x\ud83d", ON),
    ],
)
def test_event_names(patterns: tuple[str, ...], name: object, is_on: bool) -> None:
    """`events` are shell-style patterns, case-sensitive, for the whole name of a track event."""
    expected = None if is_on else FilterReason.EVENT
    assert reason(WorkflowPolicy("w", events=patterns), event(event=name)) is expected


@pytest.mark.parametrize("type_", [type_ for type_ in SEGMENT_TYPES if type_ != "track"])
def test_event_names_are_of_track_events(type_: str) -> None:
    """Patterns of names say nothing about the other types."""
    assert reason(WorkflowPolicy("w", events=("Order *",)), event(type_, event="Signed Up")) is None


def test_first_reason_counts() -> None:
    """The reasons are asked in the order integrations, device mode, type, event name."""
    policy = WorkflowPolicy("w", types=frozenset({"track"}), events=("Order *",))
    payload: dict[str, Any] = {"integrations": {"All": False}, "_metadata": {"bundled": ["tray.io"]}}
    assert reason(policy, event("page", **payload)) is FilterReason.INTEGRATIONS
    del payload["integrations"]
    assert reason(policy, event("page", **payload)) is FilterReason.DEVICE_MODE
    del payload["_metadata"]
    assert reason(policy, event("page", **payload)) is FilterReason.TYPE
    assert reason(policy, event("track", event="Signed Up")) is FilterReason.EVENT
    assert reason(policy, event("track", event="Order Paid")) is None


def test_statements_are_asked_last() -> None:
    """The statement and the filters of a workflow that wants the type and the name."""
    filters = FilterSet("event != 'Order Failed'", (Filter("drop", "event = 'Order Test'"),))
    policy = WorkflowPolicy("w", types=frozenset({"track"}), events=("Order *",), filters=filters)
    reasons = [reason(policy, event(event=name)) for name in ("Sign Up", "Order Failed", "Order Test", "Order Paid")]
    assert reasons == [FilterReason.EVENT, FilterReason.WHERE, FilterReason.FILTER, None]


@pytest.mark.parametrize("name", ["Order Paid", "Order Test", "Signed Up"])
def test_routes_are_made_once(name: str) -> None:
    """Each event of a kind has the same route, by the names and by the statements that keep it back."""
    filters = FilterSet("", (Filter("drop", "event = 'Order Test'"),))
    policies = [WorkflowPolicy("orders", events=("Order *",)), WorkflowPolicy("all", filters=filters)]
    router = EventFilter(NAME, policies)
    assert router.route(event(event=name)) is router.route(event(event=name))
    assert [WorkflowFilter(policy, NAME).checks_names for policy in policies] == [True, False]


def test_route_of_several_workflows() -> None:
    """A route names the workflows that want the event, and the reason of each other one."""
    router = EventFilter(
        NAME,
        [
            WorkflowPolicy("everything"),
            WorkflowPolicy("orders", types=frozenset({"track"}), events=("Order *",)),
            WorkflowPolicy("privacy", types=frozenset({"delete"})),
        ],
    )
    assert router.route(event(event="Order Paid")) == Route((0, 1), ((2, FilterReason.TYPE),))
    assert router.route(event(event="Signed Up")) == Route((0,), ((1, FilterReason.EVENT), (2, FilterReason.TYPE)))
    assert router.route(event("delete")) == Route((0, 2), ((1, FilterReason.TYPE),))
    assert router.route(event("renewed")) == Route((0,), ((1, FilterReason.TYPE), (2, FilterReason.TYPE)))
    off = FilterReason.INTEGRATIONS
    assert router.route(event(integrations={"All": False})) == Route((), ((0, off), (1, off), (2, off)))


def test_a_type_of_ones_own_has_a_route_of_its_own() -> None:
    """Whether a workflow asks for it or leaves it out."""
    router = EventFilter(
        NAME,
        [
            WorkflowPolicy("renewals", types=frozenset({"renewed"})),
            WorkflowPolicy("no renewals", exclude_types=frozenset({"renewed"})),
        ],
    )
    assert router.route(event("renewed")) == Route((0,), ((1, FilterReason.TYPE),))
    assert router.route(event("other")) == Route((1,), ((0, FilterReason.TYPE),))


def test_route_without_workflows() -> None:
    """Without workflows nobody wants anything."""
    assert EventFilter(NAME, []).route(event()) == Route((), ())


TYPES = st.sampled_from([*SEGMENT_TYPES, "renewed", "other"])
POLICIES = st.builds(
    WorkflowPolicy,
    name=st.just("w"),
    types=st.none() | st.frozensets(TYPES | st.just("all"), max_size=3),
    exclude_types=st.frozensets(TYPES, max_size=2),
    events=st.lists(st.sampled_from(["Order *", "* Up", "Exact", "*"]), max_size=2).map(tuple),
    filters=st.sampled_from([FilterSet(), FilterSet("event = 'Exact'"), FilterSet("", (Filter("drop", "event = 5"),))]),
)
PAYLOADS = st.fixed_dictionaries(
    {},
    optional={
        "event": st.sampled_from(["Order Paid", "Signed Up", "Exact", "Other", 5, None]),
        "integrations": st.sampled_from([None, {}, {"All": False}, {"tray.io": False}, {"tray.io": {}}]),
        "_metadata": st.sampled_from([{}, {"bundled": ["tray.io"]}, {"bundled": []}]),
    },
)


@given(st.lists(POLICIES, max_size=10), st.lists(st.tuples(TYPES, PAYLOADS), max_size=5))
def test_routes_agree_with_each_filter(
    policies: list[WorkflowPolicy], events: list[tuple[str, dict[str, Any]]]
) -> None:
    """What is worked out ahead is what each workflow's own filter says, for any workflows and events."""
    router = EventFilter(NAME, policies)
    for type_, payload in events:
        an_event = event(type_, **payload)
        reasons = [reason(policy, an_event) for policy in policies]
        route = router.route(an_event)
        assert route.wanted == tuple(i for i, why in enumerate(reasons) if why is None)
        assert route.unwanted == tuple((i, why) for i, why in enumerate(reasons) if why is not None)

"""Why a workflow wants an event or not, in words that agree with the filter."""

from __future__ import annotations

from typing import Any

import pytest
from assertions import every
from hypothesis import given
from test_filter import NAME, PAYLOADS, POLICIES, TYPES, event, reason

from stream.model.events import FilterReason
from stream.model.policies import WorkflowPolicy
from stream.rules.explanation import check_rules


def last_words(policy: WorkflowPolicy, type_: str = "track", **payload: Any) -> tuple[str, bool, str, str]:
    """The rule that decided."""
    last = check_rules(event(type_, **payload), policy, NAME)[-1]
    return last.rule, last.passes, last.why, last.setting


@given(POLICIES, TYPES, PAYLOADS)
def test_it_says_what_the_filter_does(policy: WorkflowPolicy, type_: str, payload: dict[str, Any]) -> None:
    """All rules pass, or the last one told is the filter's reason."""
    checks = check_rules(event(type_, **payload), policy, NAME)
    assert [check for check in checks[:-1] if not check.passes] == []
    decided = None if checks[-1].passes else checks[-1].rule
    assert decided == reason(policy, event(type_, **payload))
    assert every(check.why.isprintable() for check in checks)


@pytest.mark.parametrize(
    ("integrations", "why"),
    [
        ({"tray.io": False}, 'integrations."tray.io" is false'),
        ({"All": False}, 'integrations does not name "tray.io", and All is false'),
        ({"all": False, "tray.io": None}, 'integrations."tray.io" is null, as if absent, and All is false'),
        (
            {"All": False, "Tray.io": True},
            'integrations does not name "tray.io" ("Tray.io" is another name: names are compared exactly), '
            "and All is false",
        ),
    ],
)
def test_the_integrations_object_says_no(integrations: dict[str, Any], why: str) -> None:
    """The switch that decided is named, and a name that comes near."""
    assert last_words(WorkflowPolicy("w"), integrations=integrations) == (
        FilterReason.INTEGRATIONS,
        False,
        why,
        "integration_name",
    )


@pytest.mark.parametrize(
    ("integrations", "why"),
    [
        (None, "there is no integrations object, which turns every destination on"),
        ({}, 'integrations does not name "tray.io", nor does All decide: it is on'),
        ({"All": True}, 'integrations does not name "tray.io", and All is true'),
        ({"tray.io": {"secret": "x"}}, 'integrations."tray.io" is an object, which turns it on'),
        ({"tray.io": 0}, 'integrations."tray.io" is a number, which turns it on'),
    ],
)
def test_the_integrations_object_says_yes(integrations: object, why: str) -> None:
    """What turns it on is said; of what is written there only the kind."""
    check = check_rules(event(integrations=integrations), WorkflowPolicy("w"), NAME)[0]
    assert (check.rule, check.passes, check.why) == (FilterReason.INTEGRATIONS, True, why)


def test_the_other_rules() -> None:
    """Each names the setting that it read."""
    device = last_words(WorkflowPolicy("w"), _metadata={"bundled": ["tray.io"]})
    assert device[:2] == (FilterReason.DEVICE_MODE, False)
    types = frozenset({"identify"})
    assert last_words(WorkflowPolicy("w", types=types)) == (
        FilterReason.TYPE,
        False,
        'the type "track" is not in types',
        "types",
    )
    assert last_words(WorkflowPolicy("w", exclude_types=frozenset({"track"})))[2:] == (
        'the type "track" is in exclude_types',
        "exclude_types",
    )
    orders = WorkflowPolicy("w", events=("Order *",))
    assert last_words(orders, event="Café\n") == (
        FilterReason.EVENT,
        False,
        'the name "Café\\n" matches no pattern in events',
        "events",
    )
    assert last_words(orders, event="Order Paid")[1:3] == (True, 'the name "Order Paid" matches a pattern in events')
    assert last_words(orders, "page", event="x")[0] is FilterReason.TYPE

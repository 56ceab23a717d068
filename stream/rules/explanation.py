"""Why a workflow wants an event or not, rule by rule, as text; the filter itself is in `filter.py`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from stream.fql.compile import decide
from stream.fql.pipeline import Step, pipeline
from stream.fql.rules import Filter, FilterSet
from stream.model.events import Event, FilterReason
from stream.model.policies import WorkflowPolicy
from stream.model.printable import printable
from stream.rules.filter import WorkflowFilter, event_name, is_bundled, switch_for_all

Setting = Literal["integration_name", "types", "exclude_types", "events", "where", "filters"]


_RULES: dict[str, str] = {"drop": FilterReason.FILTER, "sample": FilterReason.SAMPLED}


@dataclass(frozen=True)
class RuleCheck:
    """What one rule said."""

    rule: str
    """The reason that is counted when it says no; of a filter that changes the event its action."""
    passes: bool
    why: str
    """What of the event decided, as text; holds the event's type and name, and nothing of its user."""
    setting: Setting
    """Key of the setting that the event was held against."""
    statement: str = ""
    """In FQL, of a rule that has one."""
    number: int | None = None
    """Of a filter: its position among those of the destination and the workflow."""


def check_rules(event: Event, policy: WorkflowPolicy, integration_name: str) -> list[RuleCheck]:
    """The rules in the order of the filter, up to the first that says no. `event.payload` must be there."""
    checks = []
    for check in _rules(event, policy, integration_name):
        checks.append(check)
        if not check.passes:
            break
    return checks


def _rules(event: Event, policy: WorkflowPolicy, integration_name: str) -> Iterator[RuleCheck]:
    filter_ = WorkflowFilter(policy, integration_name)
    payload = event.payload
    is_on, why = _integrations(payload, integration_name)
    yield RuleCheck(FilterReason.INTEGRATIONS, is_on, why, "integration_name")
    yield _device_mode(payload.get("_metadata"), integration_name)
    yield _type(event.type, filter_, policy)
    if event.type == "track":
        yield _name(event_name(payload), filter_, policy)
    rules = pipeline(policy.filters)
    if rules is not None:
        yield from (_step(step, policy.filters) for step in rules.steps(payload, event.type, event.record))


def _step(step: Step, rules: FilterSet) -> RuleCheck:
    passes, decided = step.refusal is None, _decided(step)
    if step.number is None:
        return RuleCheck(step.refusal or FilterReason.WHERE, passes, decided, "where", step.statement)
    filter_ = rules.filters[step.number]
    rule: str = step.refusal or _RULES.get(filter_.action, filter_.action)
    if not step.applies or step.refusal == "filter_error":
        why = decided if step.refusal else f"the filter does not apply: {decided}"
    else:
        why = _done(step, filter_) + (f", since {decided}" if step.statement else "")
    return RuleCheck(rule, passes, why, "filters", step.statement, step.number)


def _decided(step: Step) -> str:
    """What of its statement made it true or false, as parts of the statement."""
    if not step.statement:
        return ""
    decision = decide(step.statement, step.before)
    if decision.error:
        return f"{step.statement} cannot be judged: {decision.error}"
    parts = "; ".join(f"{part} is {'true' if holds else 'not true'}" for part, holds in decision.parts)
    return printable(parts)


def _done(step: Step, filter_: Filter) -> str:
    if filter_.action == "drop":
        return "the event is dropped"
    if filter_.action == "sample":
        among = "not among" if step.refusal else "among"
        return f"the event is {among} the {filter_.percent:g} % that are sent"
    fields = ", ".join(filter_.fields)
    if step.after is step.before:
        return f"nothing changes by {fields}"
    return {"drop_properties": "drops ", "allow_properties": "leaves only ", "hash_properties": "hashes "}[
        filter_.action
    ] + fields


def _integrations(payload: Mapping[str, Any], name: str) -> tuple[bool, str]:
    integrations = payload.get("integrations")
    if not isinstance(integrations, dict):
        return True, "there is no integrations object, which turns every destination on"
    own = integrations.get(name)
    if own is not None:
        return own is not False, f"integrations.{_quoted(name)} is {_value(own)}"
    known = (
        f"integrations.{_quoted(name)} is null, as if absent" if name in integrations else _unnamed(integrations, name)
    )
    for_all = switch_for_all(integrations)
    if isinstance(for_all, bool):
        return for_all, f"{known}, and All is {_value(for_all)}"
    return True, f"{known}, nor does All decide: it is on"


def _device_mode(metadata: object, name: str) -> RuleCheck:
    if isinstance(metadata, dict) and is_bundled(metadata, name):
        why = f"_metadata.bundled lists {_quoted(name)}: the client has delivered it itself"
        return RuleCheck(FilterReason.DEVICE_MODE, False, why, "integration_name")
    why = f"_metadata.bundled does not list {_quoted(name)}"
    return RuleCheck(FilterReason.DEVICE_MODE, True, why, "integration_name")


def _unnamed(integrations: Iterable[str], name: str) -> str:
    """Names are compared exactly; one that comes near was probably meant to be it."""
    near = next((key for key in integrations if key.strip().lower() == name.lower()), "")
    but = f" ({_quoted(near)} is another name: names are compared exactly)" if near else ""
    return f"integrations does not name {_quoted(name)}{but}"


def _type(type_: str, filter_: WorkflowFilter, policy: WorkflowPolicy) -> RuleCheck:
    passes = filter_.wants_type(type_)
    if type_ in policy.exclude_types:
        return RuleCheck(FilterReason.TYPE, passes, f"the type {_quoted(type_)} is in exclude_types", "exclude_types")
    if policy.types is None:
        return RuleCheck(FilterReason.TYPE, passes, f"the type {_quoted(type_)} is wanted, as every type is", "types")
    word = "is" if passes else "is not"
    return RuleCheck(FilterReason.TYPE, passes, f"the type {_quoted(type_)} {word} in types", "types")


def _name(name: str, filter_: WorkflowFilter, policy: WorkflowPolicy) -> RuleCheck:
    passes = filter_.wants_name(name)
    if not policy.events:
        return RuleCheck(FilterReason.EVENT, passes, f"the name {_quoted(name)} is wanted, as every name is", "events")
    word = "matches a pattern" if passes else "matches no pattern"
    return RuleCheck(FilterReason.EVENT, passes, f"the name {_quoted(name)} {word} in events", "events")


def _value(value: object) -> str:
    """A switch as JSON has it; of anything longer the kind alone."""
    if isinstance(value, bool):
        return "true" if value else "false"
    kinds: dict[type, str] = {str: "a text", dict: "an object", list: "a list"}
    return f"{kinds.get(type(value), 'a number')}, which turns it on"


def _quoted(text: str) -> str:
    return printable(json.dumps(text, ensure_ascii=False))

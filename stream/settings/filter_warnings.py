"""Statements and fields that can be used, and hardly say what was meant."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from stream.fql import doubt
from stream.fql.parser import parse
from stream.model.events import SEGMENT_TYPES
from stream.rules.decode import normal_type
from stream.settings.filters import FilterSection
from stream.settings.keys import nearest
from stream.settings.model import Settings
from stream.settings.workflow import Workflow

_KNOWN = (
    *("type", "event", "messageId", "userId", "userID", "anonymousId", "groupId", "previousId", "name", "category"),
    *("properties", "traits", "context", "integrations", "timestamp", "sentAt", "receivedAt", "originalTimestamp"),
    *("channel", "version", "projectId", "writeKey", "_metadata"),
)
"""Fields at the top of Segment's events."""

_SHOWN = 60
"""Characters of a statement that are quoted."""

_Wants = Callable[[str], bool]


def filter_warnings(settings: Settings) -> Iterator[str]:
    """What is doubtful in every statement and filter, each with its place."""
    for number, each in enumerate(settings.destination.filters):
        yield from _of_filter(f"destination.filters[{number}]", each, lambda type_: True)
    for index, workflow in enumerate(settings.workflows):
        wants = _wants(workflow)
        if workflow.where is not None:
            where = f"workflow[{index}].where ({workflow.name})"
            yield from _of_statement(where, workflow.where, wants, "this workflow receives nothing")
        for number, each in enumerate(workflow.filters):
            yield from _of_filter(f"workflow[{index}].filters[{number}] ({workflow.name})", each, wants)
        yield from _drops_everything(index, settings, workflow)


def _wants(workflow: Workflow) -> _Wants:
    """Whether its `types` let an event of this type through, as the event spells it."""
    wanted, excluded = workflow.wanted_types, workflow.exclude_types

    def wants(type_: str) -> bool:
        name = normal_type(type_)
        return (wanted is None or name in wanted) and name not in excluded

    return wants


def _of_filter(where: str, each: FilterSection, wants: _Wants) -> Iterator[str]:
    if each.if_ is not None:
        yield from _of_statement(where, each.if_, wants, "this filter never applies")
    for name in (*(each.fields or ()), *([each.path] if each.path else [])):
        if near := _near(name.split(".")[0]):
            yield f"{where}: {name} begins with a field that Segment's events do not have. Did you mean {near}?"


def _of_statement(where: str, text: str, wants: _Wants, so: str) -> Iterator[str]:
    statement = parse(text)
    if doubt.never_true(statement, SEGMENT_TYPES, wants):
        yield f"{where}: can never be true of an event that types lets through, so {so}: {text[:_SHOWN]}"
    for what, at in doubt.remarks(statement):
        yield f"{where}: {what}. At character {at + 1}: {text[at : at + _SHOWN]}"
    for name in sorted(doubt.top_fields(statement)):
        if near := _near(name):
            yield f"{where}: {name} is not a field of Segment's events. Did you mean {near}?"


def _drops_everything(index: int, settings: Settings, workflow: Workflow) -> Iterator[str]:
    for each in (*settings.destination.filters, *workflow.filters):
        is_all = each.if_ is None or doubt.always_true(parse(each.if_), SEGMENT_TYPES, _wants(workflow))
        if is_all and (each.action == "drop" or each.percent == 0):
            yield f'workflow[{index}] ({workflow.name}): a filter with action = "{each.action}" leaves it no event.'
            return


def _near(name: str) -> str:
    if name in _KNOWN:
        return ""
    return next((known for known in _KNOWN if known.lower() == name.lower()), "") or nearest(name, _KNOWN)

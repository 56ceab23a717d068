"""The filters of one workflow as one: whether it gets an event, and what of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple, Protocol

import orjson

from stream.fql.compile import Holds, compiled
from stream.fql.errors import EvaluationError
from stream.fql.fields import by_parent, split
from stream.fql.rules import ORDER, Filter, FilterSet
from stream.fql.transform import Change, Groups, allower, dropper, hasher, share_of
from stream.fql.values import escape_surrogates, to_json
from stream.fql.values import field as field_of

Refusal = Literal["where", "sampled", "filter", "filter_error"]

_SAMPLED_BY = ("userId", "anonymousId", "messageId")
_USER_IDS = ("userId", "userID")


class Placed(Protocol):
    """A record that knows where it lies on its topic."""

    @property
    def place(self) -> object:
        """Its place; the text of it is the same each time the record is read."""


class Step(NamedTuple):
    """What one filter did. `refusal` ends the event's way."""

    number: int | None
    """Position of the filter in the rules; None: the workflow's `where`."""
    statement: str
    """Empty: the filter applies to every event."""
    applies: bool
    refusal: Refusal | None
    before: dict[str, Any]
    after: dict[str, Any]
    """What the next filter sees; the same object where nothing changed."""


class _Compiled(NamedTuple):
    number: int
    filter: Filter
    holds: Holds | None
    """None: it applies to every event."""
    change: Change | None
    """None: it drops or samples events."""
    change_deletion: Change | None
    """The same of a delete event: what is done to one spelling of its user's id is done to both."""
    names: tuple[str, ...]


class Pipeline:
    """A filter set, compiled. The filters of equal sets are the same `transform`, whatever their `where`."""

    def __init__(self, rules: FilterSet) -> None:
        self.where = compiled(rules.where) if rules.where else None
        """Whether the workflow asks for an event; None: for each. Raises EvaluationError, RecursionError."""
        self.transform = _transform(rules.filters, rules.hash_salt) if rules.filters else None
        self._statement = rules.where

    def judge(self, event: dict[str, Any], type_: str, record: Placed) -> tuple[Refusal | None, dict[str, Any]]:
        """Why the event is not sent, and what is sent of it: the same object where nothing changed.

        `type_` is its normal type, `record` what it was read from.
        """
        try:
            if self.where is not None and not self.where(event):
                return "where", event
            changed = event if self.transform is None else self.transform.apply(event, type_, record)
        except (EvaluationError, RecursionError):
            return "filter_error", event
        return (changed, event) if isinstance(changed, str) else (None, changed)

    def steps(self, event: dict[str, Any], type_: str, record: Placed) -> Iterator[Step]:
        """The same, step by step, up to the one that refuses."""
        if self.where is not None:
            refusal = _verdict(self.where, event)
            yield Step(None, self._statement, refusal is None, refusal, event, event)
            if refusal is not None:
                return
        for step in () if self.transform is None else self.transform.parts:
            found = _step(step, event, type_, record)
            yield found
            if found.refusal is not None:
                return
            event = found.after


class Transform:
    """Filters, compiled, in the order in which they apply."""

    def __init__(self, filters: tuple[Filter, ...], salt: str) -> None:
        parts = [_compile(number, each, salt) for number, each in enumerate(filters)]
        self.parts = tuple(sorted(parts, key=lambda part: ORDER.index(part.filter.action)))
        self.changes = any(part.change for part in parts)
        """Whether a filter may change an event's body."""
        self.drops: Change | None = _all_drops(self.parts)
        """All of them at once, where they do nothing but drop fields of every event. Not for delete events."""

    def apply(self, event: dict[str, Any], type_: str, record: Placed) -> dict[str, Any] | Refusal:
        """What is sent of the event, the same object where nothing changed; or why it is not sent.

        Raises EvaluationError, RecursionError.
        """
        is_deletion = type_ == "delete"
        for part in self.parts:
            if part.holds is not None and not part.holds(event):
                continue
            change = part.change_deletion if is_deletion else part.change
            if change is not None:
                event = change(event)
            elif (refusal := _refusal(part, event, record)) is not None:
                return refusal
        return event


@lru_cache(256)
def pipeline(rules: FilterSet) -> Pipeline | None:
    """The compiled filters, the same object for equal rules; None where there are none. Raises FqlError."""
    return Pipeline(rules) if rules.where or rules.filters else None


@lru_cache(256)
def _transform(filters: tuple[Filter, ...], salt: str) -> Transform:
    return Transform(filters, salt)


def _all_drops(parts: Sequence[_Compiled]) -> Change | None:
    if any(part.holds is not None or part.filter.action != "drop_properties" for part in parts):
        return None
    return dropper(by_parent(field for part in parts for field in part.filter.fields))


def _step(part: _Compiled, event: dict[str, Any], type_: str, record: Placed) -> Step:
    statement = part.filter.condition
    try:
        if part.holds is not None and not part.holds(event):
            return Step(part.number, statement, False, None, event, event)
        change = part.change if type_ != "delete" else part.change_deletion
        refusal = None if change is not None else _refusal(part, event, record)
        after = event if change is None else change(event)
    except (EvaluationError, RecursionError):
        return Step(part.number, statement, True, "filter_error", event, event)
    return Step(part.number, statement, True, refusal, event, after)


def _verdict(where: Holds, event: dict[str, Any]) -> Refusal | None:
    try:
        return None if where(event) else "where"
    except (EvaluationError, RecursionError):
        return "filter_error"


def _compile(number: int, each: Filter, salt: str) -> _Compiled:
    holds = compiled(each.condition) if each.condition else None
    groups = by_parent(each.fields)
    names = split(each.path) if each.path else ()
    return _Compiled(number, each, holds, _change(each, groups, salt), _change(each, _both_ids(groups), salt), names)


def _change(each: Filter, groups: Groups, salt: str) -> Change | None:
    match each.action:
        case "drop_properties":
            return dropper(groups)
        case "allow_properties":
            return allower(groups)
        case "hash_properties":
            return hasher(groups, salt)
    return None


def _both_ids(groups: Groups) -> Groups:
    own = groups.get((), ())
    return {**groups, (): tuple(dict.fromkeys((*own, *_USER_IDS)))} if set(_USER_IDS) & set(own) else groups


def _refusal(step: _Compiled, event: dict[str, Any], record: Placed) -> Refusal | None:
    if step.filter.action == "drop":
        return "filter"
    share = step.filter.percent / 100
    if share <= 0 or share >= 1:
        return None if share >= 1 else "sampled"
    value = field_of(event, step.names) if step.names else _sampled_by(event, record)
    return None if share_of(value) < share else "sampled"


def _sampled_by(event: dict[str, Any], record: Placed) -> Any:
    return next((event[name] for name in _SAMPLED_BY if event.get(name) not in (None, "")), str(record.place))


def body_of(event: dict[str, Any]) -> bytes:
    """A changed event as JSON without spaces.

    Raises EvaluationError for one that is nested too deeply.
    """
    try:
        # Joined with nothing: a copy of its size, since orjson's own is cut from a larger piece of memory.
        return b"".join((orjson.dumps(event), b""))
    except TypeError:  # integers beyond 64 bits, lone surrogates, deep nesting
        pass
    try:
        text = _exact_json(event)
    except RecursionError:
        raise EvaluationError("the event is nested too deeply") from None
    return escape_surrogates(text).encode()


def _exact_json(event: dict[str, Any]) -> str:
    try:
        return json.dumps(event, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:  # a number beyond a double's range, which JavaScript writes as null
        return to_json(event)

"""What filters do to a parsed event. Nothing is changed in place: an event that comes back itself is as it was."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import ldexp
from typing import Any

from stream.fql.errors import EvaluationError
from stream.fql.values import UNDEFINED, member, to_json

Groups = Mapping[tuple[str, ...], tuple[str, ...]]
"""Names by the path of what holds them."""
Change = Callable[[Any], Any]
"""From a value to another one, or to itself where nothing changes."""
_ChangeHolder = Callable[[Any, tuple[str, ...]], Any]
"""What is done to an object or a list that holds fields of these names."""


def dropper(groups: Groups) -> Change:
    """A function from an event to one without these fields. The event is copied once, whatever their number."""
    by_top: dict[str, list[Change]] = {}
    for (name, *path), names in [(parent, names) for parent, names in groups.items() if parent]:
        by_top.setdefault(name, []).append(_at(path, _dropping(names)))
    changes = [(name, _in_turn(changes)) for name, changes in by_top.items()]
    if () in groups:
        return _in_turn([_dropping_inside(changes), _dropping(groups[()])])
    return _dropping_inside(changes)


def _dropping_inside(changes: Sequence[tuple[str, Change]]) -> Change:
    def drop(event: dict[str, Any]) -> dict[str, Any]:
        copy: dict[str, Any] | None = None
        for name, change in changes:
            if name in event:
                inner = event[name]
                changed = change(inner)
                if changed is not inner:
                    copy = event.copy() if copy is None else copy
                    copy[name] = changed
        return event if copy is None else copy

    return drop


def _dropping(names: tuple[str, ...]) -> Change:
    """Nearly always an object holds the fields: that goes the short way."""
    drop_each = _each_of(names, _without)

    def drop(value: Any) -> Any:
        if value.__class__ is not dict:
            return drop_each(value)
        copy: dict[str, Any] | None = None
        for name in names:
            if name in value:
                copy = value.copy() if copy is None else copy
                copy.pop(name, None)  # it may be named twice
        return value if copy is None else copy

    return drop


def allower(groups: Groups) -> Change:
    """A function from an event to one with these fields alone in what holds them."""
    return _in_turn([_at(parent, _each_of(names, _only)) for parent, names in groups.items()])


def hasher(groups: Groups, salt: str) -> Change:
    """A function from an event to one with the SHA-256 of these fields' values in their place.

    What is null or missing stays so.
    """
    hashed = partial(_hashed, salt=salt)
    return _in_turn([_at(parent, _each_of(names, hashed)) for parent, names in groups.items()])


def share_of(value: Any) -> float:
    """Where a value lies in [0, 1): the same for the same value, even over many.

    Of the MD5 of its JSON text, as the sampler of Segment's servers has it.
    """
    digest = hashlib.md5(to_json(value).encode(), usedforsecurity=False).digest()
    first, last = int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")
    shift = 64 - first.bit_length()
    significand = ((first << shift) | (last >> (64 - shift))) | 1
    return ldexp(float(significand), -64 - shift)


def _in_turn(changes: Sequence[Change]) -> Change:
    if len(changes) == 1:
        return changes[0]

    def change_all(value: Any) -> Any:
        for change in changes:
            value = change(value)
        return value

    return change_all


def _at(path: Sequence[str], change: Change) -> Change:
    """A function that changes what lies at `path`, and copies only what leads there."""
    for name in reversed(path):
        change = _inside(name, change)
    return change


def _inside(name: str, change: Change) -> Change:
    def change_inside(value: Any) -> Any:
        inner = value.get(name, UNDEFINED) if value.__class__ is dict else member(value, name)
        changed = inner if inner is UNDEFINED else change(inner)
        return value if changed is inner else _with(value, name, changed)

    return change_inside


def _with(holder: Any, name: str, value: Any) -> Any:
    copy = holder.copy()
    copy[name if holder.__class__ is dict else int(name)] = value
    return copy


def _each_of(names: tuple[str, ...], change: _ChangeHolder) -> Change:
    """An object changed; of a list each object or list in it."""

    def change_each(value: Any) -> Any:
        if value.__class__ is dict:
            return change(value, names)
        if value.__class__ is not list:
            return value
        changed = [change(each, names) if each.__class__ in (dict, list) else each for each in value]
        return value if all(new is old for new, old in zip(changed, value, strict=True)) else changed

    return change_each


def _without(holder: Any, names: tuple[str, ...]) -> Any:
    if holder.__class__ is dict:
        return _replaced(holder, [name for name in dict.fromkeys(names) if name in holder], None)
    if "length" in names:
        raise EvaluationError("a list's length cannot be dropped")
    return _replaced(holder, [name for name in names if member(holder, name) is not UNDEFINED], None)


def _only(holder: Any, names: tuple[str, ...]) -> Any:
    present = holder if holder.__class__ is dict else map(str, range(len(holder)))
    return _replaced(holder, [name for name in present if name not in names], None)


def _hashed(holder: Any, names: tuple[str, ...], salt: str) -> Any:
    there = [name for name in names if name != "length" or holder.__class__ is dict]
    there = [name for name in there if member(holder, name) not in (UNDEFINED, None)]
    return _replaced(holder, there, partial(_hash, salt=salt))


def _hash(value: Any, salt: str) -> str:
    text = value if value.__class__ is str else to_json(value)
    return hashlib.sha256((salt + text).encode("utf-8", "surrogatepass")).hexdigest()


def _replaced(holder: Any, names: list[str], new: Callable[[Any], Any] | None) -> Any:
    """The holder with other values under these names; without `new` a dict loses them, a list has null there."""
    if not names:
        return holder
    copy = holder.copy()
    for name in names:
        if holder.__class__ is list:
            copy[int(name)] = None if new is None else new(copy[int(name)])
        elif new is None:
            del copy[name]
        else:
            copy[name] = new(copy[name])
    return copy

"""What filters do to a parsed event. Nothing is changed in place: an event that comes back itself is as it was."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from math import ldexp
from typing import Any

from stream.fql.errors import EvaluationError
from stream.fql.values import UNDEFINED, is_true, member, to_json

Groups = Mapping[tuple[str, ...], tuple[str, ...]]
"""Names by the path of what holds them."""
Transform = Callable[[Any], Any]


def dropper(groups: Groups) -> Transform:
    """A function from an event to one without these fields."""
    drops = [_dropper(parent, names) for parent, names in groups.items()]
    if len(drops) == 1:
        return drops[0]

    def drop_all(event: Any) -> Any:
        for drop in drops:
            event = drop(event)
        return event

    return drop_all


def _dropper(parent: tuple[str, ...], names: tuple[str, ...]) -> Transform:
    """Nearly always an object at the top of the event holds the fields: that goes the short way."""
    if len(parent) != 1:
        return lambda event: _each(event, {parent: names}, _without)
    (name,) = parent

    def drop(event: Any) -> Any:
        holder = event.get(name)
        if holder.__class__ is not dict:
            return _each(event, {parent: names}, _without)
        kept = holder.copy()
        for each in names:
            kept.pop(each, None)
        if len(kept) == len(holder):
            return event
        event = event.copy()
        event[name] = kept
        return event

    return drop


def allow(event: dict[str, Any], groups: Groups) -> dict[str, Any]:
    """The event with these fields alone in what holds them."""
    return _each(event, groups, _only)


def hash_fields(event: dict[str, Any], groups: Groups, salt: str) -> dict[str, Any]:
    """The event with the SHA-256 of these fields' values in their place; what is null or missing stays so."""
    return _each(event, groups, partial(_hashed, salt=salt))


def share_of(value: Any) -> float:
    """Where a value lies in [0, 1): the same for the same value, even over many.

    Of the MD5 of its JSON text, as the sampler of Segment's servers has it.
    """
    digest = hashlib.md5(to_json(value).encode(), usedforsecurity=False).digest()
    first, last = int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")
    shift = 64 - first.bit_length()
    significand = ((first << shift) | (last >> (64 - shift))) | 1
    return ldexp(float(significand), -64 - shift)


def _each(event: dict[str, Any], groups: Groups, change: Callable[[Any, tuple[str, ...]], Any]) -> dict[str, Any]:
    changed: Any = event
    for parent, names in groups.items():
        changed = _at(changed, parent, partial(_all_of, change=partial(_call, change, names)))
    return changed  # type: ignore[no-any-return]  # a dict goes in, a dict comes out


def _call(change: Callable[[Any, tuple[str, ...]], Any], names: tuple[str, ...], holder: Any) -> Any:
    return change(holder, names)


def _at(value: Any, path: tuple[str, ...], change: Transform) -> Any:
    """`value` with what lies at `path` changed."""
    if not path:
        return change(value)
    inner = member(value, path[0])
    if inner is UNDEFINED or (len(path) > 1 and not is_true(inner)):
        return value
    changed = _at(inner, path[1:], change)
    return value if changed is inner else _with(value, path[0], changed)


def _with(holder: Any, name: str, value: Any) -> Any:
    copy = holder.copy()
    copy[name if holder.__class__ is dict else int(name)] = value
    return copy


def _all_of(value: Any, change: Transform) -> Any:
    """An object changed; of a list each object or list in it."""
    if value.__class__ is dict:
        return change(value)
    if value.__class__ is not list:
        return value
    changed = [change(element) if element.__class__ in (dict, list) else element for element in value]
    return value if all(new is old for new, old in zip(changed, value, strict=True)) else changed


def _without(holder: Any, names: tuple[str, ...]) -> Any:
    if holder.__class__ is dict:
        return _removed(holder, [name for name in names if name in holder])
    if "length" in names:
        raise EvaluationError("a list's length cannot be dropped")
    return _replaced(holder, [name for name in names if member(holder, name) is not UNDEFINED], None)


def _removed(holder: dict[str, Any], names: list[str]) -> dict[str, Any]:
    if not names:
        return holder
    copy = holder.copy()
    for name in names:
        del copy[name]
    return copy


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

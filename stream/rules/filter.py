"""Which workflows want an event, and why the others do not."""

from __future__ import annotations

import fnmatch
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from stream.fql.pipeline import pipeline
from stream.model.events import SEGMENT_TYPES, Event, FilterReason
from stream.model.policies import WorkflowPolicy
from stream.rules.filtered import Look, looker

ALL_TYPES = "all"
"""Word in `types` that stands for every message type, custom ones and `delete` included."""
_ALL_SPELLING = "All"
_MAX_NARROWED = 1_000


@dataclass(frozen=True, slots=True)
class Route:
    """Where an event goes. Workflows are named by their index; each is in exactly one of the two."""

    wanted: tuple[int, ...]
    unwanted: tuple[tuple[int, FilterReason], ...]
    looks: tuple[tuple[Look, tuple[int, ...]], ...] = ()
    """What is left to ask of an event that goes there: each different set of filters, for which of `wanted`."""


class WorkflowFilter:
    """The filter of one workflow, compiled from its policy."""

    def __init__(self, policy: WorkflowPolicy, integration_name: str) -> None:
        types = None if policy.types is None else _normal(policy.types)
        self._integration_name = integration_name
        self._types = None if types is None or ALL_TYPES in types else types
        self._excluded = _normal(policy.exclude_types)
        self._matches_name = _any_pattern(policy.events) if policy.events else None
        self.checks_names = self._matches_name is not None
        """Whether this workflow looks at the name of a track event."""
        rules = pipeline(policy.filters)
        self.look: Look | None = None if rules is None else looker(rules)
        """Why its statement or one of its filters keeps an event back; None where it has none."""
        self.named_types = (self._types or frozenset()) | self._excluded
        """Types that the policy names: every other type is treated alike."""

    def wants_type(self, type_: str) -> bool:
        """Whether events of `type_` (trimmed, in lower case) are wanted."""
        return (self._types is None or type_ in self._types) and type_ not in self._excluded

    def wants_name(self, name: str) -> bool:
        """Whether track events called `name` are wanted."""
        return self._matches_name is None or self._matches_name(name) is not None

    def reason(self, event: Event) -> FilterReason | None:
        """Why this workflow does not want `event`, by the first rule that says no; None when it does."""
        common = common_reason(event.payload, self._integration_name)
        if common is not None:
            return common
        if not self.wants_type(event.type):
            return FilterReason.TYPE
        if event.type == "track" and not self.wants_name(event_name(event.payload)):
            return FilterReason.EVENT
        return None if self.look is None else self.look(event)


class EventFilter:
    """All workflows' filters at once: the parts that do not depend on the event are worked out ahead.

    `route(event)` is `WorkflowFilter.reason(event)` of every workflow; its answers are shared values. `indexes` are
    the workflows' own, by default their positions.
    """

    def __init__(
        self, integration_name: str, workflows: Sequence[WorkflowPolicy], indexes: Sequence[int] | None = None
    ) -> None:
        self._integration_name = integration_name
        filters = [WorkflowFilter(policy, integration_name) for policy in workflows]
        self._filters = dict(zip(indexes or range(len(filters)), filters, strict=True))
        self._refused = {reason: _route(dict.fromkeys(self._filters, reason)) for reason in FilterReason}
        types = set(SEGMENT_TYPES).union(*(filter_.named_types for filter_ in filters))
        self._by_type = {type_: self._route_of_type(type_) for type_ in types}
        self._any_other_type = self._route_of_type("")
        self._choosy = [i for i in self._by_type["track"].wanted if self._filters[i].checks_names]
        self._by_misses: dict[tuple[int, ...], Route] = {}
        """Routes of track events by the workflows whose patterns they miss: at most 2 ** len(_choosy)."""
        self._narrowed: dict[tuple[tuple[int, FilterReason], ...], Route] = {}
        """Routes by every refusal there is, `_MAX_NARROWED` of them at most."""

    def route(self, event: Event) -> Route:
        """The workflows that want `event`, and the reason of each that does not."""
        reason = common_reason(event.payload, self._integration_name)
        if reason is not None:
            return self._refused[reason]
        if self._choosy and event.type == "track":
            route = self._route_of_name(event_name(event.payload))
        else:
            route = self._by_type.get(event.type, self._any_other_type)
        unwanted = route.unwanted
        for look, indexes in route.looks:
            reason = look(event)
            if reason is not None:
                unwanted += tuple([(index, reason) for index in indexes])
        return route if unwanted is route.unwanted else self._narrowed_to(unwanted)

    def _narrowed_to(self, unwanted: tuple[tuple[int, FilterReason], ...]) -> Route:
        narrowed = self._narrowed.get(unwanted)
        if narrowed is None:
            reasons = dict(unwanted)
            narrowed = _route({index: reasons.get(index) for index in self._filters})
            if len(self._narrowed) < _MAX_NARROWED:
                self._narrowed[unwanted] = narrowed
        return narrowed

    def _route_of_type(self, type_: str) -> Route:
        return self._asking({i: None if f.wants_type(type_) else FilterReason.TYPE for i, f in self._filters.items()})

    def _asking(self, reasons: Mapping[int, FilterReason | None]) -> Route:
        route, looks = _route(reasons), defaultdict(list)
        for index in route.wanted:
            if (look := self._filters[index].look) is not None:
                looks[look].append(index)
        return replace(route, looks=tuple((look, tuple(indexes)) for look, indexes in looks.items()))

    def _route_of_name(self, name: str) -> Route:
        misses = tuple([i for i in self._choosy if not self._filters[i].wants_name(name)])
        route = self._by_misses.get(misses)
        if route is None:
            reasons = dict(self._by_type["track"].unwanted) | dict.fromkeys(misses, FilterReason.EVENT)
            route = self._asking({index: reasons.get(index) for index in self._filters})
            self._by_misses[misses] = route
        return route


def common_reason(payload: Mapping[str, Any], integration_name: str) -> FilterReason | None:
    """Why no workflow gets this event: its integrations object, or the client delivered it itself.

    Neither depends on the workflow. Source: Segment's integrations object, and `_metadata.bundled`, which
    lists the destinations that run in the client (device mode).
    """
    integrations = payload.get("integrations")
    if integrations.__class__ is dict and integrations and not is_switched_on(integrations, integration_name):
        return FilterReason.INTEGRATIONS
    metadata = payload.get("_metadata")
    if metadata.__class__ is dict and is_bundled(metadata, integration_name):
        return FilterReason.DEVICE_MODE
    return None


def is_bundled(metadata: Mapping[str, Any], name: str) -> bool:
    """Whether an event's `_metadata` says that the client has delivered it to the destination `name` itself."""
    bundled = metadata.get("bundled")
    return bundled.__class__ is list and name in bundled


def is_switched_on(integrations: Mapping[str, Any], name: str) -> bool:
    """Whether an integrations object lets the destination `name` have the event.

    The name's own switch decides: false is off; null is as if absent; anything else is on. Without one the
    switch for all decides if it is a boolean, else the event is on.
    """
    own = integrations.get(name)
    if own is not None:
        return own is not False
    return switch_for_all(integrations) is not False


def event_name(payload: Mapping[str, Any]) -> str:
    """A track event's name as patterns see it: numbers as text, an absent or null one as the empty text."""
    name = payload.get("event")
    if name.__class__ is str:
        return name
    return "" if name is None else str(name)


def switch_for_all(integrations: Mapping[str, Any]) -> object:
    """`All` if there is one, else the first spelling of it: libraries also write `all` and `ALL`."""
    if _ALL_SPELLING in integrations:
        return integrations[_ALL_SPELLING]
    for key, value in integrations.items():
        if len(key) == len(_ALL_SPELLING) and key.lower() == ALL_TYPES:
            return value
    return None


def _normal(types: Iterable[str]) -> frozenset[str]:
    return frozenset(type_.strip().lower() for type_ in types)


def _any_pattern(patterns: Iterable[str]) -> Any:
    """Shell-style patterns, case-sensitive, compiled to one match function."""
    return re.compile("|".join(map(fnmatch.translate, patterns))).match


def _route(reasons: Mapping[int, FilterReason | None]) -> Route:
    return Route(
        wanted=tuple(index for index, reason in reasons.items() if reason is None),
        unwanted=tuple((index, reason) for index, reason in reasons.items() if reason is not None),
    )

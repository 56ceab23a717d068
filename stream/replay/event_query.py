"""Which events of a range are asked for, before any workflow is: by type, name, user or message id."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from stream.model.events import Event
from stream.model.policies import WorkflowPolicy
from stream.rules.filter import WorkflowFilter, event_name


class Unselected(StrEnum):
    """Why an event of the range was not asked for, by the first option that says so."""

    TYPE = "unselected_type"
    EVENT = "unselected_event"
    USER = "unselected_user"
    MESSAGE_ID = "unselected_message_id"


@dataclass(frozen=True)
class EventQuery:
    """What the options ask for; an empty one asks for everything. An event must satisfy each."""

    types: frozenset[str] = field(default=frozenset())
    """Message types; case does not count."""
    events: tuple[str, ...] = ()
    """Shell-style patterns of track events' names; other types are then not asked for."""
    users: frozenset[str] = frozenset()
    """Values of userId, anonymousId or groupId, as text."""
    message_ids: frozenset[str] = frozenset()

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return not (self.types or self.events or self.users or self.message_ids)

    def reason(self, event: Event) -> Unselected | None:
        """Why `event`, whose payload is still there, is not asked for; None when it is."""
        if self.types and not self._filter.wants_type(event.type):
            return Unselected.TYPE
        if self.events and (event.type != "track" or not self._filter.wants_name(event_name(event.payload))):
            return Unselected.EVENT
        if self.users and self.users.isdisjoint(_users_of(event)):
            return Unselected.USER
        if self.message_ids and event.message_id not in self.message_ids:
            return Unselected.MESSAGE_ID
        return None

    @cached_property
    def _filter(self) -> WorkflowFilter:
        """Types and names are compared as a workflow's are."""
        return WorkflowFilter(WorkflowPolicy("selection", types=self.types or None, events=self.events), "")


def _users_of(event: Event) -> Iterable[str]:
    """Every id that the event may be known by; numbers compare as their decimal text."""
    yield event.user or ""
    for name in ("userId", "userID", "anonymousId", "groupId"):
        found = event.payload.get(name)
        if isinstance(found, str | int) and not isinstance(found, bool):
            yield str(found)

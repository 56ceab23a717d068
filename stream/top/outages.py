"""Lines that say that nothing is read: Kafka does not answer, or no partition is owned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from stream.model.amounts import span
from stream.model.timeparse import format_wall
from stream.telemetry.status.report import GroupStatus, ProcessStatus

STYLE = "bold red"
DAY_S = 86_400.0


def outages(groups: Sequence[GroupStatus], now: float) -> Iterator[Text]:
    """At most one line of each kind, whichever groups it is about. `now`: Unix time in seconds."""
    if cut_off := [group for group in groups if group.members_cut_off]:
        yield Text(f"{_contact(cut_off, now)}{_which(cut_off, groups)}", STYLE)
    reached = [group for group in groups if group.members and not group.members_cut_off]
    if idle := [group for group in reached if not group.partitions_assigned]:
        yield Text(f"No partition is assigned to this process; it reads nothing{_which(idle, groups)}", STYLE)


def token_trouble(status: ProcessStatus, now: float) -> Iterator[Text]:
    """A line while there is no new token to log in to Kafka with. `now`: Unix time in seconds."""
    if (since := status.token_failing_since) is not None:
        yield Text(f"No new Kafka token since {_clock(since, now)} ({span(now - since)}): see [kafka.token].", STYLE)


def _contact(cut_off: Sequence[GroupStatus], now: float) -> str:
    some = sum(group.members_cut_off for group in cut_off), sum(group.members for group in cut_off)
    which = f" from {some[0]} of {some[1]} workers" if some[0] < some[1] else ""
    contacts = [group.last_contact_at for group in cut_off]
    since = [at for at in contacts if at is not None]
    if not since or None in contacts:
        return f"Kafka has not answered yet{which}. Events wait; lag unknown"
    at = _clock(min(since), now)
    return f"Kafka unreachable{which} since {at} ({span(now - min(since))}). Events wait; lag unknown"


def _which(some: Sequence[GroupStatus], groups: Sequence[GroupStatus]) -> str:
    """Names, unless it is about all of them."""
    return "." if len(some) == len(groups) else f": {', '.join(group.group for group in some)}."


def _clock(wall: float, now: float) -> str:
    """The time of day; with its day when that is long ago."""
    text = format_wall(wall)
    return f"{text[11:19]} UTC" if now - wall < DAY_S else f"{text[:10]} {text[11:16]} UTC"

"""The options that choose dead letters, and the choice they make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, TypeVar

import typer

from stream.dead_letters.query import GROUPINGS, DeadLetterQuery
from stream.model.errors import ConfigError, Problem, config_error
from stream.model.events import Reason
from stream.model.records import RecordId
from stream.model.timeparse import parse_moment

T = TypeVar("T")
Texts = list[str] | None

ByWorkflow = Annotated[
    Texts, typer.Option("--workflow", metavar="NAME", help="Of this workflow; may be repeated.", show_default=False)
]
ByReason = Annotated[
    list[Reason] | None, typer.Option("--reason", help="With this reason; may be repeated.", show_default=False)
]
ByStatus = Annotated[
    Texts,
    typer.Option("--status", metavar="CODE", help="Last answer (400, timeout …); may be repeated.", show_default=False),
]
BySince = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="TIME", help="Failed then or later: a time, or P1D for a day ago.", show_default=False
    ),
]
ByUntil = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Failed before that.", show_default=False)]
ByEvent = Annotated[
    Texts,
    typer.Option(
        "--event", metavar="PLACE", help="Of the event at topic:partition:offset; may be repeated.", show_default=False
    ),
]
By = Annotated[
    str, typer.Option("--by", metavar="LIST", help=f"What to count by: {', '.join(GROUPINGS)}; several with commas.")
]


def read_choice(
    workflows: Texts,
    reasons: list[Reason] | None,
    statuses: Texts,
    since: str | None,
    until: str | None,
    events: Texts,
    now_ms: int,
) -> DeadLetterQuery:
    """The letters that the options choose.

    Raises:
        ConfigError: what cannot be read, all of it.
    """
    problems: list[Problem] = []
    choice = DeadLetterQuery(
        workflows=frozenset(workflows or ()),
        reasons=frozenset(map(str, reasons or ())),
        statuses=frozenset(statuses or ()),
        events=frozenset(_read("--event", read_place, events or (), problems)),
        since_ms=next(_read("--from", lambda text: parse_moment(text, now_ms), _given(since), problems), None),
        until_ms=next(_read("--until", lambda text: parse_moment(text, now_ms), _given(until), problems), None),
    )
    if problems:
        raise ConfigError(problems)
    return choice


def read_groupings(by: str) -> list[str]:
    """What to count by.

    Raises:
        ConfigError: a grouping is unknown.
    """
    names = [name.strip() for name in by.split(",") if name.strip()]
    unknown = [name for name in names if name not in GROUPINGS]
    if unknown or not names:
        what = f"{unknown[0]!r} is nothing to count by." if unknown else "is empty."
        raise config_error("--by", what, f"There are: {', '.join(GROUPINGS)}.")
    if "event" in names:  # a row is one event then: whose, and why, says more than the place alone
        names += [name for name in ("workflow", "reason") if name not in names]
    return names


def read_place(text: str) -> RecordId:
    """The place that the text names. Raises ValueError, which says how to write one."""
    from stream.settings.places import parse_place

    try:
        where, colon, offset = text.rpartition(":")
        return parse_place(f"{where}{colon}{offset.replace(',', '').replace('_', '')}")
    except ValueError:
        raise ValueError(
            f"{text!r} names no event. Write topic:partition:offset, such as segment-events:3:41."
        ) from None


def _given(text: str | None) -> Iterable[str]:
    return () if text is None else (text,)


def _read(option: str, read: Callable[[str], T], texts: Iterable[str], problems: list[Problem]) -> Iterator[T]:
    """What the texts mean; what cannot be read is a problem."""
    for text in texts:
        try:
            yield read(text)
        except ValueError as error:
            problems.append(Problem(option, str(error)))

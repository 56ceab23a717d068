"""Which part of a statement decided on an event."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from stream.fql.compile import compile_condition
from stream.fql.errors import EvaluationError
from stream.fql.nodes import Condition, Junction, Not
from stream.fql.parser import parse


class Decision(NamedTuple):
    """What a statement says of an event. `parts` are the comparisons that made it so, and whether each is true."""

    holds: bool
    parts: tuple[tuple[str, bool], ...]
    error: str = ""
    """Why it says nothing: then it does not hold."""


def decide(statement: str, event: dict[str, Any]) -> Decision:
    """The verdict, and what decided. Raises FqlError."""
    condition = parse(statement)
    try:
        holds = bool(compile_condition(condition)(event))
        deciding = list(_deciding(condition, event))
    except EvaluationError as error:
        return Decision(False, (), str(error))
    return Decision(holds, tuple((statement[part.start : part.end], _truth(part, event)) for part in deciding))


def _deciding(condition: Condition, event: dict[str, Any]) -> Iterator[Condition]:
    """Of `and` the first part that does not hold, of `or` the first that does, else all of them."""
    match condition:
        case Not(condition=inner) if isinstance(inner, Junction | Not):
            yield from _deciding(inner, event)
        case Junction(word=word, conditions=conditions):
            decides = word == "or"
            found = next((each for each in conditions if _truth(each, event) is decides), None)
            for each in conditions if found is None else [found]:
                yield from _deciding(each, event)
        case _:
            yield condition


def _truth(condition: Condition, event: dict[str, Any]) -> bool:
    return bool(compile_condition(condition, is_whole=False)(event))

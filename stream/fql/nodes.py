"""The parts of a parsed statement, each with its place in the text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scalar = str | int | float | bool | None
Operator = Literal["=", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Part:
    """Where a part begins and ends in the statement."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Value(Part):
    """A literal: text, number, true, false or null."""

    value: Scalar


@dataclass(frozen=True, slots=True)
class Path(Part):
    """A field of the event, by the names that lead to it."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListOf(Part):
    """A list that is written out."""

    items: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Call(Part):
    """A function and what it is given."""

    function: str
    arguments: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Compare(Part):
    """Two operands and what is between them."""

    operator: Operator
    left: Operand
    right: Operand


@dataclass(frozen=True, slots=True)
class In(Part):
    """Whether a list, written out or a field's, holds a value."""

    item: Operand
    of: ListOf | Path


@dataclass(frozen=True, slots=True)
class Not(Part):
    """The opposite of a condition."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class Junction(Part):
    """Conditions that must all hold, or of which one must."""

    word: Literal["and", "or"]
    conditions: tuple[Condition, ...]


Operand = Value | Path | ListOf | Call
Condition = Value | Path | ListOf | Call | Compare | In | Not | Junction

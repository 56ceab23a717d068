"""The settings of filters: statements in FQL, and what is done to the events that they are true of."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from stream.fql import fields
from stream.fql.compile import compiled
from stream.fql.doubt import impossible_field
from stream.fql.errors import FqlError, caret
from stream.fql.parser import parse
from stream.settings.section import Fault, Section, refusal

Action = Literal["sample", "drop", "drop_properties", "allow_properties", "hash_properties"]

_CHANGING = ("drop_properties", "allow_properties", "hash_properties")
_FIX = "Write a condition, such as type = 'track' and properties.total >= 50."
_KEPT = ("type", "messageId", "timestamp")
"""Fields that no receiver can do without."""


def read_statement(text: str) -> str:
    """Validate a statement. Raises the model's refusal, with the place and a caret."""
    if (fault := statement_fault(text)) is not None:
        raise refusal(fault)
    return text


def statement_fault(text: str) -> Fault | None:
    """What is wrong with a statement, with the place and a caret; None: nothing."""
    try:
        compiled(text)
        _require_possible(text)
    except FqlError as error:
        pointed = caret(text, error.at).replace("\n", "\n    ")
        return Fault(f"{error.what} At character {error.at + 1}:\n    {pointed}\n ", error.fix or _FIX)
    return None


def _require_possible(text: str) -> None:
    if found := impossible_field(parse(text)):
        path, fault = found
        raise FqlError(fault.what, path.start, fault.fix)


Statement = Annotated[str, AfterValidator(read_statement)]
"""FQL, Segment's filter query language."""


class FilterSection(Section):
    """What is done to the events that a statement is true of."""

    action: Action = Field(
        description="sample: only `percent` of them are sent. drop: none is sent. drop_properties: sent without "
        "`fields`. allow_properties: of what holds `fields`, nothing else is sent. hash_properties: sent with the "
        "SHA-256 of the values of `fields`. Filters apply in this order, the destination's before the workflow's.",
    )
    if_: Statement | None = Field(
        default=None,
        alias="if",
        description="Statement in FQL; the filter applies to events for which it is true. Left out: to every event.",
    )
    percent: float | None = Field(
        default=None,
        strict=True,
        ge=0,
        le=100,
        validate_default=True,
        description="sample: how many are sent, in percent.",
    )
    path: str | None = Field(
        default=None,
        description="sample: field whose value decides, so that events with the same value share their fate. Left out: "
        "userId, else anonymousId, else messageId.",
    )
    fields: tuple[str, ...] | None = Field(
        default=None,
        validate_default=True,
        description="The other actions: fields as dotted paths, such as traits.email, context.ip or "
        "properties.products.price (of each product).",
    )

    @field_validator("percent")
    @classmethod
    def _percent_of_a_sample(cls, percent: float | None, info: ValidationInfo) -> float | None:
        action = info.data.get("action")
        if action == "sample" and percent is None:
            raise refusal(Fault('is missing: action = "sample" needs it.', "Add percent = 10."))
        if percent is not None and action in (*_CHANGING, "drop"):
            raise refusal(Fault(f'is not used by action = "{action}".', 'Remove it, or write action = "sample".'))
        return percent

    @field_validator("path")
    @classmethod
    def _path_of_a_sample(cls, path: str | None, info: ValidationInfo) -> str | None:
        action = info.data.get("action")
        if path is not None and action in (*_CHANGING, "drop"):
            raise refusal(Fault(f'is not used by action = "{action}".', "Remove it, or write fields = […]."))
        if path is not None and (fault := fields.fault_of(path)):
            raise refusal(Fault(*fault))
        return path

    @field_validator("fields")
    @classmethod
    def _fields_of_an_action(cls, named: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        action = info.data.get("action")
        if action in _CHANGING and not named:
            raise refusal(Fault(f'is missing: action = "{action}" needs it.', 'Add fields = ["traits.email"].'))
        if named is not None and action in ("sample", "drop"):
            raise refusal(Fault(f'is not used by action = "{action}".', 'Remove it, or write "drop_properties".'))
        faults = [
            Fault(*fault, key=index) for index, each in enumerate(named or ()) if (fault := fields.fault_of(each))
        ]
        faults += _lost(action, named or ())
        if faults:
            raise refusal(*faults)
        return named


def _lost(action: Action | None, named: tuple[str, ...]) -> list[Fault]:
    """Fields that would be dropped and never may be."""
    if action == "drop_properties":
        fix = "Leave it out; it may be hashed."
        return [Fault(f"drops {each}, which receivers need.", fix, i) for i, each in enumerate(named) if each in _KEPT]
    top = [each for each in named if "." not in each]
    missing = [each for each in _KEPT if each not in top]
    if action == "allow_properties" and top and missing:
        what = f"allows {', '.join(top)} alone at the top of the event, and so drops {', '.join(missing)}."
        return [Fault(what, f"Add {', '.join(missing)}, or name what is inside: properties.total.")]
    return []

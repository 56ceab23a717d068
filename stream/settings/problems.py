"""What the model's validation found, as problems that say where, what and how to fix it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from stream.settings.draft import Draft, Location, format_location
from stream.settings.keys import keys_at, suggestion
from stream.settings.section import Fault

_Text = tuple[str, str]

_SILENT = "default_factory_not_called"
"""A default that follows from another field could not be made: that field has a problem of its own."""


_REMOVED: dict[str | int, _Text] = {
    "http2": (
        "was removed: over HTTP/2 events could be delivered twice when a server ended a connection.",
        "Remove the line; requests are sent over HTTP/1.1.",
    ),
}
"""Settings of earlier versions."""


def report_validation(error: ValidationError, draft: Draft) -> None:
    """Add each thing that validation found, save what only follows from a problem known already."""
    for details in error.errors(include_url=False, include_input=False):
        at = details["loc"]
        if details["type"] != _SILENT and not draft.is_faulty(at):
            _report(details, at, draft)


def _report(details: ErrorDetails, at: Location, draft: Draft) -> None:
    context = details.get("ctx", {})
    if details["type"] == "refused":
        _report_faults(context["faults"], at, draft)
    elif details["type"] == "extra_forbidden" and at[-1] in _REMOVED:
        draft.report(at, *_REMOVED[at[-1]])
    elif details["type"] == "extra_forbidden":
        draft.report(at, "is not a setting.", _known_key(at))
    elif details["type"] in _TEXTS:
        what, fix = _TEXTS[details["type"]](context, at)
        draft.report(at, what, fix)
    else:
        draft.report(at, "cannot be used.", "The reference of the settings says what it may be.")


def _report_faults(faults: Iterable[Fault], at: Location, draft: Draft) -> None:
    for fault in faults:
        inner = at if fault.key is None else (*at, fault.key)
        if not draft.is_faulty(inner):
            draft.report(inner, fault.what, fault.fix)


def _known_key(at: Location) -> str:
    return suggestion(str(at[-1]), keys_at(at[:-1]), "Known here")


def _missing(context: Mapping[str, Any], at: Location) -> _Text:
    example = "https://…" if at[-1] == "url" else "…"
    return "is missing.", f'Add {at[-1]} = "{example}".'


def _not_a_list(context: Mapping[str, Any], at: Location) -> _Text:
    if at == ("workflow",):
        return "must be a list of tables.", "Write [[workflow]] above each, in two brackets."
    return "must be a list.", 'Write it in brackets: ["…"].'


def _not_a_table(context: Mapping[str, Any], at: Location) -> _Text:
    if at[0] == "workflow" and len(at) == 2:
        return "must be a table.", "Write [[workflow]], and its settings below it."
    return "must be a table.", f"Write [{format_location(at)}], and its settings below it."


def _not_a_word(context: Mapping[str, Any], at: Location) -> _Text:
    return f"must be {context['expected']}.", ""


def _too_small(context: Mapping[str, Any], at: Location) -> _Text:
    return f"must be {context['ge']} or more.", ""


def _too_large(context: Mapping[str, Any], at: Location) -> _Text:
    return f"must be {context['le']} or less.", ""


def _always(what: str, fix: str = "") -> Callable[[Mapping[str, Any], Location], _Text]:
    return lambda context, at: (what, fix)


_TEXTS: dict[str, Callable[[Mapping[str, Any], Location], _Text]] = {
    "missing": _missing,
    "tuple_type": _not_a_list,
    "dict_type": _not_a_table,
    "mapping_type": _not_a_table,
    "model_type": _not_a_table,
    "literal_error": _not_a_word,
    "greater_than_equal": _too_small,
    "less_than_equal": _too_large,
    "string_type": _always("must be text.", "Put it in quotes."),
    "string_too_short": _always("is empty.", "Write it, or leave the setting out."),
    "too_short": _always("is empty.", "Write it, or leave the setting out."),
    "string_unicode": _always("must be text.", "Write it in UTF-8."),
    "float_type": _always("must be a number."),
    "float_parsing": _always("must be a number."),
    "int_type": _always("must be a whole number."),
    "bool_type": _always("must be true or false."),
}
"""By pydantic's name of an error: what is wrong, and the fix. None repeats the value."""

"""Values that are given as text: the environment's, and those of flags."""

from __future__ import annotations

import re
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")
_BOOLEANS = {"true": True, "false": False}


def split_list(text: str) -> list[str]:
    """The parts of a list that is separated by commas or line ends; empty parts do not count."""
    return [part.strip() for part in re.split(r"[,\n]", text) if part.strip()]


def read_text(text: str, field: FieldInfo) -> object:
    """The value that `text` stands for in a field; text that does not fit is left for validation to refuse."""
    kinds = {field.annotation, *get_args(field.annotation)}
    lists = [kind for kind in kinds if get_origin(kind) is tuple]
    if lists:
        return [_read_plain(part, _element_kind(lists[0])) for part in split_list(text)]
    return _read_plain(text, field.annotation)


def _element_kind(kind: Any) -> Any:
    element = get_args(kind)[0]
    return get_args(element)[0] if get_args(element) else element


def _read_plain(text: str, kind: Any) -> object:
    if kind is bool:
        return _BOOLEANS.get(text.strip().lower(), text)
    if kind is int and _WHOLE_NUMBER.fullmatch(text.strip()):
        return int(text)
    return text

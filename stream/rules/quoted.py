"""Takes out of an answer's excerpt what it quotes of the request.

Receivers like to say what they did not like: `"ann@example.com" is not an address`. The excerpt ends in a dead letter's
header, where no value of an event, no secret and no header's value may be. The values are looked for in the few
characters of the excerpt, never the reverse: the work is one pass over the event, and nothing is kept of it.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import unquote, unquote_plus

import orjson

from stream.rules.secret_text import LEAST_CHARS, MASK, folded, replaced, secret_parts, spellings

MAX_BODY_BYTES = 1024 * 1024
MAX_VALUES = 20_000
MAX_CANDIDATES = 250
MAX_FORMS = 32
"""Beyond any of these limits the excerpt is dropped: what was not looked for may be in it."""
CUT_CHARS = 6
"""A receiver may quote a beginning or an end of a value: so many characters of it are taken for a quotation, ..."""
PIECE_CHARS = 8
"""... or a whole word of so many characters from the middle of a value."""

_CUT_MARKS = ("...", "…", "**")

_LONG_NUMBER = re.compile(rb"[0-9]{17}")
"""Numbers that a double may not hold exactly; they are compared as they are written."""
_WORD = re.compile(rf"[\w@.+-]{{{PIECE_CHARS},}}")
_CUT_ESCAPE = re.compile(r"(?:&#?\w*|%[0-9a-f]?|\\(?:u[0-9a-f]{0,3}|x[0-9a-f]?|U[0-9a-f]{0,7})?)$", re.IGNORECASE)
"""An escape that the end of the excerpt cut in two."""
_ESCAPE = re.compile(r"\\(?:u([0-9a-f]{4})|x([0-9a-f]{2})|U([0-9a-f]{8})|(.))", re.IGNORECASE | re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


def without_quotes(excerpt: str, body: bytes, secrets: Iterable[str] = ()) -> str:
    """`excerpt` without the values of the JSON in `body` and without `secrets` or their parts.

    A quotation that is spelled as it stands or in a usual escape is replaced. Where one holds on in another spelling,
    or the body cannot be read or is beyond the limits, nothing is left. Names of fields and the event's type stay.
    """
    if not excerpt or len(body) > MAX_BODY_BYTES:
        return ""
    forms = _forms(excerpt)
    try:
        values = _values(_parsed(body))
        wholes, parts = _split(secrets)
        known = {*map(folded, values), *wholes, *parts}
    except (ValueError, RecursionError):
        return ""
    candidates = _candidates(known, forms)
    if len(forms) > MAX_FORMS or len(candidates) > MAX_CANDIDATES:
        return ""
    may_be_cut = [value for value in candidates if value not in wholes]
    text = "\n".join(known)
    left = _without_words(_without(excerpt, candidates, may_be_cut), text)
    return "" if _holds(left, candidates, may_be_cut, text) else left


def _split(secrets: Iterable[str]) -> tuple[set[str], set[str]]:
    """Folded secrets that consist of parts, and the parts: a cut secret is found by its parts."""
    wholes, parts = set[str](), set[str]()
    for secret in secrets:
        pieces = [folded(part) for part in secret_parts(secret)]
        (wholes if len(pieces) > 1 else parts).update(pieces[:1])
        parts.update(pieces[1:])
    return wholes - parts, parts


def _candidates(known: Iterable[str], forms: list[str]) -> list[str]:
    """Values of which a beginning or an end is in one of the forms, the longest first."""
    starts = {form[at : at + LEAST_CHARS] for form in forms for at in range(len(form) - LEAST_CHARS + 1)}
    found = [value for value in known if value[:LEAST_CHARS] in starts or value[-LEAST_CHARS:] in starts]
    return sorted(found, key=len, reverse=True)


def _without(excerpt: str, candidates: list[str], may_be_cut: list[str]) -> str:
    """Replace whole values in their usual spellings, then what is left of values that were cut."""
    for value in candidates:
        for spelling in spellings(value):
            excerpt = replaced(excerpt, spelling)
    for value in may_be_cut:
        for piece in _cut_pieces(folded(excerpt), value):
            excerpt = replaced(excerpt, piece)
    return excerpt


def _without_words(excerpt: str, text: str) -> str:
    return _WORD.sub(lambda word: MASK if folded(word[0]).strip(".") in text else word[0], excerpt)


def _holds(excerpt: str, candidates: list[str], may_be_cut: list[str], text: str) -> bool:
    """Whether a quotation is left in a spelling that cannot be replaced."""
    for form in _forms(excerpt):
        squeezed = _squeezed(form)
        if any(value in form or _is_in(_squeezed(value), squeezed) for value in candidates):
            return True
        if any(piece for value in may_be_cut for piece in _cut_pieces(form, value)):
            return True
        if any(word.strip(".") in text for word in _WORD.findall(form)):
            return True
    return False


def _cut_pieces(form: str, value: str) -> Iterator[str]:
    """The longest beginning and the longest end of `value` in a folded text, if they are long enough to tell."""
    at = form.find(value[:CUT_CHARS]) if len(value) > CUT_CHARS else -1
    if at >= 0:
        yield form[at : at + _common(form[at:], value)]
    if len(value) > CUT_CHARS and (at := form.rfind(value[-CUT_CHARS:])) >= 0:
        end = at + CUT_CHARS
        yield form[end - _common(form[:end][::-1], value[::-1]) : end]
    for length in range(min(len(value) - 1, CUT_CHARS - 1), LEAST_CHARS - 1, -1):
        beginning, end_ = value[:length], value[-length:]
        if form.endswith(beginning) or any(beginning + mark in form for mark in _CUT_MARKS):
            yield beginning
        if any(mark + end_ in form for mark in _CUT_MARKS):
            yield end_


def _common(one: str, other: str) -> int:
    """Length of the common beginning."""
    length = min(len(one), len(other))
    return next((at for at in range(length) if one[at] != other[at]), length)


def _forms(excerpt: str) -> list[str]:
    """The folded excerpt, and what it reads when escapes of any kind are resolved, also several on one another."""
    whole = _CUT_ESCAPE.sub("", excerpt)
    forms, position = list(dict.fromkeys((excerpt, whole))), 0
    while position < len(forms) <= MAX_FORMS:
        forms += [form for read in _UNESCAPES if (form := read(forms[position])) not in forms]
        position += 1
    return list(dict.fromkeys(map(folded, forms)))


def _backslashes_resolved(text: str) -> str:
    return _ESCAPE.sub(_character, text) if "\\" in text else text


def _character(escape: re.Match[str]) -> str:
    digits = escape[1] or escape[2] or escape[3]
    if digits is None:
        return _ESCAPED.get(escape[4], escape[4])
    code = int(digits, 16)
    return chr(code) if code < 0x110000 else ""


def _surrogates_joined(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


_UNESCAPES: tuple[Callable[[str], str], ...] = (
    html.unescape,
    _backslashes_resolved,
    unquote,
    unquote_plus,
    _surrogates_joined,
)


def _is_in(value: str, text: str) -> bool:
    return len(value) >= CUT_CHARS and value in text


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _parsed(body: bytes) -> Any:
    if _LONG_NUMBER.search(body):
        return json.loads(body, parse_int=str, parse_float=str)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return json.loads(body, parse_int=str, parse_float=str)


def _values(payload: Any) -> Iterator[str]:
    """The values that are long enough to tell something. Raises ValueError when there are too many."""
    left, count = [payload], 0
    if isinstance(payload, dict):
        left = [value for name, value in payload.items() if name != "type"]
    while left:
        value = left.pop()
        count += 1
        if count > MAX_VALUES:
            raise ValueError("too many values")
        if isinstance(value, dict):
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
        elif len(text := _scalar_text(value)) >= LEAST_CHARS:
            yield text


def _scalar_text(value: object) -> str:
    return "" if value is None or isinstance(value, bool) else str(value)

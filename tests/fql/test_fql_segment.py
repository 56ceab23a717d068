"""Our FQL against Segment's own code: tokens, verdicts and transformed events are the same."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

import orjson
import pytest
from assertions import filled
from fql_generator import Generator
from fql_segment import Segment, installed

from stream.fql.compile import compile_condition, to_ir
from stream.fql.errors import EvaluationError, FqlError
from stream.fql.fields import by_parent
from stream.fql.lexer import Token, lex
from stream.fql.nodes import Call, Compare, Condition, In, Junction, Not, Path, Value
from stream.fql.parser import parse
from stream.fql.pipeline import Pipeline, body_of
from stream.fql.rules import Filter, FilterSet
from stream.fql.values import field, to_json
from stream.model.events import Event
from stream.model.records import Record
from stream.rules.decode import Decoder
from stream.validation.schemas import SchemaValidator

_RECORD = Record("t", 0, 0, 0, None, None)
_OFF = Decoder("off", SchemaValidator())
_ROUNDS = max(1, int(os.environ.get("FUZZ") or 0) // 10_000)
"""`make fuzz` runs ten times as many as `make test`, by other seeds."""
_STATEMENTS = 1_000
_EVENTS = 40


@pytest.fixture(scope="module")
def segment() -> Iterator[Segment]:
    """Segment's code, answering."""
    with Segment(installed()) as running:
        yield running


def _tokens(statement: str) -> list[Token] | None:
    try:
        return lex(statement)
    except FqlError:
        return None


_LOSES_LETTERS = re.compile(r"(?<![A-Za-z])(a.?|n.{0,2})\Z", re.DOTALL)
"""Segment's lexer looks for and and null beyond the end of a statement, and loses the letters of a short name there.
Ours keeps the name."""


def _payload(text: str) -> dict[str, Any]:
    """The event as the program reads it from a topic."""
    event = _OFF.decode(Record("t", 0, 0, 0, None, text.encode()))
    assert isinstance(event, Event)
    return event.payload


def _verdict(condition: Condition, event: dict[str, Any]) -> bool | None:
    try:
        return bool(compile_condition(condition)(event))
    except EvaluationError:
        return None


def _parts(condition: Condition) -> Iterator[Condition]:
    yield condition
    match condition:
        case Junction(conditions=parts):
            yield from chain.from_iterable(map(_parts, parts))
        case Not(condition=part):
            yield from _parts(part)


def _is_known(condition: Condition, event: dict[str, Any]) -> bool:
    """Where the result differs on purpose: see the documents on filters."""
    return any(_looks_into_a_list(part, event) or _names_a_type(part) for part in _parts(condition))


def _looks_into_a_list(part: Condition, event: dict[str, Any]) -> bool:
    """Segment's reference finds a value in a list of the event; tsub takes the elements for paths."""
    return isinstance(part, In) and isinstance(part.of, Path) and isinstance(_value(part.of, event), list)


def _value(path: Path, event: dict[str, Any]) -> Any:
    return field(event, tuple(".".join(path.names).split(".")))


def _names_a_type(part: Condition) -> bool:
    """The reference's names of types, of which tsub has none."""
    if not isinstance(part, Compare):
        return False
    sides = (part.left, part.right)
    return any(isinstance(side, Call) and side.function == "typeof" for side in sides) and any(
        isinstance(side, Value) and side.value == "null" for side in sides
    )


@pytest.mark.fuzz
def test_tokens_are_segments(segment: Segment) -> None:
    """Whole and broken statements are cut into the same tokens, or refused by both."""
    generator = Generator(1)
    for _ in range(_ROUNDS):
        statements = [generator.statement() for _ in range(1_000)] + [generator.broken() for _ in range(4_000)]
        theirs = segment.tokens(statements)
        for statement, expected in filled(zip(statements, theirs, strict=True)):
            ours = _tokens(statement)
            if _LOSES_LETTERS.search(statement):
                continue
            cut = None if ours is None else [[str(token.kind), token.value] for token in ours]
            assert cut == expected, statement


@pytest.mark.fuzz
def test_verdicts_are_segments(segment: Segment) -> None:
    """Every statement says of every event what tsub says of it, and fails where tsub throws."""
    for seed in range(_ROUNDS):
        generator = Generator(100 + seed)
        conditions = [(text, parse(text)) for text in (generator.statement() for _ in range(_STATEMENTS))]
        events = [generator.event() for _ in range(_EVENTS)]
        theirs = segment.verdicts([to_ir(condition) for _, condition in conditions], events)
        payloads = [_payload(event) for event in events]
        pairs = known = 0
        for (text, condition), verdicts in filled(zip(conditions, theirs, strict=True)):
            for event, payload, expected in zip(events, payloads, verdicts, strict=True):
                pairs += 1
                if _is_known(condition, payload):
                    known += 1
                    continue
                assert _verdict(condition, payload) == expected, f"{text}\n{event}"
        assert pairs - known >= 20_000


def _cases(generator: Generator) -> Iterator[tuple[str, tuple[Filter, ...]]]:
    while True:
        event, filters = generator.event(), generator.filters()
        if not any(each.condition and _is_known(parse(each.condition), _payload(event)) for each in filters):
            yield event, filters


@pytest.mark.fuzz
def test_transformed_events_are_segments(segment: Segment) -> None:
    """Filters drop the same events and leave the same of the others; what they do not change is the same object."""
    for seed in range(_ROUNDS):
        cases = list(islice(_cases(Generator(500 + seed)), 5_000))
        theirs = segment.transformed([(event, [_rule(f) for f in filters]) for event, filters in cases])
        for (text, filters), expected in filled(zip(cases, theirs, strict=True)):
            payload = _payload(text)
            before = orjson.dumps(payload) if _is_plain(payload) else b""
            refusal, after = Pipeline(FilterSet("", filters)).judge(payload, str(payload.get("type")), _RECORD)
            ours = [{"sampled": "dropped", "filter": "dropped", "filter_error": "threw"}.get(refusal or "", "sent")]
            if ours == ["sent"]:
                ours.append(segment_json(segment, body_of(after).decode()))
            assert ours == expected, f"{text}\n{filters}"
            assert not before or orjson.dumps(payload) == before, "the event itself was changed"


def segment_json(segment: Segment, text: str) -> str:
    """The text as JavaScript writes it after reading it."""
    return segment.json([text])[0]


def _is_plain(payload: dict[str, Any]) -> bool:
    try:
        orjson.dumps(payload)
    except TypeError:
        return False
    return True


def _rule(each: Filter) -> dict[str, Any]:
    groups = {".".join(parent): list(names) for parent, names in by_parent(each.fields).items()}
    sample = {"percent": each.percent / 100, "path": each.path}
    kind = "sample_event" if each.action == "sample" else each.action
    transformer = {"type": kind, "config": {"drop": groups, "allow": groups, "sample": sample}}
    return {"ir": to_ir(parse(each.condition)) if each.condition else None, "transformer": transformer}


@pytest.mark.fuzz
def test_json_is_written_as_javascript_writes_it(segment: Segment) -> None:
    """What is hashed and compared as JSON is the text of JSON.stringify."""
    generator = Generator(9)
    numbers = [
        "1e21",
        "1e-7",
        "0.000001",
        "123456.789e3",
        "5e-324",
        "1.7976931348623157e308",
        "-0",
        "1e400",
        "100000000000000000000",
    ]
    texts = [generator.event() for _ in range(2_000)] + [json.dumps({"n": 1}).replace("1", n) for n in numbers]
    for text, expected in filled(zip(texts, segment.json(texts), strict=True)):
        assert to_json(_payload(text)) == expected

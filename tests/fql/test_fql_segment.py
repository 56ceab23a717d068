"""Our FQL against Segment's own code: tokens, verdicts and transformed events are the same."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from assertions import every, filled
from fql_generator import Generator
from fql_segment import Segment, installed

from stream.fql.compile import compile_condition
from stream.fql.errors import EvaluationError, FqlError
from stream.fql.fields import by_parent
from stream.fql.ir import to_ir
from stream.fql.lexer import Token, lex
from stream.fql.nodes import Condition
from stream.fql.parser import parse
from stream.fql.pipeline import Pipeline, body_of
from stream.fql.rules import Filter, FilterSet
from stream.fql.values import to_json
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


def deep(names: str) -> dict[str, Any]:
    """An object in an object, by these names."""
    return {names[0]: deep(names[1:])} if names else {}


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


_LOST_AT_THE_END = re.compile(r"(?<![A-Za-z])(a.?|n.{0,2})\Z", re.DOTALL)
_HALF_ESCAPE = re.compile(r"(?<!\\)(\\\\)*\\\Z")


def _spaced(statement: str) -> str:
    """The statement as Segment's lexer reads it whole.

    It looks for and and null beyond the end of a statement, and loses letters of a name there, or a backslash that
    escapes nothing; ours keeps the one and refuses the other, as Segment's does when something follows.
    """
    if not _LOST_AT_THE_END.search(statement):
        return statement
    return statement + (" ;" if _HALF_ESCAPE.search(statement) else " ")


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


@pytest.mark.fuzz
def test_tokens_are_segments(segment: Segment) -> None:
    """Whole and broken statements are cut into the same tokens, or refused by both."""
    generator = Generator(1)
    for _ in range(_ROUNDS):
        statements = [generator.statement() for _ in range(1_000)] + [generator.broken() for _ in range(4_000)]
        theirs = segment.tokens([_spaced(statement) for statement in statements])
        for statement, expected in filled(zip(statements, theirs, strict=True)):
            ours = _tokens(statement)
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
        pairs = 0
        for (text, condition), verdicts in filled(zip(conditions, theirs, strict=True)):
            for event, payload, expected in zip(events, payloads, verdicts, strict=True):
                pairs += 1
                assert _verdict(condition, payload) == expected, f"{text}\n{event}"
        assert pairs >= 20_000


@pytest.mark.fuzz
def test_transformed_events_are_segments(segment: Segment) -> None:
    """Filters drop the same events and leave the same of the others; what they do not change is the same object."""
    for seed in range(_ROUNDS):
        generator = Generator(500 + seed)
        cases = [(generator.event(), generator.filters()) for _ in range(5_000)]
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


@pytest.mark.parametrize(
    ("statement", "event"),
    [
        ("properties.x != 'OPEN'", {"event": "OPEN", "properties": {"x": ["lowercase", {"value": "open"}]}}),
        ("properties.x = 'open'", {"event": "OPEN", "properties": {"x": ["lowercase", "event"]}}),
        ("properties.x = properties.y", {"properties": {"x": ["length", "event"], "y": 4}, "event": "open"}),
        ("properties.x > 3", {"properties": {"x": ["length", "event"]}, "event": "open"}),
        ("properties.x < properties.y", {"properties": {"x": ["length", "event"], "y": 5}, "event": "open"}),
        ("properties.x = true", {"properties": {"x": ["contains", "event", {"value": "pe"}]}, "event": "open"}),
        ("properties.x = 4", {"properties": {"x": ["length", "event"]}, "event": "open"}),
        ("4 in properties.x", {"properties": {"x": [["length", "event"]]}, "event": "open"}),
        ("properties.x = null", {"properties": {"x": ["lowercase", "missing"]}}),
        ("typeof(constructor) = 'function'", {}),
        ("typeof(properties.toString) != 'undefined'", {"properties": {}}),
        ("event.constructor.name = 'String'", {"event": "open"}),
        ("properties.constructor.name = 'Object'", {"properties": {"a": 1}}),
        ("typeof(properties.x.trim) = 'function'", {"properties": {"x": "text"}}),
        ("properties.x.map.name = 'map'", {"properties": {"x": []}}),
        ("properties.x.toFixed.length = 1", {"properties": {"x": 5}}),
        ("__proto__.__proto__ = null", {}),
        ("constructor = properties.constructor", {"properties": {}}),
        ("constructor in [toString, constructor]", {}),
        (".".join(["properties", *"abcdefghijklm", "valueOf.name = 'valueOf'"]), {"properties": deep("abcdefghijklm")}),
    ],
)
def test_what_segment_takes_for_code_is_not_sent(segment: Segment, statement: str, event: dict[str, Any]) -> None:
    """Data that is written like Segment's notation, and names of JavaScript's functions: Segment's code evaluates them.

    Ours evaluates no data. It says nothing of such an event, so that the event is not sent, whatever the statement.
    """
    for text in (statement, f"!({statement})"):
        assert segment.verdicts([to_ir(parse(text))], [json.dumps(event)])[0][0] in (True, False)
        assert _verdict(parse(text), event) is None
        refusal, _ = Pipeline(FilterSet(text, ())).judge(event, "track", _RECORD)
        assert refusal == "filter_error"


@pytest.mark.parametrize(
    ("statement", "event"),
    [
        ("properties.x = 'open'", {"properties": {"x": ["lowercase", "event", "more"]}}),
        ("properties.x != 'open'", {"properties": {"x": ["uppercase", "event"]}}),
        ("properties.constructor = 'Acme'", {"properties": {"constructor": "Acme"}}),
        ("properties.x.trim = 'LX'", {"properties": {"x": {"trim": "LX"}}}),
        ("typeof(properties.x.trim) = 'undefined'", {"properties": {"x": ""}}),
        ("typeof(properties.x.toString) = 'undefined'", {"properties": {"x": 0}}),
        ("typeof(properties.x.toString) = 'undefined'", {"properties": {"x": None}}),
        ("length(properties.x) = 2", {"properties": {"x": ["lowercase", "event"]}}),
        ("properties.constructor = 'Acme'", {"properties": {}}),
        ("properties.constructor != 'Acme'", {"properties": {}}),
        ("properties.constructor = null", {"properties": {}}),
        ("!properties.constructor", {"properties": {}}),
        ("properties.toString > 1 or properties.valueOf <= 1", {"properties": {}}),
        ("match(properties.x.search, '*') or contains(event.link, 'a')", {"properties": {"x": "a"}, "event": "a"}),
        ("lowercase(properties.constructor) = null", {"properties": {}}),
        ("length(properties.constructor) = 1", {"properties": {}}),
        ("typeof(properties.constructor) = 'null'", {"properties": {}}),
        ("typeof(properties.constructor) != 'list'", {"properties": {}}),
        ("properties.constructor in ['a', 1, null]", {"properties": {}}),
    ],
)
def test_what_only_looks_like_it_is_data(segment: Segment, statement: str, event: dict[str, Any]) -> None:
    """A field of the event by such a name, and a list that is nearly one, are judged as Segment judges them."""
    assert segment.verdicts([to_ir(parse(statement))], [json.dumps(event)]) == [[_verdict(parse(statement), event)]]


@pytest.mark.parametrize("percent", [0.1, 1.0, 3.0, 50.0])
def test_who_is_in_our_sample_is_in_segments(segment: Segment, percent: float) -> None:
    """The published code samples by the digits of the hash as text, and keeps nearly all. Ours keeps fewer."""
    sample = Filter("sample", percent=percent, path="userId")
    events = [{"userId": f"user-{number}"} for number in range(5_000)]
    theirs = segment.transformed([(json.dumps(event), [_rule(sample)]) for event in events])
    kept = [Pipeline(FilterSet("", (sample,))).judge(event, "track", _RECORD)[0] is None for event in events]
    assert 0 < sum(kept) < len(kept)
    assert every(answer[0] == "sent" for is_kept, answer in zip(kept, theirs, strict=True) if is_kept)


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

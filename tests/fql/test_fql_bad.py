"""Statements that cannot be used: refused at once, with the place and a fix."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from fql_generator import Generator
from hypothesis import given
from hypothesis import strategies as st

from stream.fql.compile import compiled, decide
from stream.fql.errors import EvaluationError, FqlError, caret
from stream.fql.glob import MAX_CHARS, matcher
from stream.fql.parser import parse
from stream.fql.values import to_json


@pytest.mark.parametrize(
    ("statement", "what", "pointed"),
    [
        ("", "is empty", ""),
        ("   ", "is empty", " "),
        ("(type = 'track'", "not closed", "("),
        ("type = 'track')", "without its opening one", ")"),
        ("type in ['a', 'b'", "not closed", "["),
        ("contains(event, 'a'", "not closed", "("),
        ("type = 'track", "text without its end", "'"),
        ("a..b = 1", "dot without a name", "."),
        ("a. = 1", "dot without a name", "."),
        (".a = 1", "where a field", "."),
        ("startswith(event, 'a')", "function that FQL does not know: startswith", "s"),
        ("contain(event, 'a')", "does not know: contain", "c"),
        ("contains(event)", "takes 2", "c"),
        ("type == 'track'", "operator behind an operator", "="),
        ("type !='track'", "without a space", "'"),
        ("a >=5", "operator behind an operator", "="),
        ("a AND b", "AND where", "A"),
        ("a && b", "does not know: '&'", "&"),
        ("not a", "a where", "a"),
        ("!a = 1", "compares what is negated", "="),
        ("(a) = 1", "compares a condition in brackets", "="),
        ("a = 1 = 2", "compares twice", "="),
        ("a = 1.", "decimal point", "."),
        ("a = 1.2.3", "two decimal points", "."),
        ("a = -", "sign without a number", "-"),
        ("a = ", "the end where", ""),
        ("a in 'x'", "no list behind in", "'"),
        ("a in lowercase(b)", "no list behind in", "l"),
        ("properties.products.0.price", "number for a field's name", "0"),
        ("properties.and = 1", "and for a field's name", "a"),
        ("properties[0]", "no space behind a field", "["),
        ("a = 'x'b", "", None),
        ("a\\", "ends with a backslash", "\\"),
        ("match(a, ')", "text without its end", "'"),
        ("$.a = 1", "does not know: '$'", "$"),
    ],
)
def test_bad_statements(statement: str, what: str, pointed: str | None) -> None:
    """The error says what is wrong and points at the character."""
    with pytest.raises(FqlError) as raised:
        parse(statement)
    assert what in raised.value.what
    if pointed is not None:
        assert statement[raised.value.at : raised.value.at + 1] == pointed


def test_an_unknown_function_has_a_suggestion() -> None:
    """The function that was probably meant is named."""
    with pytest.raises(FqlError) as raised:
        parse("lowercas(event) = 'a'")
    assert "lowercase" in raised.value.fix


@pytest.mark.parametrize(
    "statement",
    [
        "(" * 1_000 + "a" + ")" * 1_000,
        "!(" * 1_000 + "a" + ")" * 1_000,
        "[" * 1_000,
        "lowercase(" * 1_000,
        "a = 'x' or " * 9_000 + "b",
        "'" + "x" * 100_000 + "'",
        "a" * 100_000,
        "1" * 100_000,
    ],
    ids=["brackets", "negations", "lists", "calls", "or", "text", "name", "number"],
)
def test_huge_statements_are_refused(statement: str) -> None:
    """Neither 100 kB nor 1,000 levels of brackets are looked at for long."""
    with pytest.raises(FqlError):
        parse(statement)


def test_a_hundred_levels_are_fine() -> None:
    """What the limit lets through works."""
    assert compiled("!(" * 100 + "a" + ")" * 100)({"a": True}) is True
    assert compiled("uppercase(" * 99 + "a" + ")" * 99 + " = 'X'")({"a": "x"}) is True
    assert compiled(".".join("a" * 5_000))({}) is False
    assert compiled("(a = 1 or b = 2 and " * 99 + "c" + ")" * 99)({"a": 1}) is True


def test_a_long_list_is_fine() -> None:
    """A list of thousands of texts is looked up, not gone through."""
    values = ", ".join(f"'{number}@company.com'" for number in range(2_500))
    assert compiled(f"traits.email in [{values}]")({"traits": {"email": "2499@company.com"}}) is True


def test_a_pattern_cannot_blow_up() -> None:
    """The pattern that makes backtracking matchers run for ever is searched for once."""
    assert not matcher("*a" * 32 + "b")("a" * 200_000)
    assert not matcher("(a+)+$")("a" * 200_000)


@pytest.mark.parametrize("pattern", ["*a" * 33, "a" * (MAX_CHARS + 1), "?*" * 5_000])
def test_a_pattern_beyond_the_limits_is_refused(pattern: str) -> None:
    """In a statement at once; in an event when it is used, as an error of that event."""
    with pytest.raises(FqlError, match="pattern"):
        parse(f"match(event, '{pattern}')")
    with pytest.raises(EvaluationError):
        compiled("match(event, properties.pattern)")({"event": "a", "properties": {"pattern": pattern}})


@pytest.mark.parametrize("event", [{}, {"a": None}, {"a": "x"}, {"a": {"b": 1}}, {"a": 5}])
def test_in_needs_a_list(event: dict[str, Any]) -> None:
    """A field behind `in` that holds no list is an error of the event, as in Segment's code."""
    with pytest.raises(EvaluationError):
        compiled("'x' in a")(event)


def nested(levels: int, holder: str) -> Any:
    """An object or list in so many others, of its own each time."""
    value: Any = 1
    for _ in range(levels):
        value = {"a": value} if holder == "{" else [value]
    return value


@pytest.mark.parametrize("holder", ["{", "["])
@pytest.mark.parametrize("statement", ["a = b", "a != b", "a in b", "string(a) = 'x'", "!(a = b)"])
def test_a_deep_event_is_an_error_of_the_event(statement: str, holder: str) -> None:
    """For the statement itself, and where it is explained."""
    event = {"a": nested(1_000, holder), "b": [nested(1_000, holder)] if "in" in statement else nested(1_000, holder)}
    with pytest.raises(EvaluationError, match="nested too deeply"):
        compiled(statement)(event)
    assert decide(statement, event) == (False, (), "the event is nested too deeply")


@pytest.mark.parametrize(
    ("statement", "event", "holds"),
    [
        ("event = 'a\0b' and match(event, '*\0*')", {"event": "a\0b"}, True),
        ("match(event, '?') or match(event, '???')", {"event": "😀"}, False),
        ("match(event, '??') and length(event) = 2", {"event": "😀"}, True),
        ("a = -0 and b = 0", {"a": 0, "b": -0.0}, True),
        ("a = 0 or a > 0", {"a": "NaN"}, False),
        ("a > 5 and a = b", {"a": float("inf"), "b": 10**400}, True),
        (f"a = {'9' * 5_000}", {"a": 10**400}, True),
        ("a = '\ud83d' and contains(a, '\ud83d')", {"a": "\ud83d"}, True),
        ("a\\.b = 1 or b.\\0\\.c = 1", {"a.b": 1, "b": {"0.c": 1}}, False),
        ("semver(a, '>=', '1') or semver(a, '<', '1') or semver(a, '!=', '1')", {"a": ">=1 || ^2.x"}, False),
        ("semver(a, '>=', '1')", {"a": "9" * 5_000}, True),
        ("semver(a, '>=', '1') or semver(a, '<', '9')", {"a": "\uff11.\uff12"}, False),
        (".".join("a" * 30_000) + " = 1", {"a": {"a": []}}, False),
        ("!" + "(!" * 99 + "a" + ")" * 99, {"a": True}, True),
    ],
)
def test_odd_values(statement: str, event: dict[str, Any], holds: bool) -> None:
    """NUL, emoji, minus zero, texts like numbers, numbers beyond a double, long paths and versions."""
    assert compiled(statement)(event) is holds


@pytest.mark.parametrize(
    "statement",
    [
        "a = 1\0",
        "a = 1\r\n",
        "\ufeffa = 1",
        "a\u00a0= 1",
        "a = \u2018x\u2019",
        "😀 = 1",
        "a = 1e400",
        "!!a",
        "! a",
        "...",
        "a.b..",
        "a in ['x',]",
        "a in ['x')",
        "(a]",
        ")a(",
        "contains(foo(a), 'x')",
        "Contains(a, 'x')",
        'a = "x',
        "match(a '*')",
    ],
)
def test_odd_statements_are_refused(statement: str) -> None:
    """With a place in the statement."""
    with pytest.raises(FqlError) as raised:
        parse(statement)
    _require_a_place(statement, raised.value.at)


def test_a_caret_points_at_the_place() -> None:
    """Below the line of the statement, however long it is."""
    assert caret("type = 'x' ande", 11) == "type = 'x' ande\n           ^"
    assert caret("a\nbb = \nc", 5) == "bb = \n   ^"
    shown, pointer = caret("x" * 500 + "!" + "y" * 500, 500).split("\n")
    assert shown[pointer.index("^")] == "!"
    assert len(shown) < 130


@pytest.mark.fuzz
@given(st.text(max_size=60) | st.integers().map(lambda seed: Generator(seed).broken()))
def test_any_text_is_a_statement_or_refused(text: str) -> None:
    """Nothing but FqlError comes of a text; what parses can be evaluated."""
    try:
        holds = compiled(text)
    except FqlError as error:
        _require_a_place(text, error.at)
        return
    with suppress(EvaluationError):
        assert holds({"type": "track"}) in (True, False)


def _require_a_place(text: str, at: int) -> None:
    assert 0 <= at <= len(text)
    assert caret(text, at).endswith("^")


def test_deep_values_are_written() -> None:
    """JSON of nested values, as it is compared and hashed."""
    assert to_json({"b": [1, None, True, {"1": "a", "0": []}]}) == '{"b":[1,null,true,{"0":[],"1":"a"}]}'

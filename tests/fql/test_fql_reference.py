"""Every example of Segment's reference of FQL, and what it says of precedence."""

from __future__ import annotations

from typing import Any

import pytest

from stream.fql.compile import compiled
from stream.fql.ir import to_ir
from stream.fql.parser import parse

_EVENT: dict[str, Any] = {
    "event": "Button Clicked",
    "type": "track",
    "context": {"library": {"name": "analytics.js", "version": "1.0"}},
    "properties": {"features": ["discounts", "dark-mode"]},
}


@pytest.mark.parametrize(
    ("statement", "holds"),
    [
        ("event = 'Button Clicked'", True),
        ("event = 'Screen Tapped'", False),
        ("context.path.path = '/login'", False),
        ("type = 'identify' or type = 'track'", True),
        ("event = 'Button Clicked' and type = 'track'", True),
        ("match( context.library.version, '1.*' )", True),
        ("match( context.library.version, '2.*' )", False),
        ("type = 'track' and ( event = 'Click' or match( event, 'Button *' ) )", True),
        ("!contains( context.library.name, 'js' )", False),
        ("'dark-mode' in properties.features", True),
        ("'blink' in properties.features", False),
        ("type = 'track' and ( event = 'Click' or match( 'Button *', event ) )", False),
        ("!( type in ['track', 'identify'] )", False),
        ("length( userId ) > 0", False),
        ("typeof( userId ) = 'string' and length( userId ) > 0", False),
    ],
)
def test_examples(statement: str, holds: bool) -> None:
    """The reference's statements say of its event what the reference says."""
    assert compiled(statement)(_EVENT) is holds


@pytest.mark.parametrize(
    ("text", "pattern", "matches"),
    [
        ("abcd", "a*d", True),
        ("", "*", True),
        ("abc", "ab", False),
        ("abcd", "a??d", True),
        ("abcd", "*d", True),
        ("ab*d", "ab\\*d", True),
        ("abCd", "ab[cC]d", True),
        ("abcd", "ab[a-z]d", True),
        ("abcd", "ab[A-Z]d", False),
    ],
)
def test_patterns(text: str, pattern: str, matches: bool) -> None:
    """The reference's table of patterns."""
    assert compiled(f"match( '{text}', '{pattern}' )")({}) is matches


@pytest.mark.parametrize(
    ("statement", "holds"),
    [
        ("contains( null, 'a' )", False),
        ("length( null ) = 0", True),
        ("lowercase( null ) = null", True),
        ("typeof( null ) = 'null'", True),
        ("match( null, '*' )", False),
        ("uppercase( event ) = 'BUTTON CLICKED'", True),
        ("snakecase( 'test string' ) = 'test_string'", True),
        ("kebabcase( 'test string' ) = 'test-string'", True),
        ("titlecase( 'test string' ) = 'Test String'", True),
        ("typeof( properties.features ) = 'list'", True),
        ("typeof( true ) = 'bool'", True),
        ("typeof( missing ) = 'null'", True),
        ("bool( 'a' )", True),
        ("bool( null )", False),
        ("string( 5 ) = '5'", True),
        ("number( '5.5' ) = 5.5", True),
        ("length( 'a' ) = 1", True),
    ],
)
def test_functions(statement: str, holds: bool) -> None:
    """The reference's functions, with null too."""
    assert compiled(statement)(_EVENT) is holds


def test_a_path_with_an_escaped_space() -> None:
    """A field's name may hold any character that is escaped."""
    event = {"properties": {"product 1": {"price": "19.99"}}}
    assert compiled("properties.product\\ 1.price = '19.99'")(event)


def test_precedence() -> None:
    """`!` binds closest, then comparisons, then and, then or."""
    assert to_ir(parse("a = 1 or b = 2 and !c or d")) == [
        "or",
        ["=", "a", {"value": 1}],
        ["and", ["=", "b", {"value": 2}], ["!", "c"]],
        "d",
    ]

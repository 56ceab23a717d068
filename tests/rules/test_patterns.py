"""Patterns that hardly mean what their writer meant."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.rules.patterns import doubt


@pytest.mark.parametrize(
    "pattern",
    ["Order *", "*", "", "Order ?", "[Oo]rder", "[0-9]", "[a-zA-Z_]*", "[!ab]", "[[]Amplitude] *", "a]b", "[]]"],
)
def test_usual_patterns_are_fine(pattern: str) -> None:
    """Sets and ranges of single characters, and what is escaped."""
    assert doubt(pattern) == ""


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("[Amplitude] *", "one character of [Amplitude]"),
        ("Order [Web Store]", "one character of [Web Store]"),
        ("[!Test] *", "one character of [!Test]"),
        ("[z-a]*", "matches nothing"),
        ("a[Order", "a [ without its ]"),
        ("[ab] [Order", "a [ without its ]"),
        ("[]", "a [ without its ]"),
        ("Order {Paid,Sent}", "Write a pattern for each alternative"),
        (r"\[Amplitude\] *", "one character of"),
        (r"Really\?", "For a plain ? write [?]"),
    ],
)
def test_a_doubtful_pattern_comes_with_what_to_write(pattern: str, why: str) -> None:
    """The pattern as it stands, and the reason."""
    assert doubt(pattern).startswith(f'"{pattern}" ')
    assert why in doubt(pattern)


@pytest.mark.parametrize("name", ["[Amplitude] Page Viewed", "Order [Web]", "[Order"])
def test_the_advice_matches_the_text(name: str) -> None:
    """What is recommended is literally the text that was written."""
    advised = doubt(name).split('write "')[1].removesuffix('".')
    assert fnmatch.fnmatchcase(name, advised)
    assert doubt(advised) == ""


@given(st.text(alphabet="[]!ab-^\\\\{},*? Order", max_size=12))
def test_no_pattern_breaks_the_check(pattern: str) -> None:
    """Whatever it is, there is an answer, and what is called a pattern of nothing matches not even itself."""
    if "matches nothing" in doubt(pattern):
        assert not fnmatch.fnmatchcase(pattern, pattern)

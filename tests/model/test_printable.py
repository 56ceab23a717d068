"""What comes from outside cannot break a line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream.model.printable import printable


@given(st.text())
def test_what_is_escaped_prints(text: str) -> None:
    """Whatever comes in, it stays on its line."""
    assert printable(text).isprintable()


def test_what_prints_stays() -> None:
    """Letters of any script are themselves; what does not print is named."""
    assert printable("Größe 1 \u2713") == "Größe 1 \u2713"
    assert printable("a\nb\x1b[31m\u2028") == "a\\nb\\x1b[31m\\u2028"

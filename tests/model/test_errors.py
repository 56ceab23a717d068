"""What is said of errors."""

from __future__ import annotations

import pytest

from stream.model.errors import EngineInvariantError, describe_error


def test_an_error_of_ours_speaks_for_itself() -> None:
    """Its text is made to be read."""
    assert describe_error(EngineInvariantError("A promise was broken.")) == "A promise was broken."


def test_of_a_foreign_error_the_class_and_the_place_are_told() -> None:
    """Its text holds what it stumbled over, which may be an event."""
    with pytest.raises(KeyError) as found:
        raise KeyError("ann@example.com")
    text = describe_error(found.value)
    assert text.startswith("KeyError at ")
    assert "model/test_errors.py:" in text
    assert "ann" not in text
    assert describe_error(KeyError("ann@example.com")) == "KeyError"

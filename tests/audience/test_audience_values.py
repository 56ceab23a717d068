"""What a cell of a file means as a trait's value, and its one spelling."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.audience.members import read_cell, scalar_json

CELLS = [
    ("450", b"450"),
    ("450.00", b"450"),
    ("-0.5", b"-0.5"),
    ("4.5e2", b"450"),
    (" 12 ", b"12"),
    ("true", b"true"),
    ("FALSE", b"false"),
    ("", b"null"),
    ("  ", b"null"),
    ("null", b'"null"'),
    ("01234", b'"01234"'),
    ("+5", b'"+5"'),
    ("0x1F", b'"0x1F"'),
    ("1,5", b'"1,5"'),
    ("NaN", b'"NaN"'),
    (" gold ", b'" gold "'),
    ("123456789012345678901234567890", b"123456789012345678901234567890"),
    ("9" * 41, b'"' + b"9" * 41 + b'"'),
]


@pytest.mark.parametrize(("cell", "value"), CELLS)
def test_a_cell_is_read_by_the_table(cell: str, value: bytes) -> None:
    """JSON's numbers are numbers, true and false booleans, an empty cell null, all else text."""
    assert scalar_json(read_cell(cell, as_text=False)) == value


@pytest.mark.parametrize("cell", [cell for cell, _ in CELLS])
def test_every_cell_may_be_text(cell: str) -> None:
    """With --value-type text a cell is what is written in it."""
    assert json.loads(scalar_json(read_cell(cell, as_text=True)) or b"") == cell


@pytest.mark.parametrize("value", [[], {}, ["a"], {"a": 1}, float("inf"), float("nan"), 1e999])
def test_what_is_no_scalar_has_no_spelling(value: object) -> None:
    """Lists, objects and numbers that JSON lacks are no values of a trait."""
    assert scalar_json(value) is None


@given(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text())
def test_the_spelling_is_json_of_an_equal_value_without_tabs_or_line_ends(value: object) -> None:
    """Reading it back gives the value; it fits into a line of the sorted runs."""
    spelled = scalar_json(value)
    assert spelled is not None
    assert json.loads(spelled) == value
    assert b"\t" not in spelled
    assert b"\n" not in spelled


@given(st.integers(-(2**53), 2**53))
def test_equal_numbers_have_one_spelling(number: int) -> None:
    """450 and 450.0 are no change."""
    assert scalar_json(number) == scalar_json(float(number))

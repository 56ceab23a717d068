"""What an answer quotes of the request is taken out of its excerpt."""

from __future__ import annotations

import gc
import json
import tracemalloc

import pytest
from assertions import filled
from hypothesis import given
from hypothesis import strategies as st

from stream.rules.quoted import MAX_BODY_BYTES, MAX_VALUES, without_quotes

BODY = json.dumps(
    {
        "type": "track",
        "userId": "ann-17",
        "traits": {"email": "ann@example.com", "phone": 4915112345, "tags": ["vip customer", "x"]},
        "note": 'says "hi"\n',
    }
).encode()


@pytest.mark.parametrize(
    ("excerpt", "left"),
    [
        ('"ann@example.com" is not an address', '"***" is not an address'),
        ("no field email for ANN-17", "no field email for ***"),
        ("bad value 4915112345 of phone", "bad value *** of phone"),
        ("user%20ann%40example.com", "user%20***"),
        ('{"error": "says \\"hi\\"\\n"}', '{"error": "***"}'),
        ("vip customer, x", "***, x"),
        ("type track is not known", "type track is not known"),
        ("cut in vip cust", "cut in ***"),
        ("Bearer s3cret-token refused", "*** refused"),
        ("", ""),
    ],
)
def test_values_are_taken_out_and_the_rest_stays(excerpt: str, left: str) -> None:
    """In every spelling; names of fields and the type help whoever looks at the dead letter."""
    assert without_quotes(excerpt, BODY, ["Bearer s3cret-token", "s"]) == left


@pytest.mark.parametrize("body", [b"not json", b"[" * 100_000, b"\xff"])
def test_nothing_is_kept_when_the_body_cannot_be_read(body: bytes) -> None:
    """What could not be looked for may be in it."""
    assert without_quotes("something", body) == ""


def test_what_orjson_refuses_is_read_all_the_same() -> None:
    """As the event itself was."""
    assert without_quotes("of \\ud83d-long", b'{"a":"\\ud83d-long"}') == "of ***"


SECRETS = ["Bearer tok_XyZ-secret", "Basic dXNlcjpwYXNz", "https://0123abcd-uuid.trayapp.io/x"]


@pytest.mark.parametrize(
    ("excerpt", "left"),
    [
        ("invalid token tok_XyZ-secret", "invalid token ***"),
        ("Bearer token missing", "Bearer token missing"),
        ("cannot decode DXNLCJPWYXNZ", "cannot decode ***"),
        ("unknown host 0123abcd-uuid.trayapp.io", "unknown host ***"),
        ("ann&#64;example.com", ""),
        ("&#x61;&#x6e;&#x6e;-17 is unknown", ""),
        ("ann\\u0040example.com", ""),
        ("ann\\\\u0040example.com", ""),
        ("ann%2540example.com", ""),
        ("ann&amp;#64;example.com", ""),
        ("vip+customer is odd", "*** is odd"),
        ("vip&nbsp;customer is odd", "vip&nbsp;*** is odd"),
        ("v\\u0069p customer", "v\\u0069***"),
        ("says &quot;hi&quot;\n", "***"),
        ('"ann@exampl..." is not valid', '"***..." is not valid'),
        ("ann@ex is not valid", "*** is not valid"),
        ("number ...2345 is not valid", "number ...*** is not valid"),
        ("no mail to @example.com", "no mail to ***"),
        ("domain example.com of that", "domain *** of that"),
        ("it was ann&#64;exa", ""),
        ("it was cut in vip%20cu", ""),
        ("it was tok&#95;XyZ-sec", ""),
        ("user%3Dann%40example%2", ""),
    ],
)
def test_other_spellings_and_pieces(excerpt: str, left: str) -> None:
    """A quotation that holds only in another spelling takes the whole excerpt with it."""
    found = without_quotes(excerpt, BODY, SECRETS)
    assert found == left
    assert "annexample" not in found.replace("@", "").lower()


def test_long_numbers_are_compared_as_they_are_written() -> None:
    """A double would round them."""
    assert without_quotes("bad card 12345678901234567890123", b'{"card":12345678901234567890123}') == "bad card ***"


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"a": list(range(MAX_VALUES + 1))}).encode(),
        json.dumps({"a": "x" * MAX_BODY_BYTES}).encode(),
        json.dumps({"a": [f"same-start-{n}" for n in range(1_000)]}).encode(),
    ],
    ids=["values", "bytes", "candidates"],
)
def test_nothing_is_kept_beyond_the_limits(body: bytes) -> None:
    """What was not looked for may be in it, and looking for everything would hold the loop."""
    assert without_quotes("cannot take same-start", body) == ""


def test_nothing_is_kept_of_the_event() -> None:
    """Ten large events in turn leave no pattern or text of theirs in memory."""
    bodies = [json.dumps({f"k{n}": f"{number}-value-{n:060}" for n in range(2_000)}).encode() for number in range(10)]
    for body in bodies[:2]:
        without_quotes("cannot take 1-value", body)
    tracemalloc.start()
    try:
        for body in filled(bodies):
            assert without_quotes(f"cannot take {body[:200].decode()}", body) == ""
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 20_000
    finally:
        tracemalloc.stop()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(
    st.dictionaries(st.text(), JSON),
    st.text(st.characters(codec="utf-8"), min_size=4, max_size=40),
    st.text(max_size=20),
)
def test_no_value_is_left(payload: dict[str, object], value: str, around: str) -> None:
    """Wherever it is in the event, and whatever stands around it in the answer."""
    body = json.dumps({**payload, "deep": [{"er": value}]}).encode()
    assert value not in without_quotes(f"{around}{value}{around}", body).replace("***", "\0")

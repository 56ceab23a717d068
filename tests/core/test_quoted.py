"""What an answer quotes of the request is taken out of its excerpt."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.quoted import without_quotes

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

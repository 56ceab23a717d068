"""Which parts of hosts and headers are secret."""

from __future__ import annotations

import pytest

from stream.rules.secret_text import MASK, folded, replaced, secret_parts, shown_host, spellings

UUID = "0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0"


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        (f"{UUID}.trayapp.io", "***.trayapp.io"),
        (f"{UUID}.eu1.trayapp.io", "***.eu1.trayapp.io"),
        (f"{UUID.upper()}.TRAYAPP.IO", "***.TRAYAPP.IO"),
        ("my-flow.trayapp.io", "***.trayapp.io"),
        ("my-flow.trayapp.io.", "***.trayapp.io."),
        (f"x.{UUID}.eu1.trayapp.io", "***.eu1.trayapp.io"),
        (f"{UUID}.example.com", "***.example.com"),
        ("0123456789abcdef.example.com", "***.example.com"),
        ("hook-0123456789abcdef01.example.com:8443", "***.example.com:8443"),
        ("0123456789abcdef", "***"),
        ("hooks.example.com", "hooks.example.com"),
        ("trayapp.io", "trayapp.io"),
        ("nottrayapp.io", "nottrayapp.io"),
        ("0123456789abcde.example.com", "0123456789abcde.example.com"),
        ("127.0.0.1:9000", "127.0.0.1:9000"),
        ("[2001:db8::1]:9000", "[2001:db8::1]:9000"),
        ("localhost", "localhost"),
    ],
)
def test_an_opaque_host_is_shown_by_its_domain(host: str, shown: str) -> None:
    """A UUID, 16 hex digits or more, and the first label below trayapp.io are keys to a workflow."""
    assert shown_host(host) == shown


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("Bearer tok_X", {"Bearer tok_X", "tok_X"}),
        ("Token token=abcd, realm=x", {"Token token=abcd, realm=x", "abcd"}),
        ("plain-value", {"plain-value"}),
        ("abc", set()),
    ],
)
def test_what_follows_a_scheme_is_secret_by_itself(value: str, parts: set[str]) -> None:
    """The scheme is not, nor is what is too short to tell anything."""
    assert set(secret_parts(value)) == parts


def test_spellings() -> None:
    """Those of JSON, Python, URLs, forms and HTML, in lower case."""
    assert spellings('A"é <b> c') == {
        'a"é <b> c',
        'a\\"\\u00e9 <b> c',
        'a\\"é <b> c',
        "a%22%c3%a9%20%3cb%3e%20c",
        "a%22%c3%a9+%3cb%3e+c",
        "a&quot;é &lt;b&gt; c",
        'a"é &lt;b&gt; c',
    }


def test_replacing_ignores_case_and_keeps_the_rest() -> None:
    """Also where lower case has another length."""
    assert replaced("İx SeCret y secret", "secret") == f"İx {MASK} y {MASK}"
    assert len(folded("İ")) == 1

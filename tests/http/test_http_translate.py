"""Foreign errors in our words, and excerpts of bodies."""

from __future__ import annotations

import errno
import socket
import ssl

import pytest
from assertions import names_of_code

from stream.http.excerpt import EXCERPT_CHARS, Excerpts
from stream.http.translate import (
    ClosedError,
    EgressError,
    HandshakeError,
    HostUnreachableError,
    ProxyError,
    UnreadableError,
    failure_text,
    failure_word,
)

URL = "http://workflow.example/secret-token"


def caused_by(error: BaseException, cause: BaseException) -> BaseException:
    """`error` as if raised while `cause` was at hand, with the cause hidden by `from None`."""
    error.__context__ = cause
    error.__suppress_context__ = True
    return error


def wrong_version() -> ssl.SSLError:
    """What a server that does not speak TLS causes, with the name that OpenSSL has for it."""
    error = ssl.SSLError(1, URL)
    error.reason = "WRONG_VERSION_NUMBER"
    return error


REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, f"cannot reach {URL}")
NO_NAME = socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@pytest.mark.parametrize(
    ("error", "word", "text"),
    [
        (TimeoutError(URL), "timeout", "no complete answer in time"),
        (HostUnreachableError(URL), "connect", "no connection could be made"),
        (caused_by(HostUnreachableError(URL), REFUSED), "connect", "connection refused"),
        (caused_by(HostUnreachableError(URL), NO_NAME), "dns", "name or service not known"),
        (ProxyError(502), "connect", "the proxy answered 502"),
        (ProxyError(0), "connect", "the proxy gave no answer"),
        (HandshakeError(URL), "tls", "the TLS handshake failed"),
        (
            caused_by(RuntimeError(URL), ConnectionResetError(errno.ECONNRESET, URL)),
            "reset",
            "connection reset by peer",
        ),
        (ValueError(URL), "reset", "the request could not be sent"),
        (UnreadableError(URL), "unreadable", "the answer is not HTTP, or its head is too large"),
        (ClosedError(URL), "reset", "the connection was closed before the answer was complete"),
        (EgressError("Not an address for workflows"), "reset", "not an address for workflows"),
        (
            caused_by(HandshakeError(URL), wrong_version()),
            "tls",
            "TLS failed: wrong version number",
        ),
    ],
)
def test_each_error_has_a_word_and_a_text_without_the_url(error: BaseException, word: str, text: str) -> None:
    """The text is made of plain words, the system's own where there are some; no class is named."""
    assert failure_word(error) == word
    assert failure_text(error) == text
    assert names_of_code(failure_text(error)) == []


def test_a_chain_that_loops_ends() -> None:
    """Contexts may refer back."""
    error = HostUnreachableError(URL)
    error.__context__ = other = ValueError(URL)
    other.__context__ = error
    assert failure_text(error) == "no connection could be made"


@pytest.mark.parametrize(
    ("body", "excerpt"),
    [
        (b"", ""),
        ("Größe ✓".encode(), "Größe ✓"),
        (b"a\r\nb\x00\x1b[0m\xc2\x85", "a\\r\\nb\\x00\\x1b[0m\\x85"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"x" * 300, "x" * EXCERPT_CHARS),
    ],
)
def test_an_excerpt_prints_on_one_line(body: bytes, excerpt: str) -> None:
    """What does not print is escaped; the length is counted before."""
    assert Excerpts("/").cut(body) == excerpt


@pytest.mark.parametrize(
    "body",
    [
        b"Cannot POST /hooks/a%20long%20token?key=0123456789",
        b"no hook named 'a long token' here",
        b"bad key 0123456789",
        b" " * 250 + b"0123456789",
    ],
)
def test_an_excerpt_has_no_piece_of_the_url(body: bytes) -> None:
    """Path, token and key are struck out, decoded or not, also where the excerpt ends amid them."""
    excerpt = Excerpts("/hooks/a%20long%20token?key=0123456789").cut(body)
    assert "token" not in excerpt
    assert "01234" not in excerpt
    assert "***" in excerpt

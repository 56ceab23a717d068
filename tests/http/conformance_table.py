"""What a server may do, and what becomes of the attempt: one table for every sender."""

from __future__ import annotations

import gzip
from dataclasses import dataclass

from conformance_server import OK, SECRET_PATH, Script, Step

from stream.http.excerpt import Excerpts

CLOSE, RESET, HALF_CLOSE, HANG = Step.CLOSE, Step.RESET, Step.HALF_CLOSE, Step.HANG
LARGE = 4 * 1024 * 1024
"""A body that no socket's buffers hold."""
KIB_64 = 64 * 1024
BOMB = gzip.compress(b"\0" * 10 * 1024 * 1024, mtime=0)[:KIB_64]
"""Nobody asked for compression, and nobody unpacks it: its bytes are what they are."""


@dataclass(frozen=True)
class Seen:
    """What is to be seen of an attempt from outside."""

    code: str
    """`Answer.code`: the status, or the word for why there is none."""
    reused: bool = True
    """The next request came over the connection that the answer had come over."""
    retried: bool = False
    """The request arrived twice, the second time on a fresh connection."""
    retry_after: str | None = None
    excerpt: str | None = None
    """None: not looked at."""


@dataclass(frozen=True)
class Case:
    """A server's script and what comes of it. After the script the server answers 200 for ever."""

    name: str
    script: Script
    seen: Seen
    used: bool = False
    """The connection has carried a request before."""
    body: bytes = b'{"type":"track"}'
    timeout_s: float = 10.0
    on_tls: Seen | None = None
    """Where TLS makes a difference."""

    @property
    def is_for_tls(self) -> bool:
        """Half a close does not exist there."""
        return Step.HALF_CLOSE not in self.script


def head(*lines: str, status: str = "HTTP/1.1 200 OK") -> bytes:
    """The head of an answer."""
    return "".join(f"{line}\r\n" for line in (status, *lines, "")).encode("latin-1")


def answer(status: str, body: bytes = b"", *lines: str) -> bytes:
    """A whole answer with a length."""
    return head(*lines, f"Content-Length: {len(body)}", status=f"HTTP/1.1 {status}") + body


CHUNKED = head("Transfer-Encoding: chunked")
UNTIL_CLOSE = head("Content-Type: text/plain")
GOOD = Seen("200")
LAST = Seen("200", reused=False)
"""A good answer, after which the connection is not used again."""
BAD = Seen("reset", reused=False)
UNREADABLE = Seen("unreadable", reused=False)
"""Something came, and it was not an answer."""

PLAIN = [
    Case("a body with a length", [OK], GOOD),
    Case("a body in a segment of its own", [OK[:-2], b"ok"], GOOD),
    Case("byte by byte", [OK[i : i + 1] for i in range(len(OK))], GOOD),
    Case("201", [answer("201 Created", b"{}")], Seen("201")),
    Case("299", [answer("299 Whatever")], Seen("299")),
    Case("204 without a body", [head(status="HTTP/1.1 204 No Content")], Seen("204")),
    Case("204 that names a length", [head("Content-Length: 5", status="HTTP/1.1 204 No Content")], Seen("204")),
    Case("304 that names a length", [head("Content-Length: 5", status="HTTP/1.1 304 Not Modified")], Seen("304")),
    Case("a length of zero", [answer("200 OK")], GOOD),
    Case("no reason phrase", [answer("200 ")], GOOD),
    Case("no space behind the status", [answer("200")], GOOD),
    Case("a reason phrase beyond ASCII", [answer("200 Très bien")], GOOD),
    Case("a header beyond ASCII", [answer("200 OK", b"", "X-Place: Zürich")], GOOD),
    Case("a header whose value is on the next line", [answer("200 OK", b"", "X-Fold:", "\tb", " c")], GOOD),
    Case("a folded length", [head("Content-Length:", " 2") + b"ok"], GOOD),
    Case("a length and an empty fold", [head("Content-Length: 2", " ") + b"ok"], GOOD),
    Case("a folded list of encodings", [head("Transfer-Encoding: x,", " chunked") + b"0\r\n\r\n"], GOOD),
    Case("a folded close", [answer("200 OK", b"ok", "Connection: X-A,", "  close")], LAST),
    Case("a fold behind the status line", [answer("200 OK", b"", " X-Fold: a")], GOOD),
    Case("a fold with a line feed alone", [b"HTTP/1.1 200 OK\nX: a\n b\nContent-Length: 2\n\nok"], GOOD),
    Case("a fold cut anywhere", [b"HTTP/1.1 200 OK\r\nX: a\r\n", b" b\r", b"\nContent-Length: 0\r\n\r", b"\n"], GOOD),
    Case("spaces around a length", [head("Content-Length: \t 2 \t ") + b"ok"], GOOD),
    Case("several spaces before the status", [answer("200 OK").replace(b" ", b"  ", 1)], GOOD),
    Case("a tab before the reason phrase", [answer("200\tOK")], GOOD),
    Case("control characters in a header", [answer("200 OK", b"", "X-Odd: \x01\x7f")], GOOD),
    Case("a later minor version", [answer("200 OK").replace(b"1.1", b"1.2")], GOOD),
    Case("a header without a value", [answer("200 OK", b"", "X-Empty:")], GOOD),
    Case("an Upgrade header", [answer("200 OK", b"", "Upgrade: h2c", "Connection: Upgrade")], GOOD),
    Case("a compressed body", [answer("200 OK", b"\x1f\x8b\x08\x00", "Content-Encoding: gzip")], GOOD),
]

REFUSALS = [
    Case("a redirect", [answer("302 Found", b"", "Location: http://127.0.0.1:1/")], Seen("302")),
    Case("401", [answer("401 Unauthorized", b"", 'WWW-Authenticate: Basic realm="x"')], Seen("401")),
    Case("a status nobody knows", [answer("799 Odd")], Seen("799")),
    Case("retry after seconds", [answer("429 Too Many", b"", "Retry-After: 17")], Seen("429", retry_after="17")),
    Case(
        "retry after a date",
        [answer("503 Busy", b"", "retry-AFTER: Fri, 31 Dec 1999 23:59:59 GMT")],
        Seen("503", retry_after="Fri, 31 Dec 1999 23:59:59 GMT"),
    ),
    Case(
        "retry after, twice",
        [answer("503 Busy", b"", "Retry-After: 1", "Retry-After: 2")],
        Seen("503", retry_after="1, 2"),
    ),
    Case(
        "retry after on the next line",
        [answer("503 Busy", b"", "Retry-After:", " 9")],
        Seen("503", retry_after="9"),
    ),
    Case("a status beyond 599", [answer("600 Odd")], Seen("600")),
    Case("the last status of three digits", [answer("999 Odd")], Seen("999")),
    Case(
        "retry after behind the body",
        [head("Transfer-Encoding: chunked", status="HTTP/1.1 503 Busy") + b"0\r\nRetry-After: 9\r\n\r\n"],
        Seen("503"),
    ),
    Case(
        "a body that quotes the path",
        [answer("404 Not Found", f"Cannot POST {SECRET_PATH}\n\x1b[31mred".encode() + b"x" * 1000)],
        Seen("404", excerpt="Cannot POST ***\\n\\x1b[31mred" + "x" * 232),
    ),
    Case(
        "a body in pieces",
        [head("Content-Length: 6", status="HTTP/1.1 500 Oops"), b"bro", b"ken"],
        Seen("500", excerpt="broken"),
    ),
]

CHUNKS = [
    Case("chunks", [CHUNKED + b"2\r\nok\r\n0\r\n\r\n"], GOOD),
    Case("chunks with extensions", [CHUNKED + b'2;a=b;c="d"\r\nok\r\n0;x\r\n\r\n'], GOOD),
    Case("chunks with spaces", [CHUNKED + b"2 \r\nok\r\n0 ; a = b\r\n\r\n"], GOOD),
    Case("chunks with line feeds alone", [CHUNKED + b"2\nok\n0\n\n"], GOOD),
    Case("chunks with folded trailers", [CHUNKED + b"0\r\nX-Sum: 1\r\n 2\r\n\r\n"], GOOD),
    Case("a trailer without end", [CHUNKED + b"0\r\nX-Sum: ", b"x" * 1000, Step.REPEAT], UNREADABLE),
    Case("a chunk extension without end", [CHUNKED + b"2;", b"x" * 1000, Step.REPEAT], UNREADABLE),
    Case("chunks with trailers", [CHUNKED + b"2\r\nok\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n"], GOOD),
    Case("chunk sizes in capitals and with zeros", [CHUNKED + b"0A\r\n0123456789\r\n000\r\n\r\n"], GOOD),
    Case("chunks cut anywhere", [CHUNKED, b"2", b"\r", b"\no", b"k\r", b"\n0\r\n", b"\r", b"\n"], GOOD),
    Case("a chunk size that is none", [CHUNKED + b"zz\r\nok\r\n0\r\n\r\n"], UNREADABLE),
    Case(
        "a chunk size beyond measure",
        [CHUNKED + b"f" * 17 + b"\r\nok\r\n"],
        UNREADABLE,
        timeout_s=0.8,
    ),
    Case("a chunk longer than it says", [CHUNKED + b"2\r\nokay\r\n0\r\n\r\n"], UNREADABLE),
    Case("a negative chunk size", [CHUNKED + b"-2\r\nok\r\n0\r\n\r\n"], UNREADABLE),
]

ENDS = [
    Case("Connection: close", [answer("200 OK", b"ok", "Connection: close")], LAST),
    Case("Connection: close, and it does", [answer("200 OK", b"ok", "Connection: close"), CLOSE], LAST),
    Case("Connection: close among others", [answer("200 OK", b"ok", "Connection: X-A, CLOSE")], LAST),
    Case("a refusal with Connection: close", [answer("500 No", b"no", "Connection: close")], Seen("500", reused=False)),
    Case("HTTP/1.0", [head("Content-Length: 2", status="HTTP/1.0 200 OK") + b"ok", CLOSE], LAST),
    Case(
        "HTTP/1.0 kept alive",
        [head("Content-Length: 2", "Connection: keep-alive", status="HTTP/1.0 200 OK") + b"ok"],
        GOOD,
    ),
    Case("HTTP/1.0 until the end", [head(status="HTTP/1.0 200 OK") + b"ok", CLOSE], LAST),
    Case("until the end", [UNTIL_CLOSE + b"ok", CLOSE], LAST),
    Case("until the end, in pieces", [UNTIL_CLOSE, b"o", b"k", CLOSE], LAST),
    Case("until the end, without a byte", [UNTIL_CLOSE, CLOSE], LAST),
    Case("until half of the end", [UNTIL_CLOSE + b"ok", HALF_CLOSE], LAST),
    Case(
        "an encoding without chunks, until the end",
        [head("Transfer-Encoding: gzip") + b"ok", CLOSE],
        LAST,
    ),
    Case("half a close behind the answer", [OK, HALF_CLOSE], LAST),
    Case("a close behind the answer", [OK, CLOSE], LAST),
    Case("a reset behind the answer", [OK, RESET], LAST),
]

INTERIM = [
    Case("100 first", [head(status="HTTP/1.1 100 Continue") + OK], GOOD),
    Case("100 in a segment of its own", [head(status="HTTP/1.1 100 Continue"), OK], GOOD),
    Case("103 with headers first", [head("Link: </a>", "Retry-After: 9", status="HTTP/1.1 103 Hints") + OK], GOOD),
    Case(
        "103 with headers that are not the answer's",
        [head("Retry-After: 9", status="HTTP/1.1 103 Hints") + answer("503 Busy")],
        Seen("503"),
    ),
    Case("several interim answers", [head(status="HTTP/1.1 102 Wait") * 5, OK], GOOD),
    Case("an interim answer and the end", [head(status="HTTP/1.1 100 Continue"), CLOSE], BAD),
    Case("another protocol", [head("Upgrade: x", "Connection: Upgrade", status="HTTP/1.1 101 Switching")], UNREADABLE),
    Case(
        "no end of interim answers",
        [head(status="HTTP/1.1 102 Wait") * 100, Step.REPEAT],
        UNREADABLE,
        timeout_s=0.8,
    ),
]

LENGTHS = [
    Case("a long body", [head("Content-Length: 200000") + b"x" * 200_000], LAST),
    Case("a long refusal", [answer("500 No", b"x" * 200_000)], Seen("500", reused=False, excerpt="x" * 256)),
    Case("a long body until the end", [UNTIL_CLOSE + b"x" * 200_000, CLOSE], LAST),
    Case(
        "a compressed refusal that would unpack to gigabytes",
        [answer("500 No", BOMB, "Content-Encoding: gzip")],
        Seen("500", excerpt=Excerpts("/").cut(BOMB)),
    ),
    Case("a body of exactly the limit", [answer("200 OK", b"x" * KIB_64)], GOOD),
    Case("a body of one byte more", [answer("200 OK", b"x" * (KIB_64 + 1))], LAST),
    Case("a body without end", [CHUNKED, b"400\r\n" + b"y" * 1024 + b"\r\n", Step.REPEAT], LAST),
    Case("a large head", [answer("200 OK", b"", *["X-Many: " + "x" * 50] * 1000)], GOOD),
    Case(
        "a head too large",
        [answer("200 OK", b"", "X-Large: " + "x" * 100_000)],
        UNREADABLE,
    ),
    Case(
        "too many headers",
        [answer("200 OK", b"", *["X-Many: " + "x" * 50] * 2000)],
        UNREADABLE,
    ),
    Case("a head without end", [head()[:-2] + b"X-Many: x\r\n" * 100, Step.REPEAT], UNREADABLE),
    Case("a header without end", [head()[:-2] + b"X-Large: ", b"x" * 1000, Step.REPEAT], UNREADABLE),
    Case("a status line without end", [b"HTTP/1.1 200 ", b"x" * 1000, Step.REPEAT], UNREADABLE),
]

BROKEN = [
    Case("nothing and a close", [CLOSE], BAD),
    Case("nothing and half a close", [HALF_CLOSE], BAD),
    Case("nothing and a reset", [RESET], BAD),
    Case("one byte and a close", [b"H", CLOSE], BAD),
    Case("a close in the status line", [b"HTTP/1.1 20", CLOSE], BAD),
    Case("a close in the head", [b"HTTP/1.1 200 OK\r\nContent-Le", CLOSE], BAD),
    Case("a close in the body", [head("Content-Length: 10") + b"hal", CLOSE], BAD),
    Case("half a close in the body", [head("Content-Length: 10") + b"hal", HALF_CLOSE], BAD),
    Case("a close in a chunk", [CHUNKED + b"5\r\nhal", CLOSE], BAD),
    Case("a close before the last chunk", [CHUNKED + b"2\r\nok\r\n", CLOSE], BAD),
    Case("a close in the trailers", [CHUNKED + b"2\r\nok\r\n0\r\nX-A: 1\r\n", CLOSE], BAD),
    Case("a reset in the head", [b"HTTP/1.1 200 OK\r\nContent-Le", RESET], BAD),
    Case("a reset in the body", [head("Content-Length: 10") + b"hal", RESET], BAD),
    Case("a reset instead of the end", [UNTIL_CLOSE + b"hal", RESET], BAD),
]

NOT_HTTP = [
    Case("garbage", [b"garbage " + SECRET_PATH.encode() + b"\r\n\r\n"], UNREADABLE),
    Case(
        "another protocol's greeting",
        [b"SSH-2.0-OpenSSH_9.6\r\n"],
        UNREADABLE,
        timeout_s=0.8,
    ),
    Case("NUL bytes", [b"\x00" * 100], UNREADABLE),
    Case("an HTTP/2 frame", [b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + b"\x00" * 18], UNREADABLE),
    Case("the preface of HTTP/2", [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], UNREADABLE),
    Case("a request", [b"POST / HTTP/1.1\r\nHost: x\r\n\r\n"], UNREADABLE),
    Case("a TLS alert", [b"\x15\x03\x01\x00\x02\x02\x46"], UNREADABLE),
    Case("a status that is no number", [head("Content-Length: 0", status="HTTP/1.1 2x0 OK")], UNREADABLE),
    Case("a status of two digits", [head("Content-Length: 0", status="HTTP/1.1 99 OK")], UNREADABLE),
    Case("a status of four digits", [head("Content-Length: 0", status="HTTP/1.1 2000 OK")], UNREADABLE),
    Case("an empty length", [head("Content-Length:") + b"ok"], UNREADABLE),
    Case("a status below 100", [head("Content-Length: 0", status="HTTP/1.1 099 OK")], UNREADABLE),
    Case("a negative status", [head("Content-Length: 0", status="HTTP/1.1 -20 OK")], UNREADABLE),
    Case("no status", [head("Content-Length: 0", status="HTTP/1.1 OK")], UNREADABLE),
    Case(
        "an unknown version",
        [head("Content-Length: 0", status="HTTP/7.3 200 OK")],
        UNREADABLE,
    ),
    Case("a version that is no number", [head("Content-Length: 0", status="HTTP/x.1 200 OK")], UNREADABLE),
    Case("a protocol in small letters", [head("Content-Length: 0", status="http/1.1 200 OK")], UNREADABLE),
    Case("a header without a colon", [answer("200 OK", b"", "No colon")], UNREADABLE),
    Case("a space before the colon", [answer("200 OK", b"", "X-Space : 1")], GOOD),
    Case("a header without a name", [answer("200 OK", b"", ": nobody")], UNREADABLE),
    Case("a NUL in a value", [answer("200 OK", b"", "X-Nul: a\x00b")], UNREADABLE),
    Case("a NUL in a name", [answer("200 OK", b"", "X-\x00: 1")], UNREADABLE),
    Case("a carriage return in a value", [answer("200 OK", b"", "X-Cr: a\rb")], UNREADABLE),
    Case("a folded header", [answer("200 OK", b"", "X-Fold: a", " b")], GOOD),
    Case("line feeds alone", [OK.replace(b"\r\n", b"\n")], GOOD),
    Case("an empty line first", [b"\r\n" + OK], GOOD),
]

FRAMING = [
    Case("a length that is no number", [head("Content-Length: two") + b"ok"], UNREADABLE),
    Case("a negative length", [head("Content-Length: -2") + b"ok"], UNREADABLE),
    Case("a length with a sign", [head("Content-Length: +2") + b"ok"], UNREADABLE),
    Case("a length beyond measure", [head("Content-Length: " + "9" * 30) + b"ok", CLOSE], UNREADABLE),
    Case("two lengths that differ", [head("Content-Length: 2", "Content-Length: 3") + b"ok"], UNREADABLE),
    Case(
        "two lengths that agree",
        [head("Content-Length: 2", "Content-Length: 2") + b"ok"],
        GOOD,
    ),
    Case(
        "a list of lengths",
        [head("Content-Length: 2, 2") + b"ok"],
        GOOD,
    ),
    Case(
        "a length and chunks",
        [head("Content-Length: 2", "Transfer-Encoding: chunked") + b"0\r\n\r\n"],
        LAST,
    ),
    Case(
        "chunks twice",
        [head("Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n"],
        GOOD,
    ),
    Case(
        "an unknown encoding and chunks",
        [head("Transfer-Encoding: x, chunked") + b"0\r\n\r\n"],
        GOOD,
    ),
]

SURPLUS = [
    Case("garbage behind the answer", [OK + b"garbage"], LAST),
    Case("a second answer behind the first", [OK + answer("500 No", b"no")], LAST),
    Case("half a second answer", [OK + b"HTTP/1.1 500"], LAST),
    Case("a second answer behind chunks", [CHUNKED + b"0\r\n\r\n" + answer("500 No")], LAST),
    Case("a body behind 204", [head(status="HTTP/1.1 204 No Content") + b"surprise"], Seen("204", reused=False)),
    Case("a second answer behind a refusal", [answer("429 No", b"no") + OK], Seen("429", reused=False)),
    Case("a second answer later", [OK, Step.WAIT, answer("500 No", b"no")], LAST),
    Case("an empty line behind the answer", [OK + b"\r\n"], GOOD),
]

USED = [
    Case("used: the same again", [OK], GOOD, used=True),
    Case("used: a close before a byte", [CLOSE], Seen("200", retried=True), used=True),
    Case("used: a reset before a byte", [RESET], Seen("200", retried=True), used=True),
    Case("used: half a close before a byte", [HALF_CLOSE], Seen("200", retried=True), used=True),
    Case("used: a close before a byte, but later", [Step.WORK, CLOSE], BAD, used=True),
    Case("used: a reset before a byte, but later", [Step.WORK, RESET], BAD, used=True),
    Case("used: a close after a byte", [b"H", CLOSE], BAD, used=True),
    Case("used: a reset after a byte", [b"H", RESET], BAD, used=True),
    Case("used: a close after an interim answer", [head(status="HTTP/1.1 100 Continue"), CLOSE], BAD, used=True),
    Case("used: garbage", [b"garbage\r\n\r\n"], UNREADABLE, used=True),
    Case("used: a large request again", [CLOSE], Seen("200", retried=True), used=True, body=b"x" * LARGE),
]

EARLY = [
    Case(
        "a refusal before the body, which is read",
        [answer("413 No"), Step.READ_BODY],
        Seen("413", reused=False),
        on_tls=Seen("413"),
        body=b"x" * LARGE,
    ),
    Case(
        "a refusal before the body, and a close",
        [answer("413 No", b"", "Connection: close"), CLOSE, Step.READ_BODY],
        Seen("413", reused=False),
        body=b"x" * LARGE,
    ),
    Case(
        "a refusal before the body, and a reset",
        [answer("413 No", b"", "Connection: close"), RESET, Step.READ_BODY],
        Seen("413", reused=False),
        body=b"x" * LARGE,
    ),
    Case(
        "success before the body, which is not read",
        [OK, Step.WAIT, CLOSE, Step.READ_BODY],
        LAST,
        body=b"x" * LARGE,
        timeout_s=0.8,
    ),
    Case("a large body, read", [OK], GOOD, body=b"x" * LARGE),
]

SLOW = [
    Case("nothing at all", [HANG], Seen("timeout", reused=False), timeout_s=0.8),
    Case("used: nothing at all", [HANG], Seen("timeout", reused=False), timeout_s=0.8, used=True),
    Case("half a head", [b"HTTP/1.1 200 OK\r\nCont", HANG], Seen("timeout", reused=False), timeout_s=0.8),
    Case("half a body", [head("Content-Length: 9"), b"half", HANG], Seen("timeout", reused=False), timeout_s=0.8),
    Case(
        "a body in drops", [head("Content-Length: 999"), b"z", Step.DRIP], Seen("timeout", reused=False), timeout_s=0.8
    ),
    Case(
        "a body that is not read",
        [HANG, Step.READ_BODY],
        Seen("timeout", reused=False),
        timeout_s=0.8,
        body=b"x" * LARGE,
    ),
]

CASES = [
    *PLAIN,
    *REFUSALS,
    *CHUNKS,
    *ENDS,
    *INTERIM,
    *LENGTHS,
    *BROKEN,
    *NOT_HTTP,
    *FRAMING,
    *SURPLUS,
    *USED,
    *EARLY,
    *SLOW,
]

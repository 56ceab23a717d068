"""Lines of the log, their limits, and that nothing in them can hurt."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import pytest

from stream.model.attempts import Answer
from stream.model.records import Record
from stream.telemetry import logs
from stream.telemetry.lines import LineLimiter
from stream.telemetry.logs import LineLogger, LoggerBridge, configure_logs, librdkafka_logger, logger
from stream.telemetry.trace import AttemptLog

AT = 1795498217.123  # 2026-11-24T05:30:17.123Z
FAIL = "[thrd:kafka:9092/bootstrap]: kafka:9092/bootstrap: Connect to ipv4#10.0.0.1:9092 failed: Connection refused"


@dataclass
class FixedClock:
    """Time that moves when a test says so."""

    at: float = AT

    def monotonic(self) -> float:
        return self.at

    def wall(self) -> float:
        return self.at


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The process's log as it was."""
    monkeypatch.setattr(logs, "_output", None)
    root, level = logging.getLogger(), logging.getLogger().level
    yield
    for bridge in [known for known in root.handlers if isinstance(known, LoggerBridge)]:
        root.removeHandler(bridge)
    root.setLevel(level)


@pytest.fixture
def clock() -> FixedClock:
    """A fixed time."""
    return FixedClock()


@pytest.fixture
def out(clock: FixedClock) -> io.StringIO:
    """The log as text, at level info."""
    stream = io.StringIO()
    configure_logs("info", "text", stream, clock)
    return stream


@pytest.fixture
def log(clock: FixedClock, out: io.StringIO) -> LineLogger:
    """A journal of its own limits."""
    return LineLogger({}, clock, LineLimiter())


def test_a_line_is_a_time_a_level_a_sentence_and_fields(out: io.StringIO, log: LineLogger) -> None:
    """Values with spaces are quoted; an empty one can be seen."""
    log.warning("Delivery rejected.", workflow="orders", status=400, detail="no such hook", user="", ok=None)
    assert out.getvalue() == (
        "2026-11-24T05:30:17.123Z warning Delivery rejected. "
        'workflow=orders status=400 detail="no such hook" user="" ok=None\n'
    )


class Terminal(io.StringIO):
    """A stream that a person reads."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("info", "info"),
        ("warning", "\x1b[33mwarning\x1b[0m"),
        ("error", "\x1b[1;31merror\x1b[0m"),
        ("debug", "\x1b[2mdebug\x1b[0m"),
    ],
)
def test_the_level_has_a_colour_on_a_terminal(
    level: str, shown: str, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It alone, so that what is searched for and what is masked stays in one piece."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    configure_logs("debug", "text", out, clock)
    own = LineLogger({}, clock, LineLimiter())
    getattr(own, level)(f"A {level} sentence.", level_of=level)
    assert out.getvalue() == f"2026-11-24T05:30:17.123Z {shown} A {level} sentence. level_of={level}\n"


@pytest.mark.parametrize(
    ("variables", "format", "is_terminal"),
    [
        ({"NO_COLOR": "1", "TERM": "xterm"}, "text", True),
        ({"NO_COLOR": "", "TERM": "dumb"}, "text", True),
        ({"NO_COLOR": "", "TERM": "xterm"}, "json", True),
        ({"NO_COLOR": "", "TERM": "xterm"}, "text", False),
    ],
)
def test_nobody_else_gets_colours(
    variables: dict[str, str],
    format: Literal["text", "json"],  # noqa: A002 - the setting's name
    is_terminal: bool,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """NO_COLOR, a terminal without colours, JSON, files and pipes."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    out = Terminal() if is_terminal else io.StringIO()
    configure_logs("info", format, out, clock)
    LineLogger({}, clock, LineLimiter()).error("Lost.")
    assert "Lost." in out.getvalue()
    assert "\x1b" not in out.getvalue()


def test_attempts_are_lines_of_the_level_debug(clock: FixedClock) -> None:
    """Where the event lies and what was answered; nothing of the event, nothing of an answer's body."""
    out = io.StringIO()
    configure_logs("debug", "text", out, clock)
    record = Record("events", 3, 41, -1, b"ann", b'{"userId":"ann"}')
    attempts = AttemptLog(logger(clock))
    attempts.on_attempt(record, "orders", 1, Answer(0, failure="connect", excerpt="connection refused"), 0.0123)
    attempts.on_attempt(record, "orders", 2, Answer(422, excerpt="no ann here"), 1.5)
    assert out.getvalue().splitlines() == [
        "2026-11-24T05:30:17.123Z debug Attempt answered. workflow=orders place=events:3:41 attempt=1 answer=connect "
        'ms=12.3 reason="connection refused"',
        "2026-11-24T05:30:17.123Z debug Attempt answered. workflow=orders place=events:3:41 attempt=2 answer=422 "
        "ms=1500.0",
    ]


def test_json_is_one_object_a_line(clock: FixedClock) -> None:
    """The line's own keys win over fields of the same name; what JSON does not know is text."""
    out = io.StringIO()
    configure_logs("info", "json", out, clock)
    logger(clock, group="tray").info("Joined.", msg="x", partitions=[1, 2], kind=FixedClock, text="a\nb\u2028")
    assert out.getvalue().count("\n") == 1
    assert "\u2028" not in out.getvalue()
    assert json.loads(out.getvalue()) == {
        "time": "2026-11-24T05:30:17.123Z",
        "level": "info",
        "msg": "Joined.",
        "group": "tray",
        "partitions": [1, 2],
        "kind": str(FixedClock),
        "text": "a\nb\u2028",
    }


def test_fields_cannot_break_a_line(out: io.StringIO, log: LineLogger) -> None:
    """Control characters, quotes and reserved names come out harmless."""
    log.info("Odd.", a='x\n2026 error Forged. "', b="\x1b[31m", event="e", level="l", at="t")
    line = out.getvalue()
    assert line.count("\n") == 1
    assert line.endswith('Odd. a="x\\n2026 error Forged. \\"" b="\\x1b[31m" event_=e level_=l at_=t\n')


def test_levels_below_the_set_one_are_dropped(clock: FixedClock) -> None:
    """At `warning` there is no info."""
    out = io.StringIO()
    configure_logs("warning", "text", out, clock)
    log = LineLogger({}, clock, LineLimiter())
    log.debug("One.")
    log.info("Two.")
    log.warning("Three.")
    log.error("Four.")
    assert [line.split(" ")[1:] for line in out.getvalue().splitlines()] == [["warning", "Three."], ["error", "Four."]]


def test_a_repeated_warning_is_limited(out: io.StringIO, log: LineLogger, clock: FixedClock) -> None:
    """One in ten seconds, and the next one tells how many were kept back."""
    for _ in range(4):
        log.warning("Attempt failed.", workflow="orders", offset=1)
    log.warning("Attempt failed.", workflow="privacy")
    log.warning("Attempt failed.", workflow="orders", limit_key="other")
    log.bind(group="tray").warning("Attempt failed.", workflow="orders")
    clock.at += 10
    log.warning("Attempt failed.", workflow="orders", offset=5)
    clock.at += 10
    log.warning("Attempt failed.", workflow="orders", offset=6)
    assert [line.partition("failed. ")[2] for line in out.getvalue().splitlines()] == [
        "workflow=orders offset=1",
        "workflow=privacy",
        "workflow=orders",
        "group=tray workflow=orders",
        "workflow=orders offset=5 suppressed=3",
        "workflow=orders offset=6",
    ]


def test_a_repeated_error_is_limited_but_not_that_of_another_partition(
    out: io.StringIO, log: LineLogger, clock: FixedClock
) -> None:
    """What stands still is told for each partition and worker; news only where it is asked for."""
    for _ in range(3):
        for partition in (0, 1):
            log.error("Records lost.", topic="seg", partition=partition, first=5)
        log.info("Assigned.")
        log.info("The gate is open.", workflow="orders", limit_key="")
    clock.at += 10
    log.error("Records lost.", topic="seg", partition=0, first=5)
    lines = [line.partition("Z ")[2] for line in out.getvalue().splitlines()]
    assert lines.count("info Assigned.") == 3
    assert lines.count("info The gate is open. workflow=orders") == 1
    assert [line for line in lines if line.startswith("error")] == [
        "error Records lost. topic=seg partition=0 first=5",
        "error Records lost. topic=seg partition=1 first=5",
        "error Records lost. topic=seg partition=0 first=5 suppressed=2",
    ]


def test_a_burst_ends_with_its_count(out: io.StringIO, log: LineLogger, clock: FixedClock) -> None:
    """The last line that was kept back is written when its time has come, or at the end; nothing is told twice."""
    for offset in range(5):
        log.warning("An event became a dead letter.", workflow="orders", offset=offset)
    log.log_suppressed()
    assert out.getvalue().count("\n") == 1
    clock.at += 10
    log.log_suppressed()
    log.log_suppressed(everything=True)
    log.warning("An event became a dead letter.", workflow="orders", offset=5)
    log.log_suppressed(everything=True)
    assert [line.partition("letter. ")[2] for line in out.getvalue().splitlines()] == [
        "workflow=orders offset=0",
        "workflow=orders offset=4 suppressed=3",
        "workflow=orders offset=5",
    ]


def test_the_limiter_forgets_what_was_quiet_longest() -> None:
    """Its memory is bounded."""
    limiter = LineLimiter(interval_s=10, max_keys=2)
    assert [limiter.admit(key, 0) for key in ("a", "b", "a", "c")] == [0, 0, None, 0]
    assert limiter.admit("a", 1) == 0
    assert limiter.admit("c", 1) is None
    assert limiter.admit("c", 10) == 1


class Unspeakable:
    """A value that cannot be written."""

    def __str__(self) -> str:
        raise LookupError


class Full(io.StringIO):
    """A stream whose reader has gone."""

    def write(self, _text: str) -> int:
        raise BrokenPipeError


def test_the_log_never_raises(clock: FixedClock) -> None:
    """Not for a closed pipe, a closed stream, or a value without words."""
    closed = io.StringIO()
    closed.close()
    for stream in (Full(), closed, io.TextIOWrapper(io.BytesIO(), encoding="ascii")):
        configure_logs("info", "text", stream, clock)
        log = LineLogger({}, clock, LineLimiter())
        log.error("One.", value=Unspeakable())
        log.warning("Two.", workflow=Unspeakable(), limit_key=[])
        log.info("Three \u2713.")


def test_lines_of_the_kafka_client_are_limited_by_subject(out: io.StringIO, log: LineLogger, clock: FixedClock) -> None:
    """A broker that is down is one line in a minute, a warning; another broker is another line."""
    logger = librdkafka_logger(log)
    for _ in range(200):
        logger.error("%s [%s] %s", "FAIL", "rdkafka#consumer-1", FAIL)
    logger.error("%s [%s] %s", "FAIL", "rdkafka#consumer-1", FAIL.replace("kafka:", "other:"))
    logger.critical("%s [%s] %s", "FATAL", "rdkafka#consumer-1", "[thrd:main]: Fatal error: fenced")
    logger.info("%s [%s] %s", "NOTE", "rdkafka#consumer-1", "text alone")
    logger.debug("%s [%s] %s", "NOTE", "rdkafka#consumer-1", "unseen")
    clock.at += 60
    logger.error("%s [%s] %s", "FAIL", "rdkafka#consumer-1", FAIL)
    lines = [line.partition("Z ")[2] for line in out.getvalue().splitlines()]
    assert [line.split(" ", 1)[0] for line in lines] == ["warning", "warning", "error", "info", "warning"]
    assert lines[0] == (
        "warning The Kafka client reports. facility=FAIL client=rdkafka#consumer-1 "
        'text="kafka:9092/bootstrap: Connect to ipv4#10.0.0.1:9092 failed: Connection refused"'
    )
    assert lines[4] == lines[0]


def test_a_line_that_cannot_be_formatted_is_dropped(out: io.StringIO, log: LineLogger) -> None:
    """Kafka's poll must not fail because of a log line."""
    logger = librdkafka_logger(log)
    logger.error("%s %d", "too", "wrong")
    logger.error(Unspeakable())
    assert out.getvalue() == ""


def test_foreign_loggers_go_the_same_way(out: io.StringIO) -> None:
    """asyncio's complaints are seen, with the class of an error and not its text; httpx is silent."""
    try:
        int("https://secret.example/token")
    except ValueError:
        logging.getLogger("asyncio").exception("Task failed.\nfuture: %s", 17)
    logging.getLogger("httpx").info("HTTP Request: POST https://secret.example/token")
    logging.getLogger("httpcore.http11").debug("connect")
    logging.getLogger("httpx").critical("https://secret.example/token")
    assert out.getvalue().partition("Z ")[2] == ("error Task failed.\\nfuture: 17 logger=asyncio error=ValueError\n")


def test_setting_up_again_replaces(clock: FixedClock) -> None:
    """A second set-up writes to the second stream only, once a line."""
    first, second = io.StringIO(), io.StringIO()
    configure_logs("info", "text", first, clock)
    configure_logs("debug", "text", second, clock)
    logger(clock).debug("Here.")
    logging.getLogger("asyncio").error("There.")
    assert first.getvalue() == ""
    assert second.getvalue().count("\n") == 2

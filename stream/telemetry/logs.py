"""The log: set-up, the log that the program writes to, and the bridge for foreign loggers."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
from collections.abc import Hashable
from functools import partial
from typing import Any, TextIO

from stream.model.ports import Clock
from stream.telemetry.clock import SystemClock
from stream.telemetry.lines import RESERVED, LineLimiter
from stream.telemetry.outage import KafkaOutage
from stream.telemetry.output import Format, Level, LogOutput

IDENTIFYING = ("group", "workflow", "topic", "partition", "worker")
"""Fields that make two lines of one sentence different lines to the limiter."""
LIMIT_KEY = "limit_key"
"""A field that is not written but tells lines apart as those do."""
QUIET_LOGGERS = ("httpx", "httpcore")
"""They log URLs of requests, which are secrets."""
QUOTING_LOGGERS = ("opentelemetry.util",)
"""They quote variables that they cannot read: of their lines the template alone is written."""
SILENT = logging.CRITICAL + 1
CONNECTION_FACILITIES = frozenset({"FAIL", "ERROR", "BRKMAIN", "REQTMOUT", "CONNECT", "TIMEOUT"})
"""librdkafka's facilities for lines about a connection to a broker."""
CONNECTION_EVERY_S = 60.0
ADDRESS = re.compile(r"[\w.-]+:\d+|\[[0-9a-f:]+\]:\d+")

_limiter = LineLimiter()
_output: LogOutput | None = None


class LineLogger:
    """`ports.Logger` of the process's log, with fields bound to each line. Never raises; any thread may write.

    A warning or an error that repeats is written once in ten seconds; the next one, or the last of those kept back as
    soon as `log_suppressed` finds its time come, carries `suppressed=n`. Lines are the same when sentence, bound
    fields, group, workflow, topic, partition and worker are; a field `limit_key`, which is not written, tells further
    lines apart. News (info) is limited where it has a `limit_key`.
    """

    def __init__(self, bound: dict[str, Any], clock: Clock, limiter: LineLimiter) -> None:
        self._bound = bound
        self._clock = clock
        self._limiter = limiter

    def bind(self, **fields: object) -> LineLogger:
        """A logger that writes these fields on each line as well."""
        return LineLogger({**self._bound, **fields}, self._clock, self._limiter)

    def debug(self, sentence: str, /, **fields: object) -> None:
        """Something that helps when looking for a fault."""
        self._write("debug", sentence, fields)

    def info(self, sentence: str, /, **fields: object) -> None:
        """Something a person may want to know."""
        if LIMIT_KEY in fields:
            self._limited("info", sentence, fields)
        else:
            self._write("info", sentence, fields)

    def warning(self, sentence: str, /, **fields: object) -> None:
        """Something that needs a look."""
        self._limited("warning", sentence, fields)

    def error(self, sentence: str, /, **fields: object) -> None:
        """Something that was lost or has stopped."""
        self._limited("error", sentence, fields)

    def limited(self, level: Level, key: Hashable, sentence: str, /, **fields: object) -> None:
        """Write a line of any level unless one of the same key was written within ten seconds."""
        with contextlib.suppress(Exception):
            bound = tuple(map(str, self._bound.values()))
            later = partial(self._write_counted, level, sentence, fields)
            suppressed = self._limiter.admit((key, bound), self._clock.monotonic(), later)
            if suppressed is not None:
                self._write_counted(level, sentence, fields, suppressed)

    def once_in(self, seconds: float, level: Level, key: Hashable, sentence: str, /, **fields: object) -> None:
        """Write a line unless one of the same key was written within so many seconds; others are not counted."""
        with contextlib.suppress(Exception):
            bound = tuple(map(str, self._bound.values()))
            if self._limiter.admit((key, bound), self._clock.monotonic(), every_s=seconds) is not None:
                self._write(level, sentence, fields)

    def log_suppressed(self, everything: bool = False) -> None:
        """Write the last of the lines kept back, where the time for one has come; `everything`: at the end.

        Now and then: without it the count of a burst waits for the next line.
        """
        with contextlib.suppress(Exception):
            for write in self._limiter.overdue(self._clock.monotonic(), everything):
                write()

    def _limited(self, level: Level, sentence: str, fields: dict[str, Any]) -> None:
        with contextlib.suppress(Exception):
            same = tuple(str(fields.get(name)) for name in (*IDENTIFYING, LIMIT_KEY))
            self.limited(level, (sentence, same), sentence, **fields)

    def _write_counted(self, level: Level, sentence: str, fields: dict[str, Any], suppressed: int) -> None:
        self._write(level, sentence, fields | ({"suppressed": suppressed} if suppressed else {}))

    def _write(self, level: Level, sentence: str, fields: dict[str, Any]) -> None:
        output = _output
        if output is None or not output.takes(level):
            return
        named = {
            f"{key}_" if key in RESERVED else key: value
            for key, value in (self._bound | fields).items()
            if key != LIMIT_KEY
        }
        # Whatever a field's own `str` does: a line that cannot be written must not stop a delivery.
        with contextlib.suppress(Exception):
            output.write({**named, "event": sentence, "level": level, "at": self._clock.wall()})


class LoggerBridge(logging.Handler):
    """Lines of the standard library's logging into a logger, at most one in ten seconds per subject; never raises.

    librdkafka writes (facility, client, text) and repeats itself every few milliseconds while a broker is down;
    any other line's subject is its logger and its template. Of one broker's connection at most one line a minute is
    written, whichever client writes it, and none while `outage` has said already that Kafka is away.
    """

    def __init__(self, logger: LineLogger, outage: KafkaOutage | None = None) -> None:
        super().__init__()
        self._logger = logger
        self._outage = outage

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line. Kafka's poll, or any other caller, must not fail for it."""
        with contextlib.suppress(Exception):
            match record.args:
                case (str(facility), str(client), str(text)):
                    self._from_kafka(record.levelno, facility, client, text)
                case _:
                    self._from_python(record)

    def _from_kafka(self, levelno: int, facility: str, client: str, text: str) -> None:
        # A broker or a connection at fault is news, not a loss: the client keeps trying.
        level = "error" if levelno >= logging.CRITICAL else _level(min(levelno, logging.WARNING))
        said = text.partition("]: ")[2] if text.startswith("[thrd:") else text
        if level == "debug":  # asked for with the option `debug`: there every line counts
            self._logger.debug("The Kafka client reports.", facility=facility, client=client, text=said)
            return
        if facility in CONNECTION_FACILITIES:
            self._from_connection(level, facility, client, said)
            return
        broker = said.partition(": ")[0]
        self._logger.limited(
            level,
            (client.rstrip("0123456789"), facility, broker),  # the number only says how many clients there were
            "The Kafka client reports.",
            facility=facility,
            client=client,
            text=said,
        )

    def _from_connection(self, level: Level, facility: str, client: str, text: str) -> None:
        address = ADDRESS.search(text)
        if self._outage is not None:
            self._outage.cause = text
            if self._outage.is_on:
                return
        subject = "connection", address[0] if address else text
        self._logger.once_in(
            CONNECTION_EVERY_S, level, subject, "The Kafka client reports.", facility=facility, client=client, text=text
        )

    def _from_python(self, record: logging.LogRecord) -> None:
        # The class alone: an error's text may hold a URL. A malformed header is quoted with the token in it.
        text = str(record.msg) if record.name.startswith(QUOTING_LOGGERS) else record.getMessage()
        error = record.exc_info and record.exc_info[0]
        self._logger.limited(
            _level(record.levelno),
            (record.name, str(record.msg)),
            text,
            logger=record.name,
            **({"error": error.__name__} if error else {}),
        )


def configure_logs(
    level: Level = "info",
    format: Format = "text",  # noqa: A002 - the setting's name
    stream: TextIO | None = None,
    clock: Clock | None = None,
    **fields: object,
) -> None:
    """Set the log up for the whole process: its level, its form, where it goes (standard error), fields of each line.

    Lines of the standard library's logging go the same way. May be called again; before the first call nothing is
    written.
    """
    global _output
    _output = LogOutput(level, format, stream or sys.stderr, fields)
    root = logging.getLogger()
    for earlier in [known for known in root.handlers if isinstance(known, LoggerBridge)]:
        root.removeHandler(earlier)
    root.addHandler(LoggerBridge(logger(clock)))
    root.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level.upper()]))
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(SILENT)


def configure_unless_done(level: Level) -> None:
    """Set the log up for a command that has no log of its own, where nothing else has."""
    if _output is None:
        configure_logs(level)


def logger(clock: Clock | None = None, /, **bound: object) -> LineLogger:
    """A logger of the process's log. Loggers share one limiter."""
    return LineLogger(bound, clock or SystemClock(), _limiter)


def librdkafka_logger(lines: LineLogger, outage: KafkaOutage | None = None) -> logging.Logger:
    """A logger to give to a Kafka client as `logger=`: its lines go to `lines`, limited unless they are debugging."""
    logger = logging.Logger("librdkafka", logging.DEBUG)
    logger.addHandler(LoggerBridge(lines, outage))
    return logger


def _level(levelno: int) -> Level:
    if levelno >= logging.ERROR:
        return "error"
    if levelno >= logging.WARNING:
        return "warning"
    return "info" if levelno >= logging.INFO else "debug"

"""Whether Kafka answers: from the consumer's own statistics, so that nothing is asked for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from stream.kafka.client_config import Options
from stream.model.errors import describe_error
from stream.model.ports import Logger
from stream.model.source import SILENT_AFTER_S, Contact

REPORT_EVERY_MS = 2000


@dataclass(frozen=True)
class ClientReport:
    """What one statistics report says of the connections. `at` and `answered_at` are librdkafka's monotonic seconds."""

    at: float
    wall: float
    answered_at: float | None
    """When a broker last sent something on a connection that is still open; None: there is none."""
    is_connected: bool
    """A broker is connected and has said what it can do."""
    is_waiting: bool
    """Some request has no answer yet."""


def read_report(text: str) -> ClientReport:
    """The head of a report. What follows, a kilobyte for each partition, is not parsed.

    Raises:
        ValueError, KeyError: it is not a report of librdkafka's.
    """
    head, _, rest = text.partition(', "topics":')
    found = orjson.loads(head + "}" if rest else text)
    brokers: list[dict[str, Any]] = list(found["brokers"].values())
    at = found["ts"] / 1e6
    silences = [broker["rxidle"] / 1e6 for broker in brokers if broker["rxidle"] >= 0]
    return ClientReport(
        at,
        float(found["time"]),
        at - min(silences) if silences else None,
        any(broker["state"] == "UP" for broker in brokers),
        any(broker["waitresp_cnt"] + broker["outbuf_cnt"] > 0 for broker in brokers),
    )


class ContactWatch:
    """Judges each report and passes the verdict to `on_contact`, through `post`.

    A broker that dies closes its connections; one that hangs, or a network that swallows, leaves them open and silent.
    So what counts is when something last came. Silence while nothing is asked proves nothing; nor does it while the
    group waits for a slow member before it lets this one join, which is why `OffsetWatch` asks besides.
    """

    def __init__(self, on_contact: Callable[[Contact], None], post: Callable[..., None], logger: Logger) -> None:
        self._on_contact = on_contact
        self._post = post
        self._logger = logger
        self._is_up = False
        self._answered_at: float | None = None
        self._first_at: float | None = None
        """When the first report came."""

    @property
    def options(self) -> Options:
        """For the consumer that is to be watched."""
        return {"statistics.interval.ms": REPORT_EVERY_MS, "stats_cb": self.on_statistics}

    def on_statistics(self, text: str) -> None:
        """A callback of librdkafka's: within poll, on the consumer's thread. Never raises."""
        try:
            if (contact := self._judge(read_report(text))) is not None:
                self._post(self._on_contact, contact)
        except Exception as error:  # raised within consume() it would destroy records that were taken already
            self._logger.warning("The Kafka client's statistics cannot be read.", error=describe_error(error))

    def _judge(self, report: ClientReport) -> Contact | None:
        """None: nothing came yet, and it is too soon to tell."""
        self._first_at = report.at if self._first_at is None else self._first_at
        if report.answered_at is not None:
            self._answered_at = max(report.answered_at, self._answered_at or 0.0)
        if self._answered_at is None:
            return Contact.silent(report.wall) if report.at - self._first_at > SILENT_AFTER_S else None
        silent_s = report.at - self._answered_at
        if silent_s <= SILENT_AFTER_S:
            self._is_up = True
        elif report.is_waiting or not report.is_connected:
            self._is_up = False
        return Contact(self._is_up, report.wall - silent_s, report.wall)

"""Writes dead letters: an idempotent producer, acknowledged by all replicas."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from stream.kafka.client_config import Options, open_client
from stream.kafka.codes import error_text, error_word, kafka_error
from stream.kafka.rebalance import Post
from stream.model.errors import MissingTopicError, StreamError
from stream.model.events import DeadLetter
from stream.model.letters import OMITTED, TOPIC_ID
from stream.model.ports import Logger
from stream.model.records import Headers
from stream.model.timeparse import format_wall

POLL_S = 0.1
MAX_DETAIL_BYTES = 1024
_NO_OFFSET = "acknowledged without an offset"
"""The broker took it for a repetition. Mostly it is one; but a partition that the producer had not written to takes any
sequence number first, and then a record that was refused for a moment, sent again behind a later one, is none. So it is
in doubt, and written again."""
UNKNOWN = 0
"""Number of partitions of a topic whose letters name partitions that they know."""
COUNT_TIMEOUT_S = 3.0
_CHANGED = (KafkaError._UNKNOWN_PARTITION, KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART)
"""The topic is not what it was: deleted, or created again with fewer partitions."""
SLOW_S = 3.0
"""Letters that wait longer are a reason to look at the topic; librdkafka itself would say nothing for half a minute."""
LOOK_EVERY_S = 2.0
COMPLAIN_EVERY_S = 10.0
STUCK_S = 10.0
"""Letters that wait longer although the topic is well have no leader that takes them."""
_TOO_LARGE = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE)


@dataclass(frozen=True, slots=True)
class Written:
    """A record for the dead-letter topic. `partition` -1: chosen by the key."""

    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def letter_headers(letter: DeadLetter, group: str, failed_at: float) -> Headers:
    """The record's own headers, and ours in place of earlier ones of the same names."""
    record = letter.record
    ours: dict[str, str] = {
        "tray.reason": letter.reason,
        "tray.detail": letter.detail,
        "tray.group": group,
        "tray.workflow": letter.workflow or "",
        "tray.status": letter.status,
        "tray.attempts": str(letter.attempts),
        "tray.topic": record.topic,
        "tray.partition": str(record.partition),
        "tray.offset": str(record.offset),
        "tray.timestamp": str(record.timestamp_ms),
        "tray.failed_at": format_wall(failed_at),
    }
    if letter.topic_id:
        ours[TOPIC_ID] = letter.topic_id
    replaced = {*ours, OMITTED, TOPIC_ID}
    kept: Headers = [(name, value) for name, value in record.headers or [] if name not in replaced]
    return kept + [(name, _cut(text)) for name, text in ours.items()]


class DeadLetterTopic:
    """Fulfils `DeadLetters`. Its thread serves the broker's answers."""

    def __init__(
        self,
        config: Options,
        topic: str,
        group: str,
        partitions: int,
        post: Post,
        look: Callable[[], int] | None = None,
        logger: Logger | None = None,
    ) -> None:
        """`look` asks how many partitions the topic has, after creating it if it is missing and may be; blocking.

        It raises a StreamError with the fix, which goes to the log.
        """
        self._look = look or self._count
        self._logger = logger
        self._is_changed = False
        self._look_at = self._complain_at = 0.0
        self._moved_at = time.monotonic()
        """When nothing was waiting, or a letter was acknowledged, last."""
        self._config = config
        self._producer = open_client(Producer, config)
        self._topic = topic
        self._group = group
        self._partitions = partitions
        self._post = post
        self._is_closed = False
        self._thread = threading.Thread(target=self._serve, name="dead letters", daemon=True)
        self._thread.start()

    def write(self, letter: DeadLetter, on_written: Callable[[str], None]) -> None:
        """Produce one letter; too large for the topic: the same again without its value."""
        record = letter.record
        headers = letter_headers(letter, self._group, time.time())
        self.put(Written(record.partition, record.key, record.value, headers), on_written)

    def put(self, written: Written, on_written: Callable[[str], None]) -> None:
        """Produce one record as it is; too large for the topic: the same again without its value."""
        self._produce(written, on_written, omitted=False)

    def close(self) -> None:
        """Stop serving; `on_written` is not called for letters that were not acknowledged."""
        self._is_closed = True
        self._thread.join(timeout=5)

    def _produce(self, written: Written, on_written: Callable[[str], None], omitted: bool) -> None:
        mark: Headers = [(OMITTED, b"omitted")] if omitted else []
        has_partition = self._partitions == UNKNOWN or written.partition < self._partitions
        try:
            self._producer.produce(
                self._topic,
                value=None if omitted else written.value,
                key=written.key,
                partition=written.partition if has_partition else -1,
                headers=[*written.headers, *mark],
                on_delivery=partial(self._on_delivery, written, on_written, omitted),
            )
        except BufferError:
            self._post(on_written, "the producer's queue is full")
        except KafkaException as error:
            self._answer(kafka_error(error), written, on_written, omitted)

    def _on_delivery(
        self,
        written: Written,
        on_written: Callable[[str], None],
        omitted: bool,
        error: KafkaError | None,
        sent: Message,
    ) -> None:
        if error is not None:
            self._answer(error, written, on_written, omitted)
        elif sent.offset() is None:
            self._post(on_written, _NO_OFFSET)
        else:
            self._moved_at = time.monotonic()
            self._post(on_written, "")

    def _answer(self, error: KafkaError, written: Written, on_written: Callable[[str], None], omitted: bool) -> None:
        if error.code() in _TOO_LARGE and not omitted:
            self._post(self._produce, written, on_written, True)
        else:
            self._is_changed = self._is_changed or error.code() in _CHANGED
            self._post(on_written, error_word(error))

    def _serve(self) -> None:
        while not self._is_closed:
            try:
                self._producer.poll(POLL_S)
            except KafkaException as error:
                if kafka_error(error).fatal():
                    self._replace()
            self._look_after()
        self._producer.purge()

    def _look_after(self) -> None:
        """Look at the topic where something says that it changed, or letters wait for long."""
        now = time.monotonic()
        if not len(self._producer):
            self._moved_at = now
        if now < self._look_at or not (self._is_changed or now - self._moved_at > SLOW_S):
            return
        try:
            self._partitions = self._look()
            self._is_changed = False
            if (waited_s := now - self._moved_at) > STUCK_S:
                why = f"no acknowledgement for {waited_s:.0f} s; too few in-sync replicas for min.insync.replicas?"
                self._complain(now, why)
        except (StreamError, KafkaException) as error:
            self._complain(now, str(error) if isinstance(error, StreamError) else error_text(error))
        self._look_at = time.monotonic() + LOOK_EVERY_S

    def _count(self) -> int:
        """Partitions of the topic, where nobody creates it."""
        found = self._producer.list_topics(self._topic, timeout=COUNT_TIMEOUT_S).topics[self._topic]
        if found.error is not None:
            raise MissingTopicError(f"The dead-letter topic {self._topic} is missing ({error_word(found.error)}).")
        return len(found.partitions)

    def _complain(self, now: float, why: str) -> None:
        if self._logger is None or now < self._complain_at:
            return
        self._complain_at = now + COMPLAIN_EVERY_S
        self._post(partial(self._logger.error, "Dead letters cannot be written; they wait.", error=why))

    def _replace(self) -> None:
        """A fatal error ends an idempotent producer for good; the letters it held are reported, and written again."""
        old = self._producer  # takes no letter now: each is answered with the fatal error
        old.purge()
        while len(old) and not self._is_closed:
            with contextlib.suppress(KafkaException):
                old.poll(POLL_S)
        while not self._is_closed:
            try:
                self._producer = open_client(Producer, self._config)
                return
            except StreamError as error:  # no valid token just now
                self._complain(time.monotonic(), str(error))
                time.sleep(POLL_S)


def _cut(text: str) -> bytes:
    whole = text.encode("utf-8", "backslashreplace")
    return whole[:MAX_DETAIL_BYTES].decode("utf-8", "ignore").encode()

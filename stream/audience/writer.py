"""Writes events and state of the same users in one Kafka transaction, so that both are there or neither is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple, Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from stream.kafka.client_config import KafkaPolicy, Options, open_client, producer_config
from stream.kafka.codes import as_source_error, is_refused, kafka_error
from stream.model.errors import RefusedError, SourceError

TRANSACTION_TIMEOUT_MS = 20_000
"""How long the transaction of a sync that was killed may hold up read-committed readers."""

CLAIM_TIMEOUT_S = 60.0
COMMIT_TIMEOUT_S = 60.0
ABORT_TIMEOUT_S = 10.0
ATTEMPTS = 5
"""Of one transaction, which is given up when Kafka asks for that, and written again."""

_PAUSE_S = 0.1
_FENCED = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})
_GIVEN_UP = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})
"""What records end with that were still to be written when their transaction was aborted."""

_NOT_ALLOWED = KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED


class Write(NamedTuple):
    """One record to write; no value: a tombstone."""

    topic: str
    key: bytes
    value: bytes | None


class TransactionWriter:
    """The only writer of one transactional id: a later owner fences this one.

    Blocking. Every call raises RefusedError when another one has taken over or Kafka refuses, and SourceError
    when Kafka cannot be written to; `who` begins the text ("audience vip").
    """

    def __init__(self, policy: KafkaPolicy, transactional_id: str, who: str) -> None:
        self._id = transactional_id
        self._who = who
        self._is_lost = False
        """A transaction could not be given up, so no other can be begun."""
        self._cause: KafkaError | None = None
        """Why the client is unusable; later calls may say only that it is."""
        self._failure: KafkaError | None = None
        """Why a record of the transaction was not written."""
        config = {**_writer_config(policy, transactional_id), "error_cb": self._on_error}
        self._producer = open_client(Producer, config)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._producer.purge()
        with suppress(KafkaException):  # one that was fenced says so once more
            self._producer.close()

    def claim(self) -> None:
        """Become the only writer. What an earlier one left open is given up or completed first."""
        self._insist(self._producer.init_transactions, CLAIM_TIMEOUT_S, f"claiming {self._id}")

    def write(self, records: Iterable[Write]) -> None:
        """Write all records, or none. They are all there already, so the transaction is open for the write alone."""
        ready = list(records)
        self._failure = None
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._write_once(ready)
            except KafkaException as error:
                inner = kafka_error(error)
                if attempt == ATTEMPTS or self._is_lost or not inner.txn_requires_abort():
                    doing = f"writing a transaction of {self._who} (run again, a sync continues where this one stopped)"
                    raise self._translated(inner, doing) from error
            else:
                return

    def _write_once(self, records: list[Write]) -> None:
        self._producer.begin_transaction()
        try:
            for record in records:
                self._produce(record)
            self._commit()
        except BaseException as error:  # a signal as well: an open transaction would hold up every reader
            self._abort(error)
            raise

    def _produce(self, record: Write) -> None:
        while True:
            try:
                self._producer.produce(record.topic, record.value, record.key, on_delivery=self._on_failed)
            except BufferError:
                self._producer.poll(_PAUSE_S)
            else:
                self._producer.poll(0)
                return

    def _commit(self) -> None:
        self._retry(self._producer.commit_transaction, COMMIT_TIMEOUT_S)

    def _abort(self, why: BaseException) -> None:
        if isinstance(why, KafkaException):
            self._on_error(kafka_error(why))
        try:
            self._retry(self._producer.abort_transaction, ABORT_TIMEOUT_S)
        except KafkaException as error:  # fenced, or out of reach: the broker ends the transaction by itself
            self._is_lost = True
            self._on_error(kafka_error(error))

    def _insist(self, call: Callable[[float], None], timeout_s: float, doing: str) -> None:
        try:
            self._retry(call, timeout_s)
        except KafkaException as error:
            raise self._translated(kafka_error(error), doing) from error

    def _retry(self, call: Callable[[float], None], timeout_s: float) -> None:
        """Call again while Kafka says that this helps; its client continues where it stopped."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                call(max(1.0, deadline - time.monotonic()))
            except KafkaException as error:
                if self._cause or not kafka_error(error).retriable() or time.monotonic() > deadline:
                    raise
                self._producer.poll(_PAUSE_S)
            else:
                return

    def _on_error(self, error: KafkaError) -> None:
        if (error.fatal() or is_refused(error)) and error.code() != KafkaError._FATAL:
            self._cause = self._cause or error

    def _on_failed(self, error: KafkaError | None, _: Message) -> None:
        if error is None or error.code() in _GIVEN_UP:
            return
        if self._failure is None or self._failure.code() == KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER:
            self._failure = error  # what is out of order only follows what was refused

    def _translated(self, error: KafkaError, doing: str) -> SourceError:
        error = self._cause or self._failure or error
        if error.code() in _FENCED:
            return RefusedError(
                f"Another sync of {self._who} began after this one and has taken over, so this one stopped. "
                "What it had written counts and is not written again. Run one sync of it at a time."
            )
        if error.code() == _NOT_ALLOWED:
            return RefusedError(
                f"Kafka does not allow the transactional id {self._id}. Add ACLs for the operations Write and Describe."
            )
        return as_source_error(error, doing)


def _writer_config(policy: KafkaPolicy, transactional_id: str) -> Options:
    return {
        **producer_config(policy),
        "transactional.id": transactional_id,
        "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
        "message.timeout.ms": TRANSACTION_TIMEOUT_MS,
        # A partition that the producer has not written to takes any sequence number first: with a second request on its
        # way, one that is refused for now counts as a duplicate when it is sent again, and is lost within a commit.
        "max.in.flight.requests.per.connection": 1,
        "partitioner": "murmur2_random",
        "delivery.report.only.error": True,
    }

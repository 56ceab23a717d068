"""The right to be the only process that does something: sole membership of a consumer group of that name.

A process that joins checks, once it is a member, whether it is alone, and leaves if it is not. Of two that join at once
the later look sees both, so two never hold it; both may give up. A process that was killed is a member until its
session times out, which is waited for.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from stream.kafka.client_config import KafkaPolicy, common_config, open_client
from stream.kafka.codes import as_source_error, is_refused
from stream.kafka.groups import Groups
from stream.model.errors import SourceError

SESSION_MS = 10_000
"""What a restart waits for after a kill, and the longest outage of the group's coordinator that is endured."""
JOIN_TIMEOUT_S = 30.0
_POLL_S = 0.2
_LOOK_EVERY_S = 0.3


class LeaseTakenError(SourceError):
    """Another process does it at this moment."""


class Lease:
    """Taken by `with`, and kept until its end. `on_lost` is called from a thread when it cannot be kept."""

    def __init__(self, policy: KafkaPolicy, name: str, topic: str, what: str, on_lost: Callable[[], None]) -> None:
        """`topic` is an existing one that the group subscribes to, and never reads; `what` is for messages."""
        self._name = name
        self._topic = topic
        self._what = what
        self._on_lost = on_lost
        self._groups = Groups(common_config(policy))
        self._session_ms = _session_ms(policy)
        config = {
            **common_config(policy),
            "group.id": name,
            "session.timeout.ms": self._session_ms,
            "heartbeat.interval.ms": self._session_ms // 6,
            "max.poll.interval.ms": max(60_000, self._session_ms),
            "enable.auto.commit": False,
            "auto.offset.reset": "latest",
        }
        self._consumer = open_client(Consumer, config)
        self._refused: KafkaError | None = None
        self._joined = threading.Event()
        """Or refused."""
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._stay, name="lease", daemon=True)

    def __enter__(self) -> Self:
        """Take it. Blocking, for as long as a dead process may still be a member.

        Raises:
            LeaseTakenError: another process has it.
            SourceError: Kafka does not answer.
        """
        try:
            self._await_nobody()
            self._join()
            self._require_alone()
        except BaseException:  # an interrupt must not leave a member behind either
            self.close()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Give it back. May be called again."""
        if self._is_closed.is_set():
            return
        self._is_closed.set()
        if self._thread.is_alive():
            self._thread.join()
        with contextlib.suppress(KafkaException, RuntimeError):
            self._consumer.close()

    def _await_nobody(self) -> None:
        give_up_at = time.monotonic() + self._session_ms / 1000 + 1.0
        while self._groups.describe(self._name).members:
            if time.monotonic() > give_up_at:
                raise LeaseTakenError(self._refusal())
            time.sleep(_LOOK_EVERY_S)

    def _join(self) -> None:
        self._consumer.subscribe([self._topic], on_assign=self._assigned, on_revoke=_ignore, on_lost=self._lost)
        self._thread.start()
        if not self._joined.wait(JOIN_TIMEOUT_S):
            raise SourceError(f"The group {self._name} could not be joined within {JOIN_TIMEOUT_S:.0f} s.")
        if self._refused is not None:
            raise as_source_error(self._refused, f"joining the group {self._name}")

    def _require_alone(self) -> None:
        if len(self._groups.describe(self._name).members) > 1:
            raise LeaseTakenError(self._refusal())

    def _stay(self) -> None:
        """Serve the group until the end; its own thread has nothing else to do, so it is never late."""
        while not self._is_closed.is_set():
            try:
                message = self._consumer.poll(_POLL_S)
            except (KafkaException, RuntimeError):
                self._on_lost()
                return
            error = None if message is None else message.error()
            if error is not None and not self._joined.is_set() and is_refused(error):
                self._refused = error
                self._joined.set()
            elif error is not None and error.fatal():
                self._on_lost()

    def _assigned(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        with contextlib.suppress(KafkaException):  # a callback must not raise; whether it is a member is asked for
            consumer.assign(partitions)
            consumer.pause(partitions)
        self._joined.set()

    def _lost(self, _consumer: Consumer, _partitions: list[KafkaPartition]) -> None:
        if not self._is_closed.is_set():
            self._on_lost()

    def _refusal(self) -> str:
        return f"Another {self._what} is running (a member of the group {self._name}). Wait for its end, or stop it."


def _session_ms(policy: KafkaPolicy) -> int:
    given = str(policy.consumer_options.get("session.timeout.ms", SESSION_MS))
    return min(SESSION_MS, int(given)) if given.isdigit() else SESSION_MS


def _ignore(_consumer: Consumer, _partitions: list[Any]) -> None:
    """Partitions come and go while another process looks in; only the membership counts."""

"""librdkafka's configuration: the options that our guarantees rest on, over those that the settings pass through."""

from __future__ import annotations

import logging
import re
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException

from stream.kafka.token_keeper import TokenKeeper, keeper_of
from stream.model.errors import UnreachableError, config_error

Option = str | int | float | bool
Options = dict[str, Any]
Client = TypeVar("Client")

SESSION_MS = 45_000
"""librdkafka's own session timeout."""
CALLBACK_WAIT_S = 0.5

FETCH_BYTES = 2 * 1024 * 1024
"""Most that one answer of a broker brings, unless a single record is larger. librdkafka's own 50 MiB are memory that
has left the processor's caches when its turn comes: with 64 partitions it took 130 MiB more."""
PARTITION_FETCH_BYTES = 256 * 1024
"""Most of one partition in it. More brings so many records of the same users in a row that they wait for each other."""
TOKEN_OPTIONS: Mapping[str, Option] = {"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER"}
MARKER_BATCH_BYTES = 16_384
MAX_RECORD_BYTES = 100_000_000
"""The client refuses no record on its own; what is too large is for the broker to say."""
LETTER_TIMEOUT_MS = 30_000
"""A write without an acknowledgement by then has failed, and is made again; by itself librdkafka would retry for five
minutes what the leader refuses for now, without a word."""


@dataclass(frozen=True)
class KafkaPolicy:
    """How one consumer group talks to Kafka."""

    bootstrap_servers: str
    topics: tuple[str, ...]
    group: str
    start: str = "earliest"
    own_start: str | None = None
    """The workflow's own `start`, before which `other_groups` do not count."""
    other_groups: tuple[str, ...] = ()
    """Groups of the deployment's other workflows: a topic on which one has progressed is read from its latest event."""
    group_protocol: str = "classic"
    group_instance_id: str | None = None
    max_poll_interval_s: float = 300.0
    drain_timeout_s: float = 15.0
    on_data_loss: str = "stop"
    prefetch_kbytes: int = 16_384
    """What may be fetched ahead."""
    options: Mapping[str, Option] = field(default_factory=dict)
    consumer_options: Mapping[str, Option] = field(default_factory=dict)
    producer_options: Mapping[str, Option] = field(default_factory=dict)
    hidden_topics: tuple[str, ...] = ()
    """Topics that a pattern in `topics` never matches."""
    token: TokenKeeper | None = None
    """Where the clients' tokens come from; None: they log in as the options say."""
    logger: logging.Logger | None = None
    """Where the client's own log goes; None: to standard error."""


def common_config(policy: KafkaPolicy) -> Options:
    """Options of every client."""
    config: Options = {
        **(TOKEN_OPTIONS if policy.token else {}),
        "client.id": "tray-stream",
        "allow.auto.create.topics": False,
        "reconnect.backoff.max.ms": 5000,
        **policy.options,
        "bootstrap.servers": policy.bootstrap_servers,
    }
    if policy.token is not None:
        config["oauth_cb"] = policy.token
    if policy.logger is not None:
        config["logger"] = policy.logger
    return config


def without_token(policy: KafkaPolicy) -> KafkaPolicy:
    """The same for clients that only try the options: they ask for no token."""
    return policy if policy.token is None else replace(policy, token=None, options={**TOKEN_OPTIONS, **policy.options})


def consumer_config(policy: KafkaPolicy) -> Options:
    """Options of the consumer that is a member of the group. Settings take no strategy but cooperative-sticky."""
    max_poll_ms = int(policy.max_poll_interval_s * 1000)
    config: Options = {
        **range_reader_config(policy),
        "group.protocol": policy.group_protocol,
        "max.poll.interval.ms": max_poll_ms,
    }
    if policy.group_instance_id:
        config["group.instance.id"] = policy.group_instance_id
    if policy.group_protocol == "classic":
        config.setdefault("partition.assignment.strategy", "cooperative-sticky")
        config.setdefault("session.timeout.ms", min(SESSION_MS, max_poll_ms))  # librdkafka refuses a longer one
    if policy.hidden_topics and any(topic.startswith("^") for topic in policy.topics):
        config["topic.blacklist"] = ",".join(f"^{_escaped(topic)}$" for topic in policy.hidden_topics)
    return config


def subscription(policy: KafkaPolicy) -> list[str]:
    """The topics as the group's protocol takes them.

    A pattern means what begins like it. librdkafka sees that so; a broker (KIP-848) compares the whole name.
    """
    if policy.group_protocol == "classic":
        return list(policy.topics)
    return [f"^({topic[1:]}).*" if topic.startswith("^") else topic for topic in policy.topics]


def reader_config(policy: KafkaPolicy) -> Options:
    """Options of a consumer that only asks for offsets and never joins the group."""
    return {**common_config(policy), **policy.consumer_options, **_guarantees(policy)}


def range_reader_config(policy: KafkaPolicy) -> Options:
    """Options of a consumer that reads partitions given to it, and never joins the group."""
    return {
        "fetch.wait.max.ms": 100,
        **_fetch_size(policy),
        "max.partition.fetch.bytes": PARTITION_FETCH_BYTES,
        "queued.max.messages.kbytes": policy.prefetch_kbytes,
        "fetch.queue.backoff.ms": 10,
        **common_config(policy),
        **policy.consumer_options,
        **_guarantees(policy),
    }


def _fetch_size(policy: KafkaPolicy) -> Options:
    """librdkafka refuses a fetch below the largest message or beyond what it may receive, where the settings say."""
    set_options = {*policy.options, *policy.consumer_options}
    return {} if set_options & {"message.max.bytes", "receive.message.max.bytes"} else {"fetch.max.bytes": FETCH_BYTES}


def producer_config(policy: KafkaPolicy) -> Options:
    """Options of the dead-letter producer: acknowledged by all replicas, written once."""
    return {
        "compression.type": "zstd",  # the topic's limit is for what is stored, and so was that of the event's topic
        **common_config(policy),
        "message.max.bytes": MAX_RECORD_BYTES,
        "message.timeout.ms": LETTER_TIMEOUT_MS,
        **policy.producer_options,
        "batch.num.messages": 1,  # the topic's limit is on batches: a small letter would be refused with a large one
        "acks": "all",
        "enable.idempotence": True,
    }


def marker_config(policy: KafkaPolicy) -> Options:
    """Options of the producer that marks dead letters as done with: many small records at once."""
    return {**producer_config(policy), "batch.num.messages": 1000, "batch.size": MARKER_BATCH_BYTES, "linger.ms": 2}


def open_client(kind: Callable[[Options], Client], config: Options) -> Client:
    """A client with these options, which has a token where they name a keeper of tokens.

    Raises:
        ConfigError: librdkafka does not take one of them.
        RefusedError, UnreachableError: there is no token.
    """
    if keeper := keeper_of(config):
        keeper.require()
    try:
        return kind(config)
    except (KafkaException, TypeError, ValueError) as error:
        if keeper and _has_no_token(error):  # it has run out meanwhile
            raise UnreachableError("logging in", "the client got no token in time.") from error
        inner = error.args[0] if error.args else error
        text = inner.str() if hasattr(inner, "str") else str(inner)
        raise config_error("kafka.options", f"librdkafka does not take them: {text}.") from error


def _has_no_token(error: Exception) -> bool:
    inner = error.args[0] if error.args else None
    return isinstance(inner, KafkaError) and inner.code() == KafkaError.SASL_AUTHENTICATION_FAILED


def require_patterns(policy: KafkaPolicy) -> None:
    """Let Python, which looks for topics at a start, and librdkafka, which subscribes, read each pattern of the topics.

    Raises:
        ConfigError: one of them does not take it.
    """
    for index, topic in enumerate(subscription(policy)):
        if topic.startswith("^") and not _is_taken(topic, policy):
            what = f"{policy.topics[index]} is not a regular expression that librdkafka and Python take."
            raise config_error(f"kafka.topics[{index}]", what, "Use POSIX extended syntax, without (?…).")


def _is_taken(pattern: str, policy: KafkaPolicy) -> bool:
    try:
        with warnings.catch_warnings(action="ignore"):
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    config = {"bootstrap.servers": "", "group.id": policy.group, "group.protocol": policy.group_protocol}
    client = open_client(Consumer, {**config, "log_level": 0})
    try:
        client.subscribe([pattern])
    except KafkaException:
        return False
    finally:
        client.close()
    return True


def served(poll: Callable[[float], object], condition: Callable[[], bool]) -> bool:
    """Serve a client's callbacks for a moment, until the condition holds.

    That Kafka refuses us comes by callback alone, and somewhat later than the question fails.
    """
    give_up_at = time.monotonic() + CALLBACK_WAIT_S
    while not condition() and time.monotonic() < give_up_at:
        poll(0.05)
    return condition()


def _guarantees(policy: KafkaPolicy) -> Options:
    return {
        "group.id": policy.group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
    }


def _escaped(topic: str) -> str:
    return topic.replace(".", "\\.")

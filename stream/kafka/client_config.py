"""What librdkafka is told: the options that our guarantees rest on, over those that the settings pass through."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Option = str | int | float | bool
Options = dict[str, Any]

MAX_RECORD_BYTES = 100_000_000
"""The client refuses no record on its own; what is too large is for the broker to say."""


@dataclass(frozen=True)
class KafkaPolicy:
    """How one consumer group talks to Kafka."""

    bootstrap_servers: str
    topics: tuple[str, ...]
    group: str
    start: str = "earliest"
    group_protocol: str = "classic"
    group_instance_id: str | None = None
    max_poll_interval_s: float = 300.0
    drain_timeout_s: float = 15.0
    on_data_loss: str = "stop"
    options: Mapping[str, Option] = field(default_factory=dict)
    consumer_options: Mapping[str, Option] = field(default_factory=dict)
    producer_options: Mapping[str, Option] = field(default_factory=dict)
    hidden_topics: tuple[str, ...] = ()
    """Topics that a pattern in `topics` never matches."""
    logger: logging.Logger | None = None
    """Where the client's own log goes; None: to standard error."""


def common_config(policy: KafkaPolicy) -> Options:
    """Options of every client."""
    config: Options = {
        "client.id": "tray-stream",
        "allow.auto.create.topics": False,
        "reconnect.backoff.max.ms": 5000,
        **policy.options,
        "bootstrap.servers": policy.bootstrap_servers,
    }
    if policy.logger is not None:
        config["logger"] = policy.logger
    return config


def consumer_config(policy: KafkaPolicy) -> Options:
    """Options of the consumer that is a member of the group."""
    config: Options = {
        **common_config(policy),
        "fetch.wait.max.ms": 100,
        "queued.max.messages.kbytes": 16_384,
        "fetch.queue.backoff.ms": 50,
        **policy.consumer_options,
        **_guarantees(policy),
        "group.protocol": policy.group_protocol,
        "max.poll.interval.ms": int(policy.max_poll_interval_s * 1000),
    }
    if policy.group_instance_id:
        config["group.instance.id"] = policy.group_instance_id
    if policy.group_protocol == "classic":
        config.setdefault("partition.assignment.strategy", "cooperative-sticky")
    if policy.hidden_topics and any(topic.startswith("^") for topic in policy.topics):
        config["topic.blacklist"] = ",".join(f"^{_escaped(topic)}$" for topic in policy.hidden_topics)
    return config


def reader_config(policy: KafkaPolicy) -> Options:
    """Options of a consumer that only asks for offsets and never joins the group."""
    return {**common_config(policy), **policy.consumer_options, **_guarantees(policy)}


def producer_config(policy: KafkaPolicy) -> Options:
    """Options of the dead-letter producer: acknowledged by all replicas, written once."""
    return {
        **common_config(policy),
        "linger.ms": 5,
        "message.max.bytes": MAX_RECORD_BYTES,
        **policy.producer_options,
        "acks": "all",
        "enable.idempotence": True,
    }


def is_incremental(config: Mapping[str, object]) -> bool:
    """Whether the group moves partitions one by one (cooperative, KIP-848) or all at once (eager)."""
    return config["group.protocol"] == "consumer" or "cooperative" in str(config["partition.assignment.strategy"])


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

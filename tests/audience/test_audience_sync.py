"""Syncs against Apache Kafka: what is written, what is remembered, what is refused, what arrives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from audience_support import KEY, NAME, PARTITIONS, WAIT_S, Bus, numbered
from confluent_kafka import KafkaException, Producer
from support.receiver import FaultReceiver
from support.topics import create_topic, partitions_of, produce_transaction, read_topic

from stream.audience.diff import Tally
from stream.model.errors import ConfigError, MissingTopicError, SourceError
from stream.validation import SchemaValidator


def test_each_sync_tells_only_what_has_changed(bus: Bus) -> None:
    """First everyone, then those who came or went, then nobody; the topic's own schemas hold."""
    first = bus.sync(["a", "b", "c"])
    assert (first.tally.added, first.tally.changes) == (3, 3)
    assert bus.histories() == {"a": [True], "b": [True], "c": [True]}

    second = bus.sync(["c", "b", "d", "c"])
    assert (second.tally.added, second.tally.removed, second.tally.unchanged) == (1, 1, 2)
    assert second.duplicates == 1
    assert bus.histories() == {"a": [True, False], "b": [True], "c": [True], "d": [True]}

    assert bus.sync(["d", "c", "b"]).tally.changes == 0
    assert bus.sync(["a", "b", "c", "d"]).tally.changes == 1
    assert bus.histories()["a"] == [True, False, True]
    assert bus.state() == dict.fromkeys("abcd", True)

    events = bus.events()
    assert len({event["messageId"] for event in events}) == len(events) == 6
    assert {SchemaValidator().fault("identify", event) for event in events} == {None}


def test_the_state_topic_is_compacted_and_as_wide_as_the_first_topic(bus: Bus) -> None:
    """Removed users leave tombstones, and the head tells name and number of changes."""
    bus.sync(["a"])
    bus.sync(["b"])
    assert len(partitions_of(bus.broker.bootstrap, bus.state_topic)) == PARTITIONS
    records = read_topic(bus.broker.bootstrap, bus.state_topic)
    users = [(json.loads(record.key or b"")[1], record.value) for record in records if b"," in (record.key or b"")]
    assert sorted(users, key=lambda pair: (pair[0], pair[1] is None)) == [("a", b"true"), ("a", None), ("b", b"true")]
    heads = [json.loads(record.value or b"") for record in records if b"," not in (record.key or b"")]
    assert [head["changes"] for head in heads] == [0, 1, 3]
    assert {head["name"] for head in heads} == {NAME}


def test_a_user_stays_in_the_partition_that_java_producers_choose(bus: Bus) -> None:
    """Keys are user ids, and the partitioner is Kafka's murmur2."""
    bus.sync(numbered("user", range(200)))
    records = read_topic(bus.broker.bootstrap, bus.topic)
    assert len(records) == 200
    for record in records:
        key = record.key or b""
        assert json.loads(record.value or b"")["userId"] == key.decode()
        assert record.partition == (murmur2(key) & 0x7FFFFFFF) % PARTITIONS


def murmur2(key: bytes) -> int:
    """As org.apache.kafka.common.utils.Utils has it."""
    mask, mix = 0xFFFFFFFF, 0x5BD1E995
    found = (0x9747B28C ^ len(key)) & mask
    whole = len(key) // 4 * 4
    for at in range(0, whole, 4):
        word = int.from_bytes(key[at : at + 4], "little") * mix & mask
        word = (word ^ word >> 24) * mix & mask
        found = (found * mix & mask) ^ word
    if rest := key[whole:]:
        found = (found ^ int.from_bytes(rest, "little")) * mix & mask
    found = (found ^ found >> 13) * mix & mask
    return found ^ found >> 15


def test_a_dry_run_counts_and_leaves_nothing_behind(bus: Bus) -> None:
    """Before the first sync not even the state topic is made."""
    assert bus.sync(["a", "b"], dry_run=True).tally.added == 2
    with pytest.raises(KafkaException, match="UNKNOWN_TOPIC_OR_PART"):
        partitions_of(bus.broker.bootstrap, bus.state_topic)
    bus.sync(["a", "b"])
    tally = bus.sync(["b", "c"], dry_run=True).tally
    assert (tally.added, tally.removed, tally.unchanged) == (1, 1, 1)
    assert bus.state() == {"a": True, "b": True}
    assert len(bus.events()) == 2


def test_audiences_of_one_topic_are_kept_apart(bus: Bus) -> None:
    """Each has its own state, even where one key begins like the other."""
    bus.sync(["a", "b"], name="VIP")
    bus.sync(["b", "c"], name="VIP customers")
    assert bus.sync([], name="VIP").tally.removed == 2
    assert bus.state("vip") == {}
    assert bus.state("vip_customers") == {"b": True, "c": True}


def test_a_trait_tells_changed_values_and_leaves_others_alone(bus: Bus) -> None:
    """450.00 and 450 are one value; a user who is not in the file keeps the one he has."""
    bus.sync_values({"a": "450.00", "b": "gold", "c": ""}, "Total revenue 180 days")
    tally = bus.sync_values({"a": "450", "b": "silver", "d": "true"}, "Total revenue 180 days").tally
    assert (tally.added, tally.changed, tally.unchanged, tally.left_alone, tally.removed) == (1, 1, 1, 1, 0)
    key = "total_revenue_180_days"
    assert bus.histories(key) == {"a": [450], "b": ["gold", "silver"], "c": [None], "d": [True]}
    assert bus.state(key) == {"a": 450, "b": "silver", "c": None, "d": True}


@pytest.mark.parametrize("other", ["order completed last 30days", "Order-Completed (last 30days)"])
def test_two_names_with_one_key_are_refused(bus: Bus, other: str) -> None:
    """The first one owns it; the other is told so, in a dry run, too."""
    bus.sync(["a"])
    for dry_run in (True, False):
        with pytest.raises(ConfigError, match=f'"{NAME}" has already'):
            bus.sync(["b"], name=other, dry_run=dry_run)
    with pytest.raises(ConfigError, match=r'has the key .*, which the audience "Order'):
        bus.sync_values({"a": "1"}, NAME)
    assert bus.state() == {"a": True}


def test_a_topic_that_is_missing_or_would_forget_is_refused(bus: Bus) -> None:
    """The events' topic must exist; an existing state topic must compact and not delete."""
    create_topic(bus.broker.bootstrap, bus.state_topic, PARTITIONS, {"cleanup.policy": "compact,delete"})
    with pytest.raises(ConfigError, match=r"cleanup\.policy=compact,delete"):
        bus.sync(["a"])
    bus.policy = replace(bus.policy, topics=(f"{bus.topic}-none",))
    with pytest.raises(MissingTopicError, match="does not exist"):
        bus.sync(["a"])


def test_what_kafka_will_not_take_is_told_and_nothing_is_half_written(bus: Bus) -> None:
    """A topic with room for small records only: the state of that transaction is not written either."""
    narrow = f"{bus.topic}-narrow"
    create_topic(bus.broker.bootstrap, narrow, PARTITIONS, {"max.message.bytes": "200"})
    bus.policy = replace(bus.policy, topics=(narrow,))
    with pytest.raises(SourceError, match="MSG_SIZE_TOO_LARGE"):
        bus.sync(["a", "b"])
    bus.topic = narrow
    assert (bus.state(), bus.events()) == ({}, [])


def test_state_behind_another_syncs_open_transaction_is_not_missed(bus: Bus) -> None:
    """Read-committed readers see nothing behind it, so a sync waits for its end."""
    bus.sync(["x"], name="Other")
    other = Producer({"bootstrap.servers": bus.broker.bootstrap, "transactional.id": f"{bus.topic}-o", "log_level": 0})
    other.init_transactions(WAIT_S)
    other.begin_transaction()
    for partition in range(PARTITIONS):
        other.produce(bus.state_topic, b"true", b'["other","y"]', partition)
    other.flush(WAIT_S)
    known = [(f'["{KEY}","{user}"]'.encode(), b"true", None, None) for user in "abcdef"]
    produce_transaction(bus.broker.bootstrap, bus.state_topic, known, f"{bus.topic}-k")
    found: list[Tally] = []
    sync = threading.Thread(target=lambda: found.append(bus.sync("abcdef").tally))
    sync.start()
    sync.join(1.5)
    assert sync.is_alive()
    other.commit_transaction(WAIT_S)
    sync.join(WAIT_S)
    assert found == [Tally(unchanged=6)]


def test_aborted_records_are_no_state(bus: Bus) -> None:
    """A sync that died before its commit has changed nothing."""
    bus.sync(["a"])
    lost = [(f'["{KEY}","b"]'.encode(), b"true", None, None)]
    produce_transaction(bus.broker.bootstrap, bus.state_topic, lost, f"{bus.topic}-x", commit=False)
    assert bus.sync(["a", "b"]).tally.added == 1
    assert bus.sync(["a", "b"]).tally.changes == 0


def test_the_events_arrive_at_a_workflow_in_order_per_user(bus: Bus, receiver: FaultReceiver) -> None:
    """Through `run`: entered, left and entered again, with nothing more and nothing less."""
    users = numbered("user", range(300))
    bus.sync(users)
    bus.sync(users[100:])
    bus.sync(users)
    bus.sync_values({users[0]: "450.00"}, "Total revenue 180 days")
    own = {name: text for name, text in os.environ.items() if not name.startswith("TRAY_")}
    env = own | {"TRAY_WORKFLOW_URLS": receiver.url("/hook"), "TRAY_HTTP__LISTEN": "127.0.0.1:0"}
    command = [sys.executable, "-m", "stream", "run", "--until-end", "--bootstrap-servers", bus.broker.bootstrap]
    command += ["--topic", bus.topic, "--group-id", bus.topic]
    subprocess.run(command, cwd=bus.directory, env=env, check=True, capture_output=True, timeout=60)
    arrived: dict[str, list[object]] = {}
    for arrival in receiver.successes("/hook"):
        event = json.loads(arrival.body)
        assert arrival.headers["idempotency-key"] == event["messageId"]
        arrived.setdefault(event["userId"], []).append(next(iter(event["traits"].values())))
    came_back = {user: [True, False, True] for user in users[:100]}
    assert arrived == came_back | {user: [True] for user in users[100:]} | {users[0]: [True, False, True, 450]}

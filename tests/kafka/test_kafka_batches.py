"""From messages to records: by partition, in order, with every byte, and whatever the headers hold."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from assertions import every
from confluent_kafka import Consumer, KafkaError, Message
from confluent_kafka import TopicPartition as KafkaPartition
from kafka_support import QUIET, Member, fill, policy_for
from support import topics
from support.mock_cluster import MockCluster
from support.topics import Broker

from stream.demo.mock_cluster import mock_library
from stream.kafka.batches import sort_polled
from stream.model.records import TopicPartition


@contextmanager
def reading(broker: Broker, *where: KafkaPartition) -> Iterator[Consumer]:
    config = {"bootstrap.servers": broker.bootstrap, "group.id": "none", "enable.partition.eof": True}
    with Consumer({**config, "auto.offset.reset": "error", **QUIET}) as consumer:
        consumer.assign(list(where))
        yield consumer


def take(consumer: Consumer, count: int) -> list[Message]:
    found: list[Message] = []
    while len(found) < count:
        found += consumer.consume(count - len(found), 10)
    return found


def test_records_are_grouped_by_partition_in_order(broker: Broker, topic_name: str) -> None:
    """Those of partitions that are not held are left out; an end is told with the epoch."""
    broker.create_topic(topic_name, 3)
    fill(broker, topic_name, 30, (0, 1, 2))
    tps = [TopicPartition(topic_name, p) for p in range(3)]
    with reading(broker, *(KafkaPartition(*tp, 0) for tp in tps)) as consumer:
        polled = sort_polled(take(consumer, 33), {tps[0]: 4, tps[2]: 9})
    assert {(batch.tp, batch.epoch) for batch in polled.batches} == {(tps[0], 4), (tps[2], 9)}
    assert [[r.offset for r in batch.records] for batch in polled.batches] == [list(range(10))] * 2
    assert sorted(polled.ends) == [(tps[0], 4, 10), (tps[2], 9, 10)]
    assert polled.errors == []


def test_every_field_is_kept(broker: Broker, topic_name: str) -> None:
    """Null and empty stay apart; the timestamp is there."""
    broker.create_topic(topic_name)
    given: list[topics.Given] = [("k", b"v", 0, [("h", b"1"), ("h", None)]), (None, None, 0, None), ("", b"", 0, None)]
    topics.produce_events(broker.bootstrap, topic_name, given)
    with reading(broker, KafkaPartition(topic_name, 0, 0)) as consumer:
        [batch] = sort_polled(take(consumer, 3), {TopicPartition(topic_name, 0): 1}).batches
    assert [(r.key, r.value, r.headers) for r in batch.records] == [
        (b"k", b"v", [("h", b"1"), ("h", None)]),
        (None, None, None),
        (b"", b"", None),
    ]
    assert every(record.timestamp_ms > 1_600_000_000_000 for record in batch.records)


def test_an_error_is_kept_apart_from_the_records_before_it(apache_kafka: Broker, topic_name: str) -> None:
    """Out of range: told with the offset that was asked for."""
    apache_kafka.create_topic(topic_name)
    fill(apache_kafka, topic_name, 3)
    with reading(apache_kafka, KafkaPartition(topic_name, 0, 50)) as consumer:
        polled = sort_polled(take(consumer, 1), {TopicPartition(topic_name, 0): 1})
    [(message, error)] = polled.errors
    assert error.code() == KafkaError._AUTO_OFFSET_RESET
    assert message.offset() == 50


def test_a_header_name_that_is_not_utf8_does_not_stop_the_partition(mock_cluster: MockCluster, topic_name: str) -> None:
    """The client cannot decode it; the record goes on without its headers, and the log says so."""
    mock_cluster.create_topic(topic_name)
    with Member(policy_for(mock_cluster, topic_name)) as member:
        fill(mock_cluster, topic_name, 100)  # by then Python has specialised the calls
        member.wait_records(100)
        for _ in range(3):
            produce_with_header(mock_cluster, topic_name, b"name\xff\xfe")
        fill(mock_cluster, topic_name, 100)
        member.wait_records(203)
        odd = member.source.records[100:103]
        assert [(record.value, record.headers) for record in odd] == [(b"odd", None)] * 3
        assert member.logger.count("headers are not UTF-8", "warning") == 3
        assert not member.has_ended


def produce_with_header(cluster: MockCluster, topic: str, name: bytes) -> None:
    """One record through librdkafka itself; confluent-kafka takes names of text alone."""
    lib, text = mock_library(), ctypes.create_string_buffer(512)
    conf = ctypes.c_void_p(lib.rd_kafka_conf_new())
    for key, value in ((b"bootstrap.servers", cluster.bootstrap.encode()), (b"log_level", b"0")):
        lib.rd_kafka_conf_set(conf, key, value, text, ctypes.c_size_t(len(text)))
    client = ctypes.c_void_p(lib.rd_kafka_new(0, conf, text, ctypes.c_size_t(len(text))))
    lib.rd_kafka_headers_new.restype = ctypes.c_void_p
    headers = ctypes.c_void_p(lib.rd_kafka_headers_new(ctypes.c_size_t(1)))
    lib.rd_kafka_header_add(headers, name, ctypes.c_ssize_t(-1), b"v", ctypes.c_ssize_t(1))
    kinds: dict[str, Any] = {"end": 0, "topic": 1, "value": 4, "headers": 10}
    code = {kind: ctypes.c_int(number) for kind, number in kinds.items()}
    value = b"odd"
    size = ctypes.c_size_t(len(value))
    sent = lib.rd_kafka_producev(
        client, code["topic"], topic.encode(), code["value"], value, size, code["headers"], headers, code["end"]
    )
    assert sent == lib.rd_kafka_flush(client, 10_000) == 0
    lib.rd_kafka_destroy(client)

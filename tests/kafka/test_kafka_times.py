"""Offsets of times, asked from the real broker; the mock brokers do not know them."""

from __future__ import annotations

from kafka_support import policy_for
from support import topics
from support.topics import Broker

from stream.kafka.client_config import reader_config
from stream.kafka.reader import OffsetReader
from stream.model.records import TopicPartition

START = 1_795_000_000_000


def test_the_first_record_at_or_after_a_time(apache_kafka: Broker, topic_name: str) -> None:
    """Before the first record, between two, at one, after the last, and in an empty partition."""
    apache_kafka.create_topic(topic_name, 3, {"retention.ms": "-1"})
    long: list[tuple[int, topics.Given]] = [(START + n * 1000, (None, b"1", 0, None)) for n in range(20)]
    short: list[tuple[int, topics.Given]] = [(START + 500, (None, b"1", 1, None))]
    topics.produce_timed_events(apache_kafka.bootstrap, topic_name, long + short)
    first, second, empty = (TopicPartition(topic_name, number) for number in range(3))
    with OffsetReader(reader_config(policy_for(apache_kafka, topic_name))) as reader:
        assert reader.at_time([first, second, empty], START - 60_000) == {first: 0, second: 0}
        assert reader.at_time([first, second, empty], START + 500) == {first: 1, second: 0}
        assert reader.at_time([first, second, empty], START + 7_000) == {first: 7}
        assert reader.at_time([first, second, empty], START + 60_000) == {}
        assert reader.at_time([], START) == {}

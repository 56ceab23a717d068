"""Ranges of records and single records, read by where they lie."""

from __future__ import annotations

from kafka_support import delete_records, fill, policy_for
from support.topics import Broker, Given, produce_events, produce_transaction

from stream.kafka.client_config import reader_config
from stream.kafka.record_reader import OffsetRange, RecordReader
from stream.model.records import Record, RecordId, TopicPartition


def reader_of(broker: Broker, topic: str) -> RecordReader:
    return RecordReader(reader_config(policy_for(broker, topic)))


def scanned(reader: RecordReader, topic: str, spans: dict[int, tuple[int, int]]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for records in reader.scan({TopicPartition(topic, p): OffsetRange(*span) for p, span in spans.items()}):
        for record in records:
            found.setdefault(record.partition, []).append(record.offset)
    return found


def test_a_scan_has_exactly_the_spans(broker: Broker, topic_name: str) -> None:
    """Each partition from its start to its end and no further, although the topic goes on."""
    broker.create_topic(topic_name, 3)
    fill(broker, topic_name, 3000, (0, 1, 2))
    with reader_of(broker, topic_name) as reader:
        found = scanned(reader, topic_name, {0: (10, 900), 1: (0, 1), 2: (500, 500)})
        again = scanned(reader, topic_name, {2: (998, 1000)})
    assert found == {0: list(range(10, 900)), 1: [0]}
    assert again == {2: [998, 999]}


def test_a_scan_ends_behind_markers_and_aborted_records(apache_kafka: Broker, topic_name: str) -> None:
    """The last offsets of the span are no records."""
    apache_kafka.create_topic(topic_name)
    given: list[Given] = [("k", str(n), 0, None) for n in range(5)]
    produce_transaction(apache_kafka.bootstrap, topic_name, given, "reader")
    produce_transaction(apache_kafka.bootstrap, topic_name, given, "reader", commit=False)
    with reader_of(apache_kafka, topic_name) as reader:
        assert scanned(reader, topic_name, {0: (0, 12)}) == {0: [0, 1, 2, 3, 4]}


def test_records_are_fetched_by_their_places(broker: Broker, topic_name: str) -> None:
    """Near ones and far ones, in any order, of several partitions; what does not exist is missing."""
    broker.create_topic(topic_name, 2)
    fill(broker, topic_name, 4000, (0, 1))
    wanted = [RecordId(topic_name, 0, n) for n in (1990, 3, 1200, 4)] + [RecordId(topic_name, 1, 77)]
    with reader_of(broker, topic_name) as reader:
        found = reader.fetch(wanted)
        none = reader.fetch([])
    assert none == {}
    assert set(found) == set(wanted)
    assert found[wanted[0]] == Record(topic_name, 0, 1990, found[wanted[0]].timestamp_ms, b"k3980", b"3980" + b"." * 16)


def test_what_retention_has_taken_is_missing(apache_kafka: Broker, topic_name: str) -> None:
    """No error, and what is left is found."""
    apache_kafka.create_topic(topic_name)
    fill(apache_kafka, topic_name, 100)
    delete_records(apache_kafka, topic_name, 0, 50)
    with reader_of(apache_kafka, topic_name) as reader:
        assert set(reader.fetch([RecordId(topic_name, 0, 10), RecordId(topic_name, 0, 60)])) == {
            RecordId(topic_name, 0, 60)
        }
        assert reader.fetch([RecordId(topic_name, 0, 1)]) == {}


def test_headers_come_with_the_record(broker: Broker, topic_name: str) -> None:
    """As they were written."""
    broker.create_topic(topic_name)
    produce_events(broker.bootstrap, topic_name, [("k", "v", 0, [("a", b"1"), ("a", None)])])
    place = RecordId(topic_name, 0, 0)
    with reader_of(broker, topic_name) as reader:
        assert reader.fetch([place])[place].headers == [("a", b"1"), ("a", None)]


def test_what_never_was_is_missing(broker: Broker, topic_name: str) -> None:
    """No such topic, no such partition, beyond the end: said at once, and not waited for; what comes later is found."""
    broker.create_topic(topic_name)
    fill(broker, topic_name, 3)
    beyond = RecordId(topic_name, 0, 3)
    with reader_of(broker, topic_name) as reader:
        assert reader.fetch([RecordId(f"{topic_name}-not", 0, 0), RecordId(topic_name, 1, 0), beyond]) == {}
        fill(broker, topic_name, 1)
        assert set(reader.fetch([beyond])) == {beyond}

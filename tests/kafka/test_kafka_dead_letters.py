"""Dead letters: what is in them, and that each is answered once, whatever happens to the topic or the producer."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from confluent_kafka import KafkaError, Message
from kafka_support import RecordingLogger, admin_of, delete_topic, policy_for, until
from support import topics
from support.mock_cluster import PRODUCE, MockCluster
from support.recording_source import ThreadLoop
from support.topics import Broker

from stream.kafka.client_config import KafkaPolicy, common_config, producer_config, reader_config
from stream.kafka.dead_letters import DeadLetterTopic, Written
from stream.kafka.reader import OffsetReader
from stream.kafka.topics import HEADER_ROOM_BYTES, MOST_DEAD_LETTER_PARTITIONS, DeadLetterPlan, Topics
from stream.model.errors import MissingTopicError
from stream.model.events import DeadLetter, Reason
from stream.model.records import Headers, Record, TopicPartition

MONTH_S = 30 * 24 * 3600.0


def letter(
    offset: int = 7,
    *,
    partition: int = 1,
    key: bytes | None = b"ann",
    value: bytes | None = b'{"type":"track"}',
    headers: Headers | None = None,
) -> DeadLetter:
    record = Record("events", partition, offset, 1_800_000_000_000, key, value, headers)
    return DeadLetter(record, Reason.REJECTED, "400 Bad Request", "orders", "400", attempts=3)


class Desk:
    """Writes letters and keeps the answers."""

    def __init__(self, letters: DeadLetterTopic, loop: ThreadLoop) -> None:
        self.letters = letters
        self.answers: list[str] = []
        self._loop = loop

    def start(self, written: DeadLetter) -> None:
        """Write it without waiting for the answer."""
        self._loop.post(self.letters.write, written, self.answers.append)

    def write(self, *written: DeadLetter) -> list[str]:
        """Write them and wait for every answer."""
        self.answers.clear()
        for one in written:
            self._loop.post(self.letters.write, one, self.answers.append)
        assert self._loop.wait_for(lambda: len(self.answers) == len(written), 40), self.answers
        return list(self.answers)


@contextmanager
def desk_of(
    broker: Broker,
    topic: str,
    partitions: int = 2,
    *,
    look: Callable[[], int] | None = None,
    logger: RecordingLogger | None = None,
    options: Mapping[str, Any] | None = None,
) -> Iterator[Desk]:
    """A dead-letter topic that is written from a thread, as from the event loop."""
    config = producer_config(policy_for(broker, "events", group="tray", producer_options=options or {}))
    with ThreadLoop() as loop:
        letters = DeadLetterTopic(config, topic, "tray", partitions, loop.post, look, logger)
        try:
            yield Desk(letters, loop)
        finally:
            letters.close()


def read(broker: Broker, topic: str) -> list[Record]:
    return topics.read_topic(broker.bootstrap, topic)


def named(record: Record) -> dict[str, bytes | None]:
    return dict(record.headers or [])


def test_a_letter_has_the_record_as_it_was_and_says_why(broker: Broker, topic_name: str) -> None:
    """Key, value, partition and headers unchanged, ours added, earlier ones of the same names replaced."""
    broker.create_topic(topic_name, 2)
    kept: Headers = [("trace", b"a"), ("trace", b"b"), ("none", None), ("raw", b"\xff\x00")]
    old: Headers = [("tray.reason", b"expired"), ("tray.value", b"omitted"), ("tray.offset", b"1")]
    with desk_of(broker, topic_name) as desk:
        assert desk.write(letter(headers=[*old[:1], *kept, *old[1:]])) == [""]
    [record] = read(broker, topic_name)
    assert (record.partition, record.key, record.value) == (1, b"ann", b'{"type":"track"}')
    headers = list(record.headers or [])
    assert headers[:4] == kept
    ours = dict(headers[4:])
    assert re.fullmatch(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", ours.pop("tray.failed_at") or b"")
    assert ours == {
        "tray.reason": b"rejected",
        "tray.detail": b"400 Bad Request",
        "tray.group": b"tray",
        "tray.workflow": b"orders",
        "tray.status": b"400",
        "tray.attempts": b"3",
        "tray.topic": b"events",
        "tray.partition": b"1",
        "tray.offset": b"7",
        "tray.timestamp": b"1800000000000",
    }
    assert len(headers) == 4 + 11


def test_null_and_empty_stay_apart(broker: Broker, topic_name: str) -> None:
    """A record without key or value is not one with an empty one."""
    broker.create_topic(topic_name, 2)
    with desk_of(broker, topic_name) as desk:
        desk.write(letter(1, key=None, value=None), letter(2, key=b"", value=b""))
    assert [(r.key, r.value) for r in read(broker, topic_name)] == [(None, None), (b"", b"")]


def test_a_partition_that_the_topic_does_not_have_is_replaced(broker: Broker, topic_name: str) -> None:
    """Events of one key still come to one partition."""
    broker.create_topic(topic_name, 2)
    with desk_of(broker, topic_name) as desk:
        assert desk.write(*(letter(n, partition=5) for n in range(5))) == [""] * 5
    assert len({record.partition for record in read(broker, topic_name)}) == 1


def test_a_detail_of_any_text_fits_a_header(broker: Broker, topic_name: str) -> None:
    """Cut to a kilobyte, never within a letter; what cannot be encoded is escaped."""
    broker.create_topic(topic_name, 2)
    long, odd = letter(1), letter(2)
    long.detail, odd.detail = "é" * 2000, "a\udc80b"
    with desk_of(broker, topic_name) as desk:
        assert desk.write(long, odd) == ["", ""]
    found = [named(record)["tray.detail"] for record in read(broker, topic_name)]
    assert found == ["é".encode() * 512, rb"a\udc80b"]


def test_a_value_too_large_for_the_topic_is_omitted(apache_kafka: Broker, topic_name: str) -> None:
    """The letter is written all the same, with everything else."""
    apache_kafka.create_topic(topic_name, 2, {"max.message.bytes": "50000"})
    with desk_of(apache_kafka, topic_name) as desk:
        assert desk.write(letter(value=random.Random(1).randbytes(60_000))) == [""]
    [record] = read(apache_kafka, topic_name)
    assert (record.key, record.value) == (b"ann", None)
    assert named(record)["tray.value"] == b"omitted"


def test_letters_that_fit_one_by_one_keep_their_values(apache_kafka: Broker, topic_name: str) -> None:
    """A topic's limit is for a whole batch; many at once must not be taken for too large ones."""
    apache_kafka.create_topic(topic_name, 2, {"max.message.bytes": "100000"})
    with desk_of(apache_kafka, topic_name, options={"linger.ms": 200}) as desk:
        assert set(desk.write(*(letter(n, value=b"x" * 5_000) for n in range(100)))) == {""}
    assert {len(record.value or b"") for record in read(apache_kafka, topic_name)} == {5_000}


def test_a_topic_that_went_away_is_an_answer(apache_kafka: Broker, topic_name: str) -> None:
    """No crash; the letter is written when the topic is there again."""
    apache_kafka.create_topic(topic_name, 2)
    quick = {"topic.metadata.propagation.max.ms": 500, "topic.metadata.refresh.interval.ms": 200}
    with desk_of(apache_kafka, topic_name, options={**quick, "message.timeout.ms": 3000}) as desk:
        assert desk.write(letter(1)) == [""]
        delete_topic(apache_kafka, topic_name)
        assert desk.write(letter(2)) != [""]
        apache_kafka.create_topic(topic_name, 2)
        until(lambda: desk.write(letter(3)) == [""])
    assert [named(record)["tray.offset"] for record in read(apache_kafka, topic_name)] == [b"3"]


def test_a_topic_with_fewer_partitions_than_before_is_written_to(apache_kafka: Broker, topic_name: str) -> None:
    """Created again while letters are written: how many it has is asked again, and nothing is lost."""
    apache_kafka.create_topic(topic_name, 4)
    with desk_of(apache_kafka, topic_name, 4, options={"topic.metadata.refresh.interval.ms": 200}) as desk:
        assert desk.write(letter(1, partition=3)) == [""]
        delete_topic(apache_kafka, topic_name)
        apache_kafka.create_topic(topic_name, 2)
        until(lambda: desk.write(letter(2, partition=3), letter(3, partition=1)) == ["", ""], 60)
    found = {named(record)["tray.offset"]: record.partition for record in read(apache_kafka, topic_name)}
    assert found.keys() == {b"2", b"3"}
    assert found[b"3"] == 1


def test_a_topic_that_was_deleted_is_created_again(apache_kafka: Broker, topic_name: str) -> None:
    """Where that is allowed; a letter that waits gets there."""
    apache_kafka.create_topic(topic_name, 2)

    def look() -> int:
        apache_kafka.create_topic(topic_name, 1)
        return 1

    with desk_of(apache_kafka, topic_name, look=look) as desk:
        assert desk.write(letter(1)) == [""]
        delete_topic(apache_kafka, topic_name)
        until(lambda: desk.write(letter(2)) == [""], 60)
    assert [named(record)["tray.offset"] for record in read(apache_kafka, topic_name)] == [b"2"]


def test_a_topic_that_is_missing_is_said_soon(apache_kafka: Broker, topic_name: str) -> None:
    """With its name, while letters still wait in the client."""
    apache_kafka.create_topic(topic_name, 2)
    logger = RecordingLogger()
    with desk_of(apache_kafka, topic_name, logger=logger) as desk:
        assert desk.write(letter(1)) == [""]
        delete_topic(apache_kafka, topic_name)
        began = time.monotonic()
        desk.start(letter(2))
        until(lambda: logger.lines, 60)
        assert time.monotonic() - began < 20  # librdkafka itself says nothing for half a minute
    [(level, sentence, fields)] = logger.lines[:1]
    assert (level, sentence) == ("error", "Dead letters cannot be written; they wait.")
    assert topic_name in str(fields["error"])


def test_a_compressed_record_keeps_its_value(apache_kafka: Broker, topic_name: str) -> None:
    """The topic's limit is for what is stored: a value that fits compressed is not left out."""
    apache_kafka.create_topic(topic_name, 2, {"max.message.bytes": "50000"})
    value = b'{"type": "track", "name": "a long text"}' * 20_000
    with desk_of(apache_kafka, topic_name) as desk:
        assert desk.write(letter(value=value)) == [""]
    [record] = read(apache_kafka, topic_name)
    assert record.value == value


def test_a_letter_that_its_leader_does_not_take_is_answered_in_time_and_said(topic_name: str) -> None:
    """Too few replicas are in sync for acks=all: the client would retry for minutes without a word."""
    logger = RecordingLogger()
    with MockCluster() as cluster:
        cluster.create_topic(topic_name, 2)
        with desk_of(cluster, topic_name, logger=logger, options={"message.timeout.ms": 12_000}) as desk:
            assert desk.write(letter()) == [""]
            cluster.fail_next(PRODUCE, *[KafkaError.NOT_ENOUGH_REPLICAS] * 1000)
            assert desk.write(letter()) == ["message timed out"]
            assert "min.insync.replicas" in str(logger.lines)


def test_a_letter_is_given_half_a_minute() -> None:
    """Unless the settings say otherwise, under either of the two names of the option."""
    assert producer_config(KafkaPolicy("b", ("events",), "tray"))["message.timeout.ms"] == 30_000
    given = {"delivery.timeout.ms": 5_000}
    options = list(producer_config(KafkaPolicy("b", ("events",), "tray", producer_options=given)))
    assert options.index("message.timeout.ms") < options.index("delivery.timeout.ms")


def test_a_full_queue_is_an_answer(mock_cluster: MockCluster, topic_name: str) -> None:
    """What does not fit is answered at once; the rest is written."""
    mock_cluster.create_topic(topic_name, 2)
    tiny = {"queue.buffering.max.messages": 5, "linger.ms": 300}
    with desk_of(mock_cluster, topic_name, options=tiny) as desk:
        answers = desk.write(*(letter(n) for n in range(20)))
        assert answers.count("the producer's queue is full") == 15
        assert desk.write(letter(99)) == [""]
    assert len(read(mock_cluster, topic_name)) == 6


def test_a_fatal_error_costs_one_producer_not_the_topic(topic_name: str) -> None:
    """An idempotent producer never works again after one; the next letters are written by another."""
    with MockCluster() as cluster:
        cluster.create_topic(topic_name, 2)
        with desk_of(cluster, topic_name) as desk:
            for _ in range(2):
                assert desk.write(letter(1)) == [""]
                cluster.fail_next(PRODUCE, KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER)
                [answer] = desk.write(letter(2))
                assert answer == "OUT_OF_ORDER_SEQUENCE_NUMBER"
                while (answers := desk.write(letter(3))) != [""]:
                    assert "fatal" in answers[0].lower()


def test_closing_does_not_wait_for_letters(topic_name: str) -> None:
    """Their events were not committed, so nothing is lost."""
    with MockCluster() as cluster:
        cluster.create_topic(topic_name, 2)
        with desk_of(cluster, topic_name) as desk:
            desk.write(letter(1))
            cluster.set_down()
            desk.letters.write(letter(2), desk.answers.append)
        assert desk.answers == [""]


def described(broker: Broker, topic: str, client: Topics) -> Mapping[str, str]:
    return client.topic_config(topic)


def test_the_dead_letter_topic_is_created_like_its_sources(apache_kafka: Broker, topic_name: str) -> None:
    """As many partitions as the first, room for the largest record of any and the headers, kept for its time."""
    apache_kafka.create_topic(topic_name, 3, {"max.message.bytes": "200000"})
    apache_kafka.create_topic(f"{topic_name}.b", 1, {"max.message.bytes": "300000"})
    client = Topics(common_config(policy_for(apache_kafka, topic_name)))
    plan = DeadLetterPlan(f"{topic_name}.dl", create=True, retention_s=MONTH_S)
    sources = ["no-such-topic", topic_name, f"{topic_name}.b"]
    assert client.ensure_dead_letters(plan, sources) == 3
    assert client.partition_counts()[plan.topic] == 3
    config = described(apache_kafka, plan.topic, client)
    assert config["cleanup.policy"] == "delete"
    assert config["retention.ms"] == str(int(MONTH_S * 1000))
    assert config["max.message.bytes"] == str(300_000 + HEADER_ROOM_BYTES)
    assert client.ensure_dead_letters(plan, sources) == 3
    assert client.dead_letter_findings(plan.topic) == []


def test_the_dead_letter_topic_of_very_many_partitions_is_smaller(apache_kafka: Broker, topic_name: str) -> None:
    """It has a thousand at most, and takes the letters of the partitions beyond."""
    apache_kafka.create_topic(topic_name, MOST_DEAD_LETTER_PARTITIONS + 1)
    client = Topics(common_config(policy_for(apache_kafka, topic_name)))
    plan = DeadLetterPlan(f"{topic_name}.dl", create=True, retention_s=MONTH_S)
    assert client.ensure_dead_letters(plan, [topic_name]) == MOST_DEAD_LETTER_PARTITIONS
    with desk_of(apache_kafka, plan.topic, MOST_DEAD_LETTER_PARTITIONS) as desk:
        assert desk.write(letter(partition=MOST_DEAD_LETTER_PARTITIONS)) == [""]


def test_a_letter_of_the_largest_record_fits_the_created_topic(apache_kafka: Broker, topic_name: str) -> None:
    """The headers have room of their own."""
    apache_kafka.create_topic(topic_name, 1, {"max.message.bytes": "200000"})
    client = Topics(common_config(policy_for(apache_kafka, topic_name)))
    plan = DeadLetterPlan(f"{topic_name}.dl", create=True, retention_s=MONTH_S)
    client.ensure_dead_letters(plan, [topic_name])
    largest = b"x" * (200_000 - 100)
    topics.produce_events(apache_kafka.bootstrap, topic_name, [(None, largest, 0, None)])
    with desk_of(apache_kafka, plan.topic, 1) as desk:
        assert desk.write(letter(partition=0, value=largest)) == [""]
    [record] = read(apache_kafka, plan.topic)
    assert record.value == largest


def test_a_topic_that_must_not_be_created_is_refused_with_the_command(apache_kafka: Broker, topic_name: str) -> None:
    """Ready to paste, with everything that this program would have set."""
    apache_kafka.create_topic(topic_name, 3)
    client = Topics(common_config(policy_for(apache_kafka, topic_name)))
    with pytest.raises(MissingTopicError) as found:
        client.ensure_dead_letters(DeadLetterPlan(f"{topic_name}.dl", False, 3600), [topic_name])
    assert str(found.value).endswith(
        f"--create --topic {topic_name}.dl --partitions 3 --config cleanup.policy=delete "
        f"--config retention.ms=3600000 --config max.message.bytes={1_048_588 + HEADER_ROOM_BYTES}"
    )


def test_a_topic_that_forgets_is_found(apache_kafka: Broker, topic_name: str) -> None:
    """Compaction, and less than a week."""
    apache_kafka.create_topic(topic_name, 1, {"cleanup.policy": "compact,delete", "retention.ms": "86400000"})
    client = Topics(common_config(policy_for(apache_kafka, topic_name)))
    compacts, short = client.dead_letter_findings(topic_name)
    assert "compacts" in compacts
    assert "less than 7 days" in short


def test_offsets_are_asked_without_joining_the_group(broker: Broker, topic_name: str) -> None:
    """Partitions, ranges and commits; what does not exist has none."""
    broker.create_topic(topic_name, 2)
    topics.produce_events(broker.bootstrap, topic_name, [("a", b"1", 0, None)] * 3)
    policy = policy_for(broker, topic_name)
    with OffsetReader(reader_config(policy)) as reader:
        tps = [TopicPartition(topic_name, 0), TopicPartition(topic_name, 1)]
        assert reader.partitions([topic_name, "no-such-topic"]) == tps
        assert reader.partitions([f"^{topic_name}"]) == tps
        assert [reader.range_of(tp) for tp in tps] == [(0, 3), (0, 0)]
        assert reader.committed(tps) == {}
        assert reader.committed([]) == {}
    with admin_of(broker) as admin:
        assert admin.list_topics(topic_name, timeout=20).topics[topic_name].error is None


def test_a_letter_that_is_acknowledged_without_an_offset_is_in_doubt(broker: Broker, topic_name: str) -> None:
    """The client says so of what it holds for a repetition; whoever wrote it is to write it again."""
    broker.create_topic(topic_name)
    with desk_of(broker, topic_name) as desk:
        written = Written(0, b"ann", b"{}", [])
        answers: list[str] = []
        for offset in (None, 5):
            sent = Message(topic=topic_name, partition=0, offset=-1001 if offset is None else offset)
            desk.letters._on_delivery(written, answers.append, False, None, sent)
        until(lambda: len(answers) == 2)
        assert answers == ["acknowledged without an offset", ""]

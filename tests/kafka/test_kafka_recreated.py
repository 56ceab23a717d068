"""A topic that is deleted and created again under its name: none of its new records is passed over."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as KafkaPartition
from kafka_support import QUIET, Member, delete_topic, fill, policy_for, until
from support.mock_cluster import MockCluster
from support.topics import Broker

from stream.model.commit_map import CommitMap, decode, encode, name_hash
from stream.model.records import TopicPartition
from stream.model.source import DataLoss

PROTOCOLS = ["classic", "consumer"]
POLICIES = ["stop", "skip"]
OLD_ID = "2uunggQMRSWKNVu1zzpjfQ"


@pytest.mark.parametrize("group_protocol", PROTOCOLS)
@pytest.mark.parametrize("on_data_loss", POLICIES)
def test_a_topic_that_was_read_to_its_end_begins_anew(
    apache_kafka: Broker, topic_name: str, group_protocol: str, on_data_loss: str
) -> None:
    """The new one holds more than was read of the old one, so that no offset is out of range; all of it is read."""
    apache_kafka.create_topic(topic_name)
    fill(apache_kafka, topic_name, 30)
    policy = policy_for(apache_kafka, topic_name, on_data_loss=on_data_loss, group_protocol=group_protocol)
    with Member(policy) as member:
        member.wait_records(30)
        member.commit()
        member.wait(lambda: member.source.ends)
        member.wait(lambda: TopicPartition(topic_name, 0) in member.owner._topics._read_to_end)
        old_id = member.started()[0].topic_id
        recreate(apache_kafka, topic_name, 100)
        member.wait_records(130)
        assert member.source.offsets(0)[30:] == list(range(100))
        assert member.started()[-1].start == 0
        assert member.started()[-1].topic_id not in ("", old_id)
        assert not member.has_ended
        member.commit()
    offset, metadata = committed_text(apache_kafka, topic_name)
    assert offset == 100
    assert decode(metadata, 100).topic_id == member.started()[-1].topic_id


def test_a_topic_that_was_not_read_to_its_end_stops_its_partition(apache_kafka: Broker, topic_name: str) -> None:
    """The engine is told, and one error line says why; nothing of the new topic is taken for the old one's."""
    tp = TopicPartition(topic_name, 0)
    apache_kafka.create_topic(topic_name)
    fill(apache_kafka, topic_name, 30)
    with Member(policy_for(apache_kafka, topic_name)) as member:
        member.wait_records(30)
        member.owner.set_intake(False)
        until(lambda: member.owner._assignment.is_paused)
        fill(apache_kafka, topic_name, 70)
        until(lambda: tp not in member.owner._topics._read_to_end)
        recreate(apache_kafka, topic_name, 200)
        member.wait(lambda: member.source.losses)
        assert [(loss.skipped, loss.reason) for loss in member.source.losses] == [(False, "recreated")]
        member.wait(lambda: member.logger.count("created again before it was read to its end", "error") == 1)


@pytest.mark.parametrize("on_data_loss", POLICIES)
def test_the_commit_of_an_earlier_topic_is_none_of_the_new_ones(
    apache_kafka: Broker, topic_name: str, on_data_loss: str
) -> None:
    """A map whose topic id differs is never applied: stopped, or read from the first record."""
    tp = TopicPartition(topic_name, 0)
    apache_kafka.create_topic(topic_name)
    fill(apache_kafka, topic_name, 50)
    metadata = encode(CommitMap(20, {name_hash("orders"): [(30, 45)]}, OLD_ID), 4000)
    commit_text(apache_kafka, topic_name, KafkaPartition(topic_name, 0, 20, metadata))
    with Member(policy_for(apache_kafka, topic_name, on_data_loss=on_data_loss)) as member:
        member.wait(lambda: member.source.losses)
        skipped = on_data_loss == "skip"
        assert member.source.losses == [DataLoss(tp, first=20, resume=0, skipped=skipped)]
        if skipped:
            member.wait(lambda: member.source.offsets(0)[-50:] == list(range(50)))
            last = member.started()[-1]
            assert (last.start, last.committed, last.metadata) == (0, None, "")
    assert committed_text(apache_kafka, topic_name)[0] == (50 if skipped else 20)


def test_what_is_open_of_the_old_topic_is_delivered_first(apache_kafka: Broker, topic_name: str) -> None:
    """The events that were read cannot be read again; the new topic waits for them."""
    apache_kafka.create_topic(topic_name)
    fill(apache_kafka, topic_name, 5)
    with Member(policy_for(apache_kafka, topic_name, on_data_loss="skip")) as member:
        member.wait_records(5)
        member.source.is_open = True
        recreate(apache_kafka, topic_name, 3)
        member.wait(lambda: member.logger.count("What was read of the old one is delivered"))
        member.wait(lambda: member.owner._loss._ending)
        assert len(member.started()) == 1
        member.source.is_open = False
        member.wait_records(8)
        assert member.source.offsets(0)[-3:] == [0, 1, 2]


@pytest.mark.parametrize("found", [0, 6], ids=["empty at first", "with records at first"])
def test_a_topic_that_comes_back_starts_at_its_first_record(apache_kafka: Broker, topic_name: str, found: int) -> None:
    """With `start = "latest"` too: its deletion took the group's commits away, but the group is not new to it."""
    apache_kafka.create_topic(topic_name)
    fill(apache_kafka, topic_name, found)
    policy = policy_for(apache_kafka, topic_name, start="latest", options={"topic.metadata.refresh.interval.ms": 200})
    with Member(policy) as member:
        member.wait_assigned(0)
        fill(apache_kafka, topic_name, 5)
        member.wait_records(5)
        member.commit()
        delete_topic(apache_kafka, topic_name)
        member.wait(lambda: "revoked" in member.source.calls or "lost" in member.source.calls)
        apache_kafka.create_topic(topic_name)
        fill(apache_kafka, topic_name, 7)
        member.wait(lambda: set(range(7)) <= set(member.source.offsets(0)[5:]))


def test_the_start_of_a_new_group_is_committed_with_the_id(apache_kafka: Broker, topic_name: str) -> None:
    """So that the very first commit says which topic it belongs to."""
    apache_kafka.create_topic(topic_name)
    fill(apache_kafka, topic_name, 5)
    with Member(policy_for(apache_kafka, topic_name)) as member:
        member.wait_assigned(0)
        offset, metadata = committed_text(apache_kafka, topic_name)
        assert offset == 0
        assert decode(metadata, 0).topic_id == member.started()[0].topic_id != ""


def test_a_broker_that_gives_no_ids_is_read_as_ever(mock_cluster: MockCluster, topic_name: str) -> None:
    """The mock cluster answers no such question."""
    mock_cluster.create_topic(topic_name)
    fill(mock_cluster, topic_name, 5)
    with Member(policy_for(mock_cluster, topic_name)) as member:
        member.wait_records(5)
        assert member.started()[0].topic_id == ""
        member.commit()
    assert committed_text(mock_cluster, topic_name) == (5, "")


def recreate(broker: Broker, topic: str, count: int) -> None:
    """Delete a topic, create it again, and produce `count` records."""
    delete_topic(broker, topic)
    broker.create_topic(topic)
    fill(broker, topic, count)


def commit_text(broker: Broker, group: str, where: KafkaPartition) -> None:
    """Commit with metadata, for a group without members."""
    with group_consumer(broker, group) as consumer:
        consumer.commit(offsets=[where], asynchronous=False)


def committed_text(broker: Broker, topic: str) -> tuple[int, str]:
    """Offset and metadata that the group of the topic's name has committed for partition 0."""
    with group_consumer(broker, topic) as consumer:
        [answer] = consumer.committed([KafkaPartition(topic, 0)], timeout=20)
        return answer.offset, answer.metadata or ""


def group_consumer(broker: Broker, group: str) -> Consumer:
    """A consumer that is no member."""
    return Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group, "enable.auto.commit": False, **QUIET})

"""Offsets that hold no record: markers and aborted records. The position passes them all."""

from __future__ import annotations

from kafka_support import Member, committed, fill, policy_for
from support import topics
from support.topics import Broker

from stream.model.records import TopicPartition

KEPT: list[topics.Given] = [("k", b"kept", 0, None)] * 3
GONE: list[topics.Given] = [("k", b"gone", 0, None)] * 4


def test_the_end_is_told_when_everything_was_read(broker: Broker, topic_name: str) -> None:
    """Also of an empty partition; the lag can become 0."""
    broker.create_topic(topic_name, 2)
    fill(broker, topic_name, 3)
    with Member(policy_for(broker, topic_name)) as member:
        wanted = {TopicPartition(topic_name, 0): 3, TopicPartition(topic_name, 1): 0}
        member.wait(lambda: member.source.ends == wanted)
        fill(broker, topic_name, 2, (1,))
        member.wait(lambda: member.source.ends == {**wanted, TopicPartition(topic_name, 1): 2})


def test_markers_and_aborted_records_are_passed(apache_kafka: Broker, topic_name: str) -> None:
    """The commit reaches the end, whatever the log ends with."""
    apache_kafka.create_topic(topic_name)
    bootstrap, tp = apache_kafka.bootstrap, TopicPartition(topic_name, 0)
    topics.produce_transaction(bootstrap, topic_name, KEPT, topic_name)  # 0-2, marker 3
    topics.produce_transaction(bootstrap, topic_name, GONE, topic_name, commit=False)  # 4-7, marker 8
    topics.produce_transaction(bootstrap, topic_name, KEPT, topic_name)  # 9-11, marker 12
    topics.produce_transaction(bootstrap, topic_name, GONE, topic_name, commit=False)  # 13-16, marker 17
    policy = policy_for(apache_kafka, topic_name)
    with Member(policy) as member:
        member.wait(lambda: member.source.ends.get(tp) == 18)
        assert member.source.offsets(0) == [0, 1, 2, 9, 10, 11]
    assert committed(apache_kafka, topic_name) == {0: 18}
    with Member(policy) as again:
        again.wait(lambda: again.source.ends.get(tp) == 18)
        fill(apache_kafka, topic_name, 1)
        again.wait(lambda: again.source.offsets(0) == [18])

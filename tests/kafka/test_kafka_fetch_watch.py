"""A partition that the client has ceased to fetch is fetched anew; one that is only idle is left alone."""

from __future__ import annotations

from threading import Event

from assertions import HANG_S
from confluent_kafka import TopicPartition as KafkaPartition
from kafka_support import Member, fill, policy_for, until
from support.topics import Broker

from stream.kafka.consumer_thread import ConsumerThread

SILENT_S = 2.0
LINE = "fetched anew"


def watched(broker: Broker, topic: str) -> Member:
    """A member that accepts only short silences."""
    member = Member(policy_for(broker, topic))
    member.owner._fetches.silent_s = SILENT_S
    return member


def pause_unnoticed(owner: ConsumerThread, topic: str) -> None:
    """Partition 0, within the client alone; returns when that is done."""
    is_paused = Event()

    def pause() -> None:
        owner._consumer.pause([KafkaPartition(topic, 0)])
        owner._assignment.at_end.clear()
        is_paused.set()

    owner._commands.put(pause)
    assert is_paused.wait(HANG_S)


def test_a_partition_that_the_client_leaves_paused_is_fetched_anew(broker: Broker, topic_name: str) -> None:
    """As when the client drops a call to resume it; every record comes once, in order, while the other one flows."""
    broker.create_topic(topic_name, 2)
    fill(broker, topic_name, 20, (0, 1))
    with watched(broker, topic_name) as member:
        member.wait_records(20)
        pause_unnoticed(member.owner, topic_name)
        fill(broker, topic_name, 20, (0, 1))
        member.wait_records(40)
        assert member.source.offsets(0) == member.source.offsets(1) == list(range(20))
        assert member.logger.count(LINE)
        assert member.source.calls.count("assigned") == 1


def test_idle_partitions_are_left_alone(broker: Broker, topic_name: str) -> None:
    """Read to their end, empty, or paused and resumed there: nothing is to come of them."""
    broker.create_topic(topic_name, 3)
    fill(broker, topic_name, 10)
    with watched(broker, topic_name) as member:
        member.wait_records(10)
        member.owner.set_intake(False)
        until(lambda: member.owner._assignment.is_paused)
        member.owner.set_intake(True)
        until(lambda: not member.owner._assignment.is_paused)
        began = member.owner._fetches._idle_s
        until(lambda: member.owner._fetches._idle_s - began > 2.5 * SILENT_S)
        assert member.logger.count(LINE) == 0
        assert len(member.owner._assignment.at_end) == 3

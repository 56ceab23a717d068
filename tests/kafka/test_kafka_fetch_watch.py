"""Where the client drops a call to pause or to resume: what is not fetched is fetched anew, what is paused stays so."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

from assertions import HANG_S
from confluent_kafka import TopicPartition as KafkaPartition
from kafka_support import Member, fill, policy_for, until
from support.topics import Broker

from stream.model.records import TopicPartition

SILENT_S = 2.0
LINE = "fetched anew"


def watched(broker: Broker, topic: str) -> Member:
    """A member that accepts only short silences."""
    member = Member(policy_for(broker, topic))
    member.owner._fetches.silent_s = SILENT_S
    return member


def on_thread(member: Member, call: Callable[[], object]) -> None:
    """Run it on the consumer's thread; returns when that is done."""
    is_done = Event()

    def run() -> None:
        call()
        is_done.set()

    member.owner._commands.put(run)
    assert is_done.wait(HANG_S)


def poll_on(member: Member) -> None:
    """Let the consumer poll some more times."""
    until_beats = member.beats + 20
    until(lambda: member.beats > until_beats)


def test_a_partition_that_the_client_leaves_paused_is_fetched_anew(broker: Broker, topic_name: str) -> None:
    """As when the client drops a call to resume it; every record comes once, in order, while the other one flows."""
    broker.create_topic(topic_name, 2)
    fill(broker, topic_name, 20, (0, 1))
    with watched(broker, topic_name) as member:
        member.wait_records(20)
        owner = member.owner
        on_thread(member, lambda: owner._consumer.pause([KafkaPartition(topic_name, 0)]))
        on_thread(member, owner._assignment.at_end.clear)
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


def test_what_is_paused_is_paused_again(broker: Broker, topic_name: str) -> None:
    """A full engine is not handed more than what came before the client noticed."""
    broker.create_topic(topic_name)
    fill(broker, topic_name, 10)
    with Member(policy_for(broker, topic_name)) as member:
        member.wait_records(10)
        owner = member.owner
        owner.set_intake(False)
        until(lambda: owner._assignment.is_paused)
        on_thread(member, lambda: owner._consumer.resume([KafkaPartition(topic_name, 0)]))
        fill(broker, topic_name, 1)
        member.wait_records(11)
        fill(broker, topic_name, 10)
        poll_on(member)
        assert len(member.source.records) == 11
        owner.set_intake(True)
        member.wait_records(21)
        assert member.source.offsets(0) == list(range(21))


def test_what_comes_of_a_stopped_partition_does_not_count(broker: Broker, topic_name: str) -> None:
    """Neither records nor its end, both of which lie beyond what was lost."""
    broker.create_topic(topic_name, 2)
    fill(broker, topic_name, 10)
    with Member(policy_for(broker, topic_name)) as member:
        member.wait_records(10)
        owner, tp = member.owner, TopicPartition(topic_name, 0)
        on_thread(member, lambda: owner._assignment.stop(owner._consumer, tp))
        on_thread(member, lambda: owner._consumer.resume([KafkaPartition(*tp)]))
        fill(broker, topic_name, 20, (0, 1))
        member.wait_records(20)
        poll_on(member)
        assert member.source.offsets(0) == list(range(10))
        assert member.source.positions[tp] == 10

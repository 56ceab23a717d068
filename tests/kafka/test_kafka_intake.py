"""A full engine takes nothing, the group does not notice, and afterwards every record comes once, in order."""

from __future__ import annotations

import resource
import time

from assertions import every
from kafka_support import Member, fill, in_order, policy_for, skip_if_mock_refused, until
from support.topics import Broker

from stream.kafka.consumer_thread import STALL_S
from stream.model.records import TopicPartition


def close_intake(member: Member) -> None:
    """Close it, and wait until the partitions are paused."""
    member.owner.set_intake(False)
    until(lambda: member.owner._assignment.is_paused)


def test_what_was_held_back_comes_once_and_in_order(broker: Broker, topic_name: str) -> None:
    """Pausing drops what was fetched ahead; it is fetched again."""
    broker.create_topic(topic_name, 2)
    fill(broker, topic_name, 5000, (0, 1), size=200)
    with Member(policy_for(broker, topic_name)) as member:
        member.wait_records(1)
        began = time.monotonic()
        close_intake(member)
        assert time.monotonic() - began >= STALL_S
        before = member.on_loop(lambda: len(member.source.records))
        fill(broker, topic_name, 1000, (0, 1), size=200)
        assert member.on_loop(lambda: len(member.source.records)) == before
        member.owner.set_intake(True)
        member.wait_records(6000)
        for partition in (0, 1):
            assert member.source.offsets(partition) == list(range(3000))


def test_a_short_pause_does_not_drop_what_was_fetched(broker: Broker, topic_name: str) -> None:
    """Within a second the owner only waits, and goes on as soon as it may."""
    broker.create_topic(topic_name)
    fill(broker, topic_name, 100)
    with Member(policy_for(broker, topic_name)) as member:
        member.wait_records(100)
        member.owner.set_intake(False)
        fill(broker, topic_name, 100)
        assert not member.owner._assignment.is_paused
        member.owner.set_intake(True)
        member.wait_records(200)
        assert member.source.offsets(0) == list(range(200))


def test_the_poll_interval_is_not_exceeded_while_nothing_is_taken(apache_kafka: Broker, topic_name: str) -> None:
    """A member that is full for longer than max.poll.interval.ms keeps its partitions."""
    apache_kafka.create_topic(topic_name)
    options = {"session.timeout.ms": 1500, "heartbeat.interval.ms": 200}
    policy = policy_for(apache_kafka, topic_name, max_poll_interval_s=2.0, consumer_options=options)
    with Member(policy) as member:
        member.wait_assigned(0)
        close_intake(member)
        full_since = time.monotonic()
        fill(apache_kafka, topic_name, 10)
        until(lambda: time.monotonic() - full_since > 4)
        member.owner.set_intake(True)
        member.wait_records(10)
        assert member.source.calls.count("assigned") == 1
        assert member.source.lost == member.source.revoked == []


def test_a_full_member_does_not_block_the_group(broker: Broker, topic_name: str) -> None:
    """Another member joins and is served at once; the full one's partitions are paused afterwards as before."""
    broker.create_topic(topic_name, 2)
    fill(broker, topic_name, 20, (0, 1))
    policy = policy_for(broker, topic_name)
    with Member(policy) as full:
        full.wait_records(20)
        close_intake(full)
        with Member(policy) as other:
            other.wait(lambda: other.source.epochs)
            [moved] = other.source.epochs
            fill(broker, topic_name, 20, (0, 1))
            other.wait_records(10)
            skip_if_mock_refused(broker, full)
            assert other.source.offsets(moved.partition) == list(range(10, 20)), full.story()
            assert len(full.source.records) <= 30
        full.wait_assigned(0, 1)
        full.owner.set_intake(True)
        full.wait_records(30)
        assert every(in_order(full.source.offsets(p)) for p in (0, 1))


def test_a_member_that_is_full_from_the_beginning_starts_when_it_may(apache_kafka: Broker, topic_name: str) -> None:
    """Partitions that are granted while nothing is taken do not lose where they start."""
    apache_kafka.create_topic(topic_name, 2)
    fill(apache_kafka, topic_name, 3000, (0, 1))
    policy = policy_for(apache_kafka, topic_name)
    with Member(policy) as member:
        member.owner.set_intake(False)
        member.wait_assigned(0, 1)
        close_intake(member)
        member.owner.set_intake(True)
        member.wait_records(3000)
        assert [member.source.offsets(p) for p in (0, 1)] == [list(range(1500))] * 2


def test_a_slow_engine_holds_few_batches(broker: Broker, topic_name: str) -> None:
    """The owner polls no more than two batches ahead of the event loop."""
    broker.create_topic(topic_name)
    fill(broker, topic_name, 20_000, size=100)
    with Member(policy_for(broker, topic_name)) as member:
        ahead: list[int] = []
        member.source.before_records = lambda _batch: ahead.append(member.owner._handed - member.owner._taken)
        member.wait_records(20_000)
        assert max(ahead) <= 2
        assert member.source.offsets(0) == list(range(20_000))


def test_what_is_fetched_ahead_is_bounded(apache_kafka: Broker, topic_name: str) -> None:
    """While nothing is taken the client keeps some megabytes, not the topic."""
    apache_kafka.create_topic(topic_name)
    fill(apache_kafka, topic_name, 1000, size=100_000)
    with Member(policy_for(apache_kafka, topic_name)) as member:
        before = peak_mib()
        member.owner.set_intake(False)
        member.wait_assigned(0)
        close_intake(member)
        assert peak_mib() - before < 80
        member.source.before_records = lambda batch: batch.records[:-1].clear()
        member.owner.set_intake(True)
        member.wait(lambda: member.source.positions and min(member.source.positions.values()) == 1000)


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_a_partition_that_is_unwanted_for_a_moment_is_not_paused(broker: Broker, topic_name: str) -> None:
    """What is polled of it waits, and comes in order before what follows; the other partition goes on."""
    broker.create_topic(topic_name, 2)
    fill(broker, topic_name, 200, (0, 1))
    with Member(policy_for(broker, topic_name)) as member:
        member.wait_records(200)
        member.owner.set_stopped([TopicPartition(topic_name, 0)])
        until(lambda: member.owner._unwanted)
        fill(broker, topic_name, 200, (0, 1))
        member.wait_records(300)
        assert [len(member.source.offsets(p)) for p in (0, 1)] == [100, 200]
        fill(broker, topic_name, 200, (0, 1))
        member.owner.set_stopped([])
        member.wait_records(600)
        assert not member.owner._assignment.not_read
        assert [member.source.offsets(p) for p in (0, 1)] == [list(range(300))] * 2


def test_a_partition_of_which_much_is_unwanted_is_paused(broker: Broker, topic_name: str) -> None:
    """So that memory is bounded; it is read from where it was left once it is wanted again."""
    broker.create_topic(topic_name, 2)
    fill(broker, topic_name, 200, (0, 1))
    with Member(policy_for(broker, topic_name)) as member:
        member.wait_records(200)
        unwanted = TopicPartition(topic_name, 0)
        member.owner.set_stopped([unwanted])
        until(lambda: member.owner._unwanted)
        fill(broker, topic_name, 10_000, (0, 1), size=1000)
        member.wait_records(5_200)
        until(lambda: member.owner._assignment.not_read == {unwanted})
        assert [len(member.source.offsets(p)) for p in (0, 1)] == [100, 5_100]
        member.owner.set_stopped([])
        member.wait_records(10_200)
        assert [member.source.offsets(p) for p in (0, 1)] == [list(range(5_100))] * 2

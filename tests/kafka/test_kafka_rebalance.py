"""Partitions that come and go: drained and committed before they go, never left paused, epoch by epoch."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from confluent_kafka import KafkaError
from kafka_support import Member, committed, fill, in_order, policy_for, skip_if_mock_refused, until
from support.mock_cluster import HEARTBEAT, OFFSET_COMMIT, MockCluster
from support.topics import Broker

from stream.model.errors import RefusedError
from stream.model.source import CommitOffset, CommitOutcome

PROTOCOLS = ["classic", "consumer"]


def both_members_read_all_once(broker: Broker, topic: str, commit_interval_s: float = 0.5, **policy: Any) -> Member:
    """Records keep coming while a second member joins and leaves: each is received once. The first member."""
    broker.create_topic(topic, 4)
    fill(broker, topic, 200, range(4))
    chosen = policy_for(broker, topic, **policy)
    with Member(chosen) as first, committing(first, commit_interval_s):
        first.wait_records(200)
        with Member(chosen) as second, committing(second, commit_interval_s):
            until(lambda: len(first.source.epochs) == len(second.source.epochs) == 2)
            assert first.source.lost == []
            fill(broker, topic, 200, range(4))
            until(lambda: len(first.source.records) + len(second.source.records) >= 400)
        first.wait_assigned(0, 1, 2, 3)
        fill(broker, topic, 200, range(4))
        until(lambda: len(first.source.records) + len(second.source.records) >= 600)
    skip_if_mock_refused(broker, first, second)
    for partition in range(4):
        seen = [*first.source.offsets(partition), *second.source.offsets(partition)]
        assert sorted(seen) == list(range(150)), f"{first.story()} {second.story()}"
        assert in_order(first.source.offsets(partition))
    assert committed(broker, topic) == dict.fromkeys(range(4), 150)
    return first


@contextmanager
def committing(member: Member, interval_s: float) -> Iterator[None]:
    """Commit what was received again and again, as an engine does."""
    stop = threading.Event()

    def commit_on() -> None:
        while not stop.wait(interval_s):
            member.commit(wait=False)

    thread = threading.Thread(target=commit_on)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_drained_partition_moves_without_a_record_twice(broker: Broker, topic_name: str) -> None:
    """The last commit is stored before the partitions go; those that stay are read on; none is left paused."""
    both_members_read_all_once(broker, topic_name)


def test_a_drained_partition_moves_without_a_record_twice_with_kip_848(apache_kafka: Broker, topic_name: str) -> None:
    """The same with the broker's own group protocol; commits that meet an older member epoch are tried again."""
    first = both_members_read_all_once(apache_kafka, topic_name, group_protocol="consumer", commit_interval_s=0.02)
    assert len(first.source.results) > 50
    errors = {result.error: result.outcome for result in first.source.results if result.error}
    assert errors.keys() <= {"STALE_MEMBER_EPOCH", "out of date"}
    assert errors.get("STALE_MEMBER_EPOCH", CommitOutcome.RETRIED) is CommitOutcome.RETRIED


def test_the_last_commit_is_stored_although_the_coordinator_is_busy(topic_name: str) -> None:
    """librdkafka lets go of nothing while a commit is under way."""
    with MockCluster() as cluster:
        cluster.create_topic(topic_name, 2)
        fill(cluster, topic_name, 20, (0, 1))
        policy = policy_for(cluster, topic_name)
        with Member(policy) as first:
            first.wait_records(20)
            cluster.fail_next(OFFSET_COMMIT, *[KafkaError.COORDINATOR_LOAD_IN_PROGRESS] * 2)
            with Member(policy) as second:
                until(lambda: len(second.source.epochs) == 1)
                skip_if_mock_refused(cluster, first)
                assert second.source.started[0].start == 10
                assert first.source.results[-1].outcome is CommitOutcome.OK


def test_a_commit_asked_for_before_a_revoke_does_not_set_the_offset_back(broker: Broker, topic_name: str) -> None:
    """It waits in the queue while the partition is drained, and the drain commits more."""
    broker.create_topic(topic_name, 2)
    fill(broker, topic_name, 20, (0, 1))
    policy = policy_for(broker, topic_name)
    with Member(policy) as first:
        first.wait_records(20)
        first.source.holds_drains = True
        with Member(policy) as second:
            first.wait(lambda: first.source.drains)
            [gone] = first.source.revoked
            old = next(one.epoch for one in first.source.started if one.tp == gone)
            first.owner.commit({gone: CommitOffset(old, 3)})
            first.on_loop(lambda: first.source.drains.pop()({}))
            second.wait(lambda: second.source.epochs)
            first.source.holds_drains = False
            skip_if_mock_refused(broker, first)
            assert second.source.started[0].start == 10


def test_a_member_that_is_drained_holds_its_partitions_until_it_is_done(apache_kafka: Broker, topic_name: str) -> None:
    """The next owner begins after the drain, and the thread gives signs of life meanwhile."""
    apache_kafka.create_topic(topic_name, 2)
    policy = policy_for(apache_kafka, topic_name)
    with Member(policy) as first:
        first.wait_assigned(0, 1)
        first.source.holds_drains = True
        with Member(policy) as second:
            first.wait(lambda: first.source.drains)
            beats = first.beats
            until(lambda: first.beats > beats + 1)
            assert second.source.epochs == {}
            first.on_loop(lambda: first.source.drains.pop()({}))
            second.wait(lambda: second.source.epochs)
            first.source.holds_drains = False


def test_a_drain_that_does_not_end_is_given_up(mock_cluster: MockCluster, topic_name: str) -> None:
    """After the drain timeout and some slack the partitions go without a commit: received again, never lost."""
    mock_cluster.create_topic(topic_name, 2)
    fill(mock_cluster, topic_name, 10, (0, 1))
    policy = policy_for(mock_cluster, topic_name, drain_timeout_s=0.1)
    with Member(policy) as first:
        first.wait_records(10)
        first.source.holds_drains = True
        with Member(policy) as second:
            second.wait_records(5)
            [gone] = first.source.revoked
            assert second.source.offsets(gone.partition) == [0, 1, 2, 3, 4]
            first.source.holds_drains = False


def test_a_second_tenure_has_another_epoch_and_starts_at_the_commit(apache_kafka: Broker, topic_name: str) -> None:
    """A partition that went away and came back in one process is read on, in a new epoch."""
    apache_kafka.create_topic(topic_name, 2)
    fill(apache_kafka, topic_name, 10, (0, 1))
    policy = policy_for(apache_kafka, topic_name)
    with Member(policy) as first:
        first.wait_records(10)
        with Member(policy) as second:
            second.wait(lambda: second.source.epochs)
            [gone] = second.source.epochs
            fill(apache_kafka, topic_name, 4, (gone.partition,))
            second.wait_records(4)
        first.wait_assigned(0, 1)
        tenures = [one for one in first.source.started if one.tp == gone]
        assert [one.start for one in tenures] == [0, 9]
        assert tenures[0].epoch < tenures[1].epoch
        fill(apache_kafka, topic_name, 1, (gone.partition,))
        first.wait(lambda: 9 in first.source.offsets(gone.partition))


def test_a_partition_revoked_while_paused_is_not_left_paused(apache_kafka: Broker, topic_name: str) -> None:
    """librdkafka keeps the pause flag of a partition over a revoke."""
    apache_kafka.create_topic(topic_name, 2)
    policy = policy_for(apache_kafka, topic_name)
    with Member(policy) as first:
        first.wait_assigned(0, 1)
        first.owner.set_intake(False)
        until(lambda: first.owner._assignment.is_paused)
        with Member(policy) as second:
            second.wait(lambda: second.source.epochs)
        first.wait_assigned(0, 1)
        first.owner.set_intake(True)
        fill(apache_kafka, topic_name, 10, (0, 1))
        first.wait_records(10)


def test_lost_partitions_are_told_as_lost_and_come_back_in_a_new_epoch(topic_name: str) -> None:
    """Nothing is committed for them, and what the engine asks for later is dropped."""
    with MockCluster() as cluster:
        cluster.create_topic(topic_name)
        fill(cluster, topic_name, 5)
        with Member(policy_for(cluster, topic_name)) as member:
            member.wait_records(5)
            old = dict(member.source.due())
            cluster.fail_next(HEARTBEAT, KafkaError.ILLEGAL_GENERATION)
            member.wait(lambda: member.source.lost)
            member.owner.commit(old)
            member.wait(lambda: member.source.results)
            assert member.source.results[-1].outcome is CommitOutcome.DROPPED
            member.wait_records(10)
            assert member.source.offsets(0) == [*range(5), *range(5)]
            assert [one.start for one in member.source.started] == [0, 0]
            assert "revoked" not in member.source.calls


def test_a_static_member_keeps_its_partitions_over_a_restart(apache_kafka: Broker, topic_name: str) -> None:
    """It leaves without a goodbye, so nobody else is given its partitions; the last commit is stored."""
    apache_kafka.create_topic(topic_name, 2)
    fill(apache_kafka, topic_name, 10, (0, 1))
    mine = policy_for(apache_kafka, topic_name, group_instance_id="one")
    other = policy_for(apache_kafka, topic_name, group_instance_id="two")
    with Member(other) as stays:
        with Member(mine) as first:
            until(lambda: len(stays.source.epochs) == len(first.source.epochs) == 1)
            until(lambda: len(stays.source.records) + len(first.source.records) == 10)
            held = set(first.source.epochs)
        revoked = len(stays.source.revoked)
        with Member(mine) as again:
            again.wait(lambda: again.source.epochs)
            assert set(again.source.epochs) == held
            assert again.source.started[0].start == 5
        assert len(stays.source.revoked) == revoked
        assert len(stays.source.epochs) == 1


@pytest.mark.parametrize("group_protocol", PROTOCOLS)
def test_a_stopped_member_leaves_the_group_at_once(apache_kafka: Broker, topic_name: str, group_protocol: str) -> None:
    """The next one need not wait for the session to end, and starts at the last commit."""
    apache_kafka.create_topic(topic_name)
    fill(apache_kafka, topic_name, 10)
    options = {"session.timeout.ms": 45_000} if group_protocol == "classic" else {}
    policy = policy_for(apache_kafka, topic_name, group_protocol=group_protocol, consumer_options=options)
    with Member(policy) as member:
        member.wait_records(10)
        member.stop()
    with Member(policy) as heir:
        heir.wait(lambda: heir.source.started, 40)
        assert heir.starts() == {0: 10}
    assert [result.outcome for result in member.source.results] == [CommitOutcome.OK]


def test_a_revoke_during_a_stop_takes_the_last_commit_along(broker: Broker, topic_name: str) -> None:
    """A member joins while another one drains for its stop: it starts at what the drain brings."""
    broker.create_topic(topic_name, 2)
    fill(broker, topic_name, 20, (0, 1))
    policy = policy_for(broker, topic_name)
    with Member(policy) as first:
        first.wait_records(20)
        first.source.holds_drains = True
        first.owner.stop()
        first.wait(lambda: len(first.source.drains) == 1)
        with Member(policy) as second:
            first.wait(lambda: len(first.source.drains) == 2)
            for drain in first.source.drains:
                first.loop.post(drain, {})
            second.wait_assigned(0, 1)
            skip_if_mock_refused(broker, first)
            assert second.starts() == {0: 10, 1: 10}
            assert second.source.records == []


@pytest.mark.parametrize("group_protocol", PROTOCOLS)
def test_a_pattern_matches_by_its_beginning_and_never_the_hidden_topics(
    apache_kafka: Broker, topic_name: str, group_protocol: str
) -> None:
    """With either protocol."""
    names = [topic_name, f"{topic_name}.more", f"{topic_name}.dead-letters"]
    for name in names:
        apache_kafka.create_topic(name)
        fill(apache_kafka, name, 3)
    pattern, group = f"^{topic_name[:-2]}", f"g-{topic_name}"
    policy = policy_for(apache_kafka, pattern, group=group, group_protocol=group_protocol, hidden_topics=(names[2],))
    with Member(policy) as member:
        member.wait_records(6)
        assert {tp.topic for tp in member.source.epochs} == set(names[:2])
    assert {record.topic for record in member.source.records} == set(names[:2])


def test_a_static_member_that_is_replaced_ends_as_refused(apache_kafka: Broker, topic_name: str) -> None:
    """Two processes under one name: Kafka fences the older one, which ends at once and for good."""
    apache_kafka.create_topic(topic_name)
    policy = policy_for(apache_kafka, topic_name, group_instance_id="one")
    with Member(policy) as older:
        older.wait_assigned(0)
        with Member(policy) as newer:
            assert isinstance(older.wait_ended(), RefusedError)
            newer.wait_assigned(0)

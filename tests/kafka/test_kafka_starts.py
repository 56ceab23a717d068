"""Where reading starts, and that nothing but an answer counts as one."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from confluent_kafka import KafkaError
from confluent_kafka.admin import NewPartitions
from kafka_support import Member, admin_of, commit_for, committed, fill, policy_for, until
from support.mock_cluster import OFFSET_COMMIT, OFFSET_FETCH, MockCluster
from support.topics import Broker

from stream.model.records import TopicPartition


def test_a_first_start_at_earliest_reads_everything_and_is_committed_first(broker: Broker, topic_name: str) -> None:
    """The resolved start is stored before the first record comes."""
    broker.create_topic(topic_name, 2)
    fill(broker, topic_name, 20, (0, 1))
    with Member(policy_for(broker, topic_name)) as member:
        stored = []
        member.source.before_records = lambda _batch: stored.append(committed(broker, topic_name))
        member.wait_records(20)
        assert member.starts() == {0: 0, 1: 0}
    assert stored[0] == {0: 0, 1: 0}
    assert member.error is None
    assert committed(broker, topic_name) == {0: 10, 1: 10}


def test_a_first_start_at_latest_reads_what_comes_from_then_on(broker: Broker, topic_name: str) -> None:
    """An empty partition starts at 0, and after a restart nothing that came in between is left out."""
    broker.create_topic(topic_name, 2)
    fill(broker, topic_name, 5)
    policy = policy_for(broker, topic_name, start="latest")
    with Member(policy) as member:
        member.wait_assigned(0, 1)
        assert member.starts() == {0: 5, 1: 0}
        assert committed(broker, topic_name) == {0: 5, 1: 0}
    fill(broker, topic_name, 4, (0, 1))
    with Member(policy) as member:
        member.wait_records(4)
        assert (member.source.offsets(0), member.source.offsets(1)) == ([5, 6], [0, 1])


def test_members_that_start_together_at_latest_agree(broker: Broker, topic_name: str) -> None:
    """The start of one member does not make the topic a known one for the other, which would read all of it."""
    broker.create_topic(topic_name, 4)
    fill(broker, topic_name, 40, range(4))
    policy = policy_for(broker, topic_name, start="latest")
    with ExitStack() as stack:
        members = [stack.enter_context(Member(policy)) for _ in range(2)]
        until(lambda: sum(len(member.source.epochs) for member in members) == 4)
        until(lambda: committed(broker, topic_name) == dict.fromkeys(range(4), 10))
        assert {one.start for member in members for one in member.started()} == {10}
        assert [member.source.records for member in members] == [[], []]


def test_partitions_that_a_known_topic_grew_while_stopped_start_at_their_first_record(
    apache_kafka: Broker, topic_name: str
) -> None:
    """Also with `start = "latest"`: everything in them came after the group began."""
    apache_kafka.create_topic(topic_name, 2)
    policy = policy_for(apache_kafka, topic_name, start="latest")
    with Member(policy) as member:
        member.wait_assigned(0, 1)
    grow(apache_kafka, topic_name, 4)
    fill(apache_kafka, topic_name, 8, range(4))
    with Member(policy) as member:
        member.wait_records(8)
        assert member.starts() == {0: 0, 1: 0, 2: 0, 3: 0}


def test_partitions_that_a_topic_grows_while_running_start_at_their_first_record(
    apache_kafka: Broker, topic_name: str
) -> None:
    """Those held before are read on without a break."""
    apache_kafka.create_topic(topic_name, 2)
    policy = policy_for(apache_kafka, topic_name, start="latest", options={"topic.metadata.refresh.interval.ms": 200})
    with Member(policy) as member:
        member.wait_assigned(0, 1)
        grow(apache_kafka, topic_name, 4)
        fill(apache_kafka, topic_name, 8, range(4))
        member.wait_records(8)
        assert member.starts() == {0: 0, 1: 0, 2: 0, 3: 0}
        assert member.source.revoked == []


def grow(broker: Broker, topic: str, partitions: int) -> None:
    with admin_of(broker) as admin:
        admin.create_partitions([NewPartitions(topic, partitions)])[topic].result(20)
        until(lambda: len(admin.list_topics(topic, timeout=20).topics[topic].partitions) == partitions)


@pytest.mark.parametrize(
    "code",
    [KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError._TIMED_OUT],
    ids=["unknown", "loading", "timeout"],
)
def test_a_failed_read_of_committed_offsets_is_never_taken_for_none(
    mock_cluster: MockCluster, topic_name: str, code: int
) -> None:
    """Asked again until Kafka answers; reading starts where the commit says."""
    mock_cluster.create_topic(topic_name)
    fill(mock_cluster, topic_name, 10)
    commit_for(mock_cluster, topic_name, {TopicPartition(topic_name, 0): 7})
    mock_cluster.fail_next(OFFSET_FETCH, *[code] * 3)
    with Member(policy_for(mock_cluster, topic_name, start="latest")) as member:
        member.wait_records(3)
        assert member.source.offsets(0) == [7, 8, 9]
        assert member.logger.count("Nothing was committed") == 0


def test_a_stop_does_not_wait_for_starts(topic_name: str) -> None:
    """While Kafka does not tell what was committed the owner polls, and a stop ends it."""
    with MockCluster() as cluster:
        cluster.create_topic(topic_name)
        cluster.fail_next(OFFSET_FETCH, *[KafkaError.UNKNOWN_TOPIC_OR_PART] * 100)
        with Member(policy_for(cluster, topic_name)) as member:
            until(lambda: member.logger.count("asking again") >= 1)
            assert member.stop() < 6
            assert member.error is None
    assert member.source.started == []


def test_the_first_start_is_committed_again_until_it_is_stored(topic_name: str) -> None:
    """No record comes before."""
    with MockCluster() as cluster:
        cluster.create_topic(topic_name)
        fill(cluster, topic_name, 3)
        cluster.fail_next(OFFSET_COMMIT, KafkaError.REBALANCE_IN_PROGRESS)
        with Member(policy_for(cluster, topic_name)) as member:
            member.wait_records(3)
            assert member.logger.count("asking again") == 1
        assert committed(cluster, topic_name) == {0: 3}

"""Every commit is answered once, says what became of it, and never sets an offset back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from assertions import HANG_S, names_of_code
from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition
from kafka_support import QUIET, Member, committed, fill, policy_for, until
from support.mock_cluster import OFFSET_COMMIT, MockCluster
from support.topics import Broker

from stream.kafka.codes import commit_outcome, error_text, error_word
from stream.kafka.committer import Committer
from stream.model.errors import RefusedError, SourceError
from stream.model.records import TopicPartition
from stream.model.source import CommitOffset, CommitOutcome, CommitResult

OK, RETRIED, DROPPED, FAILED = CommitOutcome.OK, CommitOutcome.RETRIED, CommitOutcome.DROPPED, CommitOutcome.FAILED
TP = TopicPartition("events", 0)


def test_each_commit_is_answered_once_with_its_epoch(broker: Broker, topic_name: str) -> None:
    """Also several of one partition that are under way at the same time."""
    broker.create_topic(topic_name)
    fill(broker, topic_name, 5)
    with Member(policy_for(broker, topic_name)) as member:
        member.wait_records(5)
        tp = TopicPartition(topic_name, 0)
        epoch = member.source.epochs[tp]
        for offset in (1, 2, 2, 3):
            member.owner.commit({tp: CommitOffset(epoch, offset)})
        member.wait(lambda: len(member.source.results) >= 4)
        assert member.source.results == [CommitResult(tp, epoch, offset, OK) for offset in (1, 2, 2, 3)]
        until(lambda: committed(broker, topic_name) == {0: 3})


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (KafkaError.REBALANCE_IN_PROGRESS, RETRIED),
        (KafkaError.UNKNOWN_MEMBER_ID, DROPPED),
        (KafkaError.OFFSET_METADATA_TOO_LARGE, FAILED),
        (KafkaError.INVALID_COMMIT_OFFSET_SIZE, FAILED),
    ],
)
def test_a_refused_commit_says_what_it_means(topic_name: str, code: int, outcome: CommitOutcome) -> None:
    """The engine learns whether to try again; the next commit is stored."""
    with MockCluster() as cluster:
        cluster.create_topic(topic_name)
        fill(cluster, topic_name, 2)
        with Member(policy_for(cluster, topic_name)) as member:
            member.wait_records(2)
            cluster.fail_next(OFFSET_COMMIT, code)
            member.commit()
            [result] = member.source.results
            assert (result.outcome, result.error) == (outcome, KafkaError(code).name())
            until(lambda: stored(cluster, member, topic_name) == 2)  # some of these make the member join again


def stored(cluster: MockCluster, member: Member, topic: str) -> int | None:
    member.commit(wait=False)
    return committed(cluster, topic)[0]


def test_a_busy_coordinator_is_waited_for(topic_name: str) -> None:
    """The client tries again by itself: the commit is stored, and answered once."""
    with MockCluster() as cluster:
        cluster.create_topic(topic_name)
        fill(cluster, topic_name, 2)
        with Member(policy_for(cluster, topic_name)) as member:
            member.wait_records(2)
            cluster.fail_next(OFFSET_COMMIT, KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.NOT_COORDINATOR)
            member.commit()
            assert [result.outcome for result in member.source.results] == [OK]
        assert committed(cluster, topic_name) == {0: 2}


def test_the_last_commit_of_a_stop_is_sent_until_it_is_stored(topic_name: str) -> None:
    """A coordinator that is busy for longer than the client tries by itself costs no commit."""
    with MockCluster() as cluster:
        cluster.create_topic(topic_name)
        fill(cluster, topic_name, 2)
        with Member(policy_for(cluster, topic_name)) as member:
            member.wait_records(2)
            cluster.fail_next(OFFSET_COMMIT, *[KafkaError.COORDINATOR_LOAD_IN_PROGRESS] * 5)
            assert member.stop() < 5
            assert [result.outcome for result in member.source.results][-1] is OK
        assert committed(cluster, topic_name) == {0: 2}


@pytest.mark.parametrize("code", [KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.FENCED_INSTANCE_ID])
def test_a_commit_that_kafka_will_never_store_ends_the_owner(topic_name: str, code: int) -> None:
    """Working on would be in vain: everything would be sent again after the next start."""
    with MockCluster() as cluster:
        cluster.create_topic(topic_name)
        fill(cluster, topic_name, 2)
        with Member(policy_for(cluster, topic_name)) as member:
            member.wait_records(2)
            cluster.fail_next(OFFSET_COMMIT, code)
            member.commit(wait=False)
            assert isinstance(member.wait_ended(), RefusedError)


def test_every_code_of_the_table_has_its_outcome() -> None:
    """Busy, moving or stale: again later; not ours: dropped; nothing to commit: fine; the rest: failed."""
    again = ["COORDINATOR_NOT_AVAILABLE", "STALE_MEMBER_EPOCH", "_TRANSPORT", "_TIMED_OUT", "_WAIT_COORD"]
    gone = ["ILLEGAL_GENERATION", "FENCED_INSTANCE_ID", "FENCED_MEMBER_EPOCH", "_ASSIGNMENT_LOST"]
    assert {commit_outcome(KafkaError(getattr(KafkaError, name))) for name in again} == {RETRIED}
    assert {commit_outcome(KafkaError(getattr(KafkaError, name))) for name in gone} == {DROPPED}
    assert commit_outcome(KafkaError(KafkaError._NO_OFFSET)) is OK
    assert commit_outcome(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)) is FAILED


@pytest.mark.parametrize("name", [name for name in vars(KafkaError) if name.isupper()])
def test_an_error_is_named_as_kafka_documents_it_or_told_in_words(name: str) -> None:
    """Names of the client's own, such as _TRANSPORT, are documented nowhere and shown to nobody."""
    error = KafkaError(getattr(KafkaError, name))
    assert (error_word(error) == name) is not name.startswith("_")
    for text in (error_word(error), error_text(error), error_text(KafkaException(error))):
        assert names_of_code(text) == []


def test_a_commit_of_an_epoch_that_is_over_is_not_sent(broker: Broker, topic_name: str) -> None:
    """Neither the broker nor the client would mind; the engine hears that it was dropped."""
    broker.create_topic(topic_name)
    fill(broker, topic_name, 4)
    with Member(policy_for(broker, topic_name)) as member:
        member.wait_records(4)
        member.commit()
        tp = TopicPartition(topic_name, 0)
        member.owner.commit({tp: CommitOffset(member.source.epochs[tp] + 7, 1)})
        member.wait(lambda: len(member.source.results) == 2)
        assert member.source.results[1].outcome is DROPPED
        assert committed(broker, topic_name) == {0: 4}


def test_nothing_lower_is_sent_within_an_epoch(mock_cluster: MockCluster) -> None:
    """A late command cannot set the group back."""
    told: list[CommitResult] = []
    committer = Committer({TP: 1}, {}, told.extend)
    with committing(mock_cluster) as consumer:
        committer.commit(consumer, {TP: CommitOffset(1, 9)})
        committer.commit(consumer, {TP: CommitOffset(1, 8)})
        assert [(result.offset, result.outcome) for result in told] == [(8, DROPPED)]
        assert committer.is_waiting


def test_every_commit_keeps_the_origin_of_its_partition(apache_kafka: Broker, topic_name: str) -> None:
    """Behind the metadata, whatever that is."""
    apache_kafka.create_topic(topic_name, 2)
    first, second = TopicPartition(topic_name, 0), TopicPartition(topic_name, 1)
    told: list[CommitResult] = []
    committer = Committer({first: 1, second: 1}, {first: "~abcd"}, told.extend)
    with committing(apache_kafka, topic_name, on_commit=committer.on_commit) as consumer:
        committer.commit(consumer, {first: CommitOffset(1, 3, "t3.x"), second: CommitOffset(1, 4, "t3.y")})
        until(lambda: consumer.poll(0.1) or len(told) == 2)
        answers = consumer.committed([KafkaPartition(*first), KafkaPartition(*second)], timeout=HANG_S)
    assert [(answer.offset, answer.metadata) for answer in answers] == [(3, "t3.x~abcd"), (4, "t3.y")]


def test_a_commit_of_nothing_is_answered(mock_cluster: MockCluster) -> None:
    """The client's own refusal is an answer, too."""
    told: list[CommitResult] = []
    committer = Committer({TP: 1}, {}, told.extend)
    with committing(mock_cluster, on_commit=committer.on_commit) as consumer:
        committer.commit(consumer, {})
        assert not committer.is_waiting
        committer.commit(consumer, {TP: CommitOffset(1, -1001)})
        until(lambda: consumer.poll(0.1) or told)
    assert [result.outcome for result in told] == [OK]
    assert not committer.is_waiting


def test_commits_of_very_many_partitions_are_all_stored(apache_kafka: Broker, topic_name: str) -> None:
    """With long maps they are more than Kafka stores of one request."""
    partitions, metadata = 300, "x" * 4000
    apache_kafka.create_topic(topic_name, partitions)
    due = {TopicPartition(topic_name, number): CommitOffset(1, 7, metadata) for number in range(partitions)}
    told: list[CommitResult] = []
    committer = Committer(dict.fromkeys(due, 1), {}, told.extend)
    with committing(apache_kafka, topic_name, on_commit=committer.on_commit) as consumer:
        committer.commit(consumer, due)
        until(lambda: consumer.poll(0.1) or len(told) == partitions)
    assert {result.outcome for result in told} == {OK}
    assert committed(apache_kafka, topic_name) == dict.fromkeys(range(partitions), 7)


def committing(broker: Broker, group: str = "g", **callbacks: Any) -> Consumer:
    config = {"bootstrap.servers": broker.bootstrap, "group.id": group, "enable.auto.commit": False, **QUIET}
    return Consumer({**config, **callbacks})


def raising(_given: Sequence[CommitResult]) -> None:
    raise ValueError("a bug")


def test_a_callback_that_raises_ends_the_owner_and_commits_nothing_more(broker: Broker, topic_name: str) -> None:
    """What was polled meanwhile is neither lost nor committed: the next member receives it."""
    broker.create_topic(topic_name)
    fill(broker, topic_name, 10)
    with Member(policy_for(broker, topic_name)) as member:
        member.wait_records(10)
        member.commit()
        break_callback(member)
        fill(broker, topic_name, 5)
        member.commit(wait=False)
        error = member.wait_ended()
    assert isinstance(error, SourceError)
    assert "ValueError" in str(error)
    with Member(policy_for(broker, topic_name)) as heir:
        heir.wait(lambda: 14 in heir.source.offsets(0) or heir.source.ends.get(TopicPartition(topic_name, 0)) == 15)
        seen = {*member.source.offsets(0), *heir.source.offsets(0)}
    assert seen == set(range(15))


def break_callback(member: Member) -> None:
    """The next answer to a commit breaks the owner's own code, within a callback of the client."""
    committer: Committer = member.owner._committer
    committer._report = raising

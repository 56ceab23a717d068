"""Records that were gone before they were read: never silent, and nobody else suffers."""

from __future__ import annotations

import pytest
from kafka_support import (
    Member,
    RecordingLogger,
    commit_for,
    committed,
    delete_records,
    delete_topic,
    fill,
    policy_for,
    until,
)
from support.recording_source import RecordingSource
from support.topics import Broker

from stream.model.records import TopicPartition
from stream.model.source import CommitOutcome, DataLoss

PROTOCOLS = ["classic", "consumer"]


def test_stop_reads_nothing_of_that_partition_and_goes_on_elsewhere(apache_kafka: Broker, topic_name: str) -> None:
    """The engine is told, one error line says what is missing, and the commit stays as it was."""
    tp = expired(apache_kafka, topic_name)
    with Member(policy_for(apache_kafka, topic_name)) as member:
        member.wait(lambda: member.source.losses and len(member.source.offsets(1)) == 10)
        fill(apache_kafka, topic_name, 4, (0, 1))
        member.wait(lambda: len(member.source.offsets(1)) == 12)
        assert member.source.losses == [DataLoss(tp, first=2, resume=6, skipped=False)]
        assert member.source.offsets(0) == []
        [line] = [fields for level, _, fields in member.logger.lines if level == "error"]
        assert line == {"topic": topic_name, "partition": 0, "first_missing": 2, "resume_at": 6}
    assert committed(apache_kafka, topic_name) == {0: 2, 1: 12}


class AskingTheLog(RecordingSource):
    """Notes how many error lines there are when it learns of a loss."""

    def __init__(self, logger: RecordingLogger) -> None:
        super().__init__()
        self.error_lines: list[int] = []
        self._log = logger

    def on_data_loss(self, loss: DataLoss) -> None:
        """Keep it."""
        self.error_lines.append(self._log.count("this partition is not consumed", "error"))
        super().on_data_loss(loss)


def test_the_log_says_so_before_it_can_end_the_run(apache_kafka: Broker, topic_name: str) -> None:
    """With nothing else to consume the engine ends the run as soon as it knows: the line must be there by then."""
    expired(apache_kafka, topic_name)
    member = Member(policy_for(apache_kafka, topic_name))
    member.source = source = AskingTheLog(member.logger)
    with member:
        member.wait(lambda: source.losses)
    assert source.error_lines == [1]


@pytest.mark.parametrize("group_protocol", PROTOCOLS)
def test_skip_goes_on_at_the_first_record_left(apache_kafka: Broker, topic_name: str, group_protocol: str) -> None:
    """In the same epoch; no record that is there is passed over, and commits go on."""
    tp = expired(apache_kafka, topic_name)
    policy = policy_for(apache_kafka, topic_name, on_data_loss="skip", group_protocol=group_protocol)
    with Member(policy) as member:
        member.wait(lambda: len(member.source.offsets(0)) == 4)
        assert member.source.losses == [DataLoss(tp, first=2, resume=6, skipped=True)]
        assert member.source.offsets(0) == [6, 7, 8, 9]
        assert [one.tp for one in member.source.started].count(tp) == 1
        assert member.logger.count("they are skipped", "error") == 1
        fill(apache_kafka, topic_name, 1)
        member.wait(lambda: 10 in member.source.offsets(0))
        member.commit()
        assert {result.outcome for result in member.source.results} == {CommitOutcome.OK}


def expired(broker: Broker, topic: str) -> TopicPartition:
    """Two partitions of ten records; of the first one 0 to 5 are gone, and 2 was committed."""
    tp = TopicPartition(topic, 0)
    broker.create_topic(topic, 2)
    fill(broker, topic, 20, (0, 1))
    commit_for(broker, topic, {tp: 2, TopicPartition(topic, 1): 0})
    delete_records(broker, topic, 0, 6)
    return tp


def test_records_that_expire_while_the_member_is_full_are_missed_aloud(apache_kafka: Broker, topic_name: str) -> None:
    """Retention overtakes a paused partition."""
    apache_kafka.create_topic(topic_name)
    fill(apache_kafka, topic_name, 10)
    with Member(policy_for(apache_kafka, topic_name, on_data_loss="skip")) as member:
        member.wait_records(10)
        member.owner.set_intake(False)
        until(lambda: member.owner._assignment.is_paused)
        fill(apache_kafka, topic_name, 10)
        delete_records(apache_kafka, topic_name, 0, 15)
        member.owner.set_intake(True)
        member.wait_records(15)
        assert member.source.losses == [DataLoss(TopicPartition(topic_name, 0), first=10, resume=15, skipped=True)]
        assert member.source.offsets(0) == [*range(10), *range(15, 20)]


@pytest.mark.parametrize("on_data_loss", ["stop", "skip"])
def test_a_topic_that_was_made_anew_is_noticed(apache_kafka: Broker, topic_name: str, on_data_loss: str) -> None:
    """The commit lies beyond its end; skipping reads the new records from the first, in an epoch of their own."""
    tp = TopicPartition(topic_name, 0)
    apache_kafka.create_topic(topic_name)
    fill(apache_kafka, topic_name, 1)
    delete_topic(apache_kafka, topic_name)
    apache_kafka.create_topic(topic_name)
    fill(apache_kafka, topic_name, 3)
    commit_for(apache_kafka, topic_name, {tp: 50})
    skipped = on_data_loss == "skip"
    with Member(policy_for(apache_kafka, topic_name, on_data_loss=on_data_loss)) as member:
        member.wait(lambda: member.source.losses)
        assert member.source.losses == [DataLoss(tp, first=50, resume=0, skipped=skipped)]
        if skipped:
            member.wait_records(3)
            assert [(one.start, one.epoch) for one in member.source.started] == [(50, 1), (0, 2)]
    assert committed(apache_kafka, topic_name) == {0: 3 if skipped else 50}


def test_a_topic_deleted_and_made_anew_while_it_is_read(apache_kafka: Broker, topic_name: str) -> None:
    """Nothing crashes; what the new topic holds is read once it is there."""
    apache_kafka.create_topic(topic_name)
    fill(apache_kafka, topic_name, 5)
    policy = policy_for(
        apache_kafka, topic_name, on_data_loss="skip", options={"topic.metadata.refresh.interval.ms": 200}
    )
    with Member(policy) as member:
        member.wait_records(5)
        delete_topic(apache_kafka, topic_name)
        apache_kafka.create_topic(topic_name)
        fill(apache_kafka, topic_name, 3)
        member.wait_records(8)
        assert member.source.offsets(0)[5:] == [0, 1, 2]
        assert not member.has_ended


def test_a_stopped_partition_can_be_given_back(apache_kafka: Broker, topic_name: str) -> None:
    """The next owner stops at the same place; nothing was committed past it."""
    expired(apache_kafka, topic_name)
    policy = policy_for(apache_kafka, topic_name)
    with Member(policy) as member:
        member.wait(lambda: member.source.losses)
    with Member(policy) as heir:
        heir.wait(lambda: heir.source.losses)
        assert heir.source.losses == member.source.losses
    assert committed(apache_kafka, topic_name)[0] == 2

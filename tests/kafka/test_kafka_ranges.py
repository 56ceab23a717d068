"""Ranges of partitions, read beside every consumer group, and the progress that is kept of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial

from kafka_support import Member, committed, delete_records, fill, policy_for
from support import topics
from support.topics import Broker

from stream.kafka.client_config import KafkaPolicy, common_config, range_reader_config, reader_config
from stream.kafka.groups import Groups
from stream.kafka.progress import CommittedProgress
from stream.kafka.range_reader import RangeReader
from stream.kafka.reader import OffsetReader
from stream.kafka.start_offsets import ResolvedStart
from stream.model.errors import RefusedError
from stream.model.records import TopicPartition
from stream.replay.fingerprint import PartitionRange, asked_for, kept_progress, take_over

ASKED = asked_for(**{"from": "earliest"}, until="latest")
KEPT: list[topics.Given] = [("k", b"kept", 0, None)] * 3
GONE: list[topics.Given] = [("k", b"gone", 0, None)] * 4


class RangeMember(Member):
    """A reader of `ranges` (from, until) per partition number whose engine records."""

    owner: RangeReader

    def __init__(
        self,
        policy: KafkaPolicy,
        ranges: Mapping[int, tuple[int, int]],
        kept: CommittedProgress | None = None,
        has_room: Callable[[RangeMember], bool] = lambda _self: True,
    ) -> None:
        super().__init__(policy, range_reader_config(policy))
        tps = {number: TopicPartition(policy.topics[0], number) for number in ranges}
        starts = [ResolvedStart(tps[number], first) for number, (first, _) in ranges.items()]
        until = {tps[number]: end for number, (_, end) in ranges.items()}
        config, post = range_reader_config(policy), self.loop.post
        self.owner = RangeReader(
            policy, config, starts, until, kept, post, self._later, self.logger, partial(has_room, self)
        )

    def _later(self, seconds: float, function: Callable[[], None]) -> None:
        threading.Timer(seconds, self.loop.post, [function]).start()


def stretches(topic: str, ranges: Mapping[int, tuple[int, int]]) -> dict[TopicPartition, PartitionRange]:
    """The same ranges, of which nothing is done."""
    return {TopicPartition(topic, number): PartitionRange(first, end, first) for number, (first, end) in ranges.items()}


def test_exactly_the_range_is_read(broker: Broker, topic_name: str) -> None:
    """Of partitions of different length; the end is told where the range ends, and nothing is committed."""
    broker.create_topic(topic_name, 3)
    fill(broker, topic_name, 3000, (0,))
    fill(broker, topic_name, 10, (1, 2))
    with RangeMember(policy_for(broker, topic_name), {0: (100, 2500), 1: (0, 5), 2: (2, 3)}) as reader:
        ends = {TopicPartition(topic_name, 0): 2500, TopicPartition(topic_name, 1): 5, TopicPartition(topic_name, 2): 3}
        reader.wait(lambda: reader.source.ends == ends)
        fill(broker, topic_name, 30, (0, 1, 2))
        reader.commit()
        assert reader.source.offsets(0) == list(range(100, 2500))
        assert (reader.source.offsets(1), reader.source.offsets(2)) == ([0, 1, 2, 3, 4], [2])
    assert set(committed(broker, topic_name).values()) == {None}


def test_what_has_no_room_waits(broker: Broker, topic_name: str) -> None:
    """Each batch is told once there is room again, in order, and no record is left out."""
    broker.create_topic(topic_name, 1)
    fill(broker, topic_name, 6000)
    room = threading.Event()

    def has_room(member: RangeMember) -> bool:
        return room.is_set() or len(member.source.batches) < 2

    with RangeMember(policy_for(broker, topic_name), {0: (0, 6000)}, has_room=has_room) as reader:
        reader.wait(lambda: len(reader.source.batches) == 2)
        assert not reader.loop.wait_for(lambda: len(reader.source.batches) > 2, 0.2)
        room.set()
        reader.wait(lambda: reader.source.ends)
        assert reader.source.offsets(0) == list(range(6000))


def test_a_range_ends_among_offsets_that_hold_no_record(apache_kafka: Broker, topic_name: str) -> None:
    """Markers and aborted records, in the middle and at the end of the topic."""
    apache_kafka.create_topic(topic_name)
    bootstrap, tp = apache_kafka.bootstrap, TopicPartition(topic_name, 0)
    topics.produce_transaction(bootstrap, topic_name, KEPT, topic_name)  # 0-2, marker 3
    topics.produce_transaction(bootstrap, topic_name, GONE, topic_name, commit=False)  # 4-7, marker 8
    topics.produce_transaction(bootstrap, topic_name, KEPT, topic_name)  # 9-11, marker 12
    topics.produce_transaction(bootstrap, topic_name, GONE, topic_name, commit=False)  # 13-16, marker 17
    policy = policy_for(apache_kafka, topic_name)
    for first, until, offsets in ((0, 6, [0, 1, 2]), (5, 7, []), (2, 10, [2, 9]), (9, 18, [9, 10, 11])):
        with RangeMember(policy, {0: (first, until)}) as reader:
            reader.wait(lambda reader=reader, until=until: reader.source.ends == {tp: until})  # type: ignore[misc]  # bound
            assert reader.source.offsets(0) == offsets


def test_progress_is_kept_in_a_group_without_members(apache_kafka: Broker, topic_name: str) -> None:
    """Each commit carries its heading; another reader finds where to go on, also on other topics."""
    ranges = {0: (1, 8), 1: (0, 2)}
    apache_kafka.create_topic(topic_name, 2)
    fill(apache_kafka, topic_name, 20, (0, 1))
    policy = policy_for(apache_kafka, topic_name, group=f"{topic_name}.replay.x")
    groups = Groups(common_config(policy))
    with OffsetReader(reader_config(policy)) as offsets:
        assert kept_progress(offsets, groups, policy.group) == {}
        kept = take_over(groups, policy.group, stretches(topic_name, ranges), ASKED)
        found = kept_progress(offsets, groups, policy.group)
        assert {tp.partition: one.stretch for tp, one in found.items()} == {
            0: PartitionRange(1, 8, 1),
            1: PartitionRange(0, 2, 0),
        }
        with RangeMember(policy, ranges, kept) as reader:
            reader.wait(lambda: set(reader.source.ends.values()) == {8, 2})
            reader.commit()
            assert {result.outcome for result in reader.source.results} == {"ok"}
        found = kept_progress(offsets, groups, policy.group)
        assert {one.stretch.at for one in found.values()} == {8, 2}
        assert {one.progress.asked.digest for one in found.values()} == {ASKED.digest}
        groups.require_idle(policy.group)


def test_the_run_that_began_last_goes_on(apache_kafka: Broker, topic_name: str) -> None:
    """The other one stops with the reason, and does not wait for its end."""
    apache_kafka.create_topic(topic_name)
    fill(apache_kafka, topic_name, 1)
    policy = policy_for(apache_kafka, topic_name, group=f"{topic_name}.replay.x")
    groups, ranges = Groups(common_config(policy)), {0: (0, 1)}
    kept = take_over(groups, policy.group, stretches(topic_name, ranges), ASKED)
    with RangeMember(policy, ranges, kept) as first:
        first.wait_records(1)
        take_over(groups, policy.group, stretches(topic_name, ranges), ASKED)
        assert isinstance(first.wait_ended(), RefusedError)


def test_records_that_are_gone_are_never_passed_in_silence(apache_kafka: Broker, topic_name: str) -> None:
    """By `on_data_loss` the partition is not read, or read from where its records begin; either way it is told."""
    apache_kafka.create_topic(topic_name)
    fill(apache_kafka, topic_name, 10)
    delete_records(apache_kafka, topic_name, 0, before=6)
    for on_data_loss, offsets in (("stop", []), ("skip", [6, 7])):
        policy = policy_for(apache_kafka, topic_name, on_data_loss=on_data_loss)
        with RangeMember(policy, {0: (2, 8)}) as reader:
            reader.wait(lambda reader=reader: reader.source.losses)  # type: ignore[misc]  # bound
            (loss,) = reader.source.losses
            assert (loss.first, loss.resume, loss.skipped) == (2, 6, on_data_loss == "skip")
            if offsets:
                reader.wait(lambda reader=reader: reader.source.ends)  # type: ignore[misc]  # bound
            assert reader.source.offsets(0) == offsets

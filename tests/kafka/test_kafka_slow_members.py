"""Several members of which one hears from the broker late: nobody commits for another, and no start comes too late."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from kafka_support import Member, committed, fill, policy_for, until
from support.kafka_proxy import SlowedKafka
from support.offset_history import commit_history, went_back

from stream.kafka.client_config import KafkaPolicy
from stream.model.commit_map import START_MARK

SLOW_S = 2.0


def slow_policy(kafka: SlowedKafka, topic: str, **more: Any) -> KafkaPolicy:
    """Of the member that comes through the proxy."""
    return replace(policy_for(kafka, topic, **more), bootstrap_servers=kafka.proxy.bootstrap)


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
@pytest.mark.parametrize("kind", ["ListOffsets", "OffsetFetch"])
def test_a_slow_member_sets_no_offset_of_another_member_back(
    slowed_kafka: SlowedKafka, topic_name: str, kind: str, protocol: str
) -> None:
    """Both start together; the fast one commits what it has read long before the slow one knows its starts."""
    slowed_kafka.create_topic(topic_name, 8)
    fill(slowed_kafka, topic_name, 80, range(8))
    fast = policy_for(slowed_kafka, topic_name, group_protocol=protocol)
    slow = slow_policy(slowed_kafka, topic_name, group_protocol=protocol)
    with ExitStack() as stack:
        slowed_kafka.proxy.slow(kind, seconds=SLOW_S)
        first, second = (stack.enter_context(Member(policy)) for policy in (slow, fast))
        until(lambda: len(first.source.epochs) + len(second.source.epochs) == 8, 60)
        until(lambda: len({(r.partition, r.offset) for m in (first, second) for r in m.source.records}) == 80, 60)
        first.commit()
        second.commit()
    history = commit_history(slowed_kafka.bootstrap, topic_name)
    assert went_back(history) == []
    assert committed(slowed_kafka, topic_name) == dict.fromkeys(range(8), 10)
    starts = [[one.offset for one in commits if one.metadata.startswith(START_MARK)] for commits in history.values()]
    assert starts == [[0]] * 8


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_latest_leaves_out_nothing_that_came_after_the_members_began(
    slowed_kafka: SlowedKafka, topic_name: str, protocol: str
) -> None:
    """However late the slow member resolves its starts, what was written meanwhile is read; what was before is not."""
    slowed_kafka.create_topic(topic_name, 8)
    fill(slowed_kafka, topic_name, 16, range(8))
    fast = policy_for(slowed_kafka, topic_name, start="latest", group_protocol=protocol)
    slow = slow_policy(slowed_kafka, topic_name, start="latest", group_protocol=protocol)
    with ExitStack() as stack:
        first, second = (stack.enter_context(Member(policy)) for policy in (fast, slow))
        until(lambda: first.source.epochs or second.source.epochs, 60)
        slowed_kafka.proxy.slow("ListOffsets", "OffsetFetch", seconds=SLOW_S)
        fill(slowed_kafka, topic_name, 40, range(8))
        until(lambda: len({(r.partition, r.offset) for m in (first, second) for r in m.source.records}) == 40, 60)
        first.commit()
        second.commit()
        assert min(record.offset for member in (first, second) for record in member.source.records) == 2
    assert went_back(commit_history(slowed_kafka.bootstrap, topic_name)) == []
    assert committed(slowed_kafka, topic_name) == dict.fromkeys(range(8), 7)


def test_the_starts_of_many_partitions_take_a_few_requests(slowed_kafka: SlowedKafka, topic_name: str) -> None:
    """The thread gives signs of life all the while, although each answer takes a second."""
    slowed_kafka.create_topic(topic_name, 200)
    before = slowed_kafka.proxy.count("ListOffsets")
    slowed_kafka.proxy.slow("ListOffsets", seconds=1.0)
    with Member(slow_policy(slowed_kafka, topic_name)) as member:
        member.wait(lambda: len(member.source.epochs) == 200)
        assert slowed_kafka.proxy.count("ListOffsets") - before <= 4
        assert member.beats > 20
        assert member.logger.count("Nothing was committed here.") == 1
    assert committed(slowed_kafka, topic_name) == dict.fromkeys(range(200), 0)

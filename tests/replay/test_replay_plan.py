"""Where a replay begins and ends in each partition, asked from real Kafka."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from support import topics
from support.topics import Broker

from stream.console.options import SILENT
from stream.console.workflows import only_workflows
from stream.kafka.client_config import common_config
from stream.kafka.groups import Groups
from stream.model.commit_map import CommitMap, encode, name_hash
from stream.model.committed import Committed
from stream.model.errors import ConfigError, MissingTopicError
from stream.model.records import TopicPartition
from stream.model.timeparse import format_time
from stream.replay.event_query import EventQuery
from stream.replay.fingerprint import PartitionRange, take_over
from stream.replay.plan import ReplayPlan, plan_replay
from stream.replay.request import ReplayRequest, parse_topics, replay_group, require_name
from stream.replay.world import replay_policy
from stream.settings.load import load_settings
from stream.settings.model import Settings

START = 1_795_000_000_000
MINUTE = 60_000
LONG, SHORT, EMPTY = 600, 60, 0
"""Records of the three partitions, one a minute; the second one's are of the first hour."""


@dataclass
class Deployment:
    """A topic of three partitions of different length, and the settings of a deployment that reads it."""

    broker: Broker
    topic: str

    def settings(self, isolation: str = "shared", **kafka: Any) -> Settings:
        """Two workflows."""
        flags = {
            "kafka.bootstrap_servers": self.broker.bootstrap,
            "kafka.topics": [self.topic],
            "kafka.group_id": self.topic,
            **{f"kafka.{name}": value for name, value in kafka.items()},
        }
        environ = {"TRAY_WORKFLOW_URLS": "http://127.0.0.1:1/orders,http://127.0.0.1:1/audit"}
        loaded = load_settings(None, environ, flags).settings
        return loaded.model_copy(update={"isolation": isolation})

    def plan(
        self, start: str, until: str, settings: Settings | None = None, now_ms: int = 0, **more: Any
    ) -> ReplayPlan:
        """The plan of an unnamed replay, or of one with more in its request."""
        settings = settings or self.settings()
        names = tuple(workflow.name for workflow in settings.workflows)
        request = ReplayRequest("x", False, start, until, {self.topic: frozenset()}, names)
        request = replace(request, **more)
        return plan_replay(settings, replay_policy(settings, request.name, SILENT), request, now_ms or START)

    def ranges(self, *arguments: Any, **more: Any) -> list[tuple[int, int]]:
        """(from, until) of each partition."""
        return [(s.first, s.until) for _, s in sorted(self.plan(*arguments, **more).stretches.items())]

    def commit(self, group: str, *offsets: int, metadata: str = "") -> None:
        """Commit for a group, partition by partition."""
        config = common_config(replay_policy(self.settings(), "x", SILENT))
        commits = {TopicPartition(self.topic, number): Committed(o, metadata) for number, o in enumerate(offsets)}
        Groups(config).write(group, commits)


@pytest.fixture
def deployment(apache_kafka: Broker, topic_name: str) -> Deployment:
    """The topic, filled."""
    apache_kafka.create_topic(topic_name, 3, {"retention.ms": "-1"})
    long: list[tuple[int, topics.Given]] = [(START + n * MINUTE, (None, b"{}", 0, None)) for n in range(LONG)]
    short: list[tuple[int, topics.Given]] = [(START + n * MINUTE, (None, b"{}", 1, None)) for n in range(SHORT)]
    topics.produce_timed_events(apache_kafka.bootstrap, topic_name, long + short)
    return Deployment(apache_kafka, topic_name)


def test_every_form_of_an_end(deployment: Deployment) -> None:
    """Over partitions of different length; always within what each holds."""
    everything = [(0, LONG), (0, SHORT), (0, EMPTY)]
    assert deployment.ranges("earliest", "latest") == everything
    assert deployment.ranges("10", "100") == [(10, 100), (10, 60), (0, 0)]
    assert deployment.ranges("-100", "-10") == [(500, 590), (0, 50), (0, 0)]
    assert deployment.ranges(format_time(START + 30 * MINUTE), format_time(START + 180 * MINUTE)) == [
        (30, 180),
        (30, 60),
        (0, 0),
    ]
    assert deployment.ranges("PT1H30M", "PT1H", now_ms=START + 120 * MINUTE) == [(30, 60), (30, 60), (0, 0)]


def test_times_outside_of_what_the_topic_holds(deployment: Deployment) -> None:
    """Before the first record everything follows; after the last one nothing does; between two the later one counts."""
    before, after = format_time(START - MINUTE), format_time(START + LONG * MINUTE)
    assert deployment.ranges(before, after) == [(0, LONG), (0, SHORT), (0, EMPTY)]
    assert deployment.plan(before, format_time(START)).left == 0
    assert deployment.plan(after, "latest").left == 0
    between = format_time(START + 10 * MINUTE + 1)
    assert deployment.ranges(before, between)[:2] == [(0, 11), (0, 11)]
    assert deployment.ranges(between, after)[:2] == [(11, LONG), (11, SHORT)]
    assert deployment.ranges("1969-01-01", "latest")[0] == (0, LONG)


def test_an_end_before_the_begin_is_empty_or_refused(deployment: Deployment) -> None:
    """Offsets and words make an empty range; two times are a mistake."""
    assert deployment.plan("100", "50").left == 0
    assert deployment.plan("latest", "earliest").left == 0
    with pytest.raises(ConfigError, match="ends before it begins"):
        deployment.plan(format_time(START + MINUTE), format_time(START))


def test_some_partitions(deployment: Deployment) -> None:
    """Only those that are named; one that does not exist is a mistake, and so is another topic."""
    topic = deployment.topic
    plan = deployment.plan("earliest", "latest", topics=parse_topics([f"{topic}:1,2"]))
    assert [tp.partition for tp in plan.stretches] == [1, 2]
    with pytest.raises(ConfigError, match=rf"{topic} has no partition 7. It has 0 to 2"):
        deployment.plan("earliest", "latest", topics=parse_topics([f"{topic}:1,7"]))
    with pytest.raises(MissingTopicError, match=f"Did you mean {topic}"):
        deployment.plan("earliest", "latest", topics=parse_topics([f"{topic}s"]))
    with pytest.raises(ConfigError, match="dead-letters redrive"):
        deployment.plan("earliest", "latest", topics=parse_topics([f"{topic}.dead-letters"]))


def test_committed_and_the_warning_of_what_is_sent_live(deployment: Deployment) -> None:
    """Offsets beyond the live group's commit are sent by it, too; up to it there is no warning."""
    (nothing,) = deployment.plan("earliest", "latest").warnings
    assert "660 of these offsets lie beyond" in nothing
    assert deployment.plan("earliest", "latest", deployment.settings(start="latest")).warnings == ()
    deployment.commit(deployment.topic, 400, 60, 0)
    assert deployment.ranges("committed", "latest") == [(400, LONG), (60, 60), (0, 0)]
    assert deployment.ranges("100", "committed") == [(100, 400), (60, 60), (0, 0)]
    assert deployment.plan("100", "committed").warnings[1:] == ()
    (beyond,) = deployment.plan("earliest", "500").warnings
    assert f"100 of these offsets lie beyond what the live group {deployment.topic} has committed" in beyond


def test_with_a_group_for_each_workflow(deployment: Deployment) -> None:
    """Each is looked at; `committed` needs one of them to be named."""
    settings = deployment.settings("workflow")
    orders, audit = (workflow.name for workflow in settings.workflows)
    deployment.commit(f"{deployment.topic}.{orders}", 600, 60, 0)
    deployment.commit(f"{deployment.topic}.{audit}", 590, 60, 0)
    (warning,) = deployment.plan("earliest", "latest", settings).warnings
    assert f"10 of these offsets lie beyond what the live group {deployment.topic}.{audit}" in warning
    with pytest.raises(ConfigError, match=f"--workflow {orders}"):
        deployment.plan("committed", "latest", settings)
    alone = only_workflows(settings, [audit])
    assert deployment.ranges("committed", "latest", alone)[0] == (590, 600)


def test_an_offset_that_a_partition_does_not_hold_is_told(deployment: Deployment) -> None:
    """It is taken for the nearest."""
    deployment.commit(deployment.topic, 600, 60, 0)
    (warning,) = deployment.plan("100", "latest").warnings
    assert warning.startswith("--from 100 is taken for the nearest offset where it lies outside: ")
    assert f"{deployment.topic}:1 holds 0 to 60" in warning


def test_a_name_that_has_begun_goes_on(deployment: Deployment) -> None:
    """With the range of its first run, whatever time it is; and with what was done beyond where it stopped."""
    settings, now = deployment.settings(), START + 600 * MINUTE
    named: dict[str, Any] = {"is_named": True, "name": "fix"}
    first = deployment.plan("PT5H", "latest", now_ms=now, **named)
    assert (first.is_resumed, first.left) == (False, 300)
    names = [workflow.name for workflow in settings.workflows]
    done_map = encode(CommitMap(350, {name_hash(names[0]): [(360, 400)], name_hash(names[1]): [(380, 420)]}), 4000)
    stretches = {tp: PartitionRange(s.first, s.until, s.first) for tp, s in first.stretches.items()}
    tp = TopicPartition(deployment.topic, 0)
    stretches[tp] = PartitionRange(300, 600, 350, done_map)
    groups = Groups(common_config(replay_policy(settings, "fix", SILENT)))
    take_over(groups, replay_group(settings, "fix"), stretches, first.asked)

    topics.produce_events(deployment.broker.bootstrap, deployment.topic, [(None, b"{}", 0, None)] * 10)
    again = deployment.plan("PT5H", "latest", now_ms=now + 7 * MINUTE, **named)
    assert again.is_resumed
    assert again.stretches[tp] == PartitionRange(300, 600, 350, done_map)
    assert again.done_before == {tp: [[(360, 400)], [(380, 420)]]}
    assert (again.offsets, again.left, again.done) == (300, 250, 50 + 20)
    others: list[dict[str, Any]] = [
        {"start": "PT4H"},
        {"selection": EventQuery(types=frozenset({"track"}))},
        {"new_keys": True},
    ]
    for changed in others:
        with pytest.raises(ConfigError, match="a replay fix of something else has begun"):
            deployment.plan(changed.pop("start", "PT5H"), "latest", now_ms=now, **named, **changed)


def test_names_of_others_are_refused(deployment: Deployment) -> None:
    """The live group's own, one that is not a name, and a group with commits of another kind."""
    settings = deployment.settings()
    for name in (deployment.topic, "a/b", "", "x" * 65):
        with pytest.raises(ConfigError):
            require_name(settings, name)
    require_name(settings, "fix-2026_11")
    deployment.commit(replay_group(settings, "used"), 5, 5, 0, metadata="")
    with pytest.raises(ConfigError, match="offsets that no replay has written"):
        deployment.plan("earliest", "latest", is_named=True, name="used")


def test_the_nearest_workflow_is_offered(deployment: Deployment) -> None:
    """A misspelt name is a mistake; none at all means every one."""
    settings = deployment.settings()
    names = [workflow.name for workflow in settings.workflows]
    assert [w.name for w in only_workflows(settings, ()).workflows] == names
    assert [w.name for w in only_workflows(settings, names[1:]).workflows] == names[1:]
    with pytest.raises(ConfigError, match=f"Did you mean {names[0]}"):
        only_workflows(settings, [names[0][:-1]])

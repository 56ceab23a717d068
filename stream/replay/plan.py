"""Where a replay begins and ends in each partition, and where it continues; nothing is read yet."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

from stream.kafka.client_config import KafkaPolicy, common_config, reader_config
from stream.kafka.groups import Groups
from stream.kafka.reader import OffsetReader
from stream.model.commit_map import Range, common, name_hash, read_map
from stream.model.committed import Committed
from stream.model.errors import ConfigError, MissingTopicError, Problem, config_error
from stream.model.records import TopicPartition
from stream.model.timeparse import format_time
from stream.replay.fingerprint import KeptProgress, PartitionRange, ReplayFingerprint, kept_progress
from stream.replay.ranges import AtOffset, AtTime, CommittedOffset, End, PartitionFacts, parse_end, resolve
from stream.replay.request import ReplayRequest, live_group_of, replay_group
from stream.runtime.policies import layouts
from stream.settings.keys import nearest
from stream.settings.model import Settings

Commits = Mapping[TopicPartition, Committed]
Starts = dict[TopicPartition, int]


@dataclass(frozen=True)
class ReplayPlan:
    """The range in numbers."""

    stretches: Mapping[TopicPartition, PartitionRange]
    asked: ReplayFingerprint
    is_resumed: bool = False
    """An earlier run of this name has begun it."""
    done_before: Mapping[TopicPartition, list[list[Range]]] = field(default_factory=dict)
    """What earlier runs were done with beyond where they stopped, per workflow in the order of the request."""
    warnings: tuple[str, ...] = ()

    @property
    def offsets(self) -> int:
        """Offsets in the whole range."""
        return sum(stretch.until - stretch.first for stretch in self.stretches.values())

    @property
    def left(self) -> int:
        """Offsets that are still to be read."""
        return sum(stretch.left for stretch in self.stretches.values())

    @property
    def done(self) -> int:
        """Offsets that earlier runs were done with, for every workflow."""
        beyond = (reduce(common, of_all) for of_all in self.done_before.values() if of_all)
        return self.offsets - self.left + sum(high - low for ranges in beyond for low, high in ranges)


def plan_replay(settings: Settings, kafka: KafkaPolicy, request: ReplayRequest, now_ms: int) -> ReplayPlan:
    """Ask Kafka for the range of each partition, or for the progress that is kept under the name. Blocking.

    Raises:
        ConfigError: an end cannot be read, a partition does not exist, or the name stands for something else.
        SourceError: Kafka does not answer.
    """
    ends = _parse_ends(request, now_ms)
    with OffsetReader(reader_config(kafka)) as reader:
        groups = Groups(common_config(kafka))
        tps = _partitions(reader, request, kafka.hidden_topics)
        if request.is_named:
            kept = kept_progress(reader, groups, replay_group(settings, request.name))
            if kept:
                return _resumed(kept, request)
        live = {layout.group: groups.committed(layout.group, tps) for layout in layouts(settings)}
        facts = _facts(reader, tps, _one_group(settings, live, ends))
        first, until = (_resolved(reader, end, facts) for end in ends)
        stretches = {tp: PartitionRange(first[tp], max(first[tp], until[tp]), first[tp]) for tp in tps}
        warnings = (*_clamped(ends[0], "--from", facts), *_sent_live(settings, live, stretches))
    return ReplayPlan(stretches, request.asked(), warnings=warnings)


def resolve_start(settings: Settings, kafka: KafkaPolicy, request: ReplayRequest, now_ms: int) -> Starts:
    """The offset in each partition at which the range of the request begins. Blocking.

    Raises:
        ConfigError: `--from` cannot be read, or a partition does not exist; SourceError: Kafka does not answer.
    """
    (start, _) = _parse_ends(request, now_ms)
    with OffsetReader(reader_config(kafka)) as reader:
        tps, live = _partitions(reader, request, kafka.hidden_topics), {}
        if isinstance(start, CommittedOffset):
            groups = Groups(common_config(kafka))
            names = dict.fromkeys(live_group_of(settings, workflow) for workflow in request.workflows)
            live = {group: groups.committed(group, tps) for group in names}
        return _resolved(reader, start, _facts(reader, tps, _one_group(settings, live, [start])))


def _parse_ends(request: ReplayRequest, now_ms: int) -> tuple[End, End]:
    found, problems = [], []
    for option, text in (("--from", request.start), ("--until", request.until)):
        try:
            found.append(parse_end(text, now_ms))
        except ValueError as error:
            problems.append(Problem(option, str(error)))
    if problems:
        raise ConfigError(problems)
    if all(isinstance(end, AtTime) for end in found) and found[0].ms > found[1].ms:  # type: ignore[union-attr]  # just seen
        times = " and ".join(format_time(end.ms) for end in found if isinstance(end, AtTime))
        raise config_error("--until", f"the range ends before it begins ({times}).", "Exchange --from and --until.")
    return found[0], found[1]


def _partitions(reader: OffsetReader, request: ReplayRequest, hidden: Collection[str]) -> list[TopicPartition]:
    """The partitions asked for, of topics that exist. `hidden` are this program's own topics."""
    if own := [topic for topic in request.topics if topic in hidden]:
        fix = "Bring dead letters back with: tray-stream dead-letters redrive"
        raise config_error("--topic", f"{own[0]} is a topic that this program writes itself.", fix)
    tps = [tp for tp in reader.partitions(request.topics) if tp.topic not in hidden]
    existing = {tp.topic for tp in tps}
    missing = [topic for topic in request.topics if topic not in existing and not topic.startswith("^")]
    if missing or not tps:
        near = nearest(missing[0], {tp.topic for tp in reader.partitions(["^"])}) if missing else ""
        hint = f" Did you mean {near}?" if near else ""
        raise MissingTopicError(f"There is no topic {', '.join(missing or request.topics)} on this cluster.{hint}")
    problems = [
        Problem("--topic", f"{topic} has no partition {number}.", f"It has 0 to {_last(tps, topic)}.")
        for topic, numbers in request.topics.items()
        for number in sorted(numbers)
        if TopicPartition(topic, number) not in tps
    ]
    if problems:
        raise ConfigError(problems)
    return [tp for tp in tps if tp.partition in (request.topics.get(tp.topic) or {tp.partition})]


def _last(tps: Collection[TopicPartition], topic: str) -> int:
    return max(tp.partition for tp in tps if tp.topic == topic)


# What an earlier run has left.


def _resumed(kept: Mapping[TopicPartition, KeptProgress], request: ReplayRequest) -> ReplayPlan:
    asked = request.asked()
    for before in kept.values():
        if before.progress.asked.digest != asked.digest:
            different = "; ".join(before.progress.asked.differences(asked))
            what = f"a replay {request.name} of something else has begun: {different}."
            raise config_error("--name", what, "Ask for the same again to continue with it, or choose another name.")
    stretches = {tp: before.stretch for tp, before in sorted(kept.items())}
    done = {tp: ranges for tp, s in stretches.items() if (ranges := _done_beyond(s, request.workflows))}
    return ReplayPlan(stretches, asked, is_resumed=True, done_before=done)


def _done_beyond(stretch: PartitionRange, workflows: Sequence[str]) -> list[list[Range]]:
    """What the map has, as the engine reads it; nothing when it cannot be read, and then events are sent again."""
    _, found = read_map(stretch.done_map, stretch.at)
    return [list(found.of(name_hash(name))) for name in workflows] if found.done else []


# A range that is new.


def _one_group(settings: Settings, live: Mapping[str, Commits], ends: Collection[End]) -> Commits:
    """What `committed` means."""
    if len(live) < 2:
        return next(iter(live.values()), {})
    if any(isinstance(end, CommittedOffset) for end in ends):
        what = "every workflow has committed offsets of its own, since isolation is workflow."
        raise config_error("committed", what, f"Name one: --workflow {settings.workflows[0].name}")
    return {}


def _facts(
    reader: OffsetReader, tps: Collection[TopicPartition], committed: Commits
) -> dict[TopicPartition, PartitionFacts]:
    offsets = {tp: commit.offset for tp, commit in committed.items()}
    return {tp: PartitionFacts(*span, offsets.get(tp)) for tp, span in reader.ranges(tps).items()}


def _resolved(
    reader: OffsetReader, end: End, facts: Mapping[TopicPartition, PartitionFacts]
) -> dict[TopicPartition, int]:
    at_time = reader.at_time(list(facts), end.ms) if isinstance(end, AtTime) else {}
    return {tp: resolve(end, of_one, at_time.get(tp)) for tp, of_one in facts.items()}


def _clamped(start: End, option: str, facts: Mapping[TopicPartition, PartitionFacts]) -> Iterator[str]:
    """An offset that a partition does not hold is moved to where it begins or ends."""
    if not isinstance(start, AtOffset):
        return
    outside = {tp: f for tp, f in facts.items() if not f.first <= start.offset <= f.end}
    if outside:
        listed = ", ".join(f"{tp.topic}:{tp.partition} holds {f.first} to {f.end}" for tp, f in outside.items())
        yield f"{option} {start.offset} is taken for the nearest offset where it lies outside: {listed}."


def _sent_live(
    settings: Settings, live: Mapping[str, Commits], stretches: Mapping[TopicPartition, PartitionRange]
) -> Iterator[str]:
    """The range may reach beyond what a live group has committed."""
    for group, commits in live.items():
        known = {tp.topic for tp in commits}
        beyond = 0
        for tp, stretch in stretches.items():
            commit = commits.get(tp)
            if commit is None and tp.topic not in known and settings.kafka.start == "latest":
                continue
            beyond += max(0, stretch.until - max(stretch.first, 0 if commit is None else commit.offset))
        if beyond:
            yield (
                f"{beyond:,} of these offsets lie beyond what the live group {group} has committed: "
                "it will send them as well. Leave them out with --until committed."
            )

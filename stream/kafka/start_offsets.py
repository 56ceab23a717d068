"""Where a granted partition starts: at its committed offset, else by the start policy of its topic and group.

Rules for a partition without a commit, decided by what Kafka held before this process joined the group (`FirstLook`):

- The group had committed on the topic: at the first record, since the topic grew and all of it is unread.
- The partition did not exist: at the first record, since all of it came later.
- Otherwise by the topic's policy: `earliest`, or `latest` as of the first look. Nothing that is written from then on is
  left out, however long the group, the broker or an earlier owner takes; a topic that was created again since then has
  another id and is read from its first record.

Only the partition's owner, in its epoch, commits a start, and only where it read that nothing is committed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from stream.model.commit_map import START_MARK, topic_id_in
from stream.model.origin import is_named, split_origin
from stream.model.records import TopicPartition
from stream.model.source import CommitOffset, CommitOutcome, CommitResult

AGAIN_AFTER_S = 1.0

Policy = Literal["earliest", "latest"]
Commits = Mapping[TopicPartition, tuple[int, str]]
"""(offset, metadata) of partitions that have a commit."""
Grants = Mapping[TopicPartition, int]
"""Granted partitions and their epochs."""


@dataclass(frozen=True)
class ResolvedStart:
    """Where reading begins."""

    tp: TopicPartition
    offset: int
    metadata: str = ""
    """What the commit at this offset says of the offsets beyond it."""
    topic_id: str = ""
    """Of the topic that the offset belongs to: the commit's own, else the present one; empty: unknown."""
    is_committed: bool = True
    """The group has committed this offset."""
    origin: str = ""
    """The suffix of the commit, which later ones keep; empty: it has none."""


@dataclass(frozen=True)
class TopicStart:
    """The start policy of one topic in one group."""

    policy: Policy
    because_of: str = ""
    """The other workflow's group for whose commits on the topic the policy is `latest`."""


def topic_start(policy: str, own: str | None, running: str = "") -> TopicStart:
    """Policy of a topic on which the group has committed nothing.

    `own` is the workflow's own `start`; `running` another workflow's group that has progressed on the topic.
    """
    if own is None and running:
        return TopicStart("latest", running if policy != "latest" else "")
    return TopicStart("latest" if (own or policy) == "latest" else "earliest")


def has_progressed(commits: Commits) -> bool:
    """Whether a group has committed more than resolved starts, so that its deployment has been running."""
    return any(not metadata.startswith(START_MARK) for _, metadata in commits.values())


def has_run_without(commits: Commits, topic: str, group: str) -> bool:
    """Whether `group` is new on the topic beside one with these commits: that has progressed, and began without it."""
    of_topic = {tp: commit for tp, commit in commits.items() if tp.topic == topic}
    began_with = any(is_named(split_origin(metadata)[1], group) for _, metadata in of_topic.values())
    return has_progressed(of_topic) and not began_with


@dataclass(frozen=True)
class FirstLook:
    """What Kafka held before this process joined the group."""

    known: frozenset[str] = frozenset()
    """Topics on which the group had committed."""
    topics: Mapping[str, TopicStart] = field(default_factory=dict)
    """The policy of each topic that existed and is new to the group."""
    ends: Mapping[TopicPartition, int] = field(default_factory=dict)
    """End of each partition of the topics whose policy is `latest`."""
    topic_ids: Mapping[str, str] = field(default_factory=dict)
    """Ids of the topics that `ends` belong to; where Kafka gives none, a topic is its name."""
    others: str = ""
    """The suffix that names the other groups of the deployment."""

    def policy(self, tp: TopicPartition) -> TopicStart:
        """The policy of a partition without a commit."""
        found = self.topics.get(tp.topic, TopicStart("earliest"))
        return found if found.policy == "earliest" or tp in self.ends else TopicStart("earliest")

    def origin(self, topic: str) -> str:
        """What the commit of a start says of the others; nothing where the group began earlier."""
        return "" if topic in self.known else self.others

    def offset(self, tp: TopicPartition, first: int, end: int, topic_id: str) -> int:
        """Start of a partition without a commit that now holds [first, end)."""
        if self.policy(tp).policy != "latest" or self.topic_ids.get(tp.topic, topic_id) != topic_id:
            return first
        latest = self.ends.get(tp, first)
        return latest if first <= latest <= end else first  # outside: retention, or the topic was created again


@dataclass(frozen=True)
class StartAnswer:
    """What Kafka said of the partitions asked for; one without a commit and a range is asked for again."""

    committed: Commits = field(default_factory=dict)
    ranges: Mapping[TopicPartition, tuple[int, int]] = field(default_factory=dict)
    """[first, end) of partitions for which Kafka said that nothing is committed."""
    topic_ids: Mapping[str, str] = field(default_factory=dict)
    """Kafka's ids of the topics, as far as they are known."""


@dataclass(frozen=True)
class Resolved:
    """What an answer leads to."""

    known: Sequence[ResolvedStart]
    """Read from here: the group has committed these."""
    fresh: Mapping[TopicPartition, CommitOffset]
    """Commit these; reading begins once they are stored."""


class StartOffsets:
    """Granted partitions that are not read yet. Pure: the caller asks Kafka, commits, and reads the clock.

    Invariant: a start is committed only for a partition in the epoch in which Kafka said that it has no commit.
    """

    def __init__(self) -> None:
        self._look: FirstLook | None = None
        self._unknown: dict[TopicPartition, int] = {}
        self._committing: dict[TopicPartition, CommitOffset] = {}
        self._sent: set[tuple[TopicPartition, int, int]] = set()
        """(partition, epoch, offset) of each start whose commit is under way, also of those dropped meanwhile."""
        self._is_asking = False
        self._ask_at = 0.0

    @property
    def has_looked(self) -> bool:
        """Whether the group may be joined."""
        return self._look is not None

    @property
    def look(self) -> FirstLook:
        """What Kafka held before the group was joined."""
        return self._look or FirstLook()

    @property
    def is_waiting(self) -> bool:
        """Whether an answer is awaited that lets partitions be read."""
        return self._is_asking or bool(self._unknown or self._committing)

    def is_due(self, now: float) -> bool:
        """Whether there is a question to ask; one is asked at a time."""
        return not self._is_asking and now >= self._ask_at and (not self.has_looked or bool(self._unknown))

    def ask(self) -> Grants:
        """The partitions to ask for; none: the first look."""
        self._is_asking = True
        return dict(self._unknown) if self.has_looked else {}

    def looked(self, look: FirstLook) -> None:
        """The answer to the first look."""
        self._is_asking = False
        self._look = look

    def failed(self, now: float) -> None:
        """Kafka did not answer, which is never taken for an answer."""
        self._is_asking = False
        self._ask_at = now + AGAIN_AFTER_S

    def add(self, grants: Grants) -> None:
        """These partitions were granted."""
        self._unknown |= grants

    def drop(self, tps: Collection[TopicPartition]) -> None:
        """These partitions are revoked or lost; answers that are under way no longer count."""
        for tp in tps:
            self._unknown.pop(tp, None)
            self._committing.pop(tp, None)

    def answered(self, asked: Grants, answer: StartAnswer, now: float) -> Resolved:
        """Starts of the partitions that are still held in the epoch in which they were asked for."""
        self._is_asking = False
        ids = answer.topic_ids
        held = {tp: epoch for tp, epoch in asked.items() if self._unknown.get(tp) == epoch}
        known = [_start(tp, *answer.committed[tp], ids) for tp in held if tp in answer.committed]
        fresh = {
            tp: CommitOffset(
                epoch,
                self.look.offset(tp, *answer.ranges[tp], topic_id),
                START_MARK + topic_id + self.look.origin(tp.topic),
            )
            for tp, epoch in held.items()
            if tp not in answer.committed and tp in answer.ranges
            for topic_id in [ids.get(tp.topic, "")]
            if topic_id or tp.topic not in self.look.topic_ids
        }
        self.drop([start.tp for start in known])
        self.drop(fresh)
        self._committing |= fresh
        self._sent |= {(tp, due.epoch, due.offset) for tp, due in fresh.items()}
        if held.keys() & self._unknown.keys():
            self._ask_at = now + AGAIN_AFTER_S
        return Resolved(known, fresh)

    def committed(self, results: Iterable[CommitResult], now: float) -> list[ResolvedStart]:
        """Partitions to be read from now on; where the commit failed Kafka is asked again what is committed."""
        stored = []
        for result in results:
            self._sent.discard((result.tp, result.epoch, result.offset))
            due = self._committing.get(result.tp)
            if due is None or (due.epoch, due.offset) != (result.epoch, result.offset):
                continue
            del self._committing[result.tp]
            if result.outcome is CommitOutcome.OK:
                stored.append(_start(result.tp, due.offset, due.metadata, {}))
            else:
                self._unknown[result.tp] = due.epoch
                self._ask_at = now + AGAIN_AFTER_S
        return stored

    def is_start(self, result: CommitResult) -> bool:
        """Whether it answers the commit of a start, of which the engine knows nothing."""
        return (result.tp, result.epoch, result.offset) in self._sent


def _start(tp: TopicPartition, offset: int, metadata: str, topic_ids: Mapping[str, str]) -> ResolvedStart:
    topic_id = topic_id_in(metadata, offset) or topic_ids.get(tp.topic, "")
    beyond, origin = split_origin(metadata)
    return ResolvedStart(tp, offset, "" if beyond.startswith(START_MARK) else beyond, topic_id, origin=origin)

"""The last minutes of one workflow and of one group: bounded samples, and the rates that follow from them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import sub
from typing import TypeVar

from stream.model.records import TopicPartition
from stream.model.source import Contact
from stream.model.statistics import ATTEMPT_BUCKETS_S, EngineStats, WorkflowStats
from stream.telemetry.status.judge import Judgement, judge
from stream.telemetry.status.report import (
    TREND_EVERY_S,
    TREND_POINTS,
    GroupStatus,
    PartitionStatus,
    State,
    WorkflowStatus,
)

RATE_OVER_S = 10.0
"""Rates are of so many of the last seconds, so that slow traffic does not flicker."""
RECENT_S = 60.0
"""Latencies and failures are of the last minute: they need more attempts than a rate."""
_ENDED = ("delivered", "rejected", "expired")
"""Outcomes that an attempt of this process led to."""
_BOUNDS = (*ATTEMPT_BUCKETS_S, float("inf"))


@dataclass(frozen=True, slots=True)
class _WorkflowSample:
    at: float
    delivered: int
    tried: int
    ended: int
    dead_letters: int
    attempts: Mapping[str, int]
    durations: list[int]


@dataclass(frozen=True, slots=True)
class _GroupSample:
    at: float
    received: int
    letters_failed: int
    committed: Mapping[TopicPartition, int]


Sample = TypeVar("Sample", _WorkflowSample, _GroupSample)


def _drop_old(samples: deque[Sample], seconds: float) -> None:
    """Keep one that is `seconds` old, as what the others are compared with."""
    while len(samples) > 2 and samples[-1].at - samples[1].at >= seconds:
        samples.popleft()


def _before(samples: deque[Sample], seconds: float) -> Sample | None:
    """The youngest sample that is so old, else the oldest; None: the last is the only one."""
    last, found = samples[-1], None
    for sample in samples:
        if found is not None and last.at - sample.at < seconds:
            break
        found = sample
    return None if found is last else found


def _rated(samples: deque[Sample]) -> tuple[Sample | None, float]:
    """What rates are against, and how many seconds ago it was; None: there are no rates yet."""
    before = _before(samples, RATE_OVER_S)
    return before, max(samples[-1].at - before.at, 1e-6) if before else 1.0


class WorkflowTrack:
    """One workflow. Sampled once a second on the event loop."""

    def __init__(self, group: str, name: str, stats: WorkflowStats) -> None:
        self.group = group
        self.name = name
        self.stats = stats
        self.judgement = Judgement(State.DELIVERING)
        self._samples: deque[_WorkflowSample] = deque()
        self._trend: dict[int, int] = {}
        """Deliveries by the number of the step in Unix time."""

    def sample(self, now: float, wall: float) -> Judgement | None:
        """Take the numbers; the new state when it has changed."""
        stats, counts = self.stats, self.stats.deliveries
        sample = _WorkflowSample(
            now,
            counts["delivered"],
            stats.attempts.total(),
            sum(counts[outcome] for outcome in _ENDED),
            stats.dead_letters.total(),
            stats.attempts.copy(),
            list(stats.attempt_duration.counts),
        )
        step = int(wall // TREND_EVERY_S)
        more = sample.delivered - self._samples[-1].delivered if self._samples else 0
        self._trend[step] = self._trend.get(step, 0) + more
        if len(self._trend) > TREND_POINTS:
            del self._trend[min(self._trend)]
        self._samples.append(sample)
        _drop_old(self._samples, RECENT_S)
        return self._judge(wall)

    def _judge(self, wall: float) -> Judgement | None:
        before, found = self.judgement, judge(self.stats, wall)
        if found.state is before.state:
            self.judgement = found._replace(since=before.since if found.since is None else found.since)
            return None
        self.judgement = found if found.since is not None else found._replace(since=wall)
        return self.judgement

    def status(self, wall: float) -> WorkflowStatus:
        """What is shown of it; after the first sample."""
        stats, last = self.stats, self._samples[-1]
        rated, elapsed = _rated(self._samples)
        recent = _before(self._samples, RECENT_S)
        retries = max(0, last.tried - last.ended)
        durations = list(map(sub, last.durations, recent.durations)) if recent else last.durations
        p50_s, p99_s = latencies(durations, last.durations)
        return WorkflowStatus(
            group=self.group,
            workflow=self.name,
            state=self.judgement.state,
            since=self.judgement.since,
            because=self.judgement.because,
            delivered=last.delivered,
            delivered_per_s=(last.delivered - rated.delivered) / elapsed if rated else None,
            p50_s=p50_s,
            p99_s=p99_s,
            in_flight=stats.in_flight,
            concurrency_limit=stats.concurrency_limit,
            waiting=stats.waiting,
            gates=1,
            gates_closed=int(stats.gate_closed_since is not None),
            gate_closed_since=stats.gate_closed_since,
            gate_closed_until=stats.gate_closed_until,
            held=stats.held,
            retries=retries,
            retries_per_s=max(0.0, (retries - rated.tried + rated.ended) / elapsed) if rated else None,
            failing=_failing(last.attempts, recent.attempts if recent else {}),
            dead_letters=last.dead_letters,
            dead_letters_per_s=(last.dead_letters - rated.dead_letters) / elapsed if rated else None,
            filtered=stats.filtered.total(),
            filtered_by_reason={reason: count for reason, count in stats.filtered.items() if count},
            oldest_open_at=stats.oldest_open_at,
            last_delivery_at=stats.last_delivery_at,
            trend=self._trend_until(wall),
            recent_durations=durations,
            all_durations=last.durations,
        )

    def _trend_until(self, wall: float) -> list[float]:
        """Of the step that is under way as much as has passed of it."""
        counts, last = self._trend, int(wall // TREND_EVERY_S)
        first = max(min(counts), last - TREND_POINTS + 1)
        points = [counts.get(step, 0) / TREND_EVERY_S for step in range(first, last)]
        return [*points, counts.get(last, 0) / max(1.0, wall - last * TREND_EVERY_S)]


def latencies(recent: Sequence[int], ever: Sequence[int]) -> tuple[float | None, float | None]:
    """p50 and p99 in seconds of attempts by bucket: of the recent ones, or of all where there are none."""
    counts = dict(zip(_BOUNDS, accumulate(map(float, recent if sum(recent) else ever)), strict=True))
    return quantile(0.5, counts), quantile(0.99, counts)


def _failing(now: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    """The commonest first."""
    grown = {code: count - before.get(code, 0) for code, count in now.items() if not code.startswith("2")}
    return dict(sorted(((code, more) for code, more in grown.items() if more > 0), key=lambda entry: -entry[1]))


class GroupTrack:
    """One consumer group and its workflows."""

    def __init__(self, stats: EngineStats, wall: float) -> None:
        self.stats = stats
        self.workflows: dict[str, WorkflowTrack] = {}
        self.owned = 0
        """Partitions at the last sample, and how many of them were halted."""
        self.halted = 0
        self._samples: deque[_GroupSample] = deque()
        self._contact = Contact(is_up=False, at=None, seen_at=wall)
        self._contact_since = wall

    def sample(self, now: float, wall: float) -> None:
        """Take the numbers of the group; its workflows are sampled by themselves."""
        stats = self.stats
        self.workflows = {name: self._track_of(name, numbers) for name, numbers in stats.workflows.items()}
        failed = stats.dead_letter_writes["failed"]
        self._samples.append(_GroupSample(now, stats.received.total(), failed, stats.committed.copy()))
        _drop_old(self._samples, RATE_OVER_S)
        if stats.contact.is_up is not self._contact.is_up:
            self._contact_since = wall if stats.contact.is_up else stats.contact.at or self._contact_since
        self._contact = stats.contact

    def _track_of(self, name: str, numbers: WorkflowStats) -> WorkflowTrack:
        track = self.workflows.get(name)
        return track if track and track.stats is numbers else WorkflowTrack(self.stats.group, name, numbers)

    def letters_failed(self) -> int:
        """Writes of dead letters that Kafka refused in the last seconds."""
        before = _before(self._samples, RATE_OVER_S)
        return self._samples[-1].letters_failed - before.letters_failed if before else 0

    def status(self) -> GroupStatus:
        """What is shown of it; after the first sample."""
        stats, last = self.stats, self._samples[-1]
        before, elapsed = _rated(self._samples)
        is_lag_known = stats.contact.is_up and stats.partitions_assigned > 0
        return GroupStatus(
            group=stats.group,
            received_per_s=(last.received - before.received) / elapsed if before else None,
            open_events=stats.open_events.total(),
            open_bytes=stats.open_bytes,
            lag=sum(stats.lag().values()) if is_lag_known else None,
            partitions=len(stats.committed),
            partitions_paused=stats.partitions_paused,
            partitions_held=stats.held_records,
            partitions_assigned=stats.partitions_assigned,
            partitions_halted=stats.partitions_halted,
            partitions_awaiting_schema=stats.partitions_awaiting_schema,
            members=1,
            members_cut_off=int(not stats.contact.is_up),
            last_contact_at=stats.contact.at,
            records_lost=stats.records_lost.total(),
            commits_failed=stats.commits["failed"],
            kafka_since=self._contact_since,
        )

    def partitions(self) -> list[PartitionStatus]:
        """Every one that is owned."""
        stats = self.stats
        before, elapsed = _rated(self._samples)
        lags = stats.lag() if stats.contact.is_up else None
        return [
            PartitionStatus(
                stats.group,
                tp.topic,
                tp.partition,
                lag=None if lags is None else lags.get(tp, 0),
                committed=committed,
                committed_per_s=max(0, committed - before.committed[tp]) / elapsed
                if before and tp in before.committed
                else None,
            )
            for tp, committed in stats.committed.copy().items()
        ]


def quantile(share: float, counts: Mapping[float, float]) -> float | None:
    """The value that `share` (0 to 1) of the observations lie below; None when there are none.

    `counts` are cumulative by upper bound, infinity included. Within a bucket observations are taken to be spread
    evenly; of what lies beyond the last bound nothing is known but that bound.
    """
    bounds = sorted(counts)
    if not bounds or counts[bounds[-1]] <= 0:
        return None
    rank = share * counts[bounds[-1]]
    lower, below = 0.0, 0.0
    for bound in bounds:
        if counts[bound] >= rank:
            if math.isinf(bound):
                return lower
            inside = counts[bound] - below
            return lower + (bound - lower) * ((rank - below) / inside if inside > 0 else 1.0)
        lower, below = bound, counts[bound]
    return lower

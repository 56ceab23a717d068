"""Several processes as one: sums, the earliest, the worst."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import TypeVar

from stream.telemetry.status.report import (
    MOST_CHANGES,
    Change,
    GroupStatus,
    ProcessStatus,
    State,
    WorkflowStatus,
    most_lagging,
)
from stream.telemetry.status.tracks import latencies

T = TypeVar("T")
SAME_CHANGE_S = 5.0
_RANKS = list(State)


def merged(status_by_worker: Mapping[str, ProcessStatus]) -> ProcessStatus:
    """The status of at least one process as a whole. The key is the worker's number; empty: there are no workers."""
    parts = list(status_by_worker.values())
    groups = _by_key((group for part in parts for group in part.groups), lambda group: group.group)
    flows = _by_key((one for part in parts for one in part.workflows), lambda one: f"{one.group}\0{one.workflow}")
    partitions = [
        replace(partition, worker=worker) for worker, part in status_by_worker.items() for partition in part.partitions
    ]
    changes = [replace(one, worker=worker) for worker, part in status_by_worker.items() for one in part.changes]
    return ProcessStatus(
        at=min(part.at for part in parts),
        version=parts[0].version,
        workers=0,
        workers_up=0,
        reloads_failed=max(part.reloads_failed for part in parts),
        letters_failed=sum(part.letters_failed for part in parts),
        groups=[_group(some) for some in groups],
        workflows=[_workflow(some) for some in flows],
        partitions=most_lagging(partitions),
        started_at=_least(part.started_at for part in parts),
        reloads=max(part.reloads for part in parts),
        reloaded_at=_most(part.reloaded_at for part in parts),
        token_failing_since=_least(part.token_failing_since for part in parts),
        changes=latest_changes(changes),
    )


def _by_key(items: Iterable[T], key: Callable[[T], str]) -> list[list[T]]:
    found: dict[str, list[T]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return list(found.values())


def _group(parts: Sequence[GroupStatus]) -> GroupStatus:
    cut_off = [part for part in parts if part.members_cut_off]
    contacts = [part.last_contact_at for part in cut_off or parts]
    known = [part.lag for part in parts if part.lag is not None]
    return GroupStatus(
        group=parts[0].group,
        received_per_s=_total(part.received_per_s for part in parts),
        open_events=sum(part.open_events for part in parts),
        open_bytes=sum(part.open_bytes for part in parts),
        lag=None if cut_off or not known else sum(known),
        partitions=sum(part.partitions for part in parts),
        partitions_paused=sum(part.partitions_paused for part in parts),
        partitions_held=sum(part.partitions_held for part in parts),
        partitions_assigned=sum(part.partitions_assigned for part in parts),
        partitions_halted=sum(part.partitions_halted for part in parts),
        partitions_awaiting_schema=sum(part.partitions_awaiting_schema for part in parts),
        members=len(parts),
        members_cut_off=len(cut_off),
        last_contact_at=None if None in contacts else _least(contacts) if cut_off else _most(contacts),
        records_lost=sum(part.records_lost for part in parts),
        commits_failed=sum(part.commits_failed for part in parts),
        kafka_since=_least(part.kafka_since for part in cut_off) if cut_off else _most(p.kafka_since for p in parts),
    )


def _workflow(parts: Sequence[WorkflowStatus]) -> WorkflowStatus:
    worst = min(parts, key=lambda part: (_RANKS.index(part.state), part.since or float("inf")))
    recent = [sum(counts) for counts in zip(*(part.recent_durations for part in parts), strict=True)]
    ever = [sum(counts) for counts in zip(*(part.all_durations for part in parts), strict=True)]
    p50_s, p99_s = latencies(recent, ever)
    since = _most(p.since for p in parts) if worst.state is State.DELIVERING else worst.since
    return WorkflowStatus(
        group=worst.group,
        workflow=worst.workflow,
        state=worst.state,
        since=since,
        because=worst.because,
        delivered=sum(part.delivered for part in parts),
        delivered_per_s=_total(part.delivered_per_s for part in parts),
        p50_s=p50_s,
        p99_s=p99_s,
        in_flight=sum(part.in_flight for part in parts),
        concurrency_limit=sum(part.concurrency_limit for part in parts),
        waiting=sum(part.waiting for part in parts),
        gates=sum(part.gates for part in parts),
        gates_closed=sum(part.gates_closed for part in parts),
        gate_closed_since=_least(part.gate_closed_since for part in parts),
        gate_closed_until=_least(part.gate_closed_until for part in parts),
        held=sum(part.held for part in parts),
        retries=sum(part.retries for part in parts),
        retries_per_s=_total(part.retries_per_s for part in parts),
        failing=_counts(part.failing for part in parts),
        dead_letters=sum(part.dead_letters for part in parts),
        dead_letters_per_s=_total(part.dead_letters_per_s for part in parts),
        filtered=sum(part.filtered for part in parts),
        filtered_by_reason=_counts(part.filtered_by_reason for part in parts),
        oldest_open_at=_least(part.oldest_open_at for part in parts),
        last_delivery_at=_most(part.last_delivery_at for part in parts),
        trend=summed_trends([part.trend for part in parts]),
    )


def latest_changes(changes: Iterable[Change]) -> list[Change]:
    """The latest first; what several workers say at the same time is one change."""
    kept: list[Change] = []
    for change in sorted(changes, key=lambda change: -change.at):
        same = next((index for index, one in enumerate(kept) if _is_same(one, change)), None)
        if same is None:
            kept.append(change)
        else:
            kept[same] = replace(kept[same], worker="")
    return kept[:MOST_CHANGES]


def _is_same(one: Change, other: Change) -> bool:
    return one.sentence == other.sentence and one.at - other.at <= SAME_CHANGE_S and one.worker != other.worker


def summed_trends(trends: Iterable[Sequence[float]]) -> list[float]:
    """Point by point; all of them end now."""
    return [sum(points) for points in zip_longest(*(trend[::-1] for trend in trends), fillvalue=0.0)][::-1]


def _counts(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return dict(total.most_common())


def _total(numbers: Iterable[float | None]) -> float | None:
    """The sum of those that are known; None when none is."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def _least(numbers: Iterable[float | None]) -> float | None:
    return min((number for number in numbers if number is not None), default=None)


def _most(numbers: Iterable[float | None]) -> float | None:
    return max((number for number in numbers if number is not None), default=None)

"""What the numbers of the last scrapes say: rates, quantiles, gates, by group, workflow and partition."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass

from stream.top.quantile import quantile
from stream.top.reading import GroupReading, PartitionReading, Reading, WorkflowReading
from stream.top.snapshot import Snapshot

RATE_OVER_S = 10.0
"""Rates are of so many of the last seconds, so that slow traffic does not flicker."""
LATENCY_OVER_S = 60.0
"""So are quantiles, which need more attempts than a rate."""
TREND_POINTS = 300

_ENDED = ("delivered", "rejected", "expired")
"""Outcomes that an attempt of this process led to."""


class History:
    """The last scrapes, and the trends of what was delivered."""

    def __init__(self) -> None:
        self._snapshots: deque[Snapshot] = deque()
        self.total_trend: deque[float] = deque(maxlen=TREND_POINTS)
        """Deliveries a second of all workflows, one point for each scrape but the first."""
        self.trends: dict[tuple[str, str], deque[float]] = defaultdict(lambda: deque(maxlen=TREND_POINTS))
        """The same by group and workflow."""

    def take(self, snapshot: Snapshot) -> None:
        """The next scrape."""
        if self._snapshots:
            self._note_trends(snapshot, self._snapshots[-1])
        self._snapshots.append(snapshot)
        while len(self._snapshots) > 2 and snapshot.at - self._snapshots[1].at >= LATENCY_OVER_S:
            self._snapshots.popleft()

    def reading(self) -> Reading:
        """What the last scrape says, compared with those before it. Only when there was one."""
        now = self._snapshots[-1]
        view = _View(now, self._since(RATE_OVER_S), self._since(LATENCY_OVER_S))
        workers = {named["worker"] for named, _ in now.series("tray_build_info") if "worker" in named}
        workers |= {named["worker"] for named, _ in now.series("tray_worker_up")}
        return Reading(
            wall=now.wall,
            version=next((named.get("version", "") for named, _ in now.series("tray_build_info")), ""),
            workers=len(workers),
            workers_up=int(now.total("tray_worker_up")),
            reloads_failed=int(now.total("tray_config_reloads_total", result="failed")),
            letters_failed=view.letters_failed(),
            groups=[view.group(group) for group in _groups(now)],
            workflows=[view.workflow(*names) for names in _workflows(now)],
            partitions=list(view.partitions()),
        )

    def _since(self, seconds: float) -> Snapshot | None:
        """The scrape to compare with: the youngest that is old enough, else the oldest; None: it is the first."""
        now = self._snapshots[-1]
        earlier = list(self._snapshots)[:-1]
        old = [snapshot for snapshot in earlier if now.at - snapshot.at >= seconds]
        return old[-1] if old else earlier[0] if earlier else None

    def _note_trends(self, now: Snapshot, before: Snapshot) -> None:
        elapsed = max(now.at - before.at, 1e-6)
        total = 0.0
        for group, workflow in _workflows(now):
            more = now.increase(before, "tray_deliveries_total", group=group, workflow=workflow, outcome="delivered")
            self.trends[group, workflow].append(more / elapsed)
            total += more
        self.total_trend.append(total / elapsed)


@dataclass(frozen=True)
class _View:
    """The last scrape, and those that rates and quantiles are counted from."""

    now: Snapshot
    rated_from: Snapshot | None
    timed_from: Snapshot | None

    def group(self, group: str) -> GroupReading:
        now = self.now
        members = list(now.series("tray_kafka_up", group=group))
        cut_off = [named for named, is_up in members if not is_up]
        contacts = [now.most("tray_kafka_last_contact_timestamp_seconds", **named) for named in cut_off]
        assigned = int(now.total("tray_partitions_assigned", group=group))
        is_lag_known = not cut_off and (assigned > 0 or not members)
        return GroupReading(
            group=group,
            received_per_s=self._rate("tray_events_received_total", group=group),
            open_events=int(now.total("tray_open_events", group=group)),
            open_bytes=int(now.total("tray_open_bytes", group=group)),
            lag=int(now.total("tray_consumer_lag", group=group)) if is_lag_known else None,
            partitions=sum(1 for _ in now.series("tray_committed_offset", group=group)),
            partitions_paused=int(now.total("tray_partitions_paused", group=group)),
            partitions_held=int(now.total("tray_held", group=group, workflow="")),
            partitions_assigned=assigned,
            partitions_halted=int(now.total("tray_partitions_halted", group=group)),
            members=len(members),
            members_cut_off=len(cut_off),
            last_contact_at=None if None in contacts else min(filter(None, contacts), default=None),
            records_lost=int(now.total("tray_records_lost_total", group=group)),
            commits_failed=int(now.total("tray_commits_total", group=group, result="failed")),
        )

    def letters_failed(self) -> int:
        if self.rated_from is None:
            return 0
        return int(self.now.increase(self.rated_from, "tray_dead_letter_writes_total", result="failed"))

    def workflow(self, group: str, workflow: str) -> WorkflowReading:
        now, whose = self.now, {"group": group, "workflow": workflow}
        gates = [value for _, value in now.series("tray_gate_open", **whose)]
        tried = int(now.total("tray_attempts_total", **whose))
        ended = int(sum(now.total("tray_deliveries_total", outcome=outcome, **whose) for outcome in _ENDED))
        return WorkflowReading(
            **whose,
            delivered=int(now.total("tray_deliveries_total", outcome="delivered", **whose)),
            delivered_per_s=self._rate("tray_deliveries_total", outcome="delivered", **whose),
            p50_s=self._quantile(0.5, whose),
            p99_s=self._quantile(0.99, whose),
            in_flight=int(now.total("tray_in_flight", **whose)),
            concurrency_limit=int(now.total("tray_concurrency_limit", **whose)),
            waiting=int(now.total("tray_waiting", **whose)),
            gates=len(gates),
            gates_closed=gates.count(0.0),
            gate_closed_since=now.least("tray_gate_closed_since_timestamp_seconds", **whose),
            gate_closed_until=now.least("tray_gate_closed_until_timestamp_seconds", **whose),
            held=int(now.total("tray_held", **whose)),
            retries=max(0, tried - ended),
            retries_per_s=self._retry_rate(whose),
            failing=self._failing(whose),
            dead_letters=int(now.total("tray_dead_letters_total", **whose)),
            dead_letters_per_s=self._rate("tray_dead_letters_total", **whose),
            filtered=int(now.total("tray_events_filtered_total", **whose)),
            oldest_open_at=now.least("tray_oldest_open_timestamp_seconds", **whose),
            last_delivery_at=now.most("tray_last_delivery_timestamp_seconds", **whose),
        )

    def partitions(self) -> Iterator[PartitionReading]:
        for named, committed in self.now.series("tray_committed_offset"):
            whose = {label: named[label] for label in ("group", "topic", "partition")}
            before = self.rated_from.most("tray_committed_offset", **whose) if self.rated_from else None
            yield PartitionReading(
                whose["group"],
                whose["topic"],
                int(whose["partition"]),
                lag=self._lag_of(named, whose),
                committed=int(committed),
                committed_per_s=None if before is None else max(0.0, committed - before) / self._elapsed(),
                worker=named.get("worker", ""),
            )

    def _lag_of(self, named: dict[str, str], whose: dict[str, str]) -> int | None:
        owner = {label: named[label] for label in ("group", "worker") if label in named}
        if self.now.least("tray_kafka_up", **owner) == 0:
            return None
        return int(self.now.most("tray_consumer_lag", **whose) or 0)

    def _elapsed(self) -> float:
        return max(self.now.at - (self.rated_from or self.now).at, 1e-6)

    def _rate(self, name: str, **labels: str) -> float | None:
        if self.rated_from is None:
            return None
        return self.now.increase(self.rated_from, name, **labels) / self._elapsed()

    def _retry_rate(self, whose: dict[str, str]) -> float | None:
        tried = self._rate("tray_attempts_total", **whose)
        if tried is None:
            return None
        ended = sum(self._rate("tray_deliveries_total", outcome=outcome, **whose) or 0.0 for outcome in _ENDED)
        return max(0.0, tried - ended)

    def _failing(self, whose: dict[str, str]) -> dict[str, int]:
        """Since the other scrape; with one scrape alone since the start."""
        before = self.timed_from or Snapshot(0.0, 0.0, {})
        counts: dict[str, int] = {}
        for named, more in self.now.increases(before, "tray_attempts_total", **whose):
            if more > 0 and not named["code"].startswith("2"):
                counts[named["code"]] = counts.get(named["code"], 0) + int(more)
        return dict(sorted(counts.items(), key=lambda entry: -entry[1]))

    def _quantile(self, share: float, whose: dict[str, str]) -> float | None:
        recent = self._buckets(self.timed_from, whose) if self.timed_from else {}
        found = quantile(share, recent)
        return quantile(share, self._buckets(None, whose)) if found is None else found

    def _buckets(self, before: Snapshot | None, whose: dict[str, str]) -> dict[float, float]:
        counts: dict[float, float] = {}
        before = before or Snapshot(0.0, 0.0, {})
        for named, count in self.now.increases(before, "tray_attempt_duration_seconds_bucket", **whose):
            bound = float(named["le"])
            counts[bound] = counts.get(bound, 0.0) + count
        return counts


def _groups(snapshot: Snapshot) -> list[str]:
    return list(dict.fromkeys(named["group"] for named, _ in snapshot.series("tray_open_bytes")))


def _workflows(snapshot: Snapshot) -> list[tuple[str, str]]:
    named = (named for named, _ in snapshot.series("tray_gate_open"))
    return list(dict.fromkeys((labels["group"], labels["workflow"]) for labels in named))

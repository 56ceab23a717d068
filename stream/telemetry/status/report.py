"""What /status.json says: plain values. Times are Unix seconds here and RFC 3339 in JSON; rates are a second."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from heapq import nsmallest

from stream.model.timeparse import format_wall

STATUS_SCHEMA_VERSION = 1
MOST_CHANGES = 20
MOST_PARTITIONS = 1_000
"""Partitions in one report, those that lag most; each group says how many it has."""
TREND_POINTS, TREND_EVERY_S = 90, 10
"""A quarter of an hour."""


class State(StrEnum):
    """How a workflow is, the most important first."""

    PAUSED = "paused"
    FAILING = "failing"
    HELD = "held"
    DELIVERING = "delivering"


@dataclass(frozen=True)
class Change:
    """A change of state of a workflow, of a group or of the process."""

    at: float
    what: str
    """`paused`, `failing`, `held`, `delivering`; `started`, `kafka_down`, `kafka_up`, `no_partitions`, `partitions`,
    `halted`, `reloaded`, `reload_failed`, `worker_down`, `worker_up`."""
    sentence: str
    group: str | None = None
    workflow: str | None = None
    worker: str = ""
    """The worker that it is about; empty without workers."""


@dataclass(frozen=True)
class GroupStatus:
    """One consumer group. Rates are None before the second look."""

    group: str
    received_per_s: float | None
    open_events: int
    open_bytes: int
    lag: int | None
    """None: not known, since no partition is owned here or Kafka does not answer."""
    partitions: int
    partitions_paused: int
    partitions_held: int
    """Partitions that are not read, since their records are no valid events."""
    partitions_assigned: int
    partitions_halted: int
    """Not read, since records of theirs were lost."""
    members: int
    """Consumers of the group in this process, one for each worker; how many of them no broker answers:"""
    members_cut_off: int
    last_contact_at: float | None
    """When a broker last answered; of members that are cut off the one that has waited longest. None: never."""
    records_lost: int
    commits_failed: int
    kafka_since: float | None = None
    """Since when Kafka answers every member, or does not answer one of them."""
    partitions_awaiting_schema: int = 0
    """Not read, until the Schema Registry has answered."""

    @property
    def kafka_up(self) -> bool:
        """Whether Kafka answers every member."""
        return not self.members_cut_off


@dataclass(frozen=True)
class WorkflowStatus:
    """One workflow of a group, over all workers.

    Quantiles are of the last minute's attempts; of all of them where the last minute had none.
    """

    group: str
    workflow: str
    state: State
    since: float | None
    """Since when it is in this state; None: since the start."""
    because: str
    """Why it is failing or held; in our words, nothing of an answer's body."""
    delivered: int
    delivered_per_s: float | None
    p50_s: float | None
    p99_s: float | None
    in_flight: int
    concurrency_limit: int
    waiting: int
    gates: int
    """One for each worker; how many of them are closed:"""
    gates_closed: int
    gate_closed_since: float | None
    gate_closed_until: float | None
    """When the next probe is sent."""
    held: int
    retries: int
    """Attempts that did not end their event."""
    retries_per_s: float | None
    failing: Mapping[str, int]
    """Attempts of the last minute by their answer, all but 2xx."""
    dead_letters: int
    dead_letters_per_s: float | None
    filtered: int
    filtered_by_reason: Mapping[str, int]
    oldest_open_at: float | None
    last_delivery_at: float | None
    trend: list[float] = field(default_factory=list)
    """Deliveries a second in steps of `TREND_EVERY_S`, the last one is now."""
    recent_durations: list[int] = field(default_factory=list)
    """Attempts of the last minute by bucket, and of all time; not in JSON."""
    all_durations: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class PartitionStatus:
    """One partition that is owned at present."""

    group: str
    topic: str
    partition: int
    lag: int | None
    """None: not known, since Kafka does not answer."""
    committed: int | None
    committed_per_s: float | None
    worker: str = ""
    """The worker that owns it; empty without workers."""


@dataclass(frozen=True)
class ProcessStatus:
    """Everything that is shown."""

    at: float
    version: str
    workers: int
    """0: one process without workers."""
    workers_up: int
    reloads_failed: int
    letters_failed: int
    """Writes of dead letters that Kafka refused in the last seconds."""
    groups: list[GroupStatus] = field(default_factory=list)
    workflows: list[WorkflowStatus] = field(default_factory=list)
    partitions: list[PartitionStatus] = field(default_factory=list)
    started_at: float | None = None
    worker_restarts: int = 0
    reloads: int = 0
    reloaded_at: float | None = None
    """When settings were last taken over; None: those of the start are in force."""
    token_failing_since: float | None = None
    """Since when there is no new token to log in to Kafka; None: there is, or none is needed."""
    changes: list[Change] = field(default_factory=list)
    """The latest first."""


def most_lagging(partitions: Iterable[PartitionStatus]) -> list[PartitionStatus]:
    """As many as one report has, those that lag most first."""
    return nsmallest(
        MOST_PARTITIONS, partitions, key=lambda one: (-(one.lag or 0), one.group, one.topic, one.partition)
    )


_NOT_SHOWN = ("recent_durations", "all_durations")


def plain_tree(status: ProcessStatus) -> dict[str, object]:
    """As dictionaries and lists, with times as they are."""
    tree = asdict(status)
    for group, shown in zip(status.groups, tree["groups"], strict=True):
        shown["kafka_up"] = group.kafka_up
    for workflow in tree["workflows"]:
        for name in _NOT_SHOWN:
            del workflow[name]
    return tree


def is_time(key: str) -> bool:
    """Whether the value of this key is a moment."""
    return key == "at" or key.endswith(("_at", "since", "_until"))


def status_json(status: ProcessStatus, summary: str) -> dict[str, object]:
    """The body of /status.json."""
    head = {
        "schema_version": STATUS_SCHEMA_VERSION,
        "summary": summary,
        "kafka_up": all(group.kafka_up for group in status.groups),
        "kafka_since": _kafka_since(status.groups),
    }
    tree = _with_times({**head, **plain_tree(status)})
    return tree if isinstance(tree, dict) else {}


def _kafka_since(groups: Sequence[GroupStatus]) -> float | None:
    """Since when Kafka answers all groups, or does not answer one of them."""
    down = [group.kafka_since for group in groups if not group.kafka_up and group.kafka_since is not None]
    up = [group.kafka_since for group in groups if group.kafka_since is not None]
    return min(down) if down else max(up, default=None)


def _with_times(tree: object, key: str = "") -> object:
    if isinstance(tree, dict):
        return {name: _with_times(value, name) for name, value in tree.items()}
    if isinstance(tree, list):
        return [_with_times(one) for one in tree]
    if isinstance(tree, int | float) and is_time(key):
        return format_wall(tree)
    return round(tree, 4) if isinstance(tree, float) else tree

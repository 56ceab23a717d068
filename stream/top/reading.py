"""What is shown of a running process: its groups, workflows and partitions at one moment."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class GroupReading:
    """One consumer group. Rates are a second, None before the second scrape."""

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
    """When a broker last answered the one that has waited longest; None: never."""
    records_lost: int
    commits_failed: int


@dataclass(frozen=True)
class WorkflowReading:
    """One workflow of a group, over all workers. Times are Unix seconds; rates a second, None before the second scrape.

    Quantiles are of the last minute's attempts; of all of them where the last minute had none.
    """

    group: str
    workflow: str
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
    held: int
    retries: int
    """Attempts that did not end their event."""
    retries_per_s: float | None
    failing: dict[str, int]
    """Attempts of the last minute by their answer, all but 2xx."""
    dead_letters: int
    dead_letters_per_s: float | None
    filtered: int
    oldest_open_at: float | None
    last_delivery_at: float | None


@dataclass(frozen=True)
class PartitionReading:
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
class Reading:
    """Everything that is shown."""

    wall: float
    version: str
    workers: int
    """0: one process without workers."""
    workers_up: int
    reloads_failed: int
    letters_failed: int
    """Writes of dead letters that Kafka refused in the last seconds."""
    groups: list[GroupReading] = field(default_factory=list)
    workflows: list[WorkflowReading] = field(default_factory=list)
    partitions: list[PartitionReading] = field(default_factory=list)

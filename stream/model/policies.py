"""What the settings decide for an engine, frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from stream.fql.rules import FilterSet
from stream.model.records import RecordId


@dataclass(frozen=True)
class WorkflowPolicy:
    """What the engine needs to know of a workflow; its URL and secrets stay with the sender."""

    name: str
    types: frozenset[str] | None = None
    """Wanted message types; None: all of them."""
    exclude_types: frozenset[str] = frozenset()
    events: tuple[str, ...] = ()
    """Shell-style patterns of track events' names; empty: any name."""
    filters: FilterSet = field(default_factory=FilterSet)
    """What else decides whether it receives an event, and what of it."""
    ordering: str = "user"
    max_in_flight: int = 64
    concurrency: int | None = None
    """A fixed number of requests in flight; None: adaptive, at most `max_in_flight`."""
    rate_per_s: float | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What no dead letter may quote of the workflow's settings, besides `headers`."""
    shared_secret: bytes = field(default=b"", repr=False)
    """Key of `X-Signature`; empty: requests have none."""
    webhook_keys: tuple[bytes, ...] = field(default=(), repr=False)
    """Keys of `webhook-signature`, all in force; empty: requests have none."""
    body: str = "original"
    key_suffix: str = ""
    """What is put behind each idempotency key: a replay whose events are to count as new ones has one."""
    paused: bool = False
    """Nothing is sent to it; its events wait, and retry clocks stand still."""
    on_failure: Literal["dead-letter", "hold"] = "dead-letter"
    give_up: frozenset[RecordId] = frozenset()
    """Events that are no longer delivered."""
    shown_host: str = ""
    """Where it is, as far as that may be shown: `https://***.trayapp.io`."""


@dataclass(frozen=True)
class Limits:
    """What an engine may hold open: admitted and unsettled events, and their bytes."""

    max_open_events: int = 20_000
    max_open_bytes: int = 64 * 1024 * 1024
    max_lane_events: int = 1_000
    """Events that wait in one lane; beyond it the lane's partition is not read."""
    max_ahead: int = 1_000_000
    """Offsets beyond the watermark; beyond it the partition is not read."""
    metadata_max_bytes: int = 4_000
    """Longest commit metadata; a partition whose map is above three quarters of it is not read."""


@dataclass(frozen=True)
class GatePolicy:
    """When a gate closes and for how long."""

    failures: int = 10
    """Retryable failures in a row that close it, ..."""
    lanes: int = 3
    """... over at least this many different lanes: one poison event alone closes nothing."""
    workflow_failures: int = 3
    """Answers in a row that put the workflow itself at fault (401, 404, redirects …) and close it."""
    initial_s: float = 1.0
    max_s: float = 60.0


@dataclass(frozen=True)
class DeadLetterPolicy:
    """What happens to events that end badly."""

    enabled: bool = True
    max_consecutive: int = 100
    """Flood guard: dead letters in a row without a delivery (or a valid event) before holding."""


@dataclass(frozen=True)
class EnginePolicy:
    """The rules of one consumer group's engine, given from outside."""

    group: str
    integration_name: str = "tray.io"
    user_agent: str = "tray-stream"
    validation: Literal["strict", "lenient", "off"] = "strict"
    unwrap: str = ""
    """Where the event lies inside each record: a dotted path, or a shortcut; empty: the record is the event."""
    workflows: tuple[WorkflowPolicy, ...] = ()
    limits: Limits = field(default_factory=Limits)
    gate: GatePolicy = field(default_factory=GatePolicy)
    dead_letters: DeadLetterPolicy = field(default_factory=DeadLetterPolicy)
    give_up: frozenset[RecordId] = frozenset()
    """Invalid records that are not held."""
    is_isolated: bool = False
    """The group belongs to its one workflow (`isolation = "workflow"`)."""
    commit_interval_s: float = 1.0
    drain_timeout_s: float = 15.0

"""What the engine counts, in plain numbers; telemetry reads them when it is scraped.

One owner writes (the engine, on the event loop), any thread may read: a reader copies a dict before it walks it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence

from stream.model.attempts import FAILURES
from stream.model.events import CUSTOM_TYPE, SEGMENT_TYPES, FilterReason, Reason, Settlement
from stream.model.records import TopicPartition
from stream.model.source import CommitOutcome, Contact

TYPE_LABELS = (*SEGMENT_TYPES, CUSTOM_TYPE)
REBALANCE_KINDS = ("assigned", "revoked", "lost")
DELIVERY_OUTCOMES = ("delivered", "rejected", "expired", "stale", "avoided")
RELOAD_RESULTS = ("ok", "failed")
TOKEN_RESULTS = ("ok", "failed")
DEAD_LETTER_RESULTS = ("ok", "failed")

ATTEMPT_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
AGE_BUCKETS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)


_MANY = 10


class Histogram:
    """Counts of observations by upper bound, and their sum; the last count is of what lies beyond all bounds."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def observe_all(self, values: Sequence[float]) -> None:
        """Count several observations; many are sorted first, which costs less than to find the place of each."""
        if len(values) < _MANY:
            for value in values:
                self.observe(value)
            return
        ordered, counts, below = sorted(values), self.counts, 0
        for index, bound in enumerate(self.bounds):
            at_most = bisect_right(ordered, bound, below)
            counts[index] += at_most - below
            below = at_most
            if below == len(ordered):
                break
        counts[-1] += len(ordered) - below
        self.total += sum(ordered)


SCHEMA_RESULTS = ("answered", "failed")


class WorkflowStats:
    """Numbers of one workflow in one engine."""

    __slots__ = (
        "age",
        "attempt_duration",
        "attempts",
        "concurrency_limit",
        "dead_letters",
        "deliveries",
        "failing_because",
        "failing_since",
        "filtered",
        "gate_closed_since",
        "gate_closed_until",
        "gate_is_held",
        "held",
        "held_since",
        "in_flight",
        "last_delivery_at",
        "oldest_open_at",
        "paused",
        "waiting",
    )

    def __init__(self) -> None:
        self.filtered: Counter[str] = Counter({r: 0 for r in FilterReason if r is not FilterReason.TOMBSTONE})
        self.deliveries: Counter[str] = Counter(dict.fromkeys(DELIVERY_OUTCOMES, 0))
        self.attempts: Counter[str] = Counter(dict.fromkeys(FAILURES, 0))
        self.attempt_duration = Histogram(ATTEMPT_BUCKETS_S)
        self.age = Histogram(AGE_BUCKETS_S)
        self.dead_letters: Counter[str] = Counter({Reason.REJECTED: 0, Reason.EXPIRED: 0, Reason.GIVEN_UP: 0})
        self.in_flight = 0
        self.waiting = 0
        self.held = 0
        self.paused = False
        """Nothing is sent to it, by its settings."""
        self.concurrency_limit = 0
        self.gate_closed_since: float | None = None
        """Unix time in seconds; None while the gate is open."""
        self.gate_closed_until: float | None = None
        self.gate_is_held = False
        """Closed by the flood guard: dead letters in a row without a delivery."""
        self.failing_since: float | None = None
        """Unix time in seconds of the first failure since the workflow last took or rejected an event."""
        self.failing_because = ""
        """What the last of these failures was, in words without anything of an answer's body."""
        self.held_since: float | None = None
        """Unix time in seconds; None: nothing is held."""
        self.oldest_open_at: float | None = None
        """Unix time in seconds of the oldest record that it wants and is not done with; None: nothing is open."""
        self.last_delivery_at: float | None = None
        """Unix time in seconds; None before the first delivery."""


class TokenStats:
    """Of the tokens by which a process logs in to Kafka. Written by one thread, read by others."""

    def __init__(self) -> None:
        self.refreshes: Counter[str] = Counter(dict.fromkeys(TOKEN_RESULTS, 0))
        self.failing_since: float | None = None
        """Unix time in seconds; None: the last refresh succeeded, or none is needed."""

    def note_ok(self) -> None:
        """There is a new token."""
        self.refreshes["ok"] += 1
        self.failing_since = None

    def note_failed(self, now: float) -> None:
        """The provider gave none. `now`: Unix time in seconds."""
        self.refreshes["failed"] += 1
        self.failing_since = now if self.failing_since is None else self.failing_since


class EngineStats:
    """Numbers of one consumer group's engine."""

    def __init__(self, group: str, topics: Iterable[str], workflows: Iterable[str]) -> None:
        topics = list(topics)
        self.group = group
        self.received: Counter[tuple[str, str]] = Counter({(t, k): 0 for t in topics for k in TYPE_LABELS})
        self.settled: Counter[tuple[str, str]] = Counter({(t, s): 0 for t in topics for s in Settlement})
        self.open_events: Counter[str] = Counter(dict.fromkeys(topics, 0))
        self.open_bytes = 0
        self.tombstones = 0
        self.invalid: Counter[str] = Counter(
            dict.fromkeys((Reason.INVALID_JSON, Reason.INVALID_EVENT, Reason.GIVEN_UP), 0)
        )
        """Dead letters without a workflow, by reason."""
        self.given_up = 0
        """Invalid records that were given up where there are no dead letters."""
        self.removed = 0
        """Events that waited for a workflow that is no longer configured."""
        self.held_records = 0
        """Invalid records that hold their partitions."""
        self.commits: Counter[str] = Counter(dict.fromkeys(CommitOutcome, 0))
        self.rebalances: Counter[str] = Counter(dict.fromkeys(REBALANCE_KINDS, 0))
        self.config_reloads: Counter[str] = Counter(dict.fromkeys(RELOAD_RESULTS, 0))
        self.dead_letter_writes: Counter[str] = Counter(dict.fromkeys(DEAD_LETTER_RESULTS, 0))
        self.committed: dict[TopicPartition, int] = {}
        self.ends: dict[TopicPartition, int] = {}
        """End offset (read committed) of each owned partition, as last asked for."""
        self.records_lost: Counter[TopicPartition] = Counter()
        self.partitions_paused = 0
        self.partitions_assigned = 0
        self.partitions_halted = 0
        """Owned, and not read, since records of theirs were lost."""
        self.partitions_awaiting_schema = 0
        """Owned, and not read, since the Schema Registry has not said how."""
        self.schema_requests: Counter[str] = Counter(dict.fromkeys(SCHEMA_RESULTS, 0))
        self.contact = Contact.silent(0.0)
        self.workflows = {name: WorkflowStats() for name in workflows}

    def forget_partition(self, tp: TopicPartition) -> None:
        """A partition is no longer owned: it has no numbers."""
        for by_partition in (self.committed, self.ends, self.records_lost):
            by_partition.pop(tp, None)

    def note_contact(self, contact: Contact) -> None:
        """Kafka answered, or has not for a while."""
        self.contact = contact.joined(self.contact)

    def lag(self) -> dict[TopicPartition, int]:
        """Per owned partition: records between the committed offset and the end."""
        committed = self.committed.copy()
        return {tp: max(0, end - committed[tp]) for tp, end in self.ends.copy().items() if tp in committed}

    def identity(self) -> tuple[int, int]:
        """Both sides of `received = delivered + filtered + dead_lettered + avoided + open + abandoned`."""
        return self.received.total(), self.settled.total() + self.open_events.total()

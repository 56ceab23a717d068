"""The values that travel from the topic to a workflow and back to the commit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, NamedTuple

Headers = list[tuple[str, bytes | None]]

SEGMENT_TYPES = ("identify", "track", "page", "screen", "group", "alias", "delete")
CUSTOM_TYPE = "custom"
"""Metric label of every type that is not one of Segment's seven; keeps the label bounded."""


class TopicPartition(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class Place(NamedTuple):
    """Where a record lies. As text it is what `give_up` takes."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"


@dataclass(slots=True)
class Record:
    """One record as it lies on the topic. `timestamp_ms` is Unix time in milliseconds, -1 when unknown."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers | None = None
    derived_bytes: int = 0
    """What decoding made of it that is as large as its parts: long ids as text, a delete notification."""
    held_bytes: int = 0
    """What it counts for while it is open, fixed when it is admitted."""

    @property
    def place(self) -> Place:
        """Where it lies."""
        return Place(self.topic, self.partition, self.offset)


_HEADER_BYTES = 150
"""What a header takes besides its name and value: a pair, a text and bytes are objects of their own."""


def size_of(records: Iterable[Record]) -> int:
    """Bytes that these records hold."""
    return sum(map(_bytes_of, records))


def hold(records: Iterable[Record]) -> int:
    """Fix what each of these records counts for while it is open; the sum."""
    size = 0
    for record in records:
        record.held_bytes = held = _bytes_of(record)
        size += held
    return size


def _bytes_of(record: Record) -> int:
    size = len(record.value or b"") + len(record.key or b"") + record.derived_bytes
    if record.headers:
        size += sum([_HEADER_BYTES + len(name) + len(content or b"") for name, content in record.headers])
    return size


@dataclass(slots=True)
class RecordBatch:
    """Records of one partition in offset order, polled in one go by the owner of `epoch`."""

    tp: TopicPartition
    epoch: int
    records: list[Record]


@dataclass(slots=True)
class Event:
    """A record that parsed as a Segment event."""

    record: Record
    body: bytes
    """The JSON bytes, framing stripped."""
    type: str
    """Trimmed and lower-cased; `unknown` when validation is off and there is none."""
    user: str | None
    """userId, else anonymousId, else groupId, as text: the lane of `ordering = "user"`."""
    message_id: str | None
    payload: dict[str, Any]
    """`NO_PAYLOAD` once it is routed: a parsed event takes several times its bytes, which is what the limits count."""
    made: HttpRequest | None = None
    """The last request that was made of it; those to the next workflows are often the same, but for `constant`."""
    notification: bytes | None = None
    """What is sent of a delete event, once it was made."""


NO_PAYLOAD: dict[str, Any] = {}


def type_label(type_: str) -> str:
    """An event's type as a bounded metric label."""
    return type_ if type_ in SEGMENT_TYPES else CUSTOM_TYPE


class Reason(StrEnum):
    """Why a record ended in the dead-letter topic."""

    INVALID_JSON = "invalid_json"
    INVALID_EVENT = "invalid_event"
    REJECTED = "rejected"
    EXPIRED = "expired"
    GIVEN_UP = "given_up"


class FilterReason(StrEnum):
    """Why an event was not wanted."""

    TOMBSTONE = "tombstone"
    INTEGRATIONS = "integrations"
    DEVICE_MODE = "device_mode"
    TYPE = "type"
    EVENT = "event"
    REMOVED = "removed"
    """It waited for a workflow that is configured no more."""
    GIVEN_UP = "given_up"
    """The settings name it, and there is no dead-letter topic."""


class Settlement(StrEnum):
    """The one end of an admitted offset."""

    DELIVERED = "delivered"
    FILTERED = "filtered"
    DEAD_LETTERED = "dead_lettered"
    AVOIDED = "avoided"
    """Received again although the commit's map had it complete."""
    ABANDONED = "abandoned"


@dataclass(slots=True)
class Invalid:
    """A record that is not an event. `detail` names the failing field, never its value."""

    reason: Reason
    detail: str
    type_label: str = CUSTOM_TYPE


@dataclass(slots=True)
class HttpRequest:
    """What is sent to a workflow; the URL belongs to the workflow's sender."""

    own: list[tuple[str, str]]
    """Headers of this request alone."""
    body: bytes
    constant: tuple[tuple[str, str], ...] = ()
    """Headers that it shares with every request of its workflow: one object for all of them."""
    kind: tuple[object, ...] = ()
    """Settings that `own` and `body` follow from, with the event."""
    lines: bytes = b""
    """What a sender made of `own` and the body's length, for the requests that are alike but for `constant`."""

    @property
    def headers(self) -> list[tuple[str, str]]:
        """All headers, in the order in which they are sent."""
        return [*self.constant, *self.own]


FAILURES = ("timeout", "connect", "reset", "tls", "dns", "unreadable", "stale")
"""Why there is no status: `unreadable` is an answer that is not HTTP, `stale` see `RESENT`."""


@dataclass(slots=True)
class Answer:
    """What came back of one attempt: a status, or the word for why there is none. Shared, so never changed."""

    status: int
    """HTTP status; 0 when no complete answer came."""
    failure: str = ""
    """One of `FAILURES`; empty when there is a status."""
    retry_after: str | None = None
    date: str | None = None
    """The header: when the answer was made, by the workflow's own clock."""
    excerpt: str = ""
    """The first characters of the answer's body, control characters escaped."""
    code: str = field(init=False, compare=False)
    """The attempt's metric label: the status as a number, or the failure as a word."""

    def __post_init__(self) -> None:
        self.code = self.failure or str(self.status)


RESENT = Answer(0, failure="stale")
"""Not the end of an attempt: its used connection had been closed, and its request is sent again, on a fresh one."""


@dataclass(slots=True)
class DeadLetter:
    """One record for the dead-letter topic: an event that a workflow refused, or an invalid record."""

    record: Record
    reason: Reason
    detail: str
    workflow: str | None
    status: str
    """The last attempt's code; empty for an invalid record."""
    attempts: int
    topic_id: str = ""
    """Of the record's topic; empty: unknown."""


@dataclass(frozen=True)
class StartedPartition:
    """A partition granted to this member, and where it starts."""

    tp: TopicPartition
    epoch: int
    start: int
    """Offset of the first record to be read."""
    committed: int | None
    """What the group has committed; None when it has committed nothing."""
    metadata: str = ""
    """What the commit said of the offsets beyond it."""
    topic_id: str = ""
    """Of the topic that the offsets belong to; empty: not known yet."""


SILENT_AFTER_S = 10.0
"""How long no broker may answer before Kafka counts as unreachable. Heartbeats alone are answered every 3 s."""


@dataclass(frozen=True)
class Contact:
    """Whether Kafka answers, as one client found."""

    is_up: bool
    """False: no broker has answered for a while, or none yet."""
    at: float | None
    """Unix time in seconds of the last answer; None: there was none."""
    seen_at: float
    """Unix time in seconds of this finding."""

    @classmethod
    def answered(cls, now: float) -> Contact:
        """A broker has just answered."""
        return cls(is_up=True, at=now, seen_at=now)

    @classmethod
    def silent(cls, now: float) -> Contact:
        """No broker has answered."""
        return cls(is_up=False, at=None, seen_at=now)

    def joined(self, earlier: Contact) -> Contact:
        """With what was known: an answer to another client counts as well, as long as it is recent."""
        at = max((at for at in (self.at, earlier.at) if at is not None), default=None)
        is_recent = at is not None and self.seen_at - at <= SILENT_AFTER_S
        return Contact(self.is_up or is_recent, at, self.seen_at)


@dataclass(frozen=True)
class DataLoss:
    """Records that the group had not read and the topic holds no more."""

    tp: TopicPartition
    first: int
    """First missing offset."""
    resume: int
    """First offset that can be read again."""
    skipped: bool
    """True: reading goes on at `resume` (`on_data_loss = "skip"`); False: the partition is not consumed."""
    end: int = field(default=-1, compare=False)
    """End of the partition when the loss was found; -1: unknown."""
    is_replaced: bool = field(default=False, compare=False)
    """The topic was deleted and created again: its offsets mean other records."""
    was_read: bool = field(default=False, compare=False)
    """The replaced topic had been read to its end, as far as is known: nothing is missing."""

    @property
    def missing(self) -> tuple[int, int]:
        """Offsets [start, end) that the topic should hold and does not."""
        if self.was_read:
            return self.first, self.first
        if self.resume > self.first:
            return self.first, self.resume
        if 0 <= self.end < self.first:  # the group's offset lies beyond the end
            return self.end, self.first
        return self.first, self.first + self.is_replaced  # how much the old topic held is not known: at least one

    @property
    def reason(self) -> str:
        """`recreated`, `expired` or `beyond_end`."""
        if self.is_replaced:
            return "recreated"
        return "expired" if self.resume > self.first else "beyond_end"


class CommitOutcome(StrEnum):
    """What became of a commit."""

    OK = "ok"
    RETRIED = "retried"
    """Refused for now (coordinator busy or moving, rebalance); the next commit tries again."""
    DROPPED = "dropped"
    """The partition is not ours any more; its next owner receives the events again."""
    FAILED = "failed"


class CommitOffset(NamedTuple):
    """What is to be committed for one partition."""

    epoch: int
    offset: int
    """Next offset: the lowest that is not done."""
    metadata: str = ""
    """What is done beyond it."""


@dataclass(frozen=True)
class CommitResult:
    """What became of one partition's commit; `error` is Kafka's word for it, empty when it was stored."""

    tp: TopicPartition
    epoch: int
    offset: int
    outcome: CommitOutcome
    error: str = ""


@dataclass(frozen=True)
class WorkflowPolicy:
    """What the engine needs to know of a workflow; its URL and secrets stay with the sender."""

    name: str
    types: frozenset[str] | None = None
    """Wanted message types; None: all of them."""
    exclude_types: frozenset[str] = frozenset()
    events: tuple[str, ...] = ()
    """Shell-style patterns of track events' names; empty: any name."""
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
    on_failure: Literal["dead-letter", "hold"] = "dead-letter"
    give_up: frozenset[Place] = frozenset()
    """Events that are delivered no more."""
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
    """The rules of one consumer group's engine, told from outside."""

    group: str
    integration_name: str = "tray.io"
    user_agent: str = "tray-stream"
    validation: Literal["strict", "lenient", "off"] = "strict"
    workflows: tuple[WorkflowPolicy, ...] = ()
    limits: Limits = field(default_factory=Limits)
    gate: GatePolicy = field(default_factory=GatePolicy)
    dead_letters: DeadLetterPolicy = field(default_factory=DeadLetterPolicy)
    give_up: frozenset[Place] = frozenset()
    """Invalid records that are not held."""
    is_isolated: bool = False
    """The group belongs to its one workflow (`isolation = "workflow"`)."""
    commit_interval_s: float = 1.0
    drain_timeout_s: float = 15.0

"""The settings as a whole, and the smaller sections.

A field holds everything there is to know of a setting: its default as a user writes it, its bounds and
a sentence. The JSON Schema and the reference are generated from here.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from stream.settings.egress import Egress, HttpClient
from stream.settings.filters import FilterSection
from stream.settings.kafka import Kafka, SchemaRegistrySection, broker_pattern_for, is_topic
from stream.settings.places import Places
from stream.settings.secret import Secret, SharedSecrets, one_spelling
from stream.settings.section import Fault, Section, refusal, with_unit
from stream.settings.units import ByteSize, DurationRange, format_duration
from stream.settings.url import HttpUrl
from stream.settings.workflow import MAX_WORKFLOWS, Signing, Workflow

_LISTEN = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
_MAX_PORT = 65_535

StatusCode = Annotated[int, Field(strict=True, ge=300, le=599)]


class Destination(Section):
    """What holds for every workflow."""

    integration_name: str = Field(
        default="tray.io",
        min_length=1,
        description="Name in an event's integrations object that turns it on or off; compared exactly.",
    )
    shared_secret: Secret = Field(default=Secret(""), description="Secret that signs each request; empty: not signed.")
    shared_secrets: SharedSecrets = Field(
        default=(),
        description="Several secrets, the new one first, while receivers change from one to the next: each of them "
        "signs by Standard Webhooks, the first alone by Segment's scheme.",
    )
    signing: Signing = Field(
        default="segment",
        description="segment: X-Signature, a hex HMAC-SHA1 of the body. standard-webhooks: webhook-id, "
        "webhook-timestamp, webhook-signature. both: all of them.",
    )
    body: Literal["original", "compact"] = Field(
        default="original",
        description="Body of a request: the event's bytes as they are on the topic, or serialised anew without spaces.",
    )

    filters: tuple[FilterSection, ...] = Field(
        default=(),
        description="Filters of every workflow's events, as Segment's destination filters: they drop events, sample "
        "them, or drop and hash fields.",
    )
    hash_salt: Secret = Field(
        default=Secret(""), description="Secret that is put before each value that a filter hashes. Empty: nothing is."
    )

    _one_spelling = field_validator("shared_secrets")(one_spelling)


class Retry(Section):
    """How long, and after which answers, an event is tried again."""

    initial: Annotated[float, DurationRange("1ms", "1h")] = with_unit(
        "500ms", "Duration before the first retry at most; doubles with each retry."
    )
    max: Annotated[float, DurationRange("1ms", "1d")] = with_unit("60s", "Duration between two retries at most.")
    for_: Annotated[float, DurationRange("0s", "365d")] = with_unit(
        "4h", "Duration that an event is tried, counted from its first attempt.", alias="for"
    )
    retry_on: tuple[StatusCode, ...] = Field(
        default=(), description="HTTP status codes, 300 to 599, after which an event is always tried again."
    )
    reject_on: tuple[StatusCode, ...] = Field(
        default=(), description="HTTP status codes, 300 to 599, after which an event is never tried again."
    )

    @field_validator("max")
    @classmethod
    def _max_holds_initial(cls, max_s: float, info: ValidationInfo) -> float:
        return _holds_initial(max_s, info, "retry")

    @field_validator("reject_on")
    @classmethod
    def _codes_are_told_apart(cls, codes: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        both = sorted(set(codes) & set(info.data.get("retry_on", ())))
        if both:
            listed = ", ".join(map(str, both))
            raise refusal(Fault(f"holds {listed}, as retry.retry_on does.", "Remove it from one of them."))
        return codes


class Validation(Section):
    """What makes an event valid."""

    mode: Literal["strict", "lenient", "off"] = Field(
        default="strict",
        description="strict: the JSON Schemas of the event types; lenient: an object with a type; "
        "off: any JSON object. Some libraries send what strict refuses (track with an empty event, group without "
        "groupId): lenient delivers it.",
    )
    give_up: Places = Field(
        default=(), description="Invalid events that are not held, as topic:partition:offset: the way out of a hold."
    )


class GateSection(Section):
    """When a workflow that fails is left alone, and for how long."""

    failures: int = Field(
        default=10,
        strict=True,
        ge=1,
        le=100_000,
        description="Failed attempts in a row, over at least three different users, after which nothing but "
        "probes is sent.",
    )
    initial: Annotated[float, DurationRange("10ms", "1h")] = with_unit(
        "1s", "Duration before the first probe; doubles with each probe that fails."
    )
    max: Annotated[float, DurationRange("10ms", "1d")] = with_unit("60s", "Duration between two probes at most.")

    @field_validator("max")
    @classmethod
    def _max_holds_initial(cls, max_s: float, info: ValidationInfo) -> float:
        return _holds_initial(max_s, info, "gate")


class DeadLetterSection(Section):
    """Where events go that a workflow refused or that are not valid."""

    enabled: bool = Field(
        default=True,
        strict=True,
        description='Write dead letters. Without them every workflow needs on_failure = "hold", and invalid events '
        "hold their partition.",
    )
    max_consecutive: int = Field(
        default=100,
        strict=True,
        ge=1,
        le=1_000_000,
        description="Flood guard: dead letters in a row of one workflow without a delivery, or of one partition "
        "without a valid event, after which it is held.",
    )
    topic: str | None = Field(
        default=None, description="Topic of the dead letters. Default: the group's id and .dead-letters."
    )
    create: bool = Field(default=True, strict=True, description="Create the topic when it is missing.")
    retention: Annotated[float, DurationRange("1h", "3650d")] = with_unit(
        "30d", "Duration that a topic created by this program keeps dead letters."
    )

    @field_validator("topic")
    @classmethod
    def _topic_is_legal(cls, topic: str | None) -> str | None:
        if topic is not None and not is_topic(topic):
            raise refusal(Fault("is not a topic's name.", "Use letters, digits, dots, - and _."))
        return topic


class LimitsSection(Section):
    """What the process may hold open: read, and not yet done with."""

    max_open_events: int = Field(
        default=20_000, strict=True, ge=1, le=10_000_000, description="Open events of the process, at most."
    )
    max_open_bytes: Annotated[int, ByteSize("1MiB", "64GiB")] = with_unit(
        "64MiB", "Bytes of the process's open events, at most."
    )
    max_lane_events: int = Field(
        default=1_000,
        strict=True,
        ge=1,
        le=10_000_000,
        description="Events that wait behind one another for one user, at most: beyond it their partition is not read.",
    )
    max_ahead: int = Field(
        default=1_000_000,
        strict=True,
        ge=1,
        description="Offsets beyond the oldest open event, at most: beyond it the partition is not read.",
    )


class Http(Section):
    """The endpoint for metrics and health."""

    listen: str = Field(
        default="127.0.0.1:9464",
        description="Address of the status page (/), /status.json, /metrics, /healthz and /readyz: host:port; port 0 "
        "takes a free one.",
    )

    @property
    def host(self) -> str:
        """The address to listen on, without an IPv6 address's brackets."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port to listen on; 0: any free one."""
        return int(self.listen.rpartition(":")[2])

    @field_validator("listen")
    @classmethod
    def _is_an_address(cls, listen: str) -> str:
        found = _LISTEN.fullmatch(listen)
        if found is None or int(found[2]) > _MAX_PORT:
            raise refusal(Fault("is not an address.", 'Write host:port, such as "127.0.0.1:9464".'))
        return listen


class TracingSection(Section):
    """Spans of deliveries and attempts, for an OpenTelemetry collector."""

    endpoint: HttpUrl = Field(
        default="",
        description="Collector that spans are sent to by OTLP over HTTP, such as http://localhost:4318. Empty: there "
        "are none. Needs the extra tray-stream[otel]; headers, timeouts and batches as OTEL_* variables.",
    )
    sample: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Share of the events that have spans, 0 to 1. A traceparent on the record decides for its event.",
    )


class Log(Section):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level of the lines that are logged."
    )
    format: Literal["text", "json"] = Field(
        default="text", description="text: a sentence and key=value; json: one object a line."
    )


class Settings(Section):
    """Settings of tray-stream, which forwards Segment events from Kafka to tray workflows."""

    isolation: Literal["shared", "workflow"] = Field(
        default="shared",
        description="shared: one consumer group for all workflows. workflow: a group for each, <group_id>.<name>, "
        "so that a dead one never holds another back.",
    )
    kafka: Kafka = Field(default_factory=Kafka)
    schema_registry: SchemaRegistrySection = Field(default_factory=SchemaRegistrySection)
    destination: Destination = Field(default_factory=Destination)
    workflows: tuple[Workflow, ...] = Field(
        default=(),
        alias="workflow",
        description=f"Workflows that receive events, at most {MAX_WORKFLOWS}.",
        json_schema_extra={"maxItems": MAX_WORKFLOWS},
    )
    retry: Retry = Field(default_factory=Retry)
    validation: Validation = Field(default_factory=Validation)
    gate: GateSection = Field(default_factory=GateSection)
    dead_letter: DeadLetterSection = Field(default_factory=DeadLetterSection, validate_default=True)
    limits: LimitsSection = Field(default_factory=LimitsSection)
    egress: Egress = Field(default_factory=Egress)
    http: Http = Field(default_factory=Http)
    http_client: HttpClient = Field(default_factory=HttpClient)
    tracing: TracingSection = Field(default_factory=TracingSection)
    log: Log = Field(default_factory=Log)

    @property
    def dead_letter_topic(self) -> str:
        """The topic of the dead letters, set or by default."""
        return _dead_letter_topic(self.dead_letter, self.kafka)

    def secrets_of(self, workflow: Workflow) -> tuple[Secret, ...]:
        """The secrets that sign the workflow's requests, the first before all: its own, else the destination's."""
        holder: Workflow | Destination = workflow
        if workflow.shared_secret is None and workflow.shared_secrets is None:
            holder = self.destination
        found = (holder.shared_secret or Secret(""), *(holder.shared_secrets or ()))
        return tuple(secret for secret in found if secret)

    def signing_of(self, workflow: Workflow) -> Signing:
        """How the workflow's requests are signed: as it says itself, else as the destination says."""
        return workflow.signing or self.destination.signing

    @field_validator("dead_letter")
    @classmethod
    def _held_without_dead_letters(cls, dead_letter: DeadLetterSection, info: ValidationInfo) -> DeadLetterSection:
        names = [w.name for w in info.data.get("workflows", ()) if w.on_failure != "hold"]
        if not dead_letter.enabled and names:
            what = f"is false, and events of {', '.join(names)} that end badly would have nowhere to go."
            raise refusal(Fault(what, 'Set on_failure = "hold" on each workflow, or enable dead letters.', "enabled"))
        return dead_letter

    @field_validator("dead_letter")
    @classmethod
    def _dead_letters_are_apart(cls, dead_letter: DeadLetterSection, info: ValidationInfo) -> DeadLetterSection:
        kafka = info.data.get("kafka")
        topic = _dead_letter_topic(dead_letter, kafka) if kafka else ""
        if kafka and not is_topic(topic):
            what = "cannot be made from kafka.group_id: it would not be a topic's name."
            raise refusal(Fault(what, 'Set it: dead_letter.topic = "…".', "topic"))
        if kafka and topic in kafka.topics:
            raise refusal(Fault("is one of kafka.topics, too.", "Give dead letters another topic.", "topic"))
        if kafka and dead_letter.enabled and (pattern := broker_pattern_for(topic, kafka)):
            raise refusal(_dead_letters_assigned(topic, pattern))
        return dead_letter.model_copy(update={"topic": topic}) if kafka else dead_letter


def _holds_initial(max_s: float, info: ValidationInfo, section: str) -> float:
    initial_s = info.data.get("initial")
    if initial_s is not None and max_s < initial_s:
        what = f"is shorter than {section}.initial ({format_duration(initial_s)})."
        raise refusal(Fault(what, f"Lengthen it, or shorten {section}.initial."))
    return max_s


def _dead_letters_assigned(topic: str, pattern: str) -> Fault:
    what = (
        f'{topic} is matched by {pattern} in kafka.topics. With kafka.group_protocol = "consumer" the broker assigns '
        "what a pattern matches, and members would wait for partitions that are never read."
    )
    fix = (
        'Narrow the pattern, give dead letters a topic that it does not match, or use kafka.group_protocol = "classic".'
    )
    return Fault(what, fix, "topic")


def _dead_letter_topic(dead_letter: DeadLetterSection, kafka: Kafka) -> str:
    return dead_letter.topic or f"{kafka.group_id}.dead-letters"

"""The settings of the Kafka side: what is read, as whom, when it is committed; the Schema Registry."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, WithJsonSchema, field_validator

from stream.settings.options import read_options
from stream.settings.secret import Secret
from stream.settings.section import Fault, Section, refusal, with_unit
from stream.settings.units import DurationRange, format_duration
from stream.settings.url import HttpUrl

_MECHANISMS = ("sasl.mechanism", "sasl.mechanisms")
_PROTOCOLS = ("sasl_ssl", "sasl_plaintext")


class KafkaToken(Section):
    """Tokens to log in with (OAUTHBEARER), which the program gets and refreshes itself."""

    region: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9-]{4,32}$",
        description="AWS region of the MSK cluster, such as eu-west-1; for aws_msk_iam.",
    )
    command: tuple[Secret, ...] | None = Field(
        default=None,
        description="Program and arguments; no shell. It prints a token and its lifetime as JSON, within 10 s: "
        '{"token": "…", "lifetime": "15m"}, or the answer of an OAuth token endpoint. For command.',
    )
    provider: Literal["aws_msk_iam", "command"] | None = Field(
        default=None,
        validate_default=True,
        description="aws_msk_iam: tokens for MSK, signed with the AWS credentials of the process; needs the extra "
        "tray-stream[aws]. command: tokens that a command prints.",
    )

    @field_validator("command")
    @classmethod
    def _command_can_be_run(cls, command: tuple[Secret, ...] | None) -> tuple[Secret, ...] | None:
        if command is not None and (not command or not command[0]):
            raise refusal(Fault("names no program.", 'Write command = ["/opt/kafka-token", "--audience", "kafka"].'))
        if command is not None and any("\0" in part.reveal() for part in command):
            raise refusal(Fault("holds a NUL character, which no command can have.", "Remove it."))
        return command

    @field_validator("provider")
    @classmethod
    def _provider_has_its_keys(cls, provider: str | None, info: ValidationInfo) -> str:
        keys = {"aws_msk_iam": "region", "command": "command"}
        given = {key for key in keys.values() if info.data.get(key) is not None}
        if provider is None:
            fix = " or ".join(f'"{name}"' for name, key in keys.items() if key in given or not given)
            raise refusal(Fault("is missing.", f"Set it to {fix}."))
        own = keys[provider]
        if own in info.data and own not in given:
            example = 'region = "eu-west-1"' if own == "region" else 'command = ["/opt/kafka-token"]'
            raise refusal(Fault(f'is "{provider}", which needs {own}.', f"Add {example}."))
        return provider


def options_fault(options: Mapping[str, str]) -> Fault | None:
    """The option that contradicts a token; None: there is none."""
    for name in _MECHANISMS:
        if options.get(name, "OAUTHBEARER").upper() != "OAUTHBEARER":
            return Fault("is another way to log in than [kafka.token].", "Remove one of the two.", name)
    if options.get("security.protocol", "SASL_SSL").lower() not in _PROTOCOLS:
        fix = "Use SASL_SSL, or SASL_PLAINTEXT without TLS."
        return Fault("leaves no place for a token.", fix, "security.protocol")
    for name in options:
        if name.startswith(("sasl.oauthbearer.", "enable.sasl.oauthbearer.")):
            what = "belongs to librdkafka's own tokens, and [kafka.token] provides others."
            return Fault(what, "Remove one of the two.", name)
    return None


STOP_ALLOWANCE_S = 10.0
"""What a stop takes beyond the drain: the last commit, and leaving the group."""

_TOPIC = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,249}")
_NOT_GRAPHIC = re.compile(r"[\s\x00-\x1f\x7f]")

Options = Annotated[
    Mapping[str, str],
    WithJsonSchema({"type": "object", "additionalProperties": {"type": ["string", "integer", "number", "boolean"]}}),
]
"""Options of librdkafka by name: written as text, numbers or booleans, passed on as text."""


class Kafka(Section):
    """Where events are read, and how offsets are committed."""

    bootstrap_servers: str = Field(
        default="localhost:9092",
        min_length=1,
        description="Brokers to connect to first: host:port, separated by commas.",
    )
    topics: tuple[str, ...] = Field(
        default=(),
        description="Topics with the events; a name that starts with ^ is a regular expression of librdkafka.",
    )
    group_id: str = Field(default="tray", description="Consumer group that offsets are committed for.")
    unwrap: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        description="Where the event lies inside each record, as a dotted path such as payload or message.event: the "
        "object there is forwarded, its bytes as they stand, or what a text there holds as JSON. Shortcuts: connect "
        "(JsonConverter with schemas), cloudevents (structured mode; binary mode is read, too), debezium-outbox. Left "
        "out: the record is the event.",
    )
    start: Literal["earliest", "latest"] = Field(
        default="earliest", description="Where to start on a topic of which the group has committed nothing."
    )
    group_protocol: Literal["classic", "consumer"] = Field(
        default="classic",
        description="Protocol of the consumer group: classic (cooperative), or consumer (KIP-848).",
    )
    group_instance_id: str | None = Field(
        default=None,
        min_length=1,
        description="Static membership: a name of this process that survives its restart.",
    )
    commit_interval: Annotated[float, DurationRange("10ms", "5m")] = with_unit("1s", "Duration between two commits.")
    max_poll_interval: Annotated[float, DurationRange("15s", "1d")] = with_unit(
        "5m", "Duration without a poll after which the group gives this member's partitions away."
    )
    drain_timeout: Annotated[float, DurationRange("0s", "1h")] = with_unit(
        "15s", "Duration that requests in flight may take to end when partitions are revoked, or at a stop."
    )
    metadata_max_bytes: int = Field(
        default=4_000,
        strict=True,
        ge=0,
        le=1_000_000,
        description="Bytes of a commit's metadata at most, in which is kept what is done beyond the committed offset; "
        "the broker's own limit is offset.metadata.max.bytes.",
    )
    on_data_loss: Literal["stop", "skip"] = Field(
        default="stop",
        description="What to do with a partition whose committed offset is gone from the topic: "
        "stop reading it, or skip to the earliest offset.",
    )
    token: KafkaToken | None = Field(
        default=None,
        repr=False,
        description="Tokens to log in with (OAUTHBEARER), which the program gets and refreshes itself.",
    )
    options: Options = Field(default_factory=dict, repr=False, description="Options of librdkafka for every client.")
    consumer_options: Options = Field(
        default_factory=dict, repr=False, description="Options of librdkafka for the consumer alone."
    )
    producer_options: Options = Field(
        default_factory=dict, repr=False, description="Options of librdkafka for the producer alone."
    )

    @field_validator("bootstrap_servers")
    @classmethod
    def _servers_are_named(cls, servers: str) -> str:
        if "\0" in servers or not any(server.strip() for server in servers.split(",")):
            raise refusal(Fault("names no broker.", "Write host:port, separated by commas."))
        return servers

    @field_validator("group_instance_id")
    @classmethod
    def _instance_is_text(cls, instance: str | None) -> str | None:
        if instance is not None and "\0" in instance:
            raise refusal(Fault("holds a NUL character, at which Kafka's client would cut it off.", "Remove it."))
        return instance

    @field_validator("unwrap")
    @classmethod
    def _path_has_names(cls, path: str | None) -> str | None:
        names = [] if path is None else path.split(".")
        if not all(name and name.isprintable() and name == name.strip() for name in names):
            raise refusal(Fault("is not a path of names with dots between them.", 'Write it as unwrap = "payload".'))
        return path

    @field_validator("topics")
    @classmethod
    def _topics_are_legal(cls, topics: tuple[str, ...]) -> tuple[str, ...]:
        if faults := list(_topic_faults(topics)):
            raise refusal(*faults)
        return topics

    @field_validator("group_id")
    @classmethod
    def _group_is_legal(cls, group: str) -> str:
        if not group or _NOT_GRAPHIC.search(group):
            raise refusal(Fault("is empty or holds whitespace.", "Use letters, digits, dots, - and _."))
        return group

    @field_validator("drain_timeout")
    @classmethod
    def _drain_fits_the_poll_interval(cls, drain_s: float, info: ValidationInfo) -> float:
        interval_s = info.data.get("max_poll_interval")
        if interval_s is not None and drain_s + STOP_ALLOWANCE_S >= interval_s:
            least = format_duration(drain_s + STOP_ALLOWANCE_S)
            what = f"plus 10s is not shorter than kafka.max_poll_interval ({format_duration(interval_s)})."
            raise refusal(Fault(what, f"Shorten it, or set kafka.max_poll_interval to more than {least}."))
        return drain_s

    @field_validator("options", "consumer_options", "producer_options", mode="before")
    @classmethod
    def _read_options(cls, raw: object, info: ValidationInfo) -> object:
        return read_options(raw, info.data.get("group_protocol"))

    @field_validator("options", "consumer_options", "producer_options")
    @classmethod
    def _options_fit_the_token(cls, options: Mapping[str, str], info: ValidationInfo) -> Mapping[str, str]:
        token = info.data.get("token")
        if token is not None and (fault := options_fault(options)):
            raise refusal(fault)
        return options


def is_topic(name: str) -> bool:
    """Whether Kafka takes `name` as the name of a topic."""
    return _TOPIC.fullmatch(name) is not None


def broker_pattern_for(topic: str, kafka: Kafka) -> str:
    """The first pattern by which the broker assigns `topic`; empty where none does, or the client compares names.

    The broker knows no way to leave a topic out: RE2 has no lookahead. What Python does not read is taken as it is.
    """
    patterns = [name for name in kafka.topics if name.startswith("^")] if kafka.group_protocol == "consumer" else []
    for pattern in patterns:
        with contextlib.suppress(re.error), warnings.catch_warnings(action="ignore"):
            if re.match(pattern, topic):
                return pattern
    return ""


def _topic_faults(topics: tuple[str, ...]) -> Iterator[Fault]:
    for index, topic in enumerate(topics):
        if topic in topics[:index]:
            yield Fault("is listed twice.", "Remove one.", index)
        elif topic == "^" or not (topic.startswith("^") or is_topic(topic)):
            what = "is neither a topic's name nor a pattern that starts with ^."
            yield Fault(what, "Names have letters, digits, dots, - and _.", index)
        elif "\0" in topic:
            yield Fault("holds a NUL character, at which Kafka's client would cut it off.", "Remove it.", index)


class SchemaRegistrySection(Section):
    """Where the schemas of values written with Avro, Protobuf or JSON Schema are."""

    url: HttpUrl = Field(
        default="",
        description="Schema Registry with Confluent's API, such as https://registry.example.com: values with its frame "
        "(a zero byte and a schema's id) are decoded to JSON. Empty: JSON is read behind a frame, and nothing else. "
        "Needs the extra tray-stream[registry].",
    )
    username: str = Field(default="", description="User name for the registry, or an API key. Empty: none is sent.")
    password: Secret = Field(default=Secret(""), description="Password of that user, or the API key's secret.")
    ca_file: str | None = Field(
        default=None, min_length=1, description="PEM file with the authorities to trust instead of the usual ones."
    )

    @field_validator("username")
    @classmethod
    def _name_fits_a_header(cls, username: str, info: ValidationInfo) -> str:
        if ":" in username:
            raise refusal(Fault("holds a colon, at which HTTP ends a user name.", "Put what follows into password."))
        if username and info.data.get("url") == "":
            raise refusal(Fault("is set, and schema_registry.url is not.", "Set the url, or remove it."))
        return username

    @field_validator("password")
    @classmethod
    def _password_has_a_user(cls, password: Secret, info: ValidationInfo) -> Secret:
        if password and info.data.get("username") == "":
            raise refusal(Fault("is set, and schema_registry.username is not.", "Set the user name."))
        return password

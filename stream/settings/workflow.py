"""The settings of one workflow."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, WithJsonSchema, field_validator

from stream.settings.egress import ProxyUrl
from stream.settings.filters import FilterSection, Statement
from stream.settings.places import Places
from stream.settings.references import REFERENCE_PATTERN
from stream.settings.secret import Secret, SharedSecrets, one_spelling
from stream.settings.section import Fault, Section, refusal, with_unit
from stream.settings.units import DurationRange, Rate
from stream.settings.url import WorkflowUrl

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FORBIDDEN_IN_VALUE = re.compile(r"[^\t\x20-\x7e\x80-\xff]")

_OF_THE_CONNECTION = (
    "content-length",
    "transfer-encoding",
    "connection",
    "te",
    "trailer",
    "trailers",
    "upgrade",
    "keep-alive",
    "proxy-*",
    "host",
    "content-encoding",
    "content-type",
    "accept-encoding",
    "expect",
)
_OF_THIS_PROGRAM = ("x-signature", "idempotency-key", "user-agent", "traceparent", "webhook-*", "x-tray-*")


def read_headers(raw: object) -> object:
    """Check a table of headers before it is read as text. Raises the model's refusal with each fault."""
    if not isinstance(raw, dict):
        return raw
    faults = [fault for name, value in raw.items() if (fault := _header_fault(name, value))]
    faults += _repeated(list(raw))
    if faults:
        raise refusal(*faults)
    return raw


def _header_fault(name: str, value: object) -> Fault | None:
    if not _HEADER_NAME.fullmatch(name):
        return Fault("is not a header name.", "Use letters, digits and hyphens.", name)
    if _matches(name, _OF_THE_CONNECTION):
        return Fault("is set by the HTTP connection itself.", "Remove it.", name)
    if _matches(name, _OF_THIS_PROGRAM):
        return Fault("is a header that this program sets.", "Remove it.", name)
    if not isinstance(value, str):
        return Fault("must be text.", "Put it in quotes.", name)
    if _FORBIDDEN_IN_VALUE.search(value):
        what = "holds a line break, a control character or a character outside Latin-1."
        return Fault(what, "Remove it, or encode it.", name)
    return None


def _repeated(names: list[str]) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    for name in names:
        first = seen.setdefault(name.lower(), name)
        if first != name:
            yield Fault(f"is the same header as {first}: case does not count.", "Remove one.", name)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name.lower(), pattern) for pattern in patterns)


MAX_WORKFLOWS = 10
"""More workflows than this are refused; the limit is Segment's own."""

ALL_TYPES = "all"

_NAME_PATTERN = "[A-Za-z0-9_-]{1,64}"
_NAME = re.compile(_NAME_PATTERN)

Name = Annotated[str, WithJsonSchema({"type": "string", "pattern": f"^({_NAME_PATTERN}|{REFERENCE_PATTERN})$"})]
Types = tuple[str, ...]
Signing = Literal["segment", "standard-webhooks", "both"]


def default_name(url: str) -> str:
    """The name of a workflow without one: it stays the same when workflows are put in another order."""
    return f"workflow-{hashlib.sha256(url.encode()).hexdigest()[:8]}"


class Workflow(Section):
    """A tray workflow that receives events at its webhook URL."""

    url: WorkflowUrl = Field(description="Webhook URL of the workflow: http or https, in full. Kept secret.")
    name: Name = Field(
        default_factory=lambda fields: default_name(fields["url"].reveal()),
        description="Name in logs, metrics and dead letters: letters, digits, - and _, at most 64 characters. "
        "Default: workflow- and the first 8 hex digits of the SHA-256 of the URL.",
    )
    types: Types | None = Field(
        default=None,
        description='Event types it receives, case does not count. Left out, or with "all": every type.',
    )
    exclude_types: Types = Field(default=(), description="Event types it does not receive, although in types.")
    events: Annotated[tuple[str, ...], Field(min_length=1)] | None = Field(
        default=None,
        description="Names of track events it receives, as shell patterns (Order *, [[] for a bracket); case "
        "counts. "
        "Left out: every name. Other types are not looked at.",
    )
    where: Statement | None = Field(
        default=None,
        description="Statement in FQL, Segment's filter query language: it receives only events for which it is true.",
    )
    filters: tuple[FilterSection, ...] = Field(
        default=(), description="Filters of its events, beside those of the destination: see there."
    )
    ordering: Literal["user", "key", "partition", "none"] = Field(
        default="user",
        description="What is sent one after the other: events of one user, of one Kafka key, of one "
        "partition, or none.",
    )
    max_in_flight: int = Field(
        default=64, strict=True, ge=1, le=1000, description="Requests sent and unanswered at a time, at most."
    )
    concurrency: Literal["adaptive"] | Annotated[int, Field(strict=True, ge=1, le=1000)] = Field(
        default="adaptive",
        description="Requests in flight: adaptive (found out between 1 and max_in_flight by round-trip times and "
        "push-back), or a fixed number.",
    )
    rate_limit: Annotated[float, Rate()] | None = Field(
        default=None, description="Requests a second at most, such as 100/s. Left out: no limit."
    )
    on_failure: Literal["dead-letter", "hold"] = Field(
        default="dead-letter",
        description="What happens to an event that is rejected or expired: it becomes a dead letter, or it is held "
        "and tried again forever, its user's later events waiting.",
    )
    give_up: Places = Field(
        default=(), description="Events that are no longer delivered, as topic:partition:offset: the way out of a hold."
    )
    paused: bool = Field(
        default=False,
        description="Nothing is sent to it: its events wait in order, retry times stand still, nothing is lost. For "
        "maintenance at the other end; a reload pauses and resumes.",
    )
    start: Literal["earliest", "latest"] | None = Field(
        default=None,
        description='With isolation = "workflow": where its group starts when it has committed nothing. '
        "Left out: kafka.start, or latest on a topic that another workflow's group has been reading.",
    )
    timeout: Annotated[float, DurationRange("100ms", "10m")] = with_unit(
        "10s", "Duration of one attempt at most, from connecting to the end of the answer."
    )
    headers: Mapping[str, Secret] = Field(
        default_factory=dict, description="Extra headers of each request. Values are kept secret."
    )
    shared_secret: Secret | None = Field(
        default=None,
        description="Secret that signs its requests, instead of the destination's; empty: not signed.",
    )
    shared_secrets: Annotated[SharedSecrets, Field(min_length=1)] | None = Field(
        default=None,
        description="Several secrets, the new one first, instead of the destination's: see there.",
    )
    proxy: ProxyUrl | None = Field(
        default=None,
        description="Proxy on the way to it: http://user:password@host:port; kept secret. The proxies that the "
        "environment names are not used.",
    )
    ca_file: str | None = Field(
        default=None,
        min_length=1,
        description="File (PEM) of the authorities that vouch for it, instead of the usual ones; relative to the "
        "settings file.",
    )
    client_cert: str | None = Field(
        default=None, min_length=1, description="File (PEM) of the certificate that is shown to it, and of its key."
    )
    client_key: str | None = Field(
        default=None, min_length=1, description="File (PEM) of the certificate's key, where it is a file of its own."
    )
    signing: Signing | None = Field(
        default=None, description="How its requests are signed. Left out: as the destination says."
    )

    @property
    def wanted_types(self) -> frozenset[str] | None:
        """Types it receives, before `exclude_types` takes away; None: every type."""
        return None if self.types is None or ALL_TYPES in self.types else frozenset(self.types)

    @property
    def fixed_concurrency(self) -> int | None:
        """The fixed number of requests in flight; None: adaptive."""
        return None if self.concurrency == "adaptive" else self.concurrency

    _one_spelling = field_validator("shared_secrets")(one_spelling)
    _read_headers = field_validator("headers", mode="before")(read_headers)

    @field_validator("ca_file", "client_cert", "client_key")
    @classmethod
    def _path_is_legal(cls, path: str | None) -> str | None:
        if path is not None and "\0" in path:
            raise refusal(Fault("holds a NUL character, which no path can.", "Remove it."))
        return path

    @field_validator("client_key")
    @classmethod
    def _key_has_a_certificate(cls, key: str | None, info: ValidationInfo) -> str | None:
        if key is not None and info.data.get("client_cert") is None:
            raise refusal(Fault("is given without client_cert.", "Set client_cert, too."))
        return key

    @field_validator("name")
    @classmethod
    def _name_is_plain(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise refusal(Fault("is not a name.", "Use 1 to 64 letters, digits, - and _."))
        return name

    @field_validator("concurrency")
    @classmethod
    def _concurrency_fits(
        cls, concurrency: Literal["adaptive"] | int, info: ValidationInfo
    ) -> Literal["adaptive"] | int:
        most = info.data.get("max_in_flight")
        if concurrency != "adaptive" and most is not None and concurrency > most:
            raise refusal(Fault(f"is more than max_in_flight ({most}).", "Raise max_in_flight, too."))
        return concurrency

    @field_validator("types", "exclude_types")
    @classmethod
    def _read_types(cls, types: Types | None) -> Types | None:
        read = types and tuple(type_.strip().lower() for type_ in types)
        if read and "" in read:
            raise refusal(Fault("has an empty type.", "Remove it."))
        return read

    @field_validator("types")
    @classmethod
    def _some_types(cls, types: Types | None) -> Types | None:
        if types == ():
            raise refusal(Fault("is empty: no event would be sent.", "Leave it out to receive every type."))
        return types

    @field_validator("exclude_types")
    @classmethod
    def _some_types_left(cls, excluded: Types, info: ValidationInfo) -> Types:
        types = info.data.get("types")
        if ALL_TYPES in excluded or (types and ALL_TYPES not in types and set(types) <= set(excluded)):
            raise refusal(Fault("takes away every type: no event would be sent.", "Leave a type to receive."))
        return excluded

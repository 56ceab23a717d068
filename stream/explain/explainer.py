"""`tray-stream explain`: what would become of one event, step by step; nothing is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from stream import __version__
from stream.engine.dispatcher import lane_of
from stream.fql.ir import to_ir
from stream.fql.parser import parse
from stream.model.attempts import HttpRequest
from stream.model.events import SEGMENT_TYPES, Event, Invalid
from stream.model.policies import WorkflowPolicy
from stream.model.records import Record
from stream.rules.explanation import RuleCheck, check_rules
from stream.rules.request import RequestBuilder
from stream.runtime.decoding import RecordDecoder, record_decoder
from stream.runtime.policies import workflow_policy
from stream.settings.model import Settings
from stream.settings.redact import redacted_settings
from stream.settings.secret import MASK
from stream.settings.workflow import Workflow
from stream.validation.schemas import COMMON

_SIGNATURES = ("x-signature", "webhook-signature")
_KEYS = ("idempotency-key", "webhook-id")
"""Made of the place on the topic where the event has no messageId."""
_LANE_FIELDS = ("userId", "anonymousId", "groupId")
_DELETE_LANE_FIELDS = ("userId", "userID")

Verdict = Literal["event", "invalid", "tombstone"]


@dataclass(frozen=True)
class Setting:
    """A setting that decided: where it is in the file, and its value there, or by default."""

    path: str
    value: object


@dataclass(frozen=True)
class Decoded:
    """What the record's bytes are."""

    verdict: Verdict
    bytes: int
    type: str = ""
    """Empty when it is not an event."""
    schema: str = ""
    """File of `schemas/` that it was held against; empty: none."""
    mode: Setting | None = None
    reason: str = ""
    detail: str = ""
    """Of an invalid record: what is wrong with it, and what becomes of it."""
    then: str = ""


@dataclass(frozen=True)
class Rule:
    """One rule of the filter, and the setting that it read."""

    rule: str
    passes: bool
    why: str
    setting: Setting
    ir: object = None
    """Of a rule with a statement: what Segment's own code is given to evaluate."""


@dataclass(frozen=True)
class Lane:
    """What the event waits behind."""

    setting: Setting
    by: str
    """Field of the event that names the lane, `key` or `partition`; empty: it waits for nothing."""
    name: str | None = None
    """What that field says, only when the body was asked for: it tells of a person."""


@dataclass(frozen=True)
class Request:
    """The request as it would be sent, without what is secret."""

    method: str
    url: str
    """Scheme and host alone."""
    headers: Mapping[str, str]
    body_bytes: int
    body_sha256: str
    is_original: bool
    """The body is the record's value as it is on the topic, framing stripped."""
    body: str | None = None
    """Only when it was asked for."""
    body_before: str | None = None
    """The event as it is on the topic, where filters changed it, only when it was asked for."""


@dataclass(frozen=True)
class Verdicts:
    """What one workflow would do with the event. `rules` ends with the first that says no."""

    workflow: str
    wanted: bool
    rules: list[Rule]
    given_up: Setting | None = None
    lane: Lane | None = None
    request: Request | None = None


@dataclass(frozen=True)
class Explanation:
    """One event, decoded and offered to every workflow."""

    decoded: Decoded
    workflows: list[Verdicts] = field(default_factory=list)


class Explainer:
    """Explains events by these settings. `with_body`: show the body that would be sent; `headers`: more of them.

    `decoder`: reads them in another way than records of the topics.
    """

    def __init__(
        self,
        settings: Settings,
        with_body: bool,
        headers: Sequence[tuple[str, str]] = (),
        decoder: RecordDecoder | None = None,
    ) -> None:
        self._settings = settings
        self._shown = redacted_settings(settings)
        self._with_body = with_body
        self.decode = (decoder or record_decoder(settings)).decode
        self._policies = [_with_headers(workflow_policy(settings, one), headers) for one in settings.workflows]
        self._builders = [RequestBuilder(policy, f"tray-stream/{__version__}") for policy in self._policies]

    def explain(self, record: Record, now: float) -> Explanation:
        """Every step of one record, at `now` (Unix time in seconds). Its topic is empty when it is from a file."""
        decoded = self.decode(record)
        if not isinstance(decoded, Event):
            return Explanation(self.not_an_event(record, decoded))
        event = Decoded(
            "event", len(decoded.body), decoded.type, self._schema(decoded.type), self._setting("validation", "mode")
        )
        return Explanation(event, self.offers(decoded, now))

    def offers(self, event: Event, now: float) -> list[Verdicts]:
        """What each workflow would do with the event, and the request as it would be sent at `now`."""
        return [self._offer(event, index, workflow, now) for index, workflow in enumerate(self._settings.workflows)]

    def request(self, event: Event, index: int, now: float) -> HttpRequest:
        """What is sent of an event to the workflow of this index, which wants it."""
        return self._builders[index].build(event, now)

    def verdicts(self, event: Event) -> list[Verdicts]:
        """What each workflow would do with the event, without the request."""
        return [self._judge(event, index, workflow) for index, workflow in enumerate(self._settings.workflows)]

    def not_an_event(self, record: Record, decoded: Invalid | None) -> Decoded:
        """What a record that was decoded to no event is, and what becomes of it."""
        if decoded is None:
            return Decoded("tombstone", 0, then="it is counted as filtered, reason tombstone")
        mode = self._setting("validation", "mode")
        schema = self._schema(decoded.type_label) if decoded.reason == "invalid_event" else ""
        return Decoded(
            "invalid", len(record.value or b""), "", schema, mode, decoded.reason, decoded.detail, self._end(record)
        )

    def _end(self, record: Record) -> str:
        letters = self._settings.dead_letter
        if str(record.place) in self._settings.validation.give_up:
            return "validation.give_up names it: it is given up" + (" as a dead letter" if letters.enabled else "")
        if not letters.enabled:
            return "its partition is held, since dead_letter.enabled is false"
        each = ", one for each workflow" if self._settings.isolation == "workflow" else ""
        return f"it becomes a dead letter on {self._settings.dead_letter_topic}{each}"

    def _schema(self, type_: str) -> str:
        mode = self._settings.validation.mode
        if mode == "off":
            return ""
        known = type_ if mode == "strict" and type_ in SEGMENT_TYPES else COMMON
        return f"schemas/{known}.schema.json"

    def _offer(self, event: Event, index: int, workflow: Workflow, now: float) -> Verdicts:
        verdicts = self._judge(event, index, workflow)
        if not verdicts.wanted:
            return verdicts
        return replace(verdicts, request=self._request(event, self.request(event, index, now), workflow))

    def _judge(self, event: Event, index: int, workflow: Workflow) -> Verdicts:
        checks = check_rules(event, self._policies[index], self._settings.destination.integration_name)
        rules = [self._rule(check, index) for check in checks]
        if not checks[-1].passes:
            return Verdicts(workflow.name, False, rules)
        is_given_up = str(event.record.place) in workflow.give_up
        given_up = self._setting("workflow", "give_up", index) if is_given_up else None
        return Verdicts(workflow.name, True, rules, given_up, self._lane(event, index, workflow))

    def _rule(self, check: RuleCheck, index: int) -> Rule:
        if check.number is not None:
            setting = self._filter(check.number, index)
        elif check.setting == "integration_name":
            setting = self._setting("destination", check.setting)
        else:
            setting = self._setting("workflow", check.setting, index)
        ir = to_ir(parse(check.statement)) if check.statement else None
        return Rule(check.rule, check.passes, check.why, setting, ir)

    def _filter(self, number: int, index: int) -> Setting:
        """The destination's filters are counted before the workflow's."""
        of_all = self._settings.destination.filters
        if number < len(of_all):
            return Setting(f"destination.filters[{number}]", self._shown["destination"]["filters"][number])
        number -= len(of_all)
        return Setting(f"workflow[{index}].filters[{number}]", self._shown["workflow"][index]["filters"][number])

    def _setting(self, section: str, key: str, index: int | None = None) -> Setting:
        table: Any = self._shown[section]
        if index is None:
            return Setting(f"{section}.{key}", table.get(key))
        return Setting(f"{section}[{index}].{key}", table[index].get(key))

    def _lane(self, event: Event, index: int, workflow: Workflow) -> Lane:
        setting = self._setting("workflow", "ordering", index)
        lane = lane_of(workflow.ordering)(event)
        if lane is None:
            return Lane(setting, "")
        if workflow.ordering != "user":  # a key may be a person's id as well, and need not be text
            return Lane(setting, workflow.ordering)
        return Lane(setting, _lane_field(event), str(lane) if self._with_body else None)

    def _request(self, event: Event, request: HttpRequest, workflow: Workflow) -> Request:
        secret = {*(name.lower() for name in workflow.headers), *_SIGNATURES}
        headers = {name: MASK if name.lower() in secret else text for name, text in request.headers}
        if not event.record.topic and event.message_id is None:
            headers |= {name: "<topic>-<partition>-<offset>" for name in _KEYS if name in headers}
        is_changed = bool(workflow.filters or self._settings.destination.filters) and request.body != event.body
        return Request(
            "POST",
            workflow.url.redacted(),
            headers,
            len(request.body),
            hashlib.sha256(request.body).hexdigest(),
            request.body in (event.record.value or b""),  # framed or wrapped, perhaps
            request.body.decode("utf-8", "replace") if self._with_body else None,
            event.body.decode("utf-8", "replace") if self._with_body and is_changed else None,
        )


def _with_headers(policy: WorkflowPolicy, headers: Sequence[tuple[str, str]]) -> WorkflowPolicy:
    """With these headers in place of those of the same names."""
    names = {name.lower() for name, _ in headers}
    kept = (header for header in policy.headers if header[0].lower() not in names)
    return replace(policy, headers=(*kept, *headers))


def _lane_field(event: Event) -> str:
    fields = _DELETE_LANE_FIELDS if event.type == "delete" else _LANE_FIELDS
    return next((name for name in fields if event.payload.get(name) not in (None, "")), "")

"""The HTTP request that carries an event to a workflow; nothing is sent here."""

from __future__ import annotations

import hashlib
import hmac
import json
import re

import orjson

from stream.fql.pipeline import pipeline
from stream.model.attempts import HttpRequest
from stream.model.events import Event
from stream.model.policies import WorkflowPolicy
from stream.model.records import Headers
from stream.rules.deletion import delete_notification
from stream.rules.filtered import filtered_body
from stream.rules.signing import WebhookSigner

_SAFE_KEY = re.compile(r"[A-Za-z0-9_:-]{1,200}")
_UNSAFE_CHARACTER = re.compile(r"[^A-Za-z0-9_:-]")
_LONG_DIGITS = re.compile(rb"[0-9]{19}")
"""Only numbers with as many digits can lie beyond 64 bits, where orjson rounds them."""
_TRACEPARENT = re.compile(
    rb"(?:00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
    rb"|(?!00|ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[\x21-\x7e]{0,200})?)"
)
"""W3C Trace Context, section 3.2: later versions may append fields, `ff` is forbidden, no id is all zeros."""


class RequestBuilder:
    """Builds the requests of one workflow; what is the same in each of them is prepared once.

    An extra header of the policy takes the place of the content type or user agent of the same name.
    """

    def __init__(self, policy: WorkflowPolicy, user_agent: str) -> None:
        named = {name.lower() for name, _ in policy.headers}
        ours = [("content-type", "application/json"), ("user-agent", user_agent)]
        self._constant = (*(header for header in ours if header[0] not in named), *policy.headers)
        self._keyed = hmac.new(policy.shared_secret, digestmod="sha1") if policy.shared_secret else None
        self._signer = WebhookSigner(policy.webhook_keys) if policy.webhook_keys else None
        self.is_timed = self._signer is not None
        """Whether requests say when they were sent, so that `build` needs the time."""
        self._is_compact = policy.body == "compact"
        self._key_suffix = policy.key_suffix
        made_by = pipeline(policy.filters)
        self._filters = made_by if made_by and made_by.transform and made_by.transform.changes else None
        self._kind = (policy.shared_secret, policy.key_suffix, policy.body, self.is_timed, self._filters)

    def build(self, event: Event, wall: float = 0.0) -> HttpRequest:
        """The request for `event`, sent at `wall` (Unix time in seconds). Needs no payload.

        It is the same each time it is asked for, save what depends on the time where `is_timed`.
        """
        made = event.made
        if made is not None and made.kind == self._kind:
            return HttpRequest(made.own, made.body, self._constant, made.kind, made.lines)
        filtered = event.body if self._filters is None else filtered_body(event, self._filters)
        body = _notification(event, filtered) if event.type == "delete" else filtered
        if self._is_compact:
            body = compact(body)
        key = idempotency_key(event) + self._key_suffix
        headers = [("idempotency-key", key)]
        if self._keyed is not None:
            headers.append(("x-signature", self._sign(self._keyed, body)))
        if self._signer is not None:
            headers += self._signer.headers(key, wall, body)
        if event.record.headers:
            trace_parent = traceparent(event.record.headers)
            if trace_parent is not None:
                headers.append(("traceparent", trace_parent))
        request = HttpRequest(headers, body, self._constant, self._kind)
        is_kept = body is filtered or body is event.notification
        if is_kept and not self.is_timed:  # another body would take memory that no limit counts
            event.made = request
        return request

    @staticmethod
    def _sign(keyed: hmac.HMAC, body: bytes) -> str:
        """Segment's scheme: lower-case hex HMAC-SHA1 of exactly the bytes sent."""
        signature = keyed.copy()
        signature.update(body)
        return signature.hexdigest()


def _notification(event: Event, body: bytes) -> bytes:
    """A delete event's body with what a deletion always has; made once where filters left it as it was."""
    if body is not event.body:
        return delete_notification(body, event.record.timestamp_ms)
    if event.notification is None:
        event.notification = delete_notification(body, event.record.timestamp_ms)
    return event.notification


def idempotency_key(event: Event) -> str:
    """What lets a receiver recognise a repetition: the same on every retry, restart, replay and redrive.

    The message id when it is safe in a header, else its hash; without one the place on the topic.
    """
    message_id = event.message_id
    if message_id is None:
        record = event.record
        return _UNSAFE_CHARACTER.sub("_", f"{record.topic}-{record.partition}-{record.offset}")
    if _SAFE_KEY.fullmatch(message_id):
        return message_id
    return "h_" + hashlib.sha256(message_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def traceparent(headers: Headers) -> str | None:
    """The last valid W3C `traceparent` of a record's headers; what is not valid is ignored."""
    for name, value in reversed(headers):
        if value is not None and name.lower() == "traceparent" and _TRACEPARENT.fullmatch(value):
            return value.decode("ascii")
    return None


def compact(body: bytes) -> bytes:
    """`body` re-serialised without white space or needless escapes, as JSON.stringify would.

    The bytes stay as they are where that would change what they say: lone surrogates, numbers beyond a
    double's range, nesting beyond what orjson writes, whatever the standard library of this Python could.
    """
    try:
        compacted = orjson.dumps(orjson.loads(body))
        return _compact_exactly(body) if _LONG_DIGITS.search(body) else compacted
    except (ValueError, TypeError, RecursionError):  # orjson's own errors are a ValueError and a TypeError
        return body


def _compact_exactly(body: bytes) -> bytes:
    text = json.dumps(json.loads(body), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8")

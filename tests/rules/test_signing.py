"""Standard Webhooks signatures, held against the scheme's own verifier."""

from __future__ import annotations

import base64
import json
import subprocess
import time

import pytest
from assertions import every
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from stream.model.events import Event
from stream.model.policies import WorkflowPolicy
from stream.model.records import Record
from stream.rules.request import RequestBuilder
from stream.rules.signing import WebhookSigner, webhook_key

WHSEC = "whsec_" + base64.b64encode(bytes(range(32))).decode()
BODY = b'{"type":"track","userId":"u1","event":"Caf\xc3\xa9"}'


def event(body: bytes = BODY, message_id: str | None = "m-1", type_: str = "track") -> Event:
    """An event whose payload has been released."""
    return Event(Record("events", 3, 41, 1_354_408_208_276, None, body), body, type_, "u1", message_id, {})


def signed(
    *keys: bytes, segment: bytes = b"", wall: float = 0.0, of: Event | None = None
) -> tuple[dict[str, str], bytes]:
    """(headers, body) of a request."""
    policy = WorkflowPolicy("w", shared_secret=segment, webhook_keys=keys)
    request = RequestBuilder(policy, "agent").build(of or event(), wall or time.time())
    return dict(request.headers), request.body


@given(
    st.binary(min_size=1, max_size=64),
    st.one_of(st.none(), st.text(max_size=250)),
    st.text(st.characters(codec="utf-8")),
    st.sampled_from(["track", "delete"]),
)
def test_the_official_verifier_takes_every_request(key: bytes, message_id: str | None, text: str, type_: str) -> None:
    """Whatever the message id, the body and the key are, in both forms that a receiver may have the secret in."""
    body = json.dumps({"type": type_, "userId": text}, ensure_ascii=False).encode()
    headers, sent = signed(key, of=event(body, message_id, type_))
    for secret in (key, "whsec_" + base64.b64encode(key).decode()):
        Webhook(secret).verify(sent, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(b"another" + key).verify(sent, headers)
    assert headers["webhook-id"] == headers["idempotency-key"]


def test_a_known_signature() -> None:
    """The text that is signed is id.timestamp.body; the time is whole seconds."""
    found = dict(WebhookSigner([b"key"]).headers("m-1", 1_700_000_000.9, b'{"a":1}'))
    assert found["webhook-timestamp"] == "1700000000"
    printed = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", "key", "-binary"],
        input=b'm-1.1700000000.{"a":1}',
        capture_output=True,
        check=True,
    ).stdout
    assert found["webhook-signature"] == "v1," + base64.b64encode(printed).decode()


def test_segments_signature_is_openssls() -> None:
    """Segment's scheme beside the other: the hex HMAC-SHA1 of the bytes sent."""
    headers, body = signed(b"k" * 24, segment=b"s3cret")
    printed = subprocess.run(
        ["openssl", "dgst", "-sha1", "-hmac", "s3cret", "-r"], input=body, capture_output=True, check=True
    ).stdout
    assert headers["x-signature"] == printed.decode().split()[0]
    Webhook(b"k" * 24).verify(body, headers)


def test_every_key_in_force_signs() -> None:
    """While receivers change from one secret to the next each finds its own."""
    headers, body = signed(b"new", b"old")
    assert len(headers["webhook-signature"].split(" ")) == 2
    for key in (b"new", b"old"):
        Webhook(key).verify(body, headers)


def test_each_attempt_has_its_own_time() -> None:
    """A retry long after the first attempt is taken by a receiver that refuses old requests."""
    builder = RequestBuilder(WorkflowPolicy("w", webhook_keys=(b"key",)), "agent")
    old = builder.build(event(), time.time() - 3600)
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(b"key").verify(old.body, dict(old.headers))
    again = builder.build(event(), time.time())
    Webhook(b"key").verify(again.body, dict(again.headers))
    assert dict(again.headers)["webhook-id"] == dict(old.headers)["webhook-id"]


def test_without_keys_there_are_no_webhook_headers() -> None:
    """Segment's scheme alone is what it was, and does not ask for the time."""
    headers, _ = signed(segment=b"s3cret")
    assert every(not name.startswith("webhook-") for name in headers)
    assert not RequestBuilder(WorkflowPolicy("w", shared_secret=b"s3cret"), "agent").is_timed


@pytest.mark.parametrize("secret", [WHSEC, WHSEC.rstrip("="), WHSEC + "=="])
def test_padding_does_not_matter(secret: str) -> None:
    """The verifier takes a secret with and without it."""
    assert webhook_key(secret) == bytes(range(32))


def test_a_secret_without_the_prefix_is_the_key_itself() -> None:
    """Even where it looks like base64: it may be the one that Segment's scheme has been using."""
    assert webhook_key("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw") == b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.mark.parametrize("secret", ["whsec_", "whsec_====", "whsec_%", "whsec_A", "whsec_AA AA", "whsec_é"])
def test_what_is_not_base64_is_no_key(secret: str) -> None:
    """The error does not repeat it."""
    with pytest.raises(ValueError, match=r"^(not base64|no key)$"):
        webhook_key(secret)

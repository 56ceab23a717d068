"""Which secrets sign the requests of a workflow, and whether they can be used."""

from __future__ import annotations

from collections.abc import Iterator

from stream.rules.signing import SECRET_PREFIX, webhook_key
from stream.settings.draft import Draft, Location
from stream.settings.model import Settings
from stream.settings.workflow import Workflow

LEAST_KEY_BYTES = 24
"""Standard Webhooks asks for keys of 24 to 64 bytes."""


def segment_key(settings: Settings, workflow: Workflow) -> bytes:
    """Key of `X-Signature`: the first secret as it is written; empty: requests have none."""
    if settings.signing_of(workflow) == "standard-webhooks":
        return b""
    return next((secret.reveal().encode() for secret in settings.secrets_of(workflow)), b"")


def webhook_keys(settings: Settings, workflow: Workflow) -> tuple[bytes, ...]:
    """Keys of `webhook-signature`, one for each secret; none: requests have none."""
    if settings.signing_of(workflow) == "segment":
        return ()
    return tuple(webhook_key(secret.reveal()) for secret in settings.secrets_of(workflow))


def report_signing(settings: Settings, draft: Draft) -> None:
    """Add a problem for each secret that is to sign by Standard Webhooks and cannot."""
    for at, secret in _webhook_secrets(settings):
        if draft.is_faulty(at):
            continue
        try:
            webhook_key(secret)
        except ValueError:
            fix = f"Copy it whole: {SECRET_PREFIX} and the base64 of 24 to 64 bytes."
            draft.report(at, f"begins with {SECRET_PREFIX}, but what follows is not base64.", fix)


def signing_warnings(settings: Settings) -> Iterator[str]:
    """What can be used, but protects less than was meant."""
    for index, workflow in enumerate(settings.workflows):
        asks = workflow.signing or settings.destination.signing
        if asks != "segment" and not settings.secrets_of(workflow) and workflow.shared_secret is None:
            yield f'workflow[{index}] ({workflow.name}): signing is "{asks}", and there is no secret to sign with.'
        short = [key for key in webhook_keys(settings, workflow) if len(key) < LEAST_KEY_BYTES]
        if short:
            yield (
                f"workflow[{index}] ({workflow.name}): a secret is shorter than the {LEAST_KEY_BYTES} bytes that "
                "Standard Webhooks asks for."
            )


def _webhook_secrets(settings: Settings) -> Iterator[tuple[Location, str]]:
    """Where each secret stands that signs by Standard Webhooks, and what it is."""
    signing = [(n, w) for n, w in enumerate(settings.workflows) if settings.signing_of(w) != "segment"]
    for index, workflow in signing:
        if workflow.shared_secret is not None:
            yield ("workflow", index, "shared_secret"), workflow.shared_secret.reveal()
        for place, secret in enumerate(workflow.shared_secrets or ()):
            yield ("workflow", index, "shared_secrets", place), secret.reveal()
    if any(workflow.shared_secret is None and workflow.shared_secrets is None for _, workflow in signing):
        yield ("destination", "shared_secret"), settings.destination.shared_secret.reveal()
        for place, secret in enumerate(settings.destination.shared_secrets):
            yield ("destination", "shared_secrets", place), secret.reveal()

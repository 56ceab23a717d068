"""Standard Webhooks: signatures by which a receiver knows who sent a request, and that it is not an old one.

Segment's own scheme, `X-Signature`, is one line in `request.py`.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence

SECRET_PREFIX = "whsec_"  # noqa: S105 - what such a secret begins with, not a secret


def webhook_key(secret: str) -> bytes:
    """The key that `secret` stands for: behind `whsec_` it is base64, any other text is itself the key, as UTF-8.

    Raises:
        ValueError: what follows `whsec_` is not base64, or nothing. The text does not repeat it.
    """
    if not secret.startswith(SECRET_PREFIX):
        return secret.encode()
    encoded = secret.removeprefix(SECRET_PREFIX).rstrip("=")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("not base64") from error
    if not key:
        raise ValueError("no key")
    return key


class WebhookSigner:
    """Signs with every key at once, so that a receiver may change to a new one at any time."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keyed = [hmac.new(key, digestmod="sha256") for key in keys]

    def headers(self, webhook_id: str, wall: float, body: bytes) -> list[tuple[str, str]]:
        """The three headers of one attempt at `wall` (Unix time in seconds), over exactly the bytes sent."""
        timestamp = str(int(wall))
        signed = b"%b.%b.%b" % (webhook_id.encode(), timestamp.encode(), body)
        return [
            ("webhook-id", webhook_id),
            ("webhook-timestamp", timestamp),
            ("webhook-signature", " ".join(_signature(keyed, signed) for keyed in self._keyed)),
        ]


def _signature(keyed: hmac.HMAC, signed: bytes) -> str:
    signature = keyed.copy()
    signature.update(signed)
    return "v1," + base64.b64encode(signature.digest()).decode()

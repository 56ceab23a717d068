"""Secrets that sign, and how."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from settings_support import MINIMAL, load, problems

from stream.settings.signing import segment_key, webhook_keys

KEY = bytes(range(32))
WHSEC = "whsec_" + base64.b64encode(KEY).decode()


def keys(tmp_path: Path, toml: str) -> tuple[bytes, tuple[bytes, ...]]:
    """(key of X-Signature, keys of webhook-signature) of the only workflow."""
    settings = load(tmp_path, toml).settings
    return segment_key(settings, settings.workflows[0]), webhook_keys(settings, settings.workflows[0])


@pytest.mark.parametrize(
    ("signing", "expected"),
    [
        ("segment", (WHSEC.encode(), ())),
        ("standard-webhooks", (b"", (KEY, b"an-older-secret-of-24-bytes"))),
        ("both", (WHSEC.encode(), (KEY, b"an-older-secret-of-24-bytes"))),
    ],
)
def test_each_scheme_has_its_keys(tmp_path: Path, signing: str, expected: tuple[bytes, tuple[bytes, ...]]) -> None:
    """Segment's takes the first secret as it is written; Standard Webhooks all, those with whsec_ decoded."""
    destination = f'[destination]\nshared_secrets = ["{WHSEC}", "an-older-secret-of-24-bytes"]\n'
    assert keys(tmp_path, f'{MINIMAL}{destination}signing = "{signing}"\n') == expected


def test_a_workflow_signs_its_own_way(tmp_path: Path) -> None:
    """Its secrets and its scheme take the place of the destination's, each by itself."""
    destination = '[destination]\nshared_secret = "all"\n'
    assert keys(tmp_path, f'{MINIMAL}signing = "both"\n{destination}') == (b"all", (b"all",))
    assert keys(tmp_path, f'{MINIMAL}shared_secrets = ["new", "old"]\n{destination}') == (b"new", ())
    assert keys(tmp_path, f'{MINIMAL}shared_secret = ""\nsigning = "both"\n{destination}') == (b"", ())


def test_an_empty_secret_of_several_does_not_count(tmp_path: Path) -> None:
    """Once the change is over the variable of the old one may be empty; a warning says so."""
    toml = f'{MINIMAL}[destination]\nsigning = "both"\nshared_secrets = ["new", "${{env:OLD}}"]\n'
    loaded = load(tmp_path, toml, {"OLD": ""})
    assert webhook_keys(loaded.settings, loaded.settings.workflows[0]) == (b"new",)
    assert "destination.shared_secrets[1]: ${env:OLD} is empty" in loaded.warnings[0]


@pytest.mark.parametrize("secret", ["whsec_", "whsec_not-base64!", "whsec_A"])
def test_a_damaged_webhook_secret_is_refused(tmp_path: Path, secret: str) -> None:
    """Where it stands is named, not what it is; as Segment's secret it is a text like any other."""
    toml = f'{MINIMAL}[destination]\nshared_secrets = ["good", "{secret}"]\n'
    assert problems(tmp_path, f'{toml}signing = "both"') == [
        "destination.shared_secrets[1]: begins with whsec_, but what follows is not base64. "
        "Copy it whole: whsec_ and the base64 of 24 to 64 bytes."
    ]
    assert load(tmp_path, toml).settings.destination.signing == "segment"


@pytest.mark.parametrize(
    "lines", ['shared_secret = "a"\nshared_secrets = ["b"]\n', 'shared_secrets = ["b"]\nshared_secret = "a"\n']
)
def test_both_spellings_at_once_are_refused(tmp_path: Path, lines: str) -> None:
    """Which of them would be the newer one could only be guessed."""
    said = "is given, and shared_secret, too. Write every secret in shared_secrets."
    assert problems(tmp_path, MINIMAL + lines) == [f"workflow[0].shared_secrets: {said}"]
    assert problems(tmp_path, f"{MINIMAL}[destination]\n{lines}") == [f"destination.shared_secrets: {said}"]


def test_the_environment_gives_several_secrets(tmp_path: Path) -> None:
    """As it gives every list."""
    destination = load(tmp_path, environ={"TRAY_DESTINATION__SHARED_SECRETS": "new,old"}).settings.destination
    assert [secret.reveal() for secret in destination.shared_secrets] == ["new", "old"]


@pytest.mark.parametrize(
    ("lines", "warning"),
    [
        ("", 'signing is "both", and there is no secret to sign with.'),
        ('shared_secret = "short"\n', "a secret is shorter than the 24 bytes that Standard Webhooks asks for."),
    ],
)
def test_weak_signing_is_warned_of(tmp_path: Path, lines: str, warning: str) -> None:
    """It can be used; whoever set it up should know."""
    (found,) = load(tmp_path, f'{MINIMAL}name = "orders"\nsigning = "both"\n{lines}').warnings
    assert found == f"workflow[0] (orders): {warning}"

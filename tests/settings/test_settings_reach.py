"""How a workflow is reached: egress, proxy, TLS files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from settings_support import MINIMAL, load, problems, workflow_problems

from stream.settings import redacted_settings

URL = 'url = "https://hooks.example.com/wf/1"\n'


def test_networks_and_addresses_are_allowed(tmp_path: Path) -> None:
    """Of both families."""
    lines = '[egress]\nallow = ["10.0.0.0/8", "169.254.169.254", "fd00::/8"]\npublic_only = true\n'
    egress = load(tmp_path, MINIMAL + lines).settings.egress
    assert (egress.allow, egress.public_only) == (("10.0.0.0/8", "169.254.169.254", "fd00::/8"), True)


def test_the_environment_gives_networks(tmp_path: Path) -> None:
    """As it gives every list."""
    environ = {"TRAY_EGRESS__ALLOW": "10.0.0.0/8,fd00::/8", "TRAY_EGRESS__PUBLIC_ONLY": "true"}
    egress = load(tmp_path, environ=environ).settings.egress
    assert (egress.allow, egress.public_only) == (("10.0.0.0/8", "fd00::/8"), True)


@pytest.mark.parametrize(
    ("network", "fix"),
    [
        ("10.1.2.3/8", "Did you mean 10.0.0.0/8?"),
        ("metadata.internal", 'Write it as "10.20.0.0/16" or "fd00::/8".'),
        ("10.0.0.0/33", 'Write it as "10.20.0.0/16" or "fd00::/8".'),
    ],
)
def test_what_is_no_network_is_refused(tmp_path: Path, network: str, fix: str) -> None:
    """A name would be resolved anew each time: only addresses are allowed."""
    assert problems(tmp_path, f'{MINIMAL}[egress]\nallow = ["10.0.0.1", "{network}"]\n') == [
        f"egress.allow[1]: is neither a network nor an address. {fix}"
    ]


@pytest.mark.parametrize("proxy", ["http://proxy:3128", "https://ann:s%40:crt@proxy.example.com", "http://[::1]:80/"])
def test_a_proxy_is_taken(tmp_path: Path, proxy: str) -> None:
    """With or without a password, which is not shown."""
    settings = load(tmp_path, f'{MINIMAL}proxy = "{proxy}"\n').settings
    assert settings.workflows[0].proxy is not None
    assert settings.workflows[0].proxy.reveal() == proxy
    assert "crt" not in json.dumps(redacted_settings(settings)) + repr(settings)


@pytest.mark.parametrize(
    ("proxy", "problem"),
    [
        ("proxy:3128", "has no scheme. Write https://… in front of it."),
        ("ann:s3cret@proxy:3128", "has no scheme. Write http://… in front of it."),
        ("socks5://proxy:1080", "is neither http nor https. Write https://… in front of it."),
        ("http://ann:s3cret@", "has no host. Write https://host/…."),
        ("http://proxy:99999", "has no valid port. Write a port from 1 to 65535, or none."),
        ("http://proxy/path", "has a path. Write it as http://host:port."),
    ],
)
def test_a_proxy_that_cannot_be_used_is_refused(tmp_path: Path, proxy: str, problem: str) -> None:
    """Its text, which may hold a password, is not repeated."""
    assert workflow_problems(tmp_path, f'{URL}proxy = "{proxy}"') == [f"workflow[0].proxy: {problem}"]


def test_files_are_relative_to_the_settings_file(tmp_path: Path) -> None:
    """As those of references are; absolute ones stay."""
    lines = 'ca_file = "tls/ca.pem"\nclient_cert = "/etc/tls/client.pem"\nclient_key = "${env:KEY}"\n'
    workflow = load(tmp_path, MINIMAL + lines, {"KEY": "client.key"}).settings.workflows[0]
    found = (workflow.ca_file, workflow.client_cert, workflow.client_key)
    assert found == (str(tmp_path / "tls/ca.pem"), "/etc/tls/client.pem", str(tmp_path / "client.key"))


def test_a_key_needs_a_certificate(tmp_path: Path) -> None:
    """Alone it would be read by nobody."""
    assert workflow_problems(tmp_path, f'{URL}client_key = "client.key"') == [
        "workflow[0].client_key: is given without client_cert. Set client_cert, too."
    ]


@pytest.mark.parametrize("setting", ["verify", "insecure", "ca_file = false", "tls_verify"])
def test_nothing_turns_verification_off(tmp_path: Path, setting: str) -> None:
    """There is no such setting."""
    line = setting if "=" in setting else f"{setting} = false"
    assert problems(tmp_path, MINIMAL + line)

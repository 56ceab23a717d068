"""Which texts of the settings are kept out of everything that is written."""

from __future__ import annotations

import json
from pathlib import Path

from settings_support import load

from stream.settings import redacted_settings
from stream.settings.hidden import hidden_texts, workflow_secrets

TOML = """
[kafka]
topics = ["segment-events"]
[kafka.options]
"sasl.mechanism" = "PLAIN"
"sasl.username" = "user-4711"
"sasl.password" = "pass-4711"
"sasl.oauthbearer.client.id" = "client-4711"
"ssl.key.pem" = "pem-4711"
"ssl.key.location" = "/etc/tls/client.key"
"client.rack" = "rack-1"
[destination]
shared_secrets = ["shared-4711", "older-4711"]
[[workflow]]
url = "https://hooks.example.com/webhook/token%2D4711/production?key=query-4711"
shared_secret = "own-4711"
headers = { Authorization = "Bearer bearer-4711", "X-Env" = "production" }
proxy = "http://ann:proxy%2D4711@proxy:3128"
"""


def test_every_secret_is_found(tmp_path: Path) -> None:
    """Also in parts and decoded, as others might quote it; words that are no secret are left alone."""
    found = hidden_texts(load(tmp_path, TOML).settings)
    for text in (
        *("pass-4711", "pem-4711", "shared-4711", "older-4711", "own-4711", "query-4711"),
        *("https://hooks.example.com/webhook/token%2D4711/production?key=query-4711", "token%2D4711", "token-4711"),
        *("Bearer bearer-4711", "bearer-4711", "proxy%2D4711", "proxy-4711", "ann"),
    ):
        assert text in found
    assert found.isdisjoint({"production", "webhook", "Bearer", "PLAIN", "user-4711", "/etc/tls/client.key", "rack-1"})


def test_no_secret_is_printed(tmp_path: Path) -> None:
    """Nor as whom one logs in to Kafka; how one does, and where files are, may be told."""
    printed = redacted_settings(load(tmp_path, TOML).settings)
    assert "4711" not in json.dumps(printed)
    options = printed["kafka"]["options"]
    shown = {name: value for name, value in options.items() if value != "**********"}
    assert shown == {"sasl.mechanism": "PLAIN", "ssl.key.location": "/etc/tls/client.key", "client.rack": "rack-1"}
    assert printed["workflow"][0]["url"] == "https://hooks.example.com"
    assert printed["workflow"][0]["proxy"] == "http://proxy:3128"


OPAQUE = (
    """
[kafka]
topics = ["segment-events"]
[kafka.options]
"ssl.key.pem" = """
    + "'''"
    + """-----BEGIN PRIVATE KEY-----
bGluZS1vbmUtb2YtYS1rZXk
bGluZS10d28tb2YtYS1rZXk
-----END PRIVATE KEY-----"""
    + "'''"
    + """
[[workflow]]
name = "one"
url = "https://0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0.eu1.trayapp.io"
headers = { Authorization = "Bearer abcdefghij", X-Source = "segment" }
[[workflow]]
name = "two"
url = "https://other-flow.trayapp.io:8443/x"
"""
)


def test_an_opaque_host_is_a_secret(tmp_path: Path) -> None:
    """As a whole and its key alone; of the host its domain is shown."""
    settings = load(tmp_path, OPAQUE).settings
    found = hidden_texts(settings)
    key = "0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0"
    assert {key, f"{key}.eu1.trayapp.io", "other-flow", "other-flow.trayapp.io"} <= found
    assert [workflow.url.redacted() for workflow in settings.workflows] == [
        "https://***.eu1.trayapp.io",
        "https://***.trayapp.io",
    ]
    assert {"abcdefghij", "bGluZS1vbmUtb2YtYS1rZXk", "bGluZS10d28tb2YtYS1rZXk"} <= found
    assert found.isdisjoint({"segment", "Bearer", "eu1.trayapp.io"})


def test_the_secrets_of_one_workflow(tmp_path: Path) -> None:
    """Its own, and those that it shares; not those of the others."""
    settings = load(tmp_path, OPAQUE).settings
    found = workflow_secrets(settings, settings.workflows[1])
    assert "other-flow" in found
    assert "abcdefghij" not in found

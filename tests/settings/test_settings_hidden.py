"""Which texts of the settings are kept out of everything that is written."""

from __future__ import annotations

import json
from pathlib import Path

from settings_support import load

from stream.settings import redacted_settings
from stream.settings.hidden import hidden_texts

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

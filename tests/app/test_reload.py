"""Which settings a running process takes, and which wait for a restart."""

from __future__ import annotations

from pathlib import Path

from stream.runtime.reload import changed_keys, in_force
from stream.settings import load_settings
from stream.settings.model import Settings

BASE = """
[kafka]
topics = ["events"]
[[workflow]]
name = "orders"
url = "https://hooks.example.com/1"
"""
OTHER = """
isolation = "workflow"
[kafka]
topics = ["others"]
drain_timeout = "20s"
options = { "client.rack" = "b" }
[http]
listen = "127.0.0.1:0"
[log]
level = "debug"
[dead_letter]
topic = "letters"
max_consecutive = 7
[destination]
shared_secret = "s"
integration_name = "other"
[retry]
for = "1h"
[validation]
mode = "off"
[gate]
failures = 3
[limits]
max_open_events = 5
[egress]
public_only = true
[[workflow]]
name = "audit"
url = "https://hooks.example.com/2"
"""


def settings_of(folder: Path, toml: str) -> Settings:
    """The settings of a file."""
    path = folder / "stream.toml"
    path.write_text(toml)
    return load_settings(path, {}, {}).settings


def test_what_may_change_is_taken_and_the_rest_stays(tmp_path: Path) -> None:
    """Workflows, secrets, rules and limits are the new ones; Kafka, the layout and the endpoint the old ones."""
    old, new = settings_of(tmp_path, BASE), settings_of(tmp_path, OTHER)
    taken = in_force(old, new)
    for name in ("kafka", "isolation", "http", "log", "tracing"):
        assert getattr(taken, name) == getattr(old, name)
    for name in ("workflows", "destination", "retry", "validation", "gate", "limits", "egress"):
        assert getattr(taken, name) == getattr(new, name)
    assert (taken.dead_letter.topic, taken.dead_letter.max_consecutive) == ("tray.dead-letters", 7)


def test_what_waits_for_a_restart_is_named(tmp_path: Path) -> None:
    """By the file's keys; what is taken at once is not among them."""
    old, new = settings_of(tmp_path, BASE), settings_of(tmp_path, OTHER)
    assert changed_keys(old, new) == (
        "isolation",
        "kafka.topics",
        "kafka.drain_timeout",
        "kafka.options",
        "http.listen",
        "log.level",
        "dead_letter.topic",
    )
    assert changed_keys(old, old) == ()

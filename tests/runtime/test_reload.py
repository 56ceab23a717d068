"""Which settings a running process takes, and which wait for a restart."""

from __future__ import annotations

from pathlib import Path

from support.authority import Authority

from stream.runtime.policies import layouts
from stream.runtime.reload import changed_files, changed_keys, in_force, plan_engines
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
    assert changed_keys(in_force(old, new), new) == (
        "isolation",
        "kafka.topics",
        "kafka.drain_timeout",
        "kafka.options",
        "dead_letter.topic",
        "http.listen",
        "log.level",
    )
    assert changed_keys(old, old) == ()


def test_what_is_taken_is_named(tmp_path: Path) -> None:
    """By the file's keys, workflows by their names; what waits for a restart is not among them."""
    old, new = settings_of(tmp_path, BASE), settings_of(tmp_path, OTHER)
    assert changed_keys(old, in_force(old, new)) == (
        "destination.integration_name",
        "destination.shared_secret",
        "workflow[orders] (removed)",
        "workflow[audit] (added)",
        "retry.for",
        "validation.mode",
        "gate.failures",
        "dead_letter.max_consecutive",
        "limits.max_open_events",
        "egress.public_only",
    )


def test_a_workflow_is_followed_by_its_name(tmp_path: Path) -> None:
    """Wherever it stands; a secret is named and not shown."""
    second = '[[workflow]]\nname = "audit"\nurl = "https://hooks.example.com/2"\n'
    secret = 'shared_secret = "s3cret"\nheaders = { authorization = "Bearer s3cret" }\n'
    old, new = settings_of(tmp_path, BASE + second), settings_of(tmp_path, BASE + second + secret)
    changed = changed_keys(old, new)
    assert changed == ("workflow[audit].headers", "workflow[audit].shared_secret")
    moved = new.model_copy(update={"workflows": tuple(reversed(new.workflows))})
    assert changed_keys(new, moved) == ("workflow (the order)",)


def test_a_tls_file_that_holds_something_else_is_a_change(tmp_path: Path) -> None:
    """Its path is the same, and so are the settings."""
    ca_file, authority = tmp_path / "ca.pem", Authority(tmp_path / "authority").certificate.read_bytes()
    ca_file.write_bytes(authority)
    settings = settings_of(tmp_path, f'{BASE}ca_file = "{ca_file}"\n')
    before = plan_engines(settings, layouts(settings))
    assert changed_files(before, plan_engines(settings, layouts(settings))) == ()
    ca_file.write_bytes(2 * authority)
    after = plan_engines(settings, layouts(settings))
    assert changed_files(before, after) == ("workflow[orders] (what its TLS files hold)",)

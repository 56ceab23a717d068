"""Settings of the form that topics have: where the event lies in a record, and the Schema Registry."""

from __future__ import annotations

from pathlib import Path

import pytest
from settings_support import MINIMAL, load, problems

from stream.runtime.reload import changed_keys, in_force
from stream.settings.hidden import hidden_texts


def with_registry(lines: str) -> str:
    """Settings with these lines of the registry's section."""
    return f"{MINIMAL}\n[schema_registry]\n{lines}"


@pytest.mark.parametrize("path", ["payload", "a.b.c", "connect", "Message", "событие", "data-1"])
def test_a_path_is_taken(tmp_path: Path, path: str) -> None:
    """Names with dots between them, and the shortcuts."""
    settings = load(tmp_path, MINIMAL.replace("[kafka]", f'[kafka]\nunwrap = "{path}"')).settings
    assert settings.kafka.unwrap == path


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b", " a", "a\\n", "x" * 256])
def test_a_path_without_names_is_refused(tmp_path: Path, path: str) -> None:
    """With its place, and how to write it."""
    [found] = problems(tmp_path, MINIMAL.replace("[kafka]", f'[kafka]\nunwrap = "{path}"'))
    assert found.startswith("kafka.unwrap: ")


def test_a_path_from_the_environment(tmp_path: Path) -> None:
    """Like any setting."""
    assert load(tmp_path, environ={"TRAY_KAFKA__UNWRAP": "payload"}).settings.kafka.unwrap == "payload"


def test_a_registry(tmp_path: Path) -> None:
    """Its password may be a reference, and is hidden."""
    lines = 'url = "https://r.example.com"\nusername = "u"\npassword = "${env:REGISTRY_PASSWORD}"'
    settings = load(tmp_path, with_registry(lines), {"REGISTRY_PASSWORD": "S3cret"}).settings
    assert settings.schema_registry.password.reveal() == "S3cret"
    assert "S3cret" in hidden_texts(settings)
    assert "S3cret" not in repr(settings)


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        ('url = "registry:8081"', "schema_registry.url"),
        ('url = "ftp://registry"', "schema_registry.url"),
        ('url = "https://u:p@registry"', "schema_registry.url"),
        ('username = "u"', "schema_registry.username"),
        ('url = "https://r"\nusername = "a:b"', "schema_registry.username"),
        ('url = "https://r"\npassword = "p"', "schema_registry.password"),
        ('url = "https://r"\nca_file = ""', "schema_registry.ca_file"),
        ('url = "https://r"\nuser = "u"', "schema_registry.user"),
    ],
)
def test_what_cannot_work_is_refused(tmp_path: Path, lines: str, place: str) -> None:
    """At its place."""
    [found] = problems(tmp_path, with_registry(lines))
    assert found.startswith(f"{place}: ")


def test_both_wait_for_a_restart(tmp_path: Path) -> None:
    """A reload changes nothing of them."""
    running = load(tmp_path).settings
    fresh = load(tmp_path, with_registry('url = "https://r"').replace("[kafka]", '[kafka]\nunwrap = "a"')).settings
    assert set(changed_keys(running, fresh)) == {"kafka.unwrap", "schema_registry.url"}
    assert in_force(running, fresh) == running

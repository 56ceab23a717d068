"""Commands that do without a workflow's secrets do without the variables and files that hold them."""

from __future__ import annotations

from pathlib import Path

import pytest
from acceptance_support import call

from stream.model.errors import ConfigError
from stream.model.needs import Needs
from stream.settings import Loaded, load_settings, redacted_settings

TOML = """
isolation = "workflow"
[kafka]
topics = ["t"]
bootstrap_servers = "127.0.0.1:1"
{kafka}
[destination]
shared_secret = "${{env:SECRET}}"
signing = "both"
[[workflow]]
name = "a"
url = "${{env:A_URL}}"
proxy = "${{file:proxy}}"
headers = {{ Authorization = "Bearer ${{env:TOKEN}}" }}
[[workflow]]
{name}
url = "https://${{env:B_HOST}}/hook"
timeout = "${{env:TIMEOUT}}"
shared_secrets = ["${{env:NEW}}", "${{env:OLD}}"]
"""


def loaded(folder: Path, needs: Needs, *, kafka: str = "", name: str = 'name = "b"', timeout: str = "5s") -> Loaded:
    """The settings without any of the secrets."""
    path = folder / "stream.toml"
    path.write_text(TOML.format(kafka=kafka, name=name))
    return load_settings(path, {"TIMEOUT": timeout} if timeout else {}, {}, needs=needs)


def problems(folder: Path, needs: Needs, **more: str) -> list[str]:
    """Where something is missing."""
    with pytest.raises(ConfigError) as refused:
        loaded(folder, needs, **more)
    return [problem.path for problem in refused.value.problems]


def test_what_sends_needs_everything(tmp_path: Path) -> None:
    """Each reference is a problem of its own."""
    assert len(problems(tmp_path, Needs.ALL, timeout="")) == 8


def test_what_only_talks_to_kafka_needs_no_secret_of_a_workflow(tmp_path: Path) -> None:
    """URLs show the reference to them, and nothing else is warned of than with the secrets."""
    found = loaded(tmp_path, Needs.KAFKA)
    assert [workflow.url.redacted() for workflow in found.settings.workflows] == [
        "${env:A_URL}",
        "https://${env:B_HOST}/hook",
    ]
    assert found.warnings == ()
    assert found.settings.workflows[1].timeout == 5
    assert redacted_settings(found.settings, found.references)["workflow"][0]["url"] == "${env:A_URL}"


def test_what_talks_to_kafka_needs_its_password_and_plain_settings(tmp_path: Path) -> None:
    """A login without a password would be refused, for a reason that is hard to find."""
    kafka = 'options = { "sasl.password" = "${env:PASSWORD}" }'
    assert problems(tmp_path, Needs.KAFKA, kafka=kafka, timeout="") == [
        'kafka.options."sasl.password"',
        "workflow[1].timeout (b)",
    ]


def test_a_workflow_named_by_its_url_needs_it(tmp_path: Path) -> None:
    """Its group and its letters go by that name."""
    assert problems(tmp_path, Needs.KAFKA, name="") == ["workflow[1].url"]


def test_what_talks_to_nobody_needs_nothing(tmp_path: Path) -> None:
    """What is missing has its default."""
    kafka = 'group_id = "${env:GROUP}"\noptions = { "sasl.password" = "${env:PASSWORD}" }'
    settings = loaded(tmp_path, Needs.NOTHING, kafka=kafka, timeout="").settings
    assert (settings.kafka.group_id, settings.kafka.options, settings.workflows[1].timeout) == ("tray", {}, 10)


def test_check_offline_needs_neither_kafka_nor_secrets(tmp_path: Path) -> None:
    """For CI: a broken setting fails it, a missing secret does not."""
    (tmp_path / "stream.toml").write_text(TOML.format(kafka="", name='name = "b"'))
    ended = call(tmp_path, "check", "--offline")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "${env:A_URL}; every type; signed (both)" in ended.stdout
    assert "Kafka at" not in ended.stdout
    (tmp_path / "stream.toml").write_text(TOML.format(kafka='start = "yesterday"', name='name = "b"'))
    ended = call(tmp_path, "check", "--offline")
    assert (ended.returncode, "kafka.start" in ended.stderr) == (2, True)
    assert call(tmp_path, "check").returncode == 2


def test_looking_at_offsets_and_letters_needs_no_secret(tmp_path: Path) -> None:
    """They get as far as asking Kafka."""
    toml = TOML.format(kafka="", name='name = "b"').replace("${env:TIMEOUT}", "5s")
    (tmp_path / "stream.toml").write_text(toml)
    (tmp_path / "event.json").write_text('{"type":"track","event":"e","userId":"u"}')
    place = ("--topic", "t", "--partition", "0", "--offset", "0")
    for command in (("offsets", "show"), ("dead-letters", "list"), ("replay",), ("explain", *place)):
        ended = call(tmp_path, *command)
        assert "Kafka cannot be reached" in ended.stderr, command
    assert call(tmp_path, "explain", "event.json").returncode == 0

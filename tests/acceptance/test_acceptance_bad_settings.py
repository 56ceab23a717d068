"""Settings that cannot be used: told at once, in full, with the fix; and what help and `check` show."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from acceptance_support import Event, as_toml, call, call_here
from assertions import every

pytestmark = pytest.mark.acceptance

KAFKA = {"topics": ["segment-events"]}


def test_without_any_settings_it_tells_how_to_start(tmp_path: Path) -> None:
    """No file and no environment: exit 2, and both ways to start are shown."""
    ended = call(tmp_path, "run")
    assert ended.returncode == 2
    assert "TRAY_WORKFLOW_URLS=" in ended.stderr
    assert "[[workflow]]" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_more_than_ten_workflows_are_refused(tmp_path: Path) -> None:
    """The text names the limit."""
    workflows = [{"url": f"https://example.com/{n}"} for n in range(11)]
    (tmp_path / "stream.toml").write_text(as_toml({"kafka": KAFKA}, workflows))
    ended = call(tmp_path, "run")
    assert ended.returncode == 2
    assert "workflow: there are 11; the limit is 10." in ended.stderr


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    """A URL without a scheme, and a misspelt key whose nearest neighbour is named."""
    tables = {"kafka": {**KAFKA, "grup_id": "tray"}}
    (tmp_path / "mine.toml").write_text(as_toml(tables, [{"url": "example.com/secret-path"}]))
    ended = call(tmp_path, "run", "--config", "mine.toml")
    assert ended.returncode == 2
    assert ended.stderr.startswith("2 problems with the settings:\n")
    assert "kafka.grup_id: is not a setting. Did you mean group_id?" in ended.stderr
    assert "workflow[0].url:" in ended.stderr
    assert "https://" in ended.stderr
    assert "secret-path" not in ended.stderr


def test_a_settings_file_that_is_not_there(tmp_path: Path) -> None:
    """The file is named."""
    ended = call(tmp_path, "run", "--config", "elsewhere.toml")
    assert ended.returncode == 2
    assert "elsewhere.toml: cannot be read" in ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("run", "--help"), ("demo", "--help"), ("check", "--help"), ("explain", "--help"), ("top", "--help")],
)
def test_help(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Each command explains itself, with an example; the program lists the commands."""
    ended = (call if arguments[0] == "run" else call_here)(tmp_path, *arguments)  # `run` takes signals over
    assert ended.returncode == 0
    wanted = ("run", "demo", "check") if arguments == ("--help",) else ("Example", f"tray-stream {arguments[0]}")
    assert every(text in ended.stdout for text in wanted)
    assert "\x1b" not in ended.stdout


def test_an_unknown_command_or_option(tmp_path: Path) -> None:
    """Usage errors are exit 2."""
    assert call_here(tmp_path, "rum").returncode == 2
    assert call(tmp_path, "run", "--util-end").returncode == 2


def test_settings_in_force_are_printed_without_secrets(tmp_path: Path) -> None:
    """`check --print` shows every setting as the file would; of URLs the host at most, of secrets nothing."""
    hidden = {"path": "hook-8b1f", "secret": "s3cret-5d2e", "header": "token-77aa", "password": "pass-c0de"}
    tables: dict[str, Event] = {
        "kafka": KAFKA,
        "kafka.options": {"security.protocol": "SASL_SSL", "sasl.password": hidden["password"]},
        "destination": {"shared_secret": hidden["secret"]},
    }
    workflow = {"name": "orders", "url": f"https://u.example.com/{hidden['path']}"}
    text = as_toml(tables, [workflow]) + f'[workflow.headers]\nAuthorization = "{hidden["header"]}"\n'
    (tmp_path / "stream.toml").write_text(text)
    ended = call_here(tmp_path, "check", "--print")
    assert ended.returncode == 0
    as_json = call_here(tmp_path, "check", "--print", "--json")
    assert json.loads(as_json.stdout) == {"schema_version": 1, "settings": tomllib.loads(ended.stdout)}
    shown = tomllib.loads(ended.stdout)
    assert shown["kafka"]["topics"] == ["segment-events"]
    assert shown["kafka"]["options"]["security.protocol"] == "SASL_SSL"
    assert shown["workflow"][0]["name"] == "orders"
    assert "u.example.com" in shown["workflow"][0]["url"]
    assert not [name for name, text in hidden.items() if text in ended.stdout + ended.stderr]

"""The two commands as they are typed: what they refuse before Kafka is touched, and what they print."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from audience_support import KEY, NAME, Bus
from typer.testing import CliRunner, Result

from stream.cli.app import app
from stream.model.errors import ConfigError

NO_KAFKA = ("--bootstrap-servers", "127.0.0.1:1", "--topic", "segment-events")


def call(*arguments: str, given: str | bytes = "") -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(app, arguments, input=given)


def refused(*arguments: str) -> str:
    """What a command ends with that must not come as far as Kafka; its exit code is 2."""
    error = call(*arguments, *NO_KAFKA).exception
    assert isinstance(error, ConfigError)
    assert error.exit_code == 2
    return str(error)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file to be filled."""
    return tmp_path / "given.csv"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"name\nAnn\n", "--members: has no column user_id; it has name."),
        (b"user_id\n\xff\n", "--members: line 2 is not UTF-8."),
        (b"user_id\n", "--members: holds no user. If that is meant, say so: --allow-empty."),
        (b"", "--members: holds no user."),
        (b'user_id\n""\nu\n', "--members: 1 of 2 ids are blank, the first on line 2."),
        (b"user_id,x\nu\n", "--members: line 2 has 1 cells where the header has 2."),
    ],
)
def test_bad_members_are_refused(file: Path, text: bytes, told: str) -> None:
    """Exit 2 with the reason; Kafka is not asked for anything."""
    file.write_bytes(text)
    assert told in refused("audience", "sync", NAME, "--members", str(file))


@pytest.mark.parametrize(
    ("text", "options", "told"),
    [
        ("user_id,value\nu,1\nv,2\nu,3\n", (), "--values: lines 2 and 4 give one user different values."),
        ("user_id,a,b\nu,1,2\n", (), "--values: has no column value; it has user_id, a, b."),
        ("user_id,a\nu,1\n", ("--value-column", "A"), "--values: has no column A; it has user_id, a."),
        ('{"user_id":"u","value":[]}\n', ("--format", "jsonl"), "--values: line 1 has a value that is neither"),
        ("u\n", ("--format", "list"), "--values: is a list, which has no values."),
    ],
)
def test_bad_values_are_refused(file: Path, text: str, options: tuple[str, ...], told: str) -> None:
    """Two values of one user have no order that could be relied on."""
    file.write_text(text)
    assert told in refused("trait", "sync", NAME, "--values", str(file), *options)


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    """Missing, or a directory."""
    assert "none.csv cannot be read: No such file or directory." in refused(
        "audience", "sync", NAME, "--members", str(tmp_path / "none.csv")
    )
    assert "cannot be read: Is a directory." in refused("audience", "sync", NAME, "--members", str(tmp_path))


def test_a_name_without_a_key_is_refused(file: Path) -> None:
    """Nothing could be told of it."""
    assert refused("audience", "sync", "!!!", "--members", str(file)).startswith("NAME: has neither")


def test_a_pattern_cannot_be_written_to(file: Path) -> None:
    """The first topic must be a name."""
    error = call("audience", "sync", NAME, "--members", str(file), "--topic", "^segment-.*").exception
    assert isinstance(error, ConfigError)
    assert "Name the topic to write to" in str(error)


@pytest.mark.parametrize("command", [("audience",), ("trait",), ("audience", "sync"), ("trait", "sync")])
def test_help_needs_no_settings(command: tuple[str, ...]) -> None:
    """And says how the command is used."""
    shown = call(*command, "--help")
    assert shown.exit_code == 0
    assert "sync" in shown.output


def test_counts_are_printed_for_people_and_for_programs(bus: Bus) -> None:
    """Members from standard input; a table, or one JSON object."""
    where = ("--bootstrap-servers", bus.broker.bootstrap, "--topic", bus.topic)
    shown = call("audience", "sync", NAME, "--members", "-", *where, given="user_id\na\nb\na\n\n\n")
    assert shown.exit_code == 0
    lines = [line.split() for line in shown.output.splitlines()]
    assert lines[0] == ["Audience", *NAME.split(), f"({KEY})"]
    assert ["rows", "read", "3"] in lines
    assert ["duplicates,", "sent", "once", "1"] in lines
    assert ["events", "written", "2"] in lines

    told = call("audience", "sync", NAME, "--members", "-", "--dry-run", "--json", *where, given="b\nc\n")
    counts = json.loads(told.output)
    assert counts.pop("seconds") >= 0
    assert counts.pop("peak_memory_mib") > 0
    assert counts.pop("computation_id").startswith("aud_")
    assert counts == {
        "schema_version": 1,
        "kind": "audience",
        "name": NAME,
        "key": KEY,
        "topic": bus.topic,
        "state_topic": bus.state_topic,
        "dry_run": True,
        "read": 2,
        "duplicates": 0,
        "blank": 0,
        "bad": 0,
        "added": 1,
        "removed": 1,
        "unchanged": 1,
        "events": 2,
    }


def test_the_way_around_a_refusal_works(bus: Bus, file: Path) -> None:
    """--skip-bad takes the last of two values and counts the rest; --allow-empty lets everyone leave."""
    where = ("--bootstrap-servers", bus.broker.bootstrap, "--topic", bus.topic, "--json")
    file.write_text("user_id,value\nu,1\nu,2\n,3\nv\n")
    counts = json.loads(call("trait", "sync", "Level", "--values", str(file), "--skip-bad", *where).output)
    assert {name: counts[name] for name in ("read", "blank", "bad", "conflicting", "duplicates", "added")} == {
        "read": 4,
        "blank": 1,
        "bad": 1,
        "conflicting": 1,
        "duplicates": 1,
        "added": 1,
    }
    assert bus.state("level") == {"u": 2}
    bus.sync(["a"])
    counts = json.loads(call("audience", "sync", NAME, "--members", "-", "--allow-empty", *where).output)
    assert (counts["read"], counts["removed"]) == (0, 1)

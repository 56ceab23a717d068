"""What a replay shows: the bar on a terminal, lines elsewhere, the tables, the JSON; and options that cannot be."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console
from typer.testing import CliRunner

from stream.cli.app import app
from stream.model.records import TopicPartition
from stream.replay.bar import shown_progress
from stream.replay.fingerprint import PartitionRange, ReplayFingerprint
from stream.replay.plan import ReplayPlan
from stream.replay.replay_filter import ReplayCounts
from stream.replay.report import MOST_PARTITIONS, ReplayReport
from stream.replay.request import ReplayRequest
from stream.replay.run import ReplayState

REQUEST = ReplayRequest("fix", True, "earliest", "latest", {"events": frozenset()}, ("orders", "audit"))
HALF = ReplayState(600, 450, {"orders": 200, "audit": 250}, {"orders": {"rejected": 3}, "audit": {}}, ("orders fails",))


def report(state: ReplayState | None, partitions: int = 2, is_complete: bool = True) -> ReplayReport:
    """A report of a few counts."""
    stretches = {TopicPartition("events", n): PartitionRange(10, 10 + 100 * (n + 1), 10) for n in range(partitions)}
    census = ReplayCounts(REQUEST.workflows, records=300)
    census.selected.update(track=200, page=80)
    census.left_out.update(tombstone=1, unselected_type=19)
    census.wanted["orders"].update(track=150)
    census.wanted["audit"].update(track=200, page=80)
    census.unwanted["orders"].update(type=80, event=50)
    return ReplayReport(
        REQUEST, ReplayPlan(stretches, ReplayFingerprint({})), census, state, is_complete, ("a warning",), 1.234
    )


def printed(one: ReplayReport) -> list[str]:
    """The lines of its tables, with single blanks."""
    console = Console(file=io.StringIO(), width=200)
    one.print(console)
    assert isinstance(console.file, io.StringIO)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def test_the_table_of_a_dry_run() -> None:
    """Types and reasons down, workflows across; each partition of the range."""
    lines = printed(report(None))
    assert lines[0] == "Replay fix, dry run: what would be sent"
    for line in (
        "events 0 10 110 100",
        "events 1 10 210 200",
        "all 300",
        "track 200 150 200",
        "page 80 80",
        "all types 280 150 280",
        "no value (tombstone) 1",
        "another type than --type 19",
        "the workflow's types 80",
        "the workflow's event names 50",
    ):
        assert line in lines
    assert "sent" not in lines


def test_the_table_of_what_was_sent() -> None:
    """With deliveries and dead letters; one that was stopped says so."""
    lines = printed(report(HALF, is_complete=False))
    assert lines[0] == "Replay fix: not complete"
    assert "to be sent, of what was read so far" in lines
    assert "delivered 200 250" in lines
    assert "dead letters (rejected) 3" in lines


def test_many_partitions_are_summed_up() -> None:
    """The table stays readable."""
    lines = printed(report(None, partitions=MOST_PARTITIONS + 5))
    assert "and 5 more" in lines


def test_json() -> None:
    """Stable names; deliveries only where something was sent."""
    found = report(HALF).as_json()
    assert found["range"] == [
        {"topic": "events", "partition": 0, "from": 10, "until": 110, "at": 10},
        {"topic": "events", "partition": 1, "from": 10, "until": 210, "at": 10},
    ]
    assert found["workflows"] == {
        "orders": {
            "send": {"track": 150},
            "total": 150,
            "not_sent": {"type": 80, "event": 50},
            "delivered": 200,
            "dead_letters": {"rejected": 3},
        },
        "audit": {
            "send": {"track": 200, "page": 80},
            "total": 280,
            "not_sent": {},
            "delivered": 250,
            "dead_letters": {},
        },
    }
    assert (found["dry_run"], report(None).as_json()["dry_run"]) == (False, True)


def test_the_bar() -> None:
    """Events, and what keeps a workflow back; log lines come above it."""
    console = Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)
    with shown_progress("Replaying fix", "sent", 1000, console) as (show, stream):
        show(HALF)
        print("a line of the log", file=stream, flush=True)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert re.search(r"Replaying fix ━+.* +60% 450 sent", text)
    assert "orders fails" in text
    assert "a line of the log\n" in text


def test_the_bar_counts_deliveries() -> None:
    """77 of 1,157 are 7 %, however many offsets were read; an estimate says so."""
    letters: dict[str, dict[str, int]] = {"orders": {}, "audit": {}}
    state = ReplayState(9_200, 77, {"orders": 77, "audit": 0}, letters, (), {"orders": 1_157, "audit": 0}, is_read=True)
    for is_read, of in ((True, "1,157"), (False, "about 1,157")):
        console = Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)
        with shown_progress("Replaying fix", "sent", 10_000, console) as (show, _):
            show(replace(state, is_read=is_read))
        assert isinstance(console.file, io.StringIO)
        assert re.search(rf"Replaying fix .* +7% 77 of {of} sent", console.file.getvalue())


def test_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Now and then, on standard error."""
    nowhere = Console(file=io.StringIO())
    with shown_progress("Replaying fix", "sent", 1000, nowhere, line_every_s=0.0) as (show, _):
        show(HALF)
    out, err = capsys.readouterr()
    assert (out, err) == ("", "Replaying fix: 600 of 1,000 offsets, 450 sent, orders fails\n")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--execute", "--dry-run", "--from", "earliest"], "exclude each other"),
        (["--execute"], "Say where to begin"),
        (["--rate", "fast"], "Write 100/s"),
    ],
)
def test_options_that_cannot_be(arguments: list[str], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Usage errors, before Kafka is asked for anything."""
    monkeypatch.setenv("TRAY_KAFKA__TOPICS", "events")
    monkeypatch.setenv("TRAY_WORKFLOW_URLS", "http://127.0.0.1:1/orders")
    done = CliRunner().invoke(app, ["replay", *arguments])
    assert done.exit_code == 2
    assert expected in re.sub(r"[\s│]+", " ", done.output)

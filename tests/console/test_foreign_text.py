"""What others wrote never speaks to the terminal and never breaks an output, whatever command shows it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from stream.__main__ import main
from stream.check import command as check
from stream.check.finding import Finding
from stream.cli.app import app
from stream.console.output import json_text
from stream.dead_letters import report as letter_report
from stream.dead_letters.index import DeadLetterIndex
from stream.dead_letters.plan import Account, RedrivePlan
from stream.dead_letters.query import GROUPINGS
from stream.explain.explainer import Explainer
from stream.explain.outcome import outcomes
from stream.explain.place import EventProgress, GroupProgress, LetterOfEvent
from stream.explain.text import print_explanation
from stream.kafka.groups import GroupMember, GroupState
from stream.model.committed import Committed
from stream.model.errors import StreamError
from stream.model.letters import Identity, Letter, Marker
from stream.model.records import Record, RecordId, TopicPartition
from stream.model.statistics import EngineStats
from stream.model.timeparse import LAST_MS
from stream.offsets import migrate_command as offset_migrate
from stream.offsets import report as offset_report
from stream.offsets.migrate_command import Migration
from stream.offsets.reset import NewOffset, OffsetChange, Reset
from stream.offsets.show import GroupOffsets, HeldSummary, PartitionOffsets, PartitionProgress
from stream.replay.fingerprint import PartitionRange, ReplayFingerprint
from stream.replay.plan import ReplayPlan
from stream.replay.replay_filter import ReplayCounts
from stream.replay.report import ReplayReport
from stream.replay.request import ReplayRequest
from stream.settings.model import Settings
from stream.telemetry.clock import SystemClock
from stream.telemetry.status.keeper import StatusKeeper
from stream.telemetry.status.page import render
from stream.telemetry.status.report import status_json
from stream.telemetry.status.summary import summarize
from stream.top.screen import Screen

HOSTILE = (
    "\x1b]0;title\x07\x1b[2J",
    "\x9b31mC1 \x85 \x90q\x9c",
    "\u202eright to left\u2066\u200f",
    "two\nlines\r\x0b\x0c\u2028\u2029",
    "[bold red]markup[/] [/nothing]",
    "lone \ud83d surrogate",
    "nul \x00 del \x7f tag \U000e0041",
)
TIMES = (-(2**63), -1, 0, LAST_MS, LAST_MS + 1, 2**63 - 1)
NOW_MS = 1_795_498_217_000


def letter(text: str, ms: int) -> Letter:
    """A letter that anyone who may write to the topic can forge."""
    identity = Identity(text, text, 1, 7, text)
    place = RecordId(text, 1, 2)
    return Letter(identity, place, text, text, 2, ms, ms, text.encode("utf-8", "replace"), is_omitted=False)


def record(text: str, ms: int) -> Record:
    """A record with foreign bytes everywhere."""
    content = text.encode("utf-8", "surrogatepass")
    return Record("events", 1, 7, ms, content, content, [(text, content), ("tray.detail", content)])


def letters_of(text: str, ms: int) -> Iterator[object]:
    """The four commands for dead letters."""
    console, one = Console(width=300), letter(text, ms)
    book = DeadLetterIndex(lambda _: True)
    letter_report.print_list(console, text, book, [one], GROUPINGS)
    yield letter_report.list_json(text, text, book, [one], GROUPINGS)
    shown = letter_report.letter_json(one, Marker(one.identity, text, ms), record(text, ms), with_value=True)
    yield dict(shown)
    letter_report.print_letter(console, shown)
    letter_report.print_discard(console, [one], dry_run=True)
    yield letter_report.discard_json(text, [one], dry_run=True)
    plan = RedrivePlan(Account(), {}, [])
    plan.account.open(one)
    plan.account.leave(one, text)
    letter_report.print_redrive(console, plan, dry_run=False)
    yield letter_report.redrive_json(plan, dry_run=False)


def offsets_of(text: str, ms: int) -> Iterator[object]:
    """The three commands for offsets."""
    console, tp = Console(width=300), TopicPartition(text, 0)
    member = GroupMember(text, text, "/" + text, (tp,))
    progress = PartitionProgress(5, 9, {text: [], "b": []}, "ignored")
    standing = PartitionOffsets(tp, 7, 9, progress, record(text, ms), member)
    standings = [GroupOffsets(text, (text, "b"), GroupState(text, (member,)), [standing])]
    held = {(text, text): HeldSummary(3, ms / 1000)}
    offset_report.print_standings(console, standings, held, NOW_MS)
    yield offset_report.standings_json(standings, held, NOW_MS)
    reset = Reset({text: [OffsetChange(tp, 5, NewOffset(6, text), 0)]}, {text: GroupState(text)})
    offset_report.print_reset(console, reset)
    yield offset_report.reset_json(reset, dry_run=True)
    offset_migrate.print_migration(Migration({text: {tp: Committed(5, "")}}, ()))


def explained(text: str, ms: int) -> Iterator[object]:
    """An event of a topic, and its letters."""
    workflow = {"name": "orders", "url": "https://hooks.example.com/x", "events": [text]}
    settings = Settings.model_validate({"kafka": {"topics": ["events"]}, "workflow": [workflow]})
    event = {"type": text, "event": text, "userId": text, "messageId": text, "integrations": {text: True}}
    for body in (event, event | {"type": "track"}, {text: text}):
        stored = Record("events", 1, 7, ms, None, json.dumps(body).encode(), None)
        explanation = Explainer(settings, True).explain(stored, 0.0)
        found = LetterOfEvent(text, text, text, text, 1, ms, text, text)
        group = GroupProgress(text, text, 1, 3, "ignored", {text: "open"})
        standing = EventProgress(0, 9, False, [group], [found], text)
        print_explanation(stored, explanation, standing, outcomes(stored.place, explanation, standing, None), text)
        yield [str(explanation)]


def watched(text: str, ms: int) -> Iterator[object]:
    """The screen of `top`, the status page and what both show."""
    stats = EngineStats(text, [text], [text])
    stats.partitions_assigned = 1
    workflow = stats.workflows[text]
    workflow.gate_closed_since = workflow.gate_closed_until = workflow.failing_since = NOW_MS / 1000
    workflow.last_delivery_at = workflow.oldest_open_at = ms / 1000
    workflow.failing_because, workflow.attempts[text], workflow.filtered[text] = text, 3, 5
    stats.committed[TopicPartition(text, 0)] = 5
    status = StatusKeeper([stats], text, SystemClock()).status()
    screen = Screen(text, "2s", lambda: NOW_MS / 1000, status)
    for key in ("", "1"):
        screen.press(key)
        for line in screen.lines(300, 100):
            Console(width=300).print(line, soft_wrap=True)
    print(*render(status, NOW_MS / 1000).decode().split("<main>")[1].split("</main>")[0].splitlines())
    yield status_json(status, summarize(status).sentence)


def others(text: str, _ms: int) -> Iterator[object]:
    """`check` and `replay`."""
    check.print_findings([Finding(text, "failed", text)])
    tp = TopicPartition(text, 0)
    request = ReplayRequest(text, True, text, text, {text: frozenset()}, ("orders",))
    plan = ReplayPlan({tp: PartitionRange(0, 9, 0)}, ReplayFingerprint({}))
    census = ReplayCounts(request.workflows, records=3)
    census.left_out[text] += 1
    report = ReplayReport(request, plan, census, None, False, (text,), 1.0)
    report.print(Console(width=300))
    yield report.as_json()


@pytest.mark.parametrize("ms", TIMES)
@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
@pytest.mark.parametrize("show", [letters_of, offsets_of, explained, watched, others])
def test_every_command_shows_foreign_text_safely(
    show: Callable[[str, int], Iterator[object]], text: str, ms: int
) -> None:
    """No control character, no bidirectional override, no crash, and JSON that says what was there."""
    out = io.TextIOWrapper(io.BytesIO(), "utf-8")
    with redirect_stdout(out):
        trees = list(show(text, ms))
    out.flush()
    printed = out.buffer.getvalue().decode()
    assert [char for char in printed if not char.isprintable() and char != "\n"] == []
    for tree in trees:
        found = json_text(tree)
        assert found.isprintable()
        assert found.encode()
        assert json.loads(found) == json.loads(json.dumps(tree))


@pytest.mark.parametrize("arguments", [[], ["--json"], ["--json", "--body"]])
@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_explain_survives_foreign_events(tmp_path: Path, text: str, arguments: list[str]) -> None:
    """Lone surrogates have no bytes in UTF-8; as JSON escapes they can be told."""
    (tmp_path / "stream.toml").write_text('[kafka]\ntopics = ["t"]\n[[workflow]]\nurl = "https://h.example.com/x"\n')
    event = {"type": "track", "event": text, "userId": text, "messageId": text, "integrations": {text: text}}
    (tmp_path / "event.json").write_text(json.dumps(event))
    config = ["--config", str(tmp_path / "stream.toml")]
    done = CliRunner().invoke(app, ["explain", str(tmp_path / "event.json"), *config, *arguments])
    assert done.exit_code == 0
    assert done.stdout.replace("\n", "").isprintable()
    if arguments:
        assert json.loads(done.stdout)["decoded"]["verdict"] == "event"


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_an_error_that_quotes_foreign_text_is_printable(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own line breaks stay."""

    def fail(_arguments: object) -> None:
        raise StreamError(f"first\n{text}")

    monkeypatch.setattr("stream.cli.app.app", fail)
    with pytest.raises(SystemExit):
        main(["top"])
    printed = capsys.readouterr().err
    assert printed.startswith("Error: first\n")
    assert printed.replace("\n", "").isprintable()


def test_json_for_a_terminal_without_unicode() -> None:
    """Everything beyond ASCII is escaped, and reads as the same."""
    assert json_text({"a": "Größe \u2713"}) == '{"a": "Größe \u2713"}'
    assert json_text({"a": "Größe \u2713"}, ascii_only=True) == '{"a": "Gr\\u00f6\\u00dfe \\u2713"}'
    assert json_text(["\U000e0041\ud83d"]) == '["\\udb40\\udc41\\ud83d"]'

"""The trace file: whole lines, buffered, and never in the way."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stream.model.errors import ConfigError
from stream.model.events import Settlement
from stream.model.records import TopicPartition
from stream.telemetry.clock import SystemClock
from stream.telemetry.trace import TraceFile


class FixedClock:
    """Always the same moment."""

    def monotonic(self) -> float:
        return 5.0

    def wall(self) -> float:
        return 1764000000.25


@dataclass
class Lines:
    """A journal that remembers its errors."""

    errors: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def info(self, sentence: str, /, **fields: object) -> None: ...

    def warning(self, sentence: str, /, **fields: object) -> None: ...

    def error(self, sentence: str, /, **fields: object) -> None:
        self.errors.append((sentence, fields))


def steps(path: Path) -> list[dict[str, object]]:
    """The lines of a trace."""
    return [json.loads(line) for line in path.read_text().splitlines() if line]


def test_each_step_is_one_json_line(tmp_path: Path) -> None:
    """Time and group stand on each; fields are what the engine told."""
    path = tmp_path / "trace.jsonl"
    lines = Lines()
    trace = TraceFile(path, "tray", FixedClock(), lines)
    trace.emit("delivered", topic="events", partition=3, offset=41, workflow="orders", attempts=2, status=200)
    trace.emit("assigned", tps=[TopicPartition("events", 3)], kind=Settlement.DELIVERED, odd=b"x")
    trace.for_group("tray.orders").emit("committed", t="not this", ok=True)
    assert path.read_text() == ""
    trace.flush()
    assert steps(path) == [
        {
            "t": 1764000000.25,
            "group": "tray",
            "event": "delivered",
            "topic": "events",
            "partition": 3,
            "offset": 41,
            "workflow": "orders",
            "attempts": 2,
            "status": 200,
        },
        {
            "t": 1764000000.25,
            "group": "tray",
            "event": "assigned",
            "tps": [["events", 3]],
            "kind": "delivered",
            "odd": "b'x'",
        },
        {"t": 1764000000.25, "group": "tray.orders", "event": "committed", "ok": True},
    ]
    trace.close()
    assert lines.errors == []


def test_an_earlier_trace_is_added_to(tmp_path: Path) -> None:
    """Also when the process before was killed amid a line."""
    path = tmp_path / "trace.jsonl"
    path.write_text('{"event": "started"}\n{"event": "del')
    trace = TraceFile(path, "tray", FixedClock(), Lines())
    trace.emit("started")
    trace.close()
    first, torn, last = path.read_text().splitlines()
    assert (json.loads(first)["event"], torn, json.loads(last)["event"]) == ("started", '{"event": "del', "started")


def test_a_full_disk_is_told_once(tmp_path: Path) -> None:
    """The engine goes on; /dev/full takes nothing."""
    lines = Lines()
    trace = TraceFile("/dev/full", "tray", FixedClock(), lines)
    for _ in range(3):
        trace.emit("started")
        trace.flush()
    trace.close()
    assert lines.errors == [("The trace is incomplete.", {"error": "no space left on device"})]


def test_what_cannot_be_written_is_told_and_nothing_raises(tmp_path: Path) -> None:
    """Neither a number JSON has no room for nor a file that is closed stops a delivery."""
    lines = Lines()
    trace = TraceFile(tmp_path / "trace.jsonl", "tray", FixedClock(), lines)
    trace.emit("started", huge=2**70)
    trace.close()
    trace.close()
    trace.emit("stopped")
    trace.flush()
    assert [sentence for sentence, _ in lines.errors] == ["The trace is incomplete."]


def test_a_file_that_cannot_be_opened_is_a_settings_error(tmp_path: Path) -> None:
    """It names the file and the reason."""
    with pytest.raises(ConfigError, match=r"--trace: cannot write to .*no such file or directory"):
        TraceFile(tmp_path / "missing" / "trace.jsonl", "tray", FixedClock(), Lines())


def test_the_system_clock_goes_forward() -> None:
    """Wall time is Unix time."""
    clock = SystemClock()
    assert clock.monotonic() <= clock.monotonic()
    assert clock.wall() > 1_700_000_000

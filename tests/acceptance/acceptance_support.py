"""Runs the program as a user does: a settings file, a command line, signals, its log, its metrics."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

import orjson
from assertions import HANG_S
from prometheus_client.parser import text_string_to_metric_families
from support import topics
from support.checker import check_commits, first_deliveries_in_order, id_of
from support.receiver import FaultReceiver
from support.topics import Broker, Given
from support.trace import Trace, count

from stream.__main__ import main
from stream.demo.receiver import Arrival

ENTRY = (sys.executable, "-m", "stream")
WAIT_S = HANG_S

Event = dict[str, Any]


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """The tests' own environment without settings of ours, and `given`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRAY_")}
    return {**kept, **given}


def call(
    directory: Path, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = WAIT_S
) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself."""
    return subprocess.run(
        [*ENTRY, *arguments],
        cwd=directory,
        env=environment(env or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def call_here(directory: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself in this process, which takes a tenth of the time of one of its own.

    `given` is on its standard input. Not for commands that take over the process's signals, as `run` does.
    """
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        contextlib.chdir(directory),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        _standard_input(given),
    ):
        try:
            main(arguments)
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _standard_input(text: str) -> Iterator[None]:
    before, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(text.encode()))
    try:
        yield
    finally:
        sys.stdin = before


class Metrics:
    """One scrape."""

    def __init__(self, text: str) -> None:
        self.text = text
        families = text_string_to_metric_families(text)
        self._samples = [sample for family in families for sample in family.samples]

    def total(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name whose labels include `labels`."""
        return sum(s.value for s in self._samples if s.name == name and labels.items() <= s.labels.items())

    def by(self, name: str, label: str) -> dict[str, float]:
        """The sum of the samples of this name for each value of one label; those at zero are left out."""
        values = {s.labels[label] for s in self._samples if s.name == name}
        sums = {value: self.total(name, **{label: value}) for value in values}
        return {value: found for value, found in sums.items() if found}

    @property
    def received(self) -> float:
        """Events received."""
        return self.total("tray_events_received_total")

    @property
    def accounted_for(self) -> float:
        """Events settled, and open."""
        return self.total("tray_events_settled_total") + self.total("tray_open_events")


class Program:
    """A `tray-stream` process; killed at the end of the block if it still runs."""

    def __init__(
        self, directory: Path, *arguments: str, env: Mapping[str, str] | None = None, entry: Sequence[str] = ENTRY
    ) -> None:
        self._process = subprocess.Popen(
            [*entry, *arguments],
            cwd=directory,
            env=environment(env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._changed = threading.Condition()
        self._lines: list[str] = []
        self._is_closed = 0
        self._readers = [
            threading.Thread(target=self._read, args=(stream,), daemon=True)
            for stream in (self._process.stdout, self._process.stderr)
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self.wait()
        if error is not None:
            print(self.log)  # pytest shows it with the failure

    @property
    def log(self) -> str:
        """What it has written so far."""
        return "\n".join(self._lines)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def line(self, text: str, timeout: float = WAIT_S) -> str:
        """Wait for a line that holds `text`.

        Raises:
            AssertionError: it ended, or the time was over, without one.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._has(text) or self._is_closed == 2, timeout)
        found = next((line for line in self._lines if text in line), None)
        assert found is not None, f"No line with {text!r} in:\n{self.log}"
        return found

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to this process alone."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._process.kill()
        self.wait()

    def wait(self, timeout: float = WAIT_S) -> int:
        """The exit code, once it has ended and its log is read."""
        code = self._process.wait(timeout)
        for reader in self._readers:
            reader.join(timeout)
        return code

    def stop(self, timeout: float = WAIT_S) -> int:
        """SIGTERM; the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    @property
    def port(self) -> int:
        """Where metrics and health are served, as the log tells."""
        return int(self.line("Metrics and health are served.").rpartition("/metrics")[0].rpartition(":")[2])

    def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        """(status, body) of a request to its endpoint."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def metrics(self) -> Metrics:
        """Scrape it."""
        return Metrics(self.get("/metrics")[1])

    def _has(self, text: str) -> bool:
        return any(text in line for line in self._lines)

    def _read(self, stream: TextIO | None) -> None:
        assert stream is not None
        for line in stream:
            with self._changed:
                self._lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        stream.close()
        with self._changed:
            self._is_closed += 1
            self._changed.notify_all()


@dataclass
class Scene:
    """One topic, one consumer group of the same name, and the workflows of one receiver."""

    broker: Broker
    topic: str
    receiver: FaultReceiver
    directory: Path
    users: dict[str, str] = field(default_factory=dict)
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Partition and offset of each event, by message id."""

    @property
    def group(self) -> str:
        """The consumer group."""
        return self.topic

    @property
    def dead_letters(self) -> str:
        """The dead-letter topic's default name."""
        return f"{self.group}.dead-letters"

    def workflow(self, name: str, **more: Any) -> Event:
        """Settings of a workflow at the receiver's path of the same name."""
        return {"name": name, "url": self.receiver.url(f"/{name}"), **more}

    def configure(self, *workflows: Event, kafka: Event | None = None, **sections: Event) -> Path:
        """Write stream.toml. Commits are made often, and a killed member is soon given up by the group."""
        consumer_options = {"session.timeout.ms": 3000, "heartbeat.interval.ms": 300}
        base = {"bootstrap_servers": self.broker.bootstrap, "topics": [self.topic], "group_id": self.group}
        tables = {
            "kafka": {**base, "commit_interval": "200ms", **(kafka or {})},
            "kafka.consumer_options": consumer_options,
            "http": {"listen": "127.0.0.1:0"},
            **sections,
        }
        path = self.directory / "stream.toml"
        path.write_text(as_toml(tables, workflows))
        return path

    def start(self, *arguments: str) -> Program:
        """Start `run` with the settings file."""
        return Program(self.directory, "run", *arguments)

    def produce(self, events: Iterable[Event]) -> None:
        """Put events on the topic, by user; their places are remembered."""
        listed = list(events)
        given: list[Given] = [(event["userId"], orjson.dumps(event), None, None) for event in listed]
        found = topics.produce_events(self.broker.bootstrap, self.topic, given)
        self.places |= {event["messageId"]: place for event, place in zip(listed, found, strict=True)}
        self.users |= {event["messageId"]: event["userId"] for event in listed}

    def committed(self) -> dict[int, int | None]:
        """Per partition what the group has committed."""
        return topics.committed_offsets(self.broker.bootstrap, self.group, self.topic)

    def ends(self) -> dict[int, int]:
        """Per partition the end."""
        return topics.end_offsets(self.broker.bootstrap, self.topic)

    def order_faults(self, path: str, since: int = 0) -> list[str]:
        """Where a workflow got one user's events out of order, from request number `since` on."""

        def key_of(arrival: Arrival) -> tuple[int, str]:
            found = id_of(arrival)
            return self.places[found][0], self.users[found]

        def position_of(arrival: Arrival) -> int:
            return self.places[id_of(arrival)][1]

        return first_deliveries_in_order(self.receiver.arrivals(path)[since:], key_of, position_of)

    def commit_faults(self, traces: Sequence[Trace], *workflows: str) -> list[str]:
        """What the checker finds in the traces; that there were commits to check is asserted."""
        assert count(traces, "committed") > 0
        offsets: dict[tuple[str, int], list[int]] = {}
        for partition, offset in self.places.values():
            offsets.setdefault((self.topic, partition), []).append(offset)
        return check_commits(traces, offsets, workflows, group=self.group)


def as_toml(tables: Mapping[str, Event], workflows: Iterable[Event]) -> str:
    """A settings file."""
    blocks = [_block(f"[{name}]", fields) for name, fields in tables.items()]
    blocks += [_block("[[workflow]]", fields) for fields in workflows]
    return "\n".join(blocks)


def _block(head: str, fields: Event) -> str:
    return "\n".join((head, *_entries(fields), ""))


def _entries(fields: Event) -> Iterator[str]:
    """JSON's way to write text, numbers, lists and booleans is TOML's, too."""
    for name, value in fields.items():
        yield f"{json.dumps(name)} = {_value(value)}"


def _value(value: object) -> str:
    if isinstance(value, dict):
        return f"{{ {', '.join(_entries(value))} }}"
    return f"[{', '.join(map(_value, value))}]" if isinstance(value, list) else json.dumps(value)


def make_event(number: int, type_: str = "track", users: int = 500, **more: Any) -> Event:
    """A valid event; the user follows from the number, and the message id is `m-<number>`."""
    names = {"event": "Order Completed"} if type_ == "track" else {}
    properties = {"n": number, "padding": "x" * 400}
    ids = {"messageId": f"m-{number}", "userId": f"user-{number * 7919 % users}"}
    return {"type": type_, **names, **ids, "properties": properties, "timestamp": "2026-01-05T09:00:00.000Z", **more}


def ids_of(events: Iterable[Event]) -> list[str]:
    """Their message ids."""
    return [event["messageId"] for event in events]


def header_texts(headers: Iterable[tuple[str, bytes | str | None]] | None) -> dict[str, str]:
    """A record's headers as text."""
    return {name: value.decode() if isinstance(value, bytes) else value or "" for name, value in headers or ()}


tracks = partial(map, make_event)
"""`tracks(range(n))`: that many track events."""

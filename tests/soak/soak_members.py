"""The members of a soak's group: processes of the program, and what can be seen of each from outside."""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from signal import SIGHUP, Signals
from typing import Any

from soak_load import workflow_settings

from stream.demo.child import Child, free_port

PROGRESS = ("tray_events_settled_total", "tray_deliveries_total")
SHOWN = {"lag": "tray_consumer_lag", "open": "tray_open_events", "in_flight": "tray_in_flight"}
SCRAPE_TIMEOUT_S = 5.0
SESSION_S = 8.0
COMMIT_S = 1.0
MAX_IN_FLIGHT = 32

Fields = dict[str, Any]


class Member:
    """One `tray-stream run` with a settings file of its own in `directory`."""

    def __init__(self, name: str, directory: Path, kafka: Fields, urls: dict[str, str]) -> None:
        self.name = name
        self._directory = directory
        self._kafka = kafka
        self._urls = urls
        self._port = free_port()
        self._reloads = 0
        self._progress, self._progressed_at = -1.0, time.monotonic()
        self.child: Child | None = None
        self.unasked_ends = 0
        """How often the process ended by itself."""
        directory.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Start it, unless it runs."""
        if self.is_running:
            return
        self._forget()
        self._configure()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TRAY_")}
        command = (sys.executable, "-m", "stream", "run")
        self.child = Child(command, self._directory / "log.txt", self._directory, kept)
        self._progressed_at = time.monotonic()

    @property
    def is_running(self) -> bool:
        """Whether the process is there, be it stopped or not."""
        return self.child is not None and self.child.is_running

    @property
    def is_up(self) -> bool:
        """Whether it runs and answers."""
        return self.is_running and bool(scrape(self._port))

    def signal(self, number: Signals) -> None:
        """Send it a signal; nothing happens when it has ended by itself."""
        if self.child is not None and self.child.is_running:
            self.child.signal(number)

    def kill(self) -> None:
        """SIGKILL."""
        self._forget()

    def terminate(self) -> int:
        """SIGTERM; the exit code."""
        child = self.child
        if child is None or not child.is_running:
            self._forget()
            return 0
        code = child.stop(60.0)
        self.child = None
        return code

    def close(self) -> None:
        """End it at once, if it runs."""
        self._forget()

    def reload(self) -> None:
        """SIGHUP, after a setting was changed."""
        self._reloads += 1
        self._configure()
        self.signal(SIGHUP)

    def sample(self) -> Fields:
        """Its size, and what its metrics say; `since_progress` is None while they cannot be read."""
        child = self.child
        if child is None or not child.is_running:
            return {"member": self.name, "is_running": False}
        return {"member": self.name, "is_running": True, **usage(child.pid), **self._metrics()}

    def _forget(self) -> None:
        if self.child is not None:
            self.unasked_ends += not self.child.is_running
            self.child.close()
            self.child = None

    def _metrics(self) -> Fields:
        found = scrape(self._port)
        if not found:
            return {"since_progress": None}
        progress = sum(found.get(name, 0.0) for name in PROGRESS)
        now = time.monotonic()
        if progress != self._progress:
            self._progress, self._progressed_at = progress, now
        shown = {short: found.get(name, 0.0) for short, name in SHOWN.items()}
        return {**shown, "since_progress": round(now - self._progressed_at, 1)}

    def _configure(self) -> None:
        more = {"max_in_flight": MAX_IN_FLIGHT - self._reloads % 2 * 8}
        options = {"session.timeout.ms": int(SESSION_S * 1000), "heartbeat.interval.ms": 1000}
        tables: list[tuple[str, Fields]] = [
            ("[kafka]", {**self._kafka, "commit_interval": f"{COMMIT_S:g}s"}),
            ("[kafka.consumer_options]", options),
            ("[http]", {"listen": f"127.0.0.1:{self._port}"}),
            ("[gate]", {"initial": "500ms", "max": "5s"}),
            ("[retry]", {"initial": "200ms", "max": "5s"}),
        ]
        tables += [("[[workflow]]", {**one, "url": self._urls[one["name"]], **more}) for one in workflow_settings()]
        (self._directory / "stream.toml").write_text("\n".join(_lines(tables)) + "\n")


def usage(pid: int) -> Fields:
    """Resident memory in KiB, threads and open file descriptors of a process; nothing of one that has gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        fds = len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return {}
    named = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return {"rss_kib": int(named.get("VmRSS", "0").split()[0]), "threads": int(named["Threads"]), "fds": fds}


def scrape(port: int) -> dict[str, float]:
    """The sum of each metric; nothing when there is no answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=SCRAPE_TIMEOUT_S) as answer:
            text = answer.read().decode()
    except (OSError, ValueError):
        return {}
    sums: dict[str, float] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name = line.partition("{")[0].partition(" ")[0]
            sums[name] = sums.get(name, 0.0) + float(line.rpartition(" ")[2])
    return sums


def _lines(tables: Iterable[tuple[str, Fields]]) -> list[str]:
    """JSON's way to write text, numbers and lists is TOML's, too."""
    return [
        line
        for head, fields in tables
        for line in (head, *(f"{json.dumps(name)} = {json.dumps(value)}" for name, value in fields.items()), "")
    ]

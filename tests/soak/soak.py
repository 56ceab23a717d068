"""A soak: the real program on real Kafka for hours, with faults by random seed and a checker at the end.

    make soak HOURS=1
    make soak HOURS=0.05 SEED=7 RATE=300

Two members of one group serve three workflows, one of them flaky; one member is killed now and then, the other
never, and its memory is watched. The directory it names has the samples, the members' logs and every request.
Exit code 0 when every line says PASS, 1 when one says FAIL.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table
from soak_deliveries import judge_deliveries
from soak_faults import PAUSE_S, Faults
from soak_load import WORKFLOWS, Load, read_all
from soak_log import LoggedReceiver
from soak_members import Member, usage
from soak_verdicts import Sample, Topic, Verdict, judge_samples, letters_of, read_samples
from support import topics

from stream.demo.apache_kafka import ApacheKafka

TOPIC, GROUP, LETTERS = "segment-events", "soak", "soak.dead-letters"
PARTITIONS = 8
SAMPLE_S = 10.0
QUIET_S = 300.0
SHORT = 600.0
"""A run shorter than this (seconds) has its faults closer together, so that it has some."""


class Soak:
    """One run in `directory` on a broker of its own, from an empty one to the verdicts."""

    def __init__(self, directory: Path, kafka: ApacheKafka, seed: int, rate: float, seconds: float) -> None:
        self.directory = directory
        self._kafka = kafka
        self.seed = seed
        self.seconds = seconds
        self._rate = rate
        self._broken = ""
        self._began = time.monotonic()
        self._pace = min(1.0, seconds / SHORT)
        self._stop_faults, self._stop_samples = threading.Event(), threading.Event()
        self._samples = (directory / "samples.jsonl").open("a", buffering=1)
        self.table = Table(title=f"Soak, seed {seed}", title_justify="left")

    def run(self) -> list[Verdict]:
        """Load and faults, then quiet, then the verdicts."""
        with ExitStack() as stack:
            stack.callback(self._samples.close)
            self._set_up(stack)
            load = Load(self._kafka.bootstrap, TOPIC, self._rate)
            watcher = threading.Thread(target=self._watch, daemon=True)
            breaker = threading.Thread(target=self._break, daemon=True)
            for thread in (watcher, breaker):
                thread.start()
            self._stop_faults.wait(self.seconds)
            self._stop_faults.set()
            breaker.join(180)
            self._say("no more faults; the load ends")
            self._faults.heal()
            load.stop()
            verdicts = [self._quiet(load), *self._end_members(watcher)]
            return verdicts + self._judge()

    def _set_up(self, stack: ExitStack) -> None:
        self._kafka.create_topic(TOPIC, PARTITIONS)
        self._receiver = stack.enter_context(LoggedReceiver(self.directory / "requests.bin"))
        urls = {name: self._receiver.url(f"/{name}") for name in WORKFLOWS}
        kafka = {"bootstrap_servers": self._kafka.bootstrap, "topics": [TOPIC], "group_id": GROUP}
        self._steady, self._mortal = (Member(name, self.directory / name, kafka, urls) for name in ("steady", "mortal"))
        for member in (self._steady, self._mortal):
            stack.callback(member.close)
        pause_s = (PAUSE_S[0] * self._pace, PAUSE_S[1] * self._pace)
        parts = (self._kafka, self._steady, self._mortal, self._receiver)
        self._faults = Faults(self.seed, *parts, self._stop_faults, self._say, pause_s)
        self._faults.heal()

    def _say(self, what: str) -> None:
        now = time.monotonic() - self._began
        print(f"{now:7.0f} s  {what}", file=sys.stderr, flush=True)
        self._samples.write(json.dumps({"t": now, "fault": what}) + "\n")

    def _break(self) -> None:
        """Do the faults. Where one cannot be done the soak ends early, and fails."""
        try:
            self._faults.run()
        except Exception as error:
            self._broken = f"{type(error).__name__}: {error}"
            self._say(self._broken)
            self._stop_faults.set()

    def _watch(self) -> None:
        while not self._stop_samples.wait(SAMPLE_S * self._pace):
            self._sample()

    def _sample(self) -> None:
        t = round(time.monotonic() - self._began, 1)
        seen = [member.sample() for member in (self._steady, self._mortal)]
        seen.append({"member": "harness", **usage(os.getpid()), "delivered": self._receiver.delivered.total()})
        for sample in seen:
            self._samples.write(json.dumps({"t": t, **sample}) + "\n")

    def _quiet(self, load: Load) -> Verdict:
        """Wait until both members are up and the group has committed everything."""
        began = time.monotonic()
        ends = topics.end_offsets(self._kafka.bootstrap, TOPIC)
        committed: dict[int, int | None] = {}
        members = (self._steady, self._mortal)
        while time.monotonic() - began < QUIET_S and not (committed == ends and all(m.is_up for m in members)):
            time.sleep(0.2)
            committed = topics.committed_offsets(self._kafka.bootstrap, GROUP, TOPIC)
        left = sum(end - (committed.get(partition) or 0) for partition, end in ends.items())
        took = time.monotonic() - began
        self._sample()
        is_written = load.failed == 0 and sum(ends.values()) == load.written
        figures = f"written={load.written} failed={load.failed} left={left} quiet={took:.1f}s"
        return Verdict("recovery", left == 0 and is_written, figures)

    def _end_members(self, watcher: threading.Thread) -> list[Verdict]:
        self._stop_samples.set()
        watcher.join()
        members = (self._steady, self._mortal)
        codes = [member.terminate() for member in members] + self._faults.unclean_exits
        unasked = sum(member.unasked_ends for member in members)
        done = " ".join(f"{name}={count}" for name, count in sorted(self._faults.done.items()))
        return [
            Verdict("exits", not any(codes) and not unasked, f"codes={codes} unasked={unasked}"),
            Verdict("faults", not self._broken, done + self._broken or "none"),
        ]

    def _judge(self) -> list[Verdict]:
        bootstrap = self._kafka.bootstrap
        topic = Topic(read_all(bootstrap, TOPIC, topics.end_offsets(bootstrap, TOPIC)))
        letters = letters_of(read_all(bootstrap, LETTERS, topics.end_offsets(bootstrap, LETTERS)))
        self._receiver.close()
        found = judge_deliveries(topic, letters, self.directory / "requests.bin", self._faults.windows)
        samples = read_samples(self.directory / "samples.jsonl")
        self._fill_table([sample for sample in samples if "rss_kib" in sample])
        return [*found, *judge_samples(samples, "steady")]

    def _fill_table(self, samples: list[Sample]) -> None:
        """Some twelve lines over the whole run, of the steady member."""
        names = ("t", "rss_kib", "fds", "threads", "lag", "open", "in_flight", "since_progress")
        for name in names:
            self.table.add_column(name, justify="right")
        mine = [sample for sample in samples if sample.get("member") == "steady"]
        for sample in mine[:: max(1, len(mine) // 12)]:
            self.table.add_row(*(f"{sample.get(name) or 0:.0f}" for name in names))


def main() -> None:
    """Run, print, and exit with 1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=1.0, help="how long, not counting the quiet phase (default: 1)")
    parser.add_argument("--rate", type=float, default=300.0, help="events a second (default: 300)")
    parser.add_argument("--seed", type=int, default=None, help="of the faults; random by default, and printed")
    parser.add_argument("--directory", type=Path, help="for logs and samples (default: a temporary one, named)")
    given = parser.parse_args()
    seed = random.randrange(10_000) if given.seed is None else given.seed
    directory = given.directory or Path(tempfile.mkdtemp(prefix="tray-soak-"))
    directory.mkdir(parents=True, exist_ok=True)
    print(f"Soak of {given.hours:g} h, seed {seed}, {given.rate:g} events a second, in {directory}.", file=sys.stderr)
    with ApacheKafka(directory / "kafka") as kafka:
        soak = Soak(directory.resolve(), kafka, seed, given.rate, given.hours * 3600)
        verdicts = soak.run()
    Console(highlight=False).print(soak.table)
    print(*verdicts, sep="\n", flush=True)
    is_kept = all(verdict.is_kept for verdict in verdicts)
    print(f"{'PASS' if is_kept else 'FAIL'} soak hours={given.hours:g} seed={seed}", flush=True)
    sys.exit(0 if is_kept else 1)


if __name__ == "__main__":
    main()

"""One row of the fault matrix, played once: a topic, workflows, the program, and what is known of its faults."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import orjson
from acceptance_support import ENTRY, Event, Program, Scene, make_event
from confluent_kafka import KafkaException
from support.receiver import FaultReceiver
from support.waiting import wait_until

from stream.demo.behaviours import Behaviour
from stream.demo.receiver import Arrival

SECRET = "canary-secret-7f3a"
HEADER = "canary-header-51bc"
PAYLOAD = "canary-payload-e09d"
FOLDER = "canary-path-22aa"
CANARIES = (SECRET, HEADER, PAYLOAD, FOLDER)
"""Planted where secrets stand; none of them may be written anywhere."""

QUIET_S = 90.0
"""After the last fault everything must have come to its end within this time (LIVENESS)."""
LOOK_S = 2.0
"""Who waits for requests looks this often whether any are still to come."""

T = TypeVar("T")


def patiently(ask: Callable[[], T], timeout_s: float = 20.0) -> T:
    """Ask brokers again while leaders and coordinators still move.

    Raises:
        KafkaException: they did not come to rest in time.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return ask()
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@dataclass
class Trial(Scene):
    """What a scenario works with; the verdict reads the rest."""

    seed: int = 0
    entry: Sequence[str] = ENTRY
    """What is run: the program, or one with a bug planted into it."""
    group_id: str = ""
    """The consumer group; empty: named as the topic."""
    workflows: tuple[str, ...] = ()
    """Names of the configured workflows."""
    programs: list[Program] = field(default_factory=list)
    """In the order in which they were started."""
    crashes: list[dict[int, int | None]] = field(default_factory=list)
    """What was committed whenever events may have been sent without a commit: only what lies above may come again."""
    lost: set[str] = field(default_factory=set)
    """Message ids that the fault itself took away before they could be read."""
    expired: set[bytes] = field(default_factory=set)
    """Values that were on the topic and are not any more."""
    is_ambiguous: bool = False
    """Answers got lost on the way: events may come again, under the same key."""
    endless: set[str] = field(default_factory=set)
    """Message ids that were answered with a 2xx whose body never ended; the receiver knows no answer of those."""
    counters: dict[str, float | str] = field(default_factory=dict)
    """What the closing line tells."""

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self._open = ExitStack()

    @property
    def group(self) -> str:
        """The consumer group."""
        return self.group_id or self.topic

    def close(self) -> None:
        """End every program that still runs."""
        self._open.close()

    def enter(self, receiver: FaultReceiver) -> FaultReceiver:
        """Another receiver, which is closed with the programs."""
        return self._open.enter_context(receiver)

    def path(self, name: str) -> str:
        """Where the receiver has a workflow."""
        return f"/{FOLDER}/{name}"

    def script(self, name: str, behaviour: Behaviour | int) -> None:
        """How a workflow behaves from now on."""
        self.receiver.script(self.path(name), behaviour)

    def heal(self, *names: str) -> None:
        """Let workflows answer 200 from now on."""
        for name in names or self.workflows:
            self.receiver.heal(self.path(name))

    def got(self, name: str) -> list[Arrival]:
        """What a workflow has taken."""
        return self.receiver.successes(self.path(name))

    def workflow(self, name: str, **more: Any) -> Event:
        """Settings of a workflow at the receiver's path of that name, with a header that must stay secret."""
        return {"name": name, "url": self.receiver.url(self.path(name)), "headers": {"X-Token": HEADER}, **more}

    def configure(self, *workflows: Event, kafka: Event | None = None, **sections: Event) -> Path:
        """Write stream.toml; requests are signed, with a secret that must stay one."""
        self.workflows = tuple(workflow["name"] for workflow in workflows)
        retry = {"initial": "50ms", "max": "500ms"}
        gate = {"initial": "200ms", "max": "1s"}
        standard: dict[str, Event] = {"retry": retry, "gate": gate, "destination": {"shared_secret": SECRET}}
        return super().configure(*workflows, kafka=kafka, **(standard | sections))

    def start(self, *arguments: str) -> Program:
        """Start the program with a trace of its own."""
        trace = f"trace-{len(self.programs)}.jsonl"
        program = Program(self.directory, "run", "--trace", trace, *arguments, entry=self.entry)
        self.programs.append(self._open.enter_context(program))
        return program

    def load(self, count: int, users: int = 60, first: int | None = None, **more: Any) -> list[Event]:
        """Put `count` more events on the topic, in an order of users that follows from the seed."""
        begin = len(self.places) if first is None else first
        events = [
            make_event(number, userId=f"user-{self.rng.randrange(users)}", email=PAYLOAD, **more)
            for number in range(begin, begin + count)
        ]
        self.produce(events)
        return events

    def somewhere(self, low: float, high: float) -> int:
        """A whole number between the two, by the seed: when a fault begins, how long it lasts."""
        return self.rng.randint(int(low), int(high))

    def await_arrivals(self, name: str, count: int, timeout_s: float = QUIET_S) -> None:
        """Wait until a workflow was sent so many requests."""
        path, deadline = self.path(name), time.monotonic() + timeout_s
        while not self.receiver.wait_for_count(path, count, LOOK_S):
            is_over, arrived = self._is_at_rest(), self.receiver.count(path)
            assert arrived >= count or not is_over, f"everything is committed, and {arrived} have arrived"
            assert time.monotonic() < deadline, f"not {count} requests within {timeout_s:.0f} s"

    def crash(self, program: Program) -> None:
        """SIGKILL."""
        program.kill()
        self.note_crash()

    def note_crash(self) -> None:
        """From here on what lies above the present commits may come again."""
        self.crashes.append(patiently(self.committed))

    def let_pass(self, seconds: float) -> None:
        """Wait for as long as a fault lasts: nothing else is to be waited for."""
        time.sleep(seconds)

    def freeze(self, program: Program, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after a while."""
        program.signal(signal.SIGSTOP)
        self.let_pass(seconds)
        program.signal(signal.SIGCONT)

    def rest(self, timeout_s: float = QUIET_S) -> None:
        """The quiet phase: wait until the group has committed the end of every partition.

        Raises:
            AssertionError: it never did.
        """
        began = time.monotonic()
        wait_until(self._is_at_rest, "everything is committed after the last fault", timeout_s)
        self.counters["recovered_s"] = round(time.monotonic() - began, 1)

    def _is_alive(self) -> bool:
        return any(program.is_running for program in self.programs)

    def _is_at_rest(self) -> bool:
        assert self._is_alive(), "every program has ended by itself"
        try:
            return self.committed() == self.ends()
        except KafkaException:  # a broker that was broken does not answer yet
            return False

    def finish(self, timeout_s: float = QUIET_S) -> None:
        """One more run, to the end of the topics."""
        assert self.start("--until-end").wait(timeout_s) == 0

    def stop(self, *programs: Program) -> None:
        """SIGTERM each; each must end with 0."""
        codes = [program.stop() for program in programs]
        assert codes == [0] * len(programs), f"exit codes {codes}"


def spread(events: Iterable[Event]) -> Callable[[bytes], bool]:
    """Whether a body is one of these events."""
    ids = {event["messageId"] for event in events}
    return lambda body: orjson.loads(body)["messageId"] in ids

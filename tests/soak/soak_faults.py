"""The faults of a soak: which comes next and when is drawn from a seed; each is healed before the next but one."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from signal import SIGCONT, SIGSTOP
from zlib import crc32

from soak_deliveries import Window
from soak_load import WORKFLOWS
from soak_log import REJECTED
from soak_members import SESSION_S, Member
from support.behaviours import resetting, retry_after
from support.receiver import FaultReceiver

from stream.demo.apache_kafka import ApacheKafka
from stream.demo.behaviours import Behaviour, always, flaky, slow, when

REFUND = b'"Order Refunded"'
PAUSE_S = (20.0, 60.0)
WORKFLOW_S = (10.0, 40.0)
FILL = 1.5
"""How much longer than any other outage the first one is."""


def manners() -> dict[str, Behaviour]:
    """How each workflow behaves while nothing in particular is wrong with it: one of them is flaky."""
    return {
        "everything": slow(0.005),
        "orders": slow(0.01, when(lambda body: REFUND in body, REJECTED, 200)),
        "crm": slow(0.01, flaky(15)),
    }


def broken() -> dict[str, Behaviour]:
    """How one may be broken for a while."""
    return {
        "down": always(503),
        "slow": slow(1.0),
        "throttled": retry_after(2),
        "rejecting": when(lambda body: crc32(body) % 7 == 0, REJECTED),
        "resetting": when(lambda body: crc32(body) % 3 == 0, resetting()),
        "unreachable": resetting(),
    }


@dataclass
class Faults:
    """Draws and does them until `stop` is set. `tell` is told of each in words."""

    seed: int
    kafka: ApacheKafka
    steady: Member
    mortal: Member
    receiver: FaultReceiver
    stop: threading.Event
    tell: Callable[[str], None]
    pause_s: tuple[float, float] = PAUSE_S
    done: Counter[str] = field(default_factory=Counter)
    windows: list[Window] = field(default_factory=list)
    """The abrupt ones, and when they were."""
    unclean_exits: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self._kinds: dict[str, tuple[int, Callable[[], None]]] = {
            "kill": (4, self._kill),
            "terminate": (3, self._terminate),
            "stop_short": (2, self._stop_short),
            "stop_long": (2, self._stop_long),
            "reload": (2, self._reload),
            "workflow": (9, self._break_workflow),
            "broker_kill": (1, self._kill_broker),
            "broker_restart": (1, self._restart_broker),
            "broker_stop": (1, self._stop_broker),
        }

    def run(self) -> None:
        """First the one that fills the steady member, then one after the other until it is time to stop."""
        while not (self.steady.is_up and self.mortal.is_up) and not self.stop.wait(0.1):
            pass
        self._fill()
        names, weights = list(self._kinds), [weight for weight, _ in self._kinds.values()]
        while not self.stop.wait(self._rng.uniform(*self.pause_s)):
            name = self._rng.choices(names, weights)[0]
            self.done[name] += 1
            self._kinds[name][1]()

    def heal(self) -> None:
        """All members run and all workflows have their usual manners again."""
        for name, behaviour in manners().items():
            self.receiver.script(f"/{name}", behaviour)
        for member in (self.steady, self.mortal):
            member.start()

    @contextmanager
    def _abrupt(self, name: str) -> Iterator[None]:
        """What happens within is abrupt: events that were delivered shortly before may come again."""
        start = time.monotonic()
        yield
        self.windows.append(Window(name, start, time.monotonic()))

    def _fill(self) -> None:
        """The steady member, alone, has more events open than it ever will again.

        What memory the allocators keep of that is no leak, and there when the size is first noted.
        """
        seconds = FILL * _at_most(WORKFLOW_S, self.pause_s)[1]
        self._end_mortal()
        self._break(WORKFLOWS[0], "down", seconds)
        self.stop.wait(seconds)
        self.mortal.start()

    def _kill(self) -> None:
        self.tell(f"kill -9 {self.mortal.name}")
        with self._abrupt("kill"):
            self.mortal.kill()
        self.stop.wait(self._rng.uniform(0.5, 15))
        self.mortal.start()

    def _terminate(self) -> None:
        self._end_mortal()
        self.stop.wait(self._rng.uniform(0.5, 5))
        self.mortal.start()

    def _end_mortal(self) -> None:
        self.tell(f"SIGTERM {self.mortal.name}")
        code = self.mortal.terminate()
        if code != 0:
            self.unclean_exits.append(code)

    def _stop_short(self) -> None:
        self._freeze(self._rng.choice((self.steady, self.mortal)), self._rng.uniform(1, SESSION_S / 2))

    def _stop_long(self) -> None:
        with self._abrupt("stop"):
            self._freeze(self.mortal, self._rng.uniform(SESSION_S + 2, 2 * SESSION_S))

    def _freeze(self, member: Member, seconds: float) -> None:
        self.tell(f"SIGSTOP {member.name} for {seconds:.0f} s")
        member.signal(SIGSTOP)
        self.stop.wait(seconds)
        member.signal(SIGCONT)

    def _reload(self) -> None:
        self.tell("SIGHUP both")
        for member in (self.steady, self.mortal):
            member.reload()

    def _break_workflow(self) -> None:
        name = self._rng.choice(WORKFLOWS)
        how = self._rng.choice(list(broken()))
        self._break(name, how, self._rng.uniform(*_at_most(WORKFLOW_S, self.pause_s)))

    def _break(self, name: str, how: str, seconds: float) -> None:
        self.done[how] += 1
        self.tell(f"{name} is {how} for {seconds:.0f} s")
        self.receiver.script(f"/{name}", broken()[how])
        threading.Thread(target=self._mend, args=(name, seconds), daemon=True).start()

    def _mend(self, name: str, seconds: float) -> None:
        self.stop.wait(seconds)
        self.receiver.script(f"/{name}", manners()[name])

    def _kill_broker(self) -> None:
        self.tell("kill -9 the broker")
        with self._abrupt("broker"):
            self.kafka.kill()
            self.stop.wait(self._rng.uniform(0, 5))
            self.kafka.start(120)

    def _restart_broker(self) -> None:
        self.tell("restart the broker")
        with self._abrupt("broker"):
            self.kafka.restart(120)

    def _stop_broker(self) -> None:
        seconds = self._rng.uniform(2, 6)
        self.tell(f"SIGSTOP the broker for {seconds:.0f} s")
        with self._abrupt("broker"):
            self.kafka.stop()
            self.stop.wait(seconds)
            self.kafka.resume()


def _at_most(span: Sequence[float], pause_s: Sequence[float]) -> tuple[float, float]:
    """The span, shortened where the pauses are short (a run of a few minutes)."""
    return min(span[0], pause_s[0]), min(span[1], pause_s[1])

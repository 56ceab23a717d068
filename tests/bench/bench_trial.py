"""One program under a load that is raised, held and overdone, looked at from outside."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from bench_endpoint import Endpoint
from bench_feed import Feed
from bench_measure import running
from bench_programs import product
from bench_runs import Stage
from bench_usage import resident_mib
from confluent_kafka import Consumer, KafkaException, TopicPartition

PARTITIONS = 4
LOOK_S = 0.5
LAG_S = 1.5
"""Lag counts as flat while it is usually no more than what comes in so many seconds; it grows from 0 to a second's
from one commit to the next."""
AT_ONCE = 0.95
"""A feed that writes less than this part of what it is asked for is what limits the rate."""
RAISE = 1.5
HALVINGS = 3
LOWER = 0.93
HOLDS = 5
DRAIN_S = 600.0


class Look(NamedTuple):
    """What was seen at one moment."""

    at: float
    written: int
    requests: int
    lag: int
    """Events that are on the topic and whose offsets are not committed."""
    rss_mib: float


class Loaded(Protocol):
    """Something whose load is set and that can be looked at."""

    def set_rate(self, rate: float) -> None:
        """Let so many events come a second from now on."""

    def look(self) -> Look:
        """See how it is; takes a moment."""


@dataclass(frozen=True)
class Span:
    """A time at one rate."""

    rate: float
    looks: Sequence[Look]

    @property
    def written_rate(self) -> float:
        """Events a second that really came."""
        first, last = self.looks[0], self.looks[-1]
        return (last.written - first.written) / max(last.at - first.at, 1e-9)

    @property
    def request_rate(self) -> float:
        """Requests a second that went out."""
        first, last = self.looks[0], self.looks[-1]
        return (last.requests - first.requests) / max(last.at - first.at, 1e-9)

    @property
    def done_rate(self) -> float:
        """Events a second whose offsets were committed."""
        first, last = self.looks[0], self.looks[-1]
        return (last.written - last.lag - first.written + first.lag) / max(last.at - first.at, 1e-9)

    @property
    def is_fed(self) -> bool:
        """Whether as much came as was asked for."""
        return self.written_rate >= AT_ONCE * self.rate

    @property
    def is_flat(self) -> bool:
        """Whether the usual lag of the last third is within its bound."""
        return statistics.median(look.lag for look in self.third(2)) <= LAG_S * self.rate

    @property
    def lag_s(self) -> tuple[float, float]:
        """Median and highest lag, in seconds of what comes in."""
        lags = [look.lag / self.rate for look in self.looks]
        return statistics.median(lags), max(lags)

    @property
    def growth(self) -> float:
        """Memory of the last third to that of the one before."""
        middle, last = (statistics.median(look.rss_mib for look in self.third(number)) for number in (1, 2))
        return last / middle

    def third(self, number: int) -> Sequence[Look]:
        """The looks of the first (0), second or last third of it; at least one."""
        size = max(1, len(self.looks) // 3)
        return self.looks[number * size :][: size if number < 2 else None] or self.looks[-1:]


class Trial:
    """One `tray-stream run` whose workflows all answer at once, and its feed."""

    def __init__(self, feed: Feed, endpoint: Endpoint, pid: int, consumer: Consumer, topic: str) -> None:
        self._feed, self._endpoint, self._pid, self._consumer = feed, endpoint, pid, consumer
        self._partitions = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
        self._before = endpoint.requests()
        self._committed = 0

    def set_rate(self, rate: float) -> None:
        """Let so many events come a second from now on."""
        self._feed.rate = rate

    def look(self) -> Look:
        """See how it is, half a second from now."""
        time.sleep(LOOK_S)
        with contextlib.suppress(KafkaException):  # a broker that has just started is not the coordinator yet
            found = self._consumer.committed(self._partitions, timeout=30)
            self._committed = sum(max(0, place.offset) for place in found)
        requests = self._endpoint.requests() - self._before
        written = self._feed.written
        return Look(time.monotonic(), written, requests, max(0, written - self._committed), resident_mib(self._pid))


@contextmanager
def trial(stage: Stage, workflows: int) -> Iterator[Trial]:
    """A new topic, and the program with so many workflows in one group."""
    bootstrap, topic, endpoint = stage.topics.bootstrap, stage.topics.empty(PARTITIONS), stage.endpoints.plain()
    named = [{"name": f"w{number}", "url": endpoint.url(f"w{number}")} for number in range(workflows)]
    program = product(stage.directory, bootstrap, topic, named)
    settings = {"bootstrap.servers": bootstrap, "group.id": program.directory.name, "enable.auto.commit": False}
    consumer = Consumer(settings)  # asks for the group's offsets and never joins it
    try:
        with Feed(bootstrap, topic) as feed, running(program) as child:
            yield Trial(feed, endpoint, child.pid, consumer, topic)
    finally:
        consumer.close()


def hold(loaded: Loaded, rate: float, seconds: float, is_enough: Callable[[Look], bool] = lambda _: False) -> Span:
    """Let `rate` events a second come for so long, or until a look is enough; the feed stays as it is."""
    loaded.set_rate(rate)
    looks = [loaded.look()]
    while looks[-1].at - looks[0].at < seconds and not is_enough(looks[-1]):
        looks.append(loaded.look())
    return Span(rate, looks)


def drain(loaded: Loaded) -> float | None:
    """Let nothing more come; the seconds until the lag was gone, None if it never was."""
    span = hold(loaded, 0.0, DRAIN_S, lambda look: look.lag == 0)
    return span.looks[-1].at - span.looks[0].at if span.looks[-1].lag == 0 else None


def search(loaded: Loaded, start: float, step_s: float) -> float:
    """The highest rate found at which the lag stays flat for a step; 0 when even `start` is too much."""
    good, bad = 0.0, start
    while _is_good(loaded, bad, step_s):
        good, bad = bad, bad * RAISE
    for _ in range(HALVINGS if good else 0):
        middle = (good + bad) / 2
        good, bad = (middle, bad) if _is_good(loaded, middle, step_s) else (good, middle)
    return good


def hold_the_highest(loaded: Loaded, rate: float, seconds: float) -> Span:
    """Hold that rate; where its lag grows, one that it has shown it can do, a few times."""
    for _ in range(HOLDS):
        span = hold(loaded, rate, seconds, lambda look, rate=rate: look.lag > 2 * LAG_S * rate)  # type: ignore[misc]
        if span.is_flat:
            break
        drain(loaded)
        rate = LOWER * min(rate, max(span.done_rate, rate / 2))
    return span


def _is_good(loaded: Loaded, rate: float, step_s: float) -> bool:
    span = hold(loaded, rate, step_s, lambda look: look.lag > 2 * LAG_S * rate)
    if not span.is_flat:
        drain(loaded)
    return span.is_flat and span.is_fed

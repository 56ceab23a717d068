"""How fast one workflow may be sent to: concurrency, rate, gate and pause, asked before each attempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from typing import Protocol

from stream.engine.concurrency import AdaptiveLimit, FixedLimit
from stream.engine.gate import Gate
from stream.model.policies import GatePolicy, WorkflowPolicy

ALMOST_ONE = 1 - 1e-6
"""Waiting exactly as long as a token takes may fall short of it by the rounding of times."""
BURST_S = 0.1
"""The bucket holds this many seconds' worth of tokens, at least one."""


class RateLimit:
    """`per_s` requests a second on the average, and a tenth of a second's worth at once. Time is monotonic seconds."""

    __slots__ = ("_burst", "_per_s", "_tokens", "_updated_at")

    def __init__(self, per_s: float, now: float) -> None:
        self._per_s = per_s
        self._burst = max(1.0, per_s * BURST_S)
        self._tokens = self._burst
        self._updated_at = now

    def take(self, now: float) -> bool:
        """Use up a token; False when there is none."""
        if now > self._updated_at:
            self._tokens = min(self._burst, self._tokens + (now - self._updated_at) * self._per_s)
            self._updated_at = now
        if self._tokens < ALMOST_ONE:
            return False
        self._tokens -= 1.0
        return True

    def next_at(self) -> float:
        """When there will be a token, if none is taken before."""
        return self._updated_at + max(0.0, 1.0 - self._tokens) / self._per_s


class Turn(Enum):
    """What may be sent now."""

    SEND = "send"
    PROBE = "probe"
    WAIT = "wait"


class ConcurrencyLimit(Protocol):
    """How many requests may be in flight."""

    limit: int

    def reached(self) -> None:
        """A request had to wait for the limit."""

    def observe(self, elapsed_s: Sequence[float], pushed_back_s: Sequence[float], now: float) -> None:
        """Attempts ended."""


class Pace:
    """All of them together. Time is monotonic seconds."""

    __slots__ = ("_rate", "concurrency", "gate", "paused", "wake_at")

    def __init__(self, workflow: WorkflowPolicy, gate: GatePolicy, now: float) -> None:
        self.concurrency = _concurrency(workflow)
        self.gate = Gate(_gate_policy(workflow, gate))
        self.wake_at: float | None = None
        """When `turn`, which said WAIT, may say something else although no attempt ends before; None: never."""
        self._rate = _rate_limit(workflow, now)
        self.paused = False
        """Nothing is sent, no probe either."""
        self._pause(workflow.paused, now)

    @property
    def is_open(self) -> bool:
        """Whether requests may be sent freely."""
        return self.gate.is_open and not self.paused

    def reconfigure(self, old: WorkflowPolicy, new: WorkflowPolicy, gate: GatePolicy, now: float) -> None:
        """Other rules from now on; what was learnt stays where its setting did not change."""
        if (old.concurrency, old.max_in_flight) != (new.concurrency, new.max_in_flight):
            self.concurrency = _concurrency(new)
        if old.rate_per_s != new.rate_per_s:
            self._rate = _rate_limit(new, now)
        self.gate.set_policy(_gate_policy(new, gate))
        self._pause(new.paused, now)

    def _pause(self, paused: bool, now: float) -> None:
        if paused and not self.paused:
            self.gate.clock.stop(now)
        elif self.paused and not paused:
            self.gate.clock.resume(now)
        self.paused = paused

    def turn(self, in_flight: int, now: float) -> Turn:
        """What may be sent now; SEND and PROBE use up a token of the rate."""
        if self.paused:
            self.wake_at = None
            return Turn.WAIT
        if in_flight >= self.concurrency.limit:
            self.concurrency.reached()
            self.wake_at = None
            return Turn.WAIT
        if self.gate.closed_since is None:
            return Turn.SEND if self._has_token(now) else Turn.WAIT
        if self.gate.is_probing:
            self.wake_at = None
            return Turn.WAIT
        if now < self.gate.closed_until:
            self.wake_at = self.gate.closed_until
            return Turn.WAIT
        return Turn.PROBE if self._has_token(now) else Turn.WAIT

    def burst(self, in_flight: int) -> int:
        """How many may go at once when `turn` said SEND."""
        return 1 if self._rate is not None else self.concurrency.limit - in_flight

    def _has_token(self, now: float) -> bool:
        if self._rate is None or self._rate.take(now):
            return True
        self.wake_at = self._rate.next_at()
        return False


def _concurrency(workflow: WorkflowPolicy) -> ConcurrencyLimit:
    if workflow.concurrency is not None:
        return FixedLimit(min(workflow.concurrency, workflow.max_in_flight))
    return AdaptiveLimit(workflow.max_in_flight)


def _rate_limit(workflow: WorkflowPolicy, now: float) -> RateLimit | None:
    return None if workflow.rate_per_s is None else RateLimit(workflow.rate_per_s, now)


def _gate_policy(workflow: WorkflowPolicy, gate: GatePolicy) -> GatePolicy:
    """With strict partition order only one lane is ever in sight, so one is enough."""
    if workflow.ordering != "partition":
        return gate
    return replace(gate, lanes=1)

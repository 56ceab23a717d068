"""The gate of one workflow: closed while the workflow, not an event, is at fault.

Time is monotonic seconds. While the gate is closed nothing is sent but one probe at a time, no attempt is charged to
an event, and the retry clocks stand still: they run in open time, monotonic time less the time spent closed.

An answer belongs to the generation in which its request was sent: what was on its way when the gate closed or opened
says nothing about the workflow since then. Only a Retry-After holds whenever it comes.
"""

from __future__ import annotations

from collections.abc import Hashable

from stream.model.policies import GatePolicy

_MAX_DOUBLINGS = 30
JITTER_SHARE = 0.25
"""Up to this share is taken off a closing's length, at random, so that gates do not open in step."""


class RetryClock:
    """Monotonic seconds less those spent stopped. Each `stop` is ended by one `resume`; they may overlap."""

    __slots__ = ("_since", "_stopped_s", "_stops")

    def __init__(self) -> None:
        self._stops = 0
        self._since = 0.0
        self._stopped_s = 0.0

    def time(self, now: float) -> float:
        """What it shows at `now`."""
        return (self._since if self._stops else now) - self._stopped_s

    def stop(self, now: float) -> None:
        """Stand still until resumed."""
        if not self._stops:
            self._since = now
        self._stops += 1

    def resume(self, now: float) -> None:
        """Run again, unless it is stopped for another reason as well."""
        self._stops -= 1
        if not self._stops:
            self._stopped_s += now - self._since


class Gate:
    """Open, or closed until a time after which one probe at a time may go through."""

    __slots__ = (
        "_failures",
        "_lanes",
        "_level",
        "_policy",
        "_workflow_failures",
        "clock",
        "closed_since",
        "closed_until",
        "generation",
        "is_held",
        "is_probing",
    )

    def __init__(self, policy: GatePolicy) -> None:
        self._policy = policy
        self.clock = RetryClock()
        """Stands still while the gate is closed, and while the workflow is paused."""
        self.closed_since: float | None = None
        """None while open."""
        self.closed_until = 0.0
        """When the next probe may go; means nothing while open."""
        self.is_probing = False
        """A probe is on its way."""
        self.is_held = False
        """Closed by the flood guard: only a success opens it."""
        self.generation = 0
        """Grows whenever the gate closes or opens, and when a Retry-After extends a closing."""
        self._level = 0
        self._failures = 0
        self._workflow_failures = 0
        self._lanes: set[Hashable] = set()

    @property
    def is_open(self) -> bool:
        """Whether requests may be sent freely."""
        return self.closed_since is None

    @property
    def is_calm(self) -> bool:
        """Open, and no failure is remembered: a success would change nothing."""
        return self.closed_since is None and not self._failures

    def set_policy(self, policy: GatePolicy) -> None:
        """Other rules from now on; a gate that is closed stays so."""
        self._policy = policy

    def probe_soon(self, now: float) -> None:
        """Something about the workflow was changed: whether it works now is found out without waiting."""
        self.closed_until = min(self.closed_until, now)

    def open_time(self, now: float) -> float:
        """The time that retries run on: it stands still while the gate is closed or the workflow paused."""
        return self.clock.time(now)

    def on_good(self, generation: int, now: float, delivered: bool) -> None:
        """An answer that is not of the retry class came: the workflow works. A held gate needs a delivery.

        `generation` is that in which the request was sent.
        """
        if generation != self.generation:
            return
        self._forget_failures()
        if self.closed_since is not None and (delivered or not self.is_held):
            self._open(now)

    def on_failure(
        self, generation: int, lane: Hashable, at_fault: bool, retry_after_s: float, now: float, jitter: float
    ) -> None:
        """An attempt that was not a probe failed retryably; `at_fault`: the answer blames the workflow itself.

        `generation` is that in which the request was sent.
        """
        if retry_after_s > 0:
            self.pause(retry_after_s, now)
        elif generation == self.generation and self.closed_since is None:
            self._count_failure(lane, at_fault)
            if self._has_failed_enough():
                self._close(now, jitter)

    def on_probe_failed(self, generation: int, retry_after_s: float, now: float, jitter: float) -> None:
        """A probe failed: closed for longer, unless the gate has changed since the probe was sent."""
        self.is_probing = False
        if retry_after_s > 0:
            self.pause(retry_after_s, now)
        elif generation == self.generation and self.closed_since is not None:
            self._close(now, jitter)

    def pause(self, retry_after_s: float, now: float) -> None:
        """The workflow asks to be left alone for so long. A probe that is on its way was sent before that."""
        until = now + retry_after_s
        if self.closed_since is not None and until > self.closed_until:
            self.generation += 1
        self._shut(now)
        self.closed_until = max(self.closed_until, until)

    def hold(self, now: float, jitter: float) -> None:
        """The flood guard tripped: closed until an event is delivered."""
        self.is_held = True
        if self.closed_since is None:
            self._close(now, jitter)

    def probe_sent(self) -> None:
        """A probe is on its way; no other goes until it is answered or given up."""
        self.is_probing = True

    def probe_over(self) -> None:
        """The probe was answered, or given up since its partition went away: another may go."""
        self.is_probing = False

    def _count_failure(self, lane: Hashable, at_fault: bool) -> None:
        self._failures += 1
        self._workflow_failures = self._workflow_failures + 1 if at_fault else 0
        if len(self._lanes) < self._policy.lanes:
            self._lanes.add(lane)

    def _has_failed_enough(self) -> bool:
        policy = self._policy
        if self._workflow_failures >= policy.workflow_failures:
            return True
        return self._failures >= policy.failures and len(self._lanes) >= policy.lanes

    def _close(self, now: float, jitter: float) -> None:
        """Close, or stay closed, for twice as long as the last time."""
        policy = self._policy
        longest = min(policy.max_s, policy.initial_s * 2.0 ** min(self._level, _MAX_DOUBLINGS))
        self._level += 1
        self._shut(now)
        self.closed_until = max(self.closed_until, now + longest * (1 - JITTER_SHARE * jitter))

    def _shut(self, now: float) -> None:
        if self.closed_since is None:
            self.closed_since, self.closed_until = now, now
            self.clock.stop(now)
            self.generation += 1
            self._forget_failures()

    def _forget_failures(self) -> None:
        self._failures = self._workflow_failures = 0
        self._lanes.clear()

    def _open(self, now: float) -> None:
        if self.closed_since is not None:
            self.clock.resume(now)
        self.closed_since = None
        self.generation += 1
        self.is_probing = self.is_held = False
        self._level = 0

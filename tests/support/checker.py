"""Says whether a run kept its promises, from its traces and the receivers' logs, knowing nothing of the engine.

Each check returns its findings as sentences; none means that all is well.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from stream.demo.receiver import Arrival
from support.trace import Line, Trace

Place = tuple[str, int]
"""Topic and partition."""

ENDS = frozenset({"delivered", "filtered", "dead_lettered"})
"""Steps that end an offset for a workflow."""

EVERY = ""
"""In place of a workflow's name: all of them."""


def check_commits(
    traces: Sequence[Trace],
    existing: Mapping[Place, Iterable[int]],
    workflows: Collection[str],
    group: str | None = None,
) -> list[str]:
    """COMMIT-SAFE, of every stored commit in `traces`, which are given in the order in which they were written.

    - No commit passes an existing offset that is not settled by then, in this trace or an earlier one, for each
      of `workflows`. `existing` are the offsets of each partition that the group was to process.
    - Commits of one tenure never go back, nor below the offset at which it started.
    - Commits are made within a tenure only: after assigned, before revoked or lost.

    `group` limits the check to one consumer group. Without it each group is held to the same workflows.
    Traces of processes that ran at the same time are merged first, with `merge_traces`.
    """
    check = _CommitCheck({place: sorted(offsets) for place, offsets in existing.items()}, set(workflows))
    for trace in traces:
        for line in trace:
            if group is None or line.group == group:
                check.follow(line)
    return check.findings


@dataclass(slots=True)
class _Ledger:
    """What one group has settled and committed of one partition, over all its members and runs."""

    offsets: list[int]
    settled: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    checked: int = 0
    """How many of `offsets` a commit has passed."""


class _CommitCheck:
    def __init__(self, existing: Mapping[Place, list[int]], workflows: set[str]) -> None:
        self._existing = existing
        self._workflows = workflows
        self._ledgers: dict[tuple[str, Place], _Ledger] = {}
        self._floors: dict[tuple[str, str, Place], int] = {}
        """Per tenure that is on: the offset below which no commit may go."""
        self.findings: list[str] = []

    def follow(self, line: Line) -> None:
        place = (line.topic, line.partition)
        tenure = (line.source, line.group, place)
        if line.event in ENDS:
            self._ledger(line.group, place).settled[line.offset].add(line.workflow)
        elif line.event == "assigned":
            self._floors[tenure] = line.offset
        elif line.event in ("revoked", "lost"):
            self._floors.pop(tenure, None)
        elif line.event == "committed" and line.ok:
            self._check_tenure(line, tenure)
            self._check_settled(line, self._ledger(line.group, place))

    def _ledger(self, group: str, place: Place) -> _Ledger:
        key = (group, place)
        if key not in self._ledgers:
            self._ledgers[key] = _Ledger(self._existing.get(place, []))
        return self._ledgers[key]

    def _check_tenure(self, line: Line, tenure: tuple[str, str, Place]) -> None:
        floor = self._floors.get(tenure)
        if floor is None:
            self._found(line, "was made by a member that does not own the partition")
        elif line.offset < floor:
            self._found(line, f"goes back, from {floor}")
        else:
            self._floors[tenure] = line.offset

    def _check_settled(self, line: Line, ledger: _Ledger) -> None:
        while ledger.checked < len(ledger.offsets) and ledger.offsets[ledger.checked] < line.offset:
            offset = ledger.offsets[ledger.checked]
            done = ledger.settled.pop(offset, set())
            missing = set() if EVERY in done else self._workflows - done
            if missing or not done:
                names = ", ".join(sorted(missing)) or "any workflow"
                self._found(line, f"passes offset {offset}, which is not settled for {names}")
            ledger.checked += 1

    def _found(self, line: Line, what: str) -> None:
        where = f"{line.topic}:{line.partition}"
        self.findings.append(f"{line.source}: commit {line.offset} of {where} by {line.group!r} {what}.")


def first_deliveries_in_order(
    arrivals: Iterable[Arrival],
    key_of: Callable[[Arrival], Any],
    position_of: Callable[[Arrival], int],
) -> list[str]:
    """ORDER, of what arrived at one workflow: per key one after the other, in the order of positions.

    A position that has not been answered with a 2xx yet may not arrive once a later one of its key has, and none
    may arrive while an earlier one is still being answered. Repeats of what was already delivered are fine.
    An event that ended as a dead letter may be missing. `key_of` gives None to arrivals without an order.
    """
    lanes: dict[Any, _Lane] = defaultdict(_Lane)
    findings: list[str] = []
    for arrival in arrivals:
        key, position = key_of(arrival), position_of(arrival)
        if key is not None:
            findings += [f"{arrival.path}: key {key!r}: {fault}" for fault in lanes[key].follow(position, arrival)]
    return findings


@dataclass(slots=True)
class _Lane:
    """What has arrived of one key."""

    highest: int = -1
    delivered: set[int] = field(default_factory=set)
    busy: tuple[int, float] = (-1, 0.0)
    """The position whose first delivery was answered last, and when."""

    def follow(self, position: int, arrival: Arrival) -> list[str]:
        if position in self.delivered:
            return []
        faults = []
        if position < self.highest:
            faults.append(f"position {position} arrived after {self.highest}.")
        if arrival.at < self.busy[1]:
            faults.append(f"position {position} arrived while {self.busy[0]} was being answered.")
        self.highest = max(self.highest, position)
        if arrival.is_success:
            self.delivered.add(position)
            self.busy = (position, arrival.answered_at)
        return faults


def id_of(arrival: Arrival) -> str:
    """The event's `messageId`, or without one the request's idempotency key."""
    try:
        found = orjson.loads(arrival.body)["messageId"]
    except (ValueError, KeyError, TypeError):
        found = None
    return found if isinstance(found, str) else arrival.headers.get("idempotency-key", "")


def missing(
    expected_ids: Iterable[str], arrivals: Iterable[Arrival], identify: Callable[[Arrival], str] = id_of
) -> list[str]:
    """COMPLETENESS: expected events that never were answered with a 2xx."""
    delivered = {identify(arrival) for arrival in arrivals if arrival.is_success}
    return [f"{wanted} was never delivered." for wanted in expected_ids if wanted not in delivered]


def unexpected(
    expected_ids: Iterable[str], arrivals: Iterable[Arrival], identify: Callable[[Arrival], str] = id_of
) -> list[str]:
    """NO-GHOST: events that arrived and were not to."""
    expected = set(expected_ids)
    strangers = dict.fromkeys(found for a in arrivals if (found := identify(a)) not in expected)
    return [f"{stranger} arrived and was not expected." for stranger in strangers]


def duplicates(arrivals: Iterable[Arrival], identify: Callable[[Arrival], str] = id_of) -> list[str]:
    """Events that were answered with a 2xx more than once, with the number of times."""
    times = Counter(identify(arrival) for arrival in arrivals if arrival.is_success)
    return [f"{event} was delivered {number} times." for event, number in times.items() if number > 1]


def unstable_keys(arrivals: Iterable[Arrival], identify: Callable[[Arrival], str] = id_of) -> list[str]:
    """Events that came more than once under different idempotency keys, so that no receiver could tell."""
    keys: dict[str, set[str]] = defaultdict(set)
    for arrival in arrivals:
        keys[identify(arrival)].add(arrival.headers.get("idempotency-key", ""))
    return [f"{event} came under {len(found)} keys." for event, found in keys.items() if len(found) > 1]

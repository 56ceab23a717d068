"""Judges what the workflows of a soak got: nothing lost, nothing strange, in order, and again only for a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from soak_load import WORKFLOWS, is_invalid, is_wanted, user_of
from soak_log import Request, read_requests
from soak_members import COMMIT_S
from soak_verdicts import Topic, Verdict
from support.checker import first_deliveries_in_order

from stream.demo.receiver import Arrival

SHOWN_FAULTS = 20
BEFORE_S, AFTER_S = COMMIT_S + 2.0, 2.0
"""What was delivered so long before and after an abrupt fault may not be committed, and so come again."""


class Window(NamedTuple):
    """An abrupt fault: what it was, and from when to when; monotonic seconds."""

    name: str
    start: float
    end: float

    def explains(self, at: float) -> bool:
        """Whether what was delivered then may come again because of it."""
        return self.start - BEFORE_S <= at <= self.end + AFTER_S


@dataclass
class Tally:
    """What was counted over all workflows."""

    delivered: int = 0
    lost: int = 0
    strange: int = 0
    again: int = 0
    unexplained: int = 0
    bound: int = 0
    """Deliveries that fell into a window."""
    disorder: list[str] = field(default_factory=list)
    by_fault: Counter[str] = field(default_factory=Counter)


def judge_deliveries(
    topic: Topic, letters: Mapping[str, set[int]], log: Path, windows: Sequence[Window]
) -> list[Verdict]:
    """The topic against what the workflows got and the dead letters."""
    tally = Tally()
    for workflow in WORKFLOWS:
        requests = sorted(request for request in read_requests(log) if request.workflow == workflow)
        _count(tally, workflow, requests, topic, letters.get(workflow, set()))
        _count_again(tally, requests, windows)
        tally.disorder += order_faults(requests, topic)
    tally.lost += sum(is_invalid(n) and n not in letters.get("", ()) for n in topic.numbers())
    for fault in tally.disorder[:SHOWN_FAULTS]:
        print(fault)
    return _verdicts(tally, len(topic), letters)


def _count(tally: Tally, workflow: str, requests: Sequence[Request], topic: Topic, ended: set[int]) -> None:
    delivered = {request.number for request in requests if request.is_success}
    tally.lost += sum(is_wanted(workflow, n) and n not in delivered and n not in ended for n in topic.numbers())
    tally.strange += sum(not is_wanted(workflow, request.number) for request in requests)


def _count_again(tally: Tally, requests: Iterable[Request], windows: Sequence[Window]) -> None:
    """An event that came again was first delivered shortly before something abrupt, or nothing explains it."""
    reasons: dict[int, str] = {}
    for request in requests:
        if not request.is_success:
            continue
        tally.delivered += 1
        if request.number in reasons:
            reason = reasons[request.number]
            tally.again += 1
            tally.unexplained += not reason
            tally.by_fault[reason or "nothing"] += 1
        else:
            reason = next((window.name for window in windows if window.explains(request.answered_at)), "")
            reasons[request.number] = reason
            tally.bound += bool(reason)


def _verdicts(tally: Tally, events: int, letters: Mapping[str, set[int]]) -> list[Verdict]:
    by_fault = "".join(f" after_{name}={count}" for name, count in sorted(tally.by_fault.items()))
    again = f"again={tally.again} bound={tally.bound} unexplained={tally.unexplained}{by_fault}"
    return [
        Verdict("loss", tally.lost == 0 < events, f"events={events} delivered={tally.delivered} lost={tally.lost}"),
        Verdict("letters", True, " ".join(f"{name or 'invalid'}={len(found)}" for name, found in letters.items())),
        Verdict("strangers", tally.strange == 0, f"unexpected={tally.strange}"),
        Verdict("order", not tally.disorder, f"broken={len(tally.disorder)}"),
        Verdict("duplicates", tally.unexplained == 0 and tally.again <= tally.bound, again),
    ]


def order_faults(requests: Iterable[Request], topic: Topic) -> list[str]:
    """Where one user's events came to one workflow out of order."""
    numbers: dict[int, int] = {}

    def arrivals() -> Iterator[Arrival]:
        for request in requests:
            numbers[0] = request.number
            status = 200 if request.is_end else request.status  # one rejected before a kill is rejected again
            yield Arrival(request.at, request.workflow, {}, b"", status, request.answered_at)

    return first_deliveries_in_order(arrivals(), lambda _: user_of(numbers[0]), lambda _: topic.offsets[numbers[0]])

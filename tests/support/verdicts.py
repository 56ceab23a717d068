"""What must hold of every simulated run, judged from the broker and the workflows."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from stream.model.commit_map import CommitMap, decode, name_hash
from stream.model.events import Event, Reason
from stream.model.policies import WorkflowPolicy
from stream.model.records import TopicPartition
from stream.rules.decode import Decoder
from stream.rules.filter import WorkflowFilter
from stream.validation.schemas import SchemaValidator
from support.simulated_workflow import SimArrival
from support.simulation import RETRY, Simulation

_DECODER = Decoder("strict", SchemaValidator())
EXCUSED_S = 2.5
"""Commits are made once a second, and at the end of a drain: only what was done within this time before a loss, or
since the partition was asked back, may be sent again for it."""
FEWEST_FAILURES = 3
"""That close a gate."""
Where = tuple[str, TopicPartition, int]
"""(workflow, partition, offset)."""


def judge(simulation: Simulation) -> list[str]:
    """Everything that is wrong with a finished run; empty: nothing."""
    facts = Facts(simulation)
    return [
        *([] if simulation.is_done() else ["liveness: not everything was committed after the faults had stopped"]),
        *commits_are_safe(facts),
        *commits_never_go_back(facts),
        *nothing_claimed_is_sent_again(facts),
        *repetitions_have_a_cause(facts),
        *order_is_kept(facts),
        *books_balance(facts),
        *limits_hold(facts),
        *nothing_starts_for_what_is_gone(facts),
        *pauses_are_kept(facts),
        *nothing_is_sent_while_paused(facts),
        *closings_have_a_cause(facts),
        *probes_are_not_charged(facts),
        *only_time_at_an_open_gate_expires(facts),
    ]


class Facts:
    """What happened, told from outside."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.events: dict[tuple[TopicPartition, int], Event] = {}
        self.others: set[tuple[TopicPartition, int]] = set()
        """Records that are no events, tombstones left out."""
        self.delivered_at: dict[Where, float] = {}
        self.buried_at: dict[Where, float] = {}
        self.buried_invalid: dict[tuple[TopicPartition, int], float] = {}
        self._wanted: dict[tuple[WorkflowPolicy, TopicPartition], list[int]] = {}
        self._read_topic()
        self._read_arrivals()
        self._read_letters()

    def wanted(self, workflow: WorkflowPolicy, tp: TopicPartition) -> list[int]:
        """Offsets of the partition's events that are for that workflow, in order."""
        found = self._wanted.get((workflow, tp))
        if found is None:
            reason = WorkflowFilter(workflow, "tray.io").reason
            mine = [(offset, event) for (event_tp, offset), event in self.events.items() if event_tp == tp]
            found = self._wanted[workflow, tp] = sorted(offset for offset, event in mine if reason(event) is None)
        return found

    def _read_topic(self) -> None:
        for tp, log in self.simulation.broker.logs.items():
            for record in log:
                decoded = _DECODER.decode(record)
                if isinstance(decoded, Event):
                    self.events[tp, record.offset] = decoded
                elif decoded is not None:
                    self.others.add((tp, record.offset))

    def _read_arrivals(self) -> None:
        for name, workflow in self.simulation.workflows.items():
            for arrival in workflow.arrivals:
                if 200 <= arrival.status < 300 and arrival.answered_at is not None:
                    self.delivered_at.setdefault((name, arrival.tp, arrival.offset), arrival.answered_at)

    def _read_letters(self) -> None:
        for at, letter in self.simulation.letters.stored:
            tp, offset = TopicPartition(letter.record.topic, letter.record.partition), letter.record.offset
            if letter.workflow is None:
                self.buried_invalid.setdefault((tp, offset), at)
            else:
                self.buried_at.setdefault((letter.workflow, tp, offset), at)

    def done_at(self, where: Where) -> float:
        """When a workflow was done with an event; for ever after, if it never was."""
        never = float("inf")
        return min(self.delivered_at.get(where, never), self.buried_at.get(where, never))


def commits_are_safe(facts: Facts) -> Iterator[str]:
    """No commit passes an event that a workflow wants and has neither got nor lost to an acknowledged dead letter."""
    simulation = facts.simulation
    for at, tp, offset, metadata, workflows in simulation.history:
        for workflow in workflows:
            wanted, joined_at = facts.wanted(workflow, tp), simulation.joined_at[workflow.name][tp]
            for event_offset in wanted[bisect_left(wanted, joined_at) : bisect_left(wanted, offset)]:
                if facts.done_at((workflow.name, tp, event_offset)) > at:
                    yield f"commit safety: {at:.3f} committed {offset} past {event_offset} of {workflow.name}"
        for other_tp, other in facts.others:
            is_due = other_tp == tp and simulation.first_due.get(tp, 0) <= other < offset
            if is_due and facts.buried_invalid.get((tp, other), float("inf")) > at:
                yield f"commit safety: {at:.3f} committed {offset} past invalid {other}"
        yield from _map_is_true(facts, at, tp, offset, metadata, workflows)


def commits_never_go_back(facts: Facts) -> Iterator[str]:
    """Of each partition every stored commit is at or above the one before."""
    reached: dict[TopicPartition, int] = {}
    for at, tp, offset, _, _ in facts.simulation.history:
        if offset < reached.get(tp, 0):
            yield f"commit order: {at:.3f} {tp.partition} went back from {reached[tp]} to {offset}"
        reached[tp] = offset


def _map_is_true(
    facts: Facts, at: float, tp: TopicPartition, offset: int, metadata: str, workflows: tuple[WorkflowPolicy, ...]
) -> Iterator[str]:
    done = decode(metadata, offset) if metadata else CommitMap(offset)
    for workflow in workflows:
        wanted, joined_at = facts.wanted(workflow, tp), facts.simulation.joined_at[workflow.name][tp]
        for low, high in done.of(name_hash(workflow.name)):
            for claimed in wanted[bisect_left(wanted, max(low, joined_at)) : bisect_left(wanted, high)]:
                if facts.done_at((workflow.name, tp, claimed)) > at:
                    yield f"map: {at:.3f} at {offset} claims {claimed} for {workflow.name}, which is not done"


def nothing_claimed_is_sent_again(facts: Facts) -> Iterator[str]:
    """What a stored commit has as done, by its offset or its map, is never sent again to that workflow."""
    claimed_at: dict[Where, float] = {}
    for at, tp, offset, metadata, workflows in facts.simulation.history:
        done = decode(metadata, offset) if metadata else CommitMap(offset)
        for workflow in workflows:
            ranges = [(0, offset), *done.of(name_hash(workflow.name))]
            for low, high in ranges:
                for claimed in range(low, high):
                    claimed_at.setdefault((workflow.name, tp, claimed), at)
    for name, arrival in _arrivals(facts):
        at = claimed_at.get((name, arrival.tp, arrival.offset), float("inf"))
        if arrival.at > at:
            yield f"repetition: {arrival.at:.3f} {name} got {arrival.offset} again, committed as done at {at:.3f}"


def repetitions_have_a_cause(facts: Facts) -> Iterator[str]:
    """What a process saw succeed is sent again only if its tenure ended soon after, without a last commit."""
    unclean = facts.simulation.unclean
    refused = [
        process
        for process in facts.simulation.processes
        if process.stats.commits.total() != process.stats.commits["ok"]
    ]
    if refused:
        return
    for name, arrival in _arrivals(facts):
        done = facts.delivered_at.get((name, arrival.tp, arrival.offset), float("inf"))
        until = min(arrival.at, done + EXCUSED_S + facts.simulation.policy.drain_timeout_s)
        if arrival.at > done and not any(tp == arrival.tp and done <= at <= until for at, tp in unclean):
            yield f"repetition: {arrival.at:.3f} {name} got {arrival.offset} again after {done:.3f} without a cause"


def order_is_kept(facts: Facts) -> Iterator[str]:
    """Within a lane no event is sent before its forerunner was done with."""
    policies = _every_policy(facts.simulation)
    for name, workflow in facts.simulation.workflows.items():
        if name not in policies:
            continue
        lanes: dict[tuple[TopicPartition, object], list[tuple[int, float]]] = defaultdict(list)
        first_sent: dict[tuple[TopicPartition, int], float] = {}
        for arrival in workflow.arrivals:
            first_sent.setdefault((arrival.tp, arrival.offset), arrival.at)
        for (tp, offset), at in first_sent.items():
            lane = _lane(policies[name], facts.events[tp, offset])
            # What came before it took part it gets only after a crash, from the committed offset on.
            if lane is not None and offset >= facts.simulation.joined_at[name][tp]:
                lanes[tp, lane].append((offset, at))
        for (tp, _), sent in lanes.items():
            sent.sort()
            for (forerunner, _), (offset, at) in pairwise(sent):
                if facts.done_at((name, tp, forerunner)) > at:
                    yield f"order: {at:.3f} {name} got {offset} before {forerunner} was done with"


def books_balance(facts: Facts) -> Iterator[str]:
    """Every process: received = delivered + filtered + dead-lettered + avoided + open + abandoned."""
    for process in facts.simulation.processes:
        received, accounted_for = process.stats.identity()
        if received != accounted_for:
            yield f"identity: process {process.number} received {received}, accounts for {accounted_for}"


def limits_hold(facts: Facts) -> Iterator[str]:
    """Requests in flight stay within `max_in_flight` of each process."""
    policies = _every_policy(facts.simulation)
    for name, workflow in facts.simulation.workflows.items():
        if name not in policies:
            continue
        steps: dict[int, list[tuple[float, int]]] = defaultdict(list)
        for arrival in workflow.arrivals:
            if arrival.answered_at is not None:
                steps[arrival.process] += [(arrival.at, 1), (arrival.answered_at, -1)]
        for number, changes in steps.items():
            flying = 0
            for at, change in sorted(changes):
                flying += change
                if flying > policies[name].max_in_flight:
                    yield f"limit: {at:.3f} process {number} had {flying} requests in flight to {name}"
                    break


def nothing_starts_for_what_is_gone(facts: Facts) -> Iterator[str]:
    """No request is sent for a partition that was taken away or asked back."""
    for name, arrival in _arrivals(facts):
        if not arrival.was_owned:
            yield f"ownership: {arrival.at:.3f} {name} was sent {arrival.offset} of a partition that is gone"


def pauses_are_kept(facts: Facts) -> Iterator[str]:
    """After a Retry-After a process sends nothing until then, whatever else it is answered meanwhile."""
    for name, workflow in facts.simulation.workflows.items():
        for pause in workflow.arrivals:
            if not pause.retry_after_s or pause.answered_at is None:
                continue
            until = pause.answered_at + pause.retry_after_s
            for arrival in workflow.arrivals:
                if arrival.process == pause.process and pause.answered_at < arrival.at < until - 1e-6:
                    yield f"pause: {arrival.at:.3f} {name} was sent to although it asked to wait until {until:.3f}"


def nothing_is_sent_while_paused(facts: Facts) -> Iterator[str]:
    """No request reaches a workflow that the settings pause."""
    for name, arrival in _arrivals(facts):
        if arrival.was_paused:
            yield f"paused: {arrival.at:.3f} {name} was sent {arrival.offset} while it was paused"


def closings_have_a_cause(facts: Facts) -> Iterator[str]:
    """A gate closes for a Retry-After, or for failures of requests that were sent since it was open."""
    for process in facts.simulation.processes:
        for name, log in process.gate_log.items():
            arrivals = [a for a in facts.simulation.workflows[name].arrivals if a.process == process.number]
            for (opened_at, _), (closed_at, is_open) in pairwise(log):
                if not is_open and not _has_a_cause(arrivals, opened_at, closed_at):
                    yield f"gate: {closed_at:.3f} {name} was closed for failures from before {opened_at:.3f}"


def _has_a_cause(arrivals: list[SimArrival], opened_at: float, closed_at: float) -> bool:
    answered = [arrival for arrival in arrivals if arrival.answered_at is not None and arrival.answered_at <= closed_at]
    if any(arrival.retry_after_s and arrival.answered_at == closed_at for arrival in answered):
        return True
    return sum(arrival.at >= opened_at and arrival.status not in (200, 400) for arrival in answered) >= FEWEST_FAILURES


def probes_are_not_charged(facts: Facts) -> Iterator[str]:
    """The attempts that a delivery is said to have taken leave out the probes that failed."""
    for process in facts.simulation.processes:
        for step in process.trace.steps:
            if step["event"] != "delivered":
                continue
            tp = TopicPartition(str(step["topic"]), int(str(step["partition"])))
            arrivals = [
                arrival
                for arrival in facts.simulation.workflows[str(step["workflow"])].arrivals
                if (arrival.process, arrival.tp, arrival.offset) == (process.number, tp, step["offset"])
            ]
            charged = sum(1 for arrival in arrivals if not arrival.gate_was_closed or arrival.status == 200)
            if int(str(step["attempts"])) > charged:
                yield f"attempts: {step} of process {process.number}, but {charged} were made at an open gate"


def only_time_at_an_open_gate_expires(facts: Facts) -> Iterator[str]:
    """An expired event, or one before it in its lane, was tried for `retry.for`, less what was closed or paused."""
    for at, letter in facts.simulation.letters.stored:
        if letter.reason is not Reason.EXPIRED or letter.workflow is None:
            continue
        tp = TopicPartition(letter.record.topic, letter.record.partition)
        arrivals = [arrival for arrival in facts.simulation.workflows[letter.workflow].arrivals if arrival.tp == tp]
        last = [arrival for arrival in arrivals if arrival.offset == letter.record.offset and arrival.at <= at][-1]
        process = facts.simulation.processes[last.process]
        first = min(arrival.at for arrival in arrivals if arrival.process == last.process)
        tried_s = process.open_time(letter.workflow, first, at, facts.simulation.pauses[letter.workflow])
        if tried_s < RETRY.for_s - RETRY.max_s:
            yield f"expiry: {at:.3f} {letter.workflow} lost {letter.record.offset} after {tried_s:.1f} s of open gate"


def _arrivals(facts: Facts) -> Iterator[tuple[str, SimArrival]]:
    for name, workflow in facts.simulation.workflows.items():
        for arrival in workflow.arrivals:
            yield name, arrival


def _every_policy(simulation: Simulation) -> dict[str, WorkflowPolicy]:
    return {policy.name: policy for *_, workflows in simulation.history for policy in workflows}


def _lane(policy: WorkflowPolicy, event: Event) -> object:
    return {"user": event.user, "key": event.record.key, "partition": "all", "none": None}[policy.ordering]

"""Bugs planted into the engine, one at a time, to show that the simulation finds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from support import starting_member
from support.memory_broker import MemoryBroker
from support.starting_member import start_answer

from stream.engine import engine as engine_module
from stream.engine import reload as reload_module
from stream.engine.commits import Commits
from stream.engine.dead_letters import DeadLetterWriter
from stream.engine.delivery import Delivery
from stream.engine.dispatcher import Dispatcher
from stream.engine.drains import Drains
from stream.engine.failure import Failures
from stream.engine.gate import Gate
from stream.engine.ledger import Ledger
from stream.engine.pacing import Pace, Turn
from stream.engine.partition import PartitionState
from stream.engine.reload import WorkflowChanges
from stream.engine.workflow import WorkflowState
from stream.kafka import start_offsets
from stream.kafka.start_offsets import (
    FirstLook,
    Grants,
    Resolved,
    StartAnswer,
    StartOffsets,
    has_progressed,
    has_run_without,
)
from stream.kafka.topic_ids import Replaced, TopicWatch
from stream.model.commit_map import START_MARK, CommitMap, Range, decode
from stream.model.events import DeadLetter, Settlement
from stream.model.records import Record, TopicPartition
from stream.model.source import CommitOffset, StartedPartition


@contextmanager
def planted(owner: Any, name: str, replacement: Any) -> Iterator[None]:
    """With this attribute replaced."""
    original = getattr(owner, name)
    setattr(owner, name, replacement)
    try:
        yield
    finally:
        setattr(owner, name, original)


@contextmanager
def commit_one_ahead() -> Iterator[None]:
    """The commit is one further than the lowest open offset."""
    original = Commits.take_due

    def take_due(self: Commits, partition: PartitionState) -> CommitOffset | None:
        due = original(self, partition)
        if due is None or not partition.tracker.open_count:
            return due
        partition.commit.sent_offset = due.offset + 1
        return CommitOffset(due.epoch, due.offset + 1)

    with planted(Commits, "take_due", take_due):
        yield


@contextmanager
def settle_before_the_letter_is_acknowledged() -> Iterator[None]:
    """A dead letter counts as written once it is handed over."""
    original = DeadLetterWriter.write

    def write(
        self: DeadLetterWriter, letter: DeadLetter, partition: PartitionState, on_safe: Callable[[], None]
    ) -> None:
        original(self, letter, partition, lambda: None)
        on_safe()

    with planted(DeadLetterWriter, "write", write):
        yield


@contextmanager
def old_epochs_settle() -> Iterator[None]:
    """Attempts outlive their assignment, and their results settle whatever the present one has open."""
    original = Ledger.settle

    def settle(self: Ledger, partition: PartitionState, records: Sequence[Record], settlement: Settlement) -> None:
        original(self, self.partitions.get(partition.tp, partition), records, settlement)

    with planted(WorkflowState, "abort", lambda _self, _partition: None), planted(Ledger, "settle", settle):
        yield


@contextmanager
def lane_released_before_the_retry() -> Iterator[None]:
    """An event that backs off lets the next of its lane go."""
    original = Dispatcher.back_off

    def back_off(self: Dispatcher, delivery: Delivery) -> None:
        original(self, delivery)
        if delivery.lane is not None and delivery.lane in delivery.partition.workflows[self.workflow].lanes:
            self.release([delivery])
            delivery.lane = None

    with planted(Dispatcher, "back_off", back_off):
        yield


@contextmanager
def map_read_by_position() -> Iterator[None]:
    """The map is believed by a workflow's position: a renamed or reordered one takes over another's."""

    def restore(started: StartedPartition, hashes: list[int], *_: object) -> list[list[Range]]:
        found = decode(started.metadata, started.start) if started.metadata else CommitMap(0)
        ranges = [list(done) for done in found.done.values()]
        return (ranges + [[] for _ in hashes])[: len(hashes)]

    with planted(engine_module, "restore", restore):
        yield


@contextmanager
def probe_burns_an_attempt() -> Iterator[None]:
    """A failed probe is charged to its event."""
    original = Dispatcher.take_probe

    def take_probe(self: Dispatcher) -> Delivery:
        delivery = original(self)
        delivery.attempts += 1
        return delivery

    with planted(Dispatcher, "take_probe", take_probe):
        yield


@contextmanager
def retry_clock_runs_at_a_closed_gate() -> Iterator[None]:
    """An outage uses up the time of the events that wait for its end."""
    with planted(Gate, "open_time", lambda _self, now: now):
        yield


@contextmanager
def paused_workflows_are_probed() -> Iterator[None]:
    """A pause stops what is sent freely, not what goes through a closed gate."""
    original = Pace.turn

    def turn(self: Pace, in_flight: int, now: float) -> Turn:
        paused, self.paused = self.paused, self.paused and self.gate.is_open
        try:
            return original(self, in_flight, now)
        finally:
            self.paused = paused

    with planted(Pace, "turn", turn):
        yield


@contextmanager
def retry_after_ignored() -> Iterator[None]:
    """The workflow is sent to although it asked for a pause."""
    with planted(Failures, "_pause_asked", lambda _self, _answer: 0.0):
        yield


@contextmanager
def map_claims_what_is_open() -> Iterator[None]:
    """The map has everything that was admitted as done."""
    with planted(PartitionState, "done_map", _everything):
        yield


def _everything(partition: PartitionState, hashes: list[int | None]) -> CommitMap:
    base, end = partition.tracker.watermark, partition.tracker.next_expected
    return CommitMap(base, {workflow: [(base, end)] for workflow in filter(None, hashes)} if end > base else {})


@contextmanager
def reload_hands_an_index_on_too_soon() -> Iterator[None]:
    """A new workflow takes over the index of a removed one while requests to that one are in flight."""
    with planted(WorkflowChanges, "_is_spent", lambda _self, _index: True):
        yield


@contextmanager
def reload_ends_what_is_in_flight() -> Iterator[None]:
    """An event that is on its way to a removed workflow is settled at once, and again with its answer."""
    with planted(Delivery, "is_in_flight", property(lambda _self: False)):
        yield


@contextmanager
def partitions_close_one_by_one() -> Iterator[None]:
    """What the attempts of one lost partition leave room for is started before the next one is closed."""
    original = Drains.close

    def close(self: Drains, partitions: Sequence[PartitionState]) -> None:
        for partition in partitions:
            original(self, [partition])
            self._steps._end_step()

    with planted(Drains, "close", close):
        yield


@contextmanager
def earlier_answers_open_the_gate() -> Iterator[None]:
    """A success counts for the gate as it is now, whenever its request was sent."""
    original = Gate.on_good

    def on_good(self: Gate, _generation: int, now: float, delivered: bool) -> None:
        original(self, self.generation, now, delivered)

    with planted(Gate, "on_good", on_good):
        yield


@contextmanager
def earlier_failures_close_the_gate() -> Iterator[None]:
    """A failure counts against the workflow as it is now, whenever its request was sent."""
    original = Gate.on_failure

    def on_failure(self: Gate, _generation: int, *answer: Any) -> None:
        original(self, self.generation, *answer)

    with planted(Gate, "on_failure", on_failure):
        yield


@contextmanager
def starts_of_others_are_committed() -> Iterator[None]:
    """A member resolves every partition of the topic and commits all that had no commit, without looking again."""
    original = StartOffsets.answered

    def answer(broker: MemoryBroker, group: str, asked: Grants) -> StartAnswer:
        return start_answer(
            broker, group, [tp for tp in broker.ends if (group, tp) not in broker.committed or tp in asked]
        )

    def answered(self: StartOffsets, asked: Grants, found: StartAnswer, now: float) -> Resolved:
        resolved = original(self, asked, found, now)
        if not resolved.fresh:
            return resolved
        others = found.ranges.keys() - asked.keys()
        more = {tp: CommitOffset(0, self.look.offset(tp, *found.ranges[tp], ""), START_MARK) for tp in others}
        return Resolved(resolved.known, {**resolved.fresh, **more})

    with (
        planted(starting_member, "start_answer", answer),
        planted(StartOffsets, "answered", answered),
        planted(
            starting_member.StartingMember, "_may_commit", lambda self, tp, epoch: epoch in (0, self.epochs.get(tp))
        ),
    ):
        yield


@contextmanager
def new_is_a_fact_of_the_process() -> Iterator[None]:
    """A workflow counts as new on every topic once another one has been reading any."""

    def has_run(commits: start_offsets.Commits, _topic: str, group: str) -> bool:
        return any(has_run_without(commits, topic, group) for topic in {tp.topic for tp in commits})

    with planted(starting_member, "has_run_without", has_run):
        yield


@contextmanager
def starts_count_as_progress() -> Iterator[None]:
    """A workflow counts as new as soon as another one has committed its starts."""
    with planted(starting_member, "has_run_without", lambda commits, topic, _group: bool(_on(topic, commits))):
        yield


@contextmanager
def whoever_has_committed_nothing_is_new() -> Iterator[None]:
    """A workflow counts as new beside one that has delivered, although both began together."""
    with planted(starting_member, "has_run_without", _has_progressed_on):
        yield


def _has_progressed_on(commits: start_offsets.Commits, topic: str, _group: str) -> bool:
    return has_progressed(_on(topic, commits))


def _on(topic: str, commits: start_offsets.Commits) -> start_offsets.Commits:
    return {tp: commit for tp, commit in commits.items() if tp.topic == topic}


@contextmanager
def latest_is_resolved_when_asked() -> Iterator[None]:
    """`latest` is the end at the answer, which may come long after the group was joined."""

    def offset(self: FirstLook, tp: TopicPartition, first: int, end: int, _topic_id: str) -> int:
        return end if self.policy(tp).policy == "latest" else first

    with planted(FirstLook, "offset", offset):
        yield


@contextmanager
def names_share_a_hash() -> Iterator[None]:
    """Two workflows have one entry in the map: what one has done counts for the other."""
    with (
        planted(engine_module, "name_hash", lambda _name: 7),
        planted(reload_module, "name_hash", lambda _name: 7),
    ):
        yield


@contextmanager
def a_topic_is_its_name() -> Iterator[None]:
    """The ids are not compared: the position in the old topic is read on from in the new one."""
    original = TopicWatch.compare

    def compare(self: TopicWatch) -> tuple[dict[TopicPartition, str], list[Replaced]]:
        return original(self)[0], []

    with planted(TopicWatch, "compare", compare):
        yield


@contextmanager
def a_commit_is_of_the_present_topic() -> Iterator[None]:
    """The id in a commit is not read: commits and maps of the old topic are believed of the new one."""
    with planted(start_offsets, "topic_id_in", lambda _metadata, _offset: ""):
        yield


@contextmanager
def latest_is_a_fact_of_the_name() -> Iterator[None]:
    """The end that was found before the group was joined is taken for that of whatever topic has the name now."""
    original = FirstLook.offset

    def offset(self: FirstLook, tp: TopicPartition, first: int, end: int, _topic_id: str) -> int:
        return original(self, tp, first, end, self.topic_ids.get(tp.topic, ""))

    with planted(FirstLook, "offset", offset):
        yield


BUGS = (
    a_topic_is_its_name,
    latest_is_a_fact_of_the_name,
    a_commit_is_of_the_present_topic,
    names_share_a_hash,
    starts_of_others_are_committed,
    new_is_a_fact_of_the_process,
    starts_count_as_progress,
    whoever_has_committed_nothing_is_new,
    latest_is_resolved_when_asked,
    commit_one_ahead,
    settle_before_the_letter_is_acknowledged,
    old_epochs_settle,
    lane_released_before_the_retry,
    map_read_by_position,
    probe_burns_an_attempt,
    retry_clock_runs_at_a_closed_gate,
    paused_workflows_are_probed,
    retry_after_ignored,
    map_claims_what_is_open,
    reload_hands_an_index_on_too_soon,
    reload_ends_what_is_in_flight,
    partitions_close_one_by_one,
    earlier_answers_open_the_gate,
    earlier_failures_close_the_gate,
)

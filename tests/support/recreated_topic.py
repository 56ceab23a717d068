"""The simulation of a topic that is deleted and created again, while it is read and between runs.

The members decide by the real `TopicWatch` and `DataLossWatch`. An event's message id holds which topic it belongs to:
the partitions of the n-th topic of the name count from n * `MOST_PARTITIONS`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from random import Random
from typing import Any, cast

import orjson
from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as KafkaPartition

from stream.kafka.assignment import Assignment
from stream.kafka.data_loss import DataLossWatch
from stream.kafka.rebalance import AssignmentNotice
from stream.kafka.start_offsets import FirstLook, Grants, ResolvedStart, StartAnswer
from stream.kafka.topic_ids import TopicDescriber, TopicIds, TopicWatch
from stream.model.commit_map import CommitMap, decode, name_hash, topic_id_in
from stream.model.events import Event
from stream.model.ports import Scheduler, SourceEvents
from stream.model.records import TopicPartition
from stream.rules.decode import Decoder
from stream.rules.filter import WorkflowFilter
from stream.validation.schemas import SchemaValidator
from support.engine_world import GROUP, TOPIC, event
from support.memory_broker import MemoryBroker
from support.scripted_workflow import SilentLogger
from support.simulation import Simulation
from support.starting_member import StartingMember

MOST_PARTITIONS = 10
SLOW_S = 1.0
TURN_EVERY_S = 0.1
_DECODER = Decoder("strict", SchemaValidator())


class IdBroker(MemoryBroker):
    """Has one topic, which may be replaced by another one of the same name."""

    generation = 0

    @property
    def topic_id(self) -> str:
        """Of the topic that has the name now."""
        return f"topic-{self.generation}"

    def replace_topic(self, *, forget_commits: bool) -> None:
        """Delete the topic and create it again. Kafka deletes its commits with it; some may be made after that."""
        self.generation += 1
        for tp in self.logs:
            self.logs[tp], self.ends[tp] = [], 0
        if forget_commits:
            for of_group, tp in [key for key in self.committed if key[1].topic == TOPIC]:
                del self.committed[of_group, tp], self.metadata[of_group, tp]


class MemoryTopicIds(TopicIds):
    """The answers take their time on both ways."""

    def __init__(self, member: WatchingMember, broker: IdBroker, rng: Random) -> None:
        super().__init__(TopicDescriber({}))
        self._member = member
        self._broker = broker
        self._rng = rng
        self._answers: list[dict[str, str]] = []

    def ask(self, topics: Collection[str]) -> None:
        """Ask the broker, unless a question is open."""
        if topics and not self.is_waiting:
            self.questions += 1
            self._learned.clear()
            self._member.after(self._rng.uniform(0.0, SLOW_S), self._read)

    def _read(self) -> None:
        answer = {TOPIC: self._broker.topic_id}
        self._member.after(self._rng.uniform(0.0, SLOW_S), partial(self._answers.append, answer))

    def look(self) -> bool:
        """Take the answer."""
        if not self._answers:
            return False
        self.answered = self.questions
        self.known |= {topic: found for topic, found in self._answers.pop().items() if topic not in self._learned}
        return True


class MemoryConsumer:
    """What `Assignment` and `DataLossWatch` ask of a consumer."""

    def __init__(self, broker: MemoryBroker, positions: dict[TopicPartition, int]) -> None:
        self.paused: set[TopicPartition] = set()
        self._broker = broker
        self._positions = positions

    def incremental_assign(self, partitions: Iterable[KafkaPartition]) -> None:
        """Read these from their offsets."""
        self._positions |= {_tp(one): one.offset for one in partitions}

    def incremental_unassign(self, partitions: Iterable[KafkaPartition]) -> None:
        """Read these no longer."""
        for one in partitions:
            self._positions.pop(_tp(one), None)

    def memberid(self) -> str:
        """Who it is; a real client answers only after all that it was asked before."""
        return "memory"

    def pause(self, partitions: Iterable[KafkaPartition]) -> None:
        """Take nothing from these."""
        self.paused |= {_tp(one) for one in partitions}

    def resume(self, partitions: Iterable[KafkaPartition]) -> None:
        """Take records from these again."""
        self.paused -= {_tp(one) for one in partitions}

    def position(self, partitions: Iterable[KafkaPartition]) -> list[KafkaPartition]:
        """The next offset of each."""
        return [KafkaPartition(one.topic, one.partition, self._positions[_tp(one)]) for one in partitions]

    def get_watermark_offsets(self, partition: KafkaPartition, **_: Any) -> tuple[int, int]:
        """[first, end) of what the partition holds."""
        return 0, self._broker.ends[_tp(partition)]


def _tp(partition: KafkaPartition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.partition)


class WatchingMember(StartingMember):
    """A member that compares topic ids, and reads a topic that was replaced from its beginning."""

    broker: IdBroker

    def __init__(self, broker: IdBroker, clock: Scheduler, rng: Random, start: str, *, batch: int) -> None:
        super().__init__(broker, GROUP, clock, rng, start, batch=batch)
        self.assignment = Assignment()
        self.memory_consumer = MemoryConsumer(broker, self.positions)
        self.consumer = cast(Consumer, self.memory_consumer)  # it has what is called here
        self.ids = MemoryTopicIds(self, broker, rng)

    def after(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call back unless the process is dead by then."""
        self._later(callback, seconds)

    def begin(self, events: SourceEvents) -> None:
        """Start to poll, to ask for the first look, and to compare topic ids."""
        topics = TopicWatch(self.ids, self.assignment, self._clock.monotonic)
        self._notice = AssignmentNotice(events, _call, self.assignment)
        self._loss = DataLossWatch(
            True,
            topics,
            self.assignment,
            self._notice,
            events,
            _call,
            SilentLogger(),
            release=lambda _tp: None,
            may_restart=True,
        )
        super().begin(events)
        self._turn()

    def assign(self, *tps: TopicPartition) -> None:
        """Grant partitions; they are read once their starts are known and committed."""
        granted = self.assignment.park(self.consumer, tps)
        for tp in tps:
            del self.positions[tp]
        self._take_epochs(granted)
        self.starts.add(granted)

    def _turn(self) -> None:
        """A rebalance that waits for a drain holds the consumer's thread up."""
        if not self.revoking:
            self._loss.go_on(self.consumer)
            self._take_epochs(self.assignment.epochs)
        self._later(self._turn, TURN_EVERY_S)

    def _take_epochs(self, epochs: Grants) -> None:
        self.epochs |= epochs
        for tp, epoch in epochs.items():
            self.broker.owners[self.group, tp] = (self._id, epoch)

    def _arrive(self, asked: Grants) -> None:
        """The id of the topic is read first, the offsets some time after it."""
        ids = {TOPIC: self.broker.topic_id}
        self._later(partial(self._read, asked, ids), self._rng.uniform(0.0, SLOW_S))

    def _resolve(self, asked: Grants, answer: StartAnswer) -> None:
        self.ids.learn(answer.topic_ids)
        super()._resolve(asked, answer)

    def _grant(self, starts: Iterable[ResolvedStart]) -> None:
        if granted := list(starts):
            self.assignment.grant(self.consumer, granted)
            self._notice.tell(granted)
            self._loss.granted(self.consumer)

    def _drop(self, tps: Iterable[TopicPartition]) -> None:
        gone = list(tps)
        self.assignment.drop(gone)
        super()._drop(gone)

    def _poll_one(self, tp: TopicPartition) -> bool:
        if tp in self.memory_consumer.paused:
            return False
        if self.positions[tp] > self.broker.ends[tp]:
            self.memory_consumer.paused.add(tp)
            self._loss.found(tp, self.positions[tp])
            return False
        has_read = super()._poll_one(tp)
        if self.positions.get(tp) == self.broker.ends[tp]:
            self.assignment.at_end.add(tp)
            self.assignment.came_to_end.add(tp)
        else:
            self.assignment.at_end.discard(tp)
        return has_read


def _call(function: Any, *arguments: Any) -> None:
    function(*arguments)


class RecreatedTopic(Simulation):
    """One run; its workflows stay the same."""

    broker: IdBroker

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.replaced_at: list[float] = []
        """When the first, second ... topic of the name was deleted."""
        self.events: dict[TopicPartition, dict[int, Event]] = defaultdict(dict)
        """Of all topics of the name, by the partitions that message ids name."""

    def _new_broker(self) -> MemoryBroker:
        return IdBroker(on_stored=self._on_stored)

    def _new_member(self, batch: int) -> StartingMember:
        return WatchingMember(self.broker, self.clock, self.rng, self.start, batch=batch)

    def _on_looked(self, look: FirstLook) -> None:
        """With `latest`, what a process that saw no commits found in this very topic need not be delivered."""
        if self.start == "latest" and TOPIC not in look.known and look.topic_ids[TOPIC] == self.broker.topic_id:
            for tp, end in self.broker.ends.items():
                self.first_due[self.numbered(tp, self.broker.generation)] = end

    def is_done(self) -> bool:
        """Whether every partition of the topic that is there now is committed up to its end, under its id."""
        return all(self._is_committed(tp, end) for tp, end in self.broker.ends.items() if end)

    def _is_committed(self, tp: TopicPartition, end: int) -> bool:
        at = self.broker.committed.get((GROUP, tp), 0)
        return at >= end and topic_id_in(self.broker.metadata[GROUP, tp], at) == self.broker.topic_id

    def _write_event(self, tp: TopicPartition) -> None:
        user = f"u{self.rng.randrange(6)}"
        numbered = self.numbered(tp, self.broker.generation)
        offset = self.broker.ends[tp]
        body = event(user, f"{numbered.partition}-{offset}", self.rng.choice(["track", "identify", "page"]))
        self.broker.append(tp, orjson.dumps(body), user.encode())
        decoded = _DECODER.decode(self.broker.logs[tp][-1])
        assert isinstance(decoded, Event)
        self.events[numbered][offset] = decoded

    @staticmethod
    def numbered(tp: TopicPartition, generation: int) -> TopicPartition:
        """The partition as message ids name it."""
        return TopicPartition(TOPIC, generation * MOST_PARTITIONS + tp.partition)

    def _faults(self) -> Sequence[Callable[[], None]]:
        return (
            *[self._change_mood] * 2,
            *[self._replace_topic] * 2,
            self._replace_topic_between_runs,
            self._move_partition,
            self._crash,
            self._lose,
            self._stop_one,
            self._start_process,
            self._refuse_commits,
        )

    def _replace_topic(self) -> None:
        self.replaced_at.append(self.clock.monotonic())
        self.broker.replace_topic(forget_commits=self.rng.random() < 0.5)
        if self.rng.random() < 0.5:
            for _ in range(self.rng.randint(1, 20)):
                self._write_event(self.rng.choice(self.partitions))

    def _replace_topic_between_runs(self) -> None:
        for process in self.processes:
            if not process.is_dead:
                self._kill(process)
        self._replace_topic()
        self._start_process()


def judge_recreated(run: RecreatedTopic) -> list[str]:
    """Everything that is wrong with a finished run; empty: nothing."""
    done_at = _done_at(run)
    return [
        *([] if run.is_done() else ["liveness: the new topic was not committed to its end under its id"]),
        *_new_topic_is_delivered(run, done_at),
        *_commits_claim_their_own_topic(run, done_at),
    ]


Done = dict[tuple[str, TopicPartition, int], float]


def _done_at(run: RecreatedTopic) -> Done:
    """When each workflow had each event, or lost it to a dead letter."""
    done: Done = {}
    for name, workflow in run.workflows.items():
        for arrival in workflow.arrivals:
            if 200 <= arrival.status < 300 and arrival.answered_at is not None:
                done.setdefault((name, arrival.tp, arrival.offset), arrival.answered_at)
    for at, letter in run.letters.stored:
        decoded = _DECODER.decode(letter.record)
        if isinstance(decoded, Event) and letter.workflow is not None:
            partition, offset = map(int, orjson.loads(letter.record.value or b"")["messageId"].split("-"))
            done.setdefault((letter.workflow, TopicPartition(TOPIC, partition), offset), at)
    return done


def _undone(run: RecreatedTopic, done: Done, tp: TopicPartition, at: float, low: int, high: int) -> Iterator[str]:
    """Events of [low, high) with the workflows that want them and were not done with them at that time."""
    for policy in run.policy.workflows:
        wanted = WorkflowFilter(policy, "tray.io")
        for offset, one in run.events[tp].items():
            is_late = done.get((policy.name, tp, offset), float("inf")) > at
            is_due = max(low, run.first_due.get(tp, 0)) <= offset < high
            if is_due and wanted.reason(one) is None and is_late:
                yield f"{offset} of {policy.name}"


def _new_topic_is_delivered(run: RecreatedTopic, done: Done) -> Iterator[str]:
    """Each event of the topic that is there in the end, its first ones included, has been delivered."""
    for tp, end in run.broker.ends.items():
        for what in _undone(run, done, run.numbered(tp, run.broker.generation), run.clock.monotonic(), 0, end):
            yield f"lost: partition {tp.partition} of {run.broker.topic_id} never delivered {what}"


def _commits_claim_their_own_topic(run: RecreatedTopic, done: Done) -> Iterator[str]:
    """Nothing that a commit, by its offset or its map, has as done of the topic it names is open."""
    ends = [*run.replaced_at, float("inf")]
    for at, tp, offset, metadata, _ in run.history:
        found = decode(metadata, offset) if metadata else CommitMap(offset)
        generation = int(found.topic_id.removeprefix("topic-") or sum(end <= at for end in ends))
        if at > ends[generation]:
            continue  # of a topic that is gone: it claims nothing of the present one
        numbered = run.numbered(tp, generation)
        for what in _undone(run, done, numbered, at, 0, offset):
            yield f"commit safety: {at:.3f} of {found.topic_id} committed {offset} past {what}"
        for policy in run.policy.workflows:
            for low, high in found.of(name_hash(policy.name)):
                for what in _undone(run, done, numbered, at, low, high):
                    if what.endswith(f" of {policy.name}"):
                        yield f"map: {at:.3f} of {found.topic_id} claims {what}"

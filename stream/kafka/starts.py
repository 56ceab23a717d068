"""Asks Kafka where granted partitions start, in a thread of its own: the consumer is polled meanwhile."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Collection, Sequence

from stream.kafka.client_config import KafkaPolicy, Options, reader_config
from stream.kafka.reader import OffsetReader
from stream.kafka.start_offsets import FirstLook, StartAnswer, has_run_without, topic_start
from stream.kafka.topic_ids import TIMEOUT_S, WAIT_S, TopicDescriber
from stream.model.errors import SourceError, StreamError, UnreachableError, describe_error
from stream.model.origin import origin_of
from stream.model.records import TopicPartition

Answer = FirstLook | StartAnswer | StreamError


class StartReader:
    """Answers one question after the other, each in a few requests however many partitions there are.

    The caller asks one question at a time and takes its answer, or why there is none, from `answers`.
    """

    def __init__(self, policy: KafkaPolicy, describer: TopicDescriber) -> None:
        self._policy = policy
        self._describer = describer
        self.answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._questions: queue.SimpleQueue[Callable[[OffsetReader], Answer] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"starts of {policy.group}", daemon=True)

    def begin(self) -> None:
        """Start the thread, unless it was started before."""
        if self._thread.ident is None:
            self._thread.start()

    def look(self) -> None:
        """Ask for the first look."""
        self._questions.put(lambda reader: first_look(reader, self._describer, self._policy))

    def ask(self, tps: Sequence[TopicPartition], need_ids: Collection[str]) -> None:
        """Ask what is committed for these partitions and, where nothing is, what they hold.

        Topics of `need_ids` cannot be started without their ids.
        """
        timeout_s = TIMEOUT_S if need_ids else WAIT_S
        self._questions.put(lambda reader: start_answer(reader, self._describer, tps, timeout_s))

    def close(self) -> None:
        """Let the thread end after the question under way."""
        self._questions.put(None)

    def _run(self) -> None:
        reader: OffsetReader | None = None
        while (question := self._questions.get()) is not None:
            try:
                reader = reader or OffsetReader(reader_config(self._policy))
                self.answers.put(question(reader))
            except StreamError as error:
                self.answers.put(error)
            except Exception as error:  # whatever it is, the owner must hear of it
                self.answers.put(SourceError(f"The start offsets cannot be asked for: {describe_error(error)}."))
        if reader is not None:
            reader.close()


def first_look(reader: OffsetReader, describer: TopicDescriber, policy: KafkaPolicy) -> FirstLook:
    """What the group and, for topics that are new to it, the other workflows' groups have committed.

    Raises:
        SourceError: Kafka did not answer, or refused.
    """
    tps = [tp for tp in reader.partitions(policy.topics) if tp.topic not in policy.hidden_topics]
    known = {tp.topic for tp in reader.committed(tps)}
    new = [tp for tp in tps if tp.topic not in known]
    running = _running_groups(policy, new)
    topics = {tp.topic: topic_start(policy.start, policy.own_start, running.get(tp.topic, "")) for tp in new}
    latest = {topic for topic, start in topics.items() if start.policy == "latest"}
    ids = describer.read(latest, TIMEOUT_S) if reader.has_controller else {}
    if ids is None:
        raise UnreachableError("asking for the ids of topics")
    ends = reader.ends([tp for tp in new if tp.topic in latest])  # after the ids: these may be older than the ends
    return FirstLook(frozenset(known), topics, ends, ids, origin_of(policy.other_groups))


def _running_groups(policy: KafkaPolicy, tps: Collection[TopicPartition]) -> dict[str, str]:
    """By topic another workflow's group that has progressed on it."""
    found: dict[str, str] = {}
    if not tps or policy.own_start is not None:
        return found
    for group in policy.other_groups:
        config: Options = {**reader_config(policy), "group.id": group}
        with OffsetReader(config) as reader:
            commits = reader.commits(tps)
        for topic in {tp.topic for tp in commits} - found.keys():
            if has_run_without(commits, topic, policy.group):
                found[topic] = group
    return found


def start_answer(
    reader: OffsetReader, describer: TopicDescriber, tps: Sequence[TopicPartition], timeout_s: float
) -> StartAnswer:
    """The ids are asked for first: one that is older than the offsets beside it is noticed, a younger one is not."""
    ids = describer.read({tp.topic for tp in tps}, timeout_s) if reader.has_controller else {}
    committed = reader.commits(tps)
    return StartAnswer(committed, reader.ranges([tp for tp in tps if tp not in committed], may_lack=True), ids or {})

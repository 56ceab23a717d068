"""The one thread that owns the Kafka consumer: polls, serves rebalances, commits.

No other thread touches the consumer: a call from outside would wait until the running poll returns. Commands come
through a queue, records leave in batches to the event loop.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as KafkaPartition

from stream.kafka.assignment import Assignment
from stream.kafka.batches import Polled, sort_polled
from stream.kafka.client_config import KafkaPolicy, Options, common_config, open_client, subscription
from stream.kafka.codes import UNREACHABLE, as_source_error, error_text, is_refused, kafka_error
from stream.kafka.committer import Committer
from stream.kafka.data_loss import DataLossWatch
from stream.kafka.fetch_watch import FetchWatch
from stream.kafka.instance_id import until_released
from stream.kafka.owner_queue import OwnerQueue
from stream.kafka.paused_buffer import PausedBuffer
from stream.kafka.pending_assignments import PendingAssignments
from stream.kafka.rebalance import DRAIN_SLACK_S, AssignmentNotice, Post, Rebalance, leave_group
from stream.kafka.starts import StartReader
from stream.kafka.topic_ids import TopicDescriber, TopicIds, TopicWatch
from stream.kafka.unconfirmed import UnconfirmedRecords
from stream.model.errors import InstanceIdTakenError, RefusedError, SourceError, StreamError, describe_error
from stream.model.ports import Logger, Offsets, SourceEvents
from stream.model.records import TopicPartition
from stream.model.source import CommitOutcome, CommitResult

POLL_S = 0.1
WAITING_POLL_S = 0.01
"""While an answer is waited for that lets partitions be read."""
PAUSED_POLL_S = 0.05
BATCH = 1000
STALL_S = 1.0
"""How long nothing is taken before the partitions are paused: pausing drops what was fetched ahead."""
LAST_COMMIT_WAIT_S = 5.0


class ConsumerThread(threading.Thread):
    """Fulfils `Source`."""

    _may_restart = True
    """A topic that was deleted and created again may be read from its beginning."""

    def __init__(
        self,
        policy: KafkaPolicy,
        config: Options,
        post: Post,
        logger: Logger,
        beat: Callable[[], None],
    ) -> None:
        super().__init__(name=f"kafka {policy.group}", daemon=True)
        self._policy = policy
        self._post = post
        self._logger = logger
        self._beat = beat
        self._commands = OwnerQueue()
        self._failure: BaseException | None = None
        self._intake_open = True
        self._handed = 0
        """Batches handed to the event loop; ..."""
        self._taken = 0
        """... and those that it has taken."""
        self._held_since: float | None = None
        self._unwanted: frozenset[TopicPartition] = frozenset()
        """What the engine does not want; what is still polled of it goes to the paused buffer."""
        self._stop_asked = False
        self._is_drained = False
        self._close_at = 0.0
        self._last_poll = time.monotonic()
        self._has_joined = False
        self._was_assigned = False
        self._is_dead = False
        """The client reported a fatal error, such as fenced; the consumer is unusable."""
        self._assignment = Assignment()
        self._fetches = FetchWatch(self._assignment, logger)
        self._shelf = PausedBuffer(self._assignment.epochs)
        self._committer = Committer(self._assignment.held, self._assignment.origins, self._report_commits)
        self._describer = TopicDescriber(common_config(policy))
        self._start_reader = StartReader(policy, self._describer)
        self._config = {
            **config,
            "error_cb": self._guarded(self._on_error),
            "on_commit": self._guarded(self._committer.on_commit),
        }

    def begin(self, events: SourceEvents, on_ended: Callable[[StreamError | None], None]) -> None:
        """Start the thread. `on_ended` is called once, on the event loop, with what ended it, or None."""
        self._on_ended = on_ended
        self._wire(events)
        self.start()

    def _wire(self, events: SourceEvents) -> None:
        policy, assignment, post, logger = self._policy, self._assignment, self._post, self._logger
        self._events = events
        self._begun = AssignmentNotice(events, post, assignment)
        ids = TopicIds(self._describer)
        self._topics = TopicWatch(ids, assignment)
        self._unconfirmed = UnconfirmedRecords(ids, assignment)
        self._arrivals = PendingAssignments(
            self._start_reader, ids, assignment, self._committer, self._begun.tell, logger
        )
        self._rebalance = Rebalance(
            events, post, assignment, self._committer, self._arrivals, policy.drain_timeout_s, self._serve
        )
        self._loss = DataLossWatch(
            policy.on_data_loss == "skip",
            self._topics,
            assignment,
            self._begun,
            events,
            post,
            logger,
            release=self._release,
            may_restart=self._may_restart,
        )

    # Commands: called on the event loop.

    def commit(self, offsets: Offsets) -> None:
        """Send a commit soon."""
        self._commands.put(lambda: self._committer.commit(self._consumer, offsets))

    def set_intake(self, is_open: bool) -> None:
        """Take records, or take none."""
        self._intake_open = is_open
        self._commands.wake()

    def set_stopped(self, tps: Collection[TopicPartition]) -> None:
        """Exactly these partitions are not read for now."""
        self._commands.put(partial(self._set_unwanted, frozenset(tps)))

    def stop(self) -> None:
        """Drain, commit, leave the group, end."""
        self._commands.put(self._begin_stop)

    # The thread.

    def run(self) -> None:
        """Own the consumer until stopped or broken."""
        error: StreamError | None = None
        try:
            until_released(self._open_and_own, self._pause_start, self._policy.group_instance_id or "", self._logger)
        except StreamError as broken:
            error = broken
        except Exception as broken:  # whatever it is, the process must hear of it and commit nothing on its strength
            error = SourceError(f"The owner of the Kafka consumer broke: {describe_error(broken)}.")
        self._start_reader.close()
        self._post(self._on_ended, error)

    def _open_and_own(self) -> None:
        """Open a consumer and own it to its end. Called again only while no partition was ever assigned."""
        self._failure, self._is_dead, self._has_joined = None, False, False
        self._consumer = open_client(Consumer, self._config)
        try:
            self._own()
        except KafkaException as error:
            raise as_source_error(error, "consuming") from error
        except InstanceIdTakenError as error:
            if self._was_assigned:  # another member took over while this one was silent
                raise RefusedError(str(error)) from error
            raise

    def _pause_start(self, pause_s: float) -> bool:
        """Wait before the next attempt to join; False when a stop comes meanwhile."""
        until = time.monotonic() + pause_s
        while not self._stop_asked and time.monotonic() < until:
            self._beat()
            self._commands.wait(PAUSED_POLL_S)
        return not self._stop_asked

    def _own(self) -> None:
        try:
            self._enter()
            while not self._is_over():
                self._turn()
            self._assignment.drop(list(self._assignment.epochs))
        except KafkaException as error:
            self._is_dead = kafka_error(error).fatal()
            raise
        finally:
            self._leave()

    def _enter(self) -> None:
        """Prepare to join the group."""
        self._start_reader.begin()

    def _join(self) -> None:
        self._has_joined = True
        self._consumer.subscribe(
            subscription(self._policy),
            on_assign=self._guarded(self._on_assign),
            on_revoke=self._guarded(self._on_revoke),
            on_lost=self._guarded(self._rebalance.on_lost),
        )

    def _turn(self) -> None:
        self._serve()
        if not self._stop_asked:
            self._go_on()
        if (full := self._shelf.full | self._unconfirmed.full) and not full <= self._assignment.not_read:
            self._assignment.set_not_read(self._consumer, self._assignment.not_read | full)
        if self._may_take():
            self._held_since = None
            if self._assignment.is_paused:
                self._assignment.resume(self._consumer)
            self._take(WAITING_POLL_S if self._arrivals.is_waiting or self._unconfirmed.is_any else POLL_S)
        else:
            self._hold_back()
        if self._failure is not None:
            raise self._failure

    def _go_on(self) -> None:
        """Between two polls: what waits for an answer of Kafka's."""
        self._arrivals.advance(self._consumer)
        if not self._has_joined and self._arrivals.may_join:
            self._join()
        self._watch()

    def _watch(self) -> None:
        self._loss.go_on(self._consumer)
        if (confirmed := self._unconfirmed.take()).batches or confirmed.ends:
            self._pass_on(confirmed)
            self._set_unwanted(self._unwanted)  # what was full of it is read again
        self._fetches.go_on(self._consumer)

    def _may_take(self) -> bool:
        is_any_wanted = not self._unwanted or not self._assignment.epochs.keys() <= self._unwanted
        if not self._intake_open or self._stop_asked or not is_any_wanted:
            return False
        return self._handed == self._taken  # what waits longer for the event loop leaves the processor's caches

    def _hold_back(self) -> None:
        now = time.monotonic()
        if self._held_since is None:
            self._held_since = now
            if self._may_take():  # the event loop took a batch just before, and saw nobody to wake
                return
        if now - self._held_since < STALL_S and not self._stop_asked:
            self._commands.wait(PAUSED_POLL_S)
            return
        if not self._assignment.is_paused:
            self._assignment.pause(self._consumer)
        self._take(PAUSED_POLL_S)

    def _serve(self) -> None:
        """Also within callbacks that take long."""
        self._beat()
        self._commands.run()

    def _take(self, timeout_s: float) -> None:
        first = self._consumer.poll(timeout_s)
        self._last_poll = time.monotonic()
        if first is None:
            self._fetches.note_idle(timeout_s)
            return
        # What is queued already comes along; a full consume() would wait for its batch to fill.
        messages = [first, *self._consumer.consume(BATCH - 1, 0)]
        polled = self._within(sort_polled(messages, self._assignment.epochs, self._assignment.stopped))
        self._pass_on(self._unconfirmed.sift(polled))
        for tp, offset in polled.headless:
            where = {"topic": tp.topic, "partition": tp.partition, "offset": offset}
            self._logger.warning("A record's headers are not UTF-8; it is sent without them.", **where)
        for message, error in polled.errors:
            self._on_message_error(message, error)

    def _pass_on(self, polled: Polled) -> None:
        """It is of the topics that it is taken for: all of it counts as read, and what is wanted goes to the engine."""
        self._assignment.on_polled(self._consumer, polled)
        self._fetches.note_polled(polled)
        self._hand(self._shelf.sift(polled, self._unwanted))

    def _hand(self, polled: Polled) -> None:
        if polled.batches or polled.ends:
            self._handed += 1
            self._post(self._deliver, polled)

    def _release(self, tp: TopicPartition) -> None:
        """Hand over what the shelf has of a partition, wanted or not."""
        self._hand(self._shelf.take(lambda shelved: shelved == tp))

    def _within(self, polled: Polled) -> Polled:
        """The part of it that is to be handed over: here, all."""
        return polled

    def _deliver(self, polled: Polled) -> None:
        """On the event loop."""
        for batch in polled.batches:
            self._events.on_records(batch)
        for tp, epoch, position in polled.ends:
            self._events.on_position(tp, epoch, position)
        self._taken += 1
        if self._held_since is not None:
            self._commands.wake()

    # Stopping.

    def _begin_stop(self) -> None:
        if self._stop_asked:
            return
        self._stop_asked = True
        self._close_at = time.monotonic() + self._policy.drain_timeout_s + DRAIN_SLACK_S
        self._post(self._events.on_revoked, list(self._assignment.epochs), self._on_drained_for_stop)

    def _on_drained_for_stop(self, offsets: Offsets) -> None:
        """On the event loop."""
        self._commands.put(partial(self._commit_for_stop, offsets))

    def _set_unwanted(self, tps: frozenset[TopicPartition]) -> None:
        """Hand on what is wanted again, and read it again where it was paused."""
        self._unwanted = tps
        self._hand(self._shelf.take(lambda tp: tp not in tps))
        paused = self._assignment.not_read
        if not paused <= tps:
            self._assignment.set_not_read(self._consumer, paused & tps)

    def _commit_for_stop(self, offsets: Offsets) -> None:
        self._committer.commit(self._consumer, offsets)
        self._is_drained = True
        self._close_at = time.monotonic() + LAST_COMMIT_WAIT_S

    def _is_over(self) -> bool:
        is_done = self._is_drained and not self._committer.is_waiting and self._commands.are_done
        return is_done or (self._stop_asked and time.monotonic() >= self._close_at)

    def _leave(self) -> None:
        """Close the consumer, in a thread that is left behind when Kafka does not answer."""
        if self._is_dead:  # closing it would never end, and take a core; without a reference it goes away at once
            del self._consumer
            return
        leave_group(self._consumer, self._policy.group, self._rebalance, self._beat, self._logger)

    # Callbacks of librdkafka: within poll, consume and close, on this thread.

    def _guarded(self, callback: Callable[..., None]) -> Callable[..., None]:
        """A callback that raises would destroy the records that the running consume already took."""

        def guarded(*args: Any) -> None:
            try:
                callback(*args)
            except Exception as error:  # kept and raised by the next turn, outside librdkafka
                self._failure = self._failure or error

        return guarded

    def _on_assign(self, consumer: Consumer, partitions: Sequence[KafkaPartition]) -> None:
        if self._stop_asked:
            return
        self._rebalance.on_assign(consumer, partitions)
        self._loss.granted(consumer)
        self._was_assigned = True

    def _on_revoke(self, consumer: Consumer, partitions: Sequence[KafkaPartition]) -> None:
        silent_for = time.monotonic() - self._last_poll
        if silent_for > self._policy.max_poll_interval_s:
            # librdkafka may call a loss a revoke when the poll interval ran out during a rebalance.
            self._rebalance.on_lost(consumer, partitions)
        else:
            self._rebalance.on_revoke(consumer, partitions)

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal() or error.code() == KafkaError._FATAL:
            self._is_dead = True
            raise as_source_error(error, "as a member of the group")
        if is_refused(error) and not self._was_assigned:
            raise RefusedError(as_source_error(error, "at start").args[0])
        if error.code() in UNREACHABLE:  # the client's own log has the cause, ContactWatch the consequence
            return
        self._logger.warning("Kafka is unavailable; retrying.", error=error_text(error))

    def _on_message_error(self, message: Message, error: KafkaError) -> None:
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        if error.code() == KafkaError._AUTO_OFFSET_RESET and None not in (topic, partition, offset):
            lost_of = TopicPartition(str(topic), int(partition or 0))
            self._release(lost_of)  # it lies before the loss, and may get a new epoch
            self._loss.found(lost_of, int(offset or 0))
        elif error.code() == KafkaError._MAX_POLL_EXCEEDED:
            self._logger.error("The poll interval was exceeded; Kafka has taken the partitions away.")
        elif error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):
            self._topics.hurry()
            self._logger.warning("The topic does not exist yet; waiting for it.", topic=topic)
        else:
            self._on_error(error)

    def _report_commits(self, results: Sequence[CommitResult]) -> None:
        if of_engine := self._arrivals.on_committed(results):
            self._post(self._events.on_committed, of_engine)
        again = {r.tp: self._committer.sent[r.tp] for r in of_engine if r.outcome is CommitOutcome.RETRIED}
        if self._is_drained and again:  # the engine has ended, and will not ask again
            self._commands.put(lambda: self._committer.commit(self._consumer, again))

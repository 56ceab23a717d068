"""`tray-stream explain`: the record at a place on a topic, and how far it has come in each group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from time import monotonic, time_ns
from typing import Literal

from stream.dead_letters.index import DeadLetterIndex
from stream.kafka.client_config import KafkaPolicy, common_config, reader_config
from stream.kafka.groups import Groups
from stream.kafka.reader import OffsetReader
from stream.kafka.record_reader import OffsetRange, RecordReader
from stream.model.commit_map import MapState, name_hash, read_map
from stream.model.committed import Committed
from stream.model.errors import MissingEventError, MissingTopicError, RefusedError, SourceError, StreamError
from stream.model.letters import Identity, Letter, answer_code
from stream.model.records import Record, RecordId, TopicPartition
from stream.runtime.policies import GroupSpec, layouts
from stream.runtime.start import source_topics
from stream.settings.keys import nearest
from stream.settings.model import Settings

LETTERS_WITHIN_S = 5.0
"""How long is looked for a dead letter of the event."""
CLOCKS_APART_MS = 3_600_000
"""A letter is younger than its event; by how much the clocks of their writers may contradict that."""

WorkflowProgress = Literal["passed", "done", "open", "not_started", "unknown"]
"""`passed`: below the committed offset. `done`: beyond it, and the commit's map has it. `open`: neither.
`not_started`: the group has committed nothing on the partition. `unknown`: Kafka does not let us see the group."""


@dataclass(frozen=True)
class GroupProgress:
    """Where one group stands on the event's partition."""

    group: str
    state: str
    """As Kafka names it; `unseen`: Kafka does not let us see the group."""
    members: int
    committed: int | None
    map: MapState
    workflows: Mapping[str, WorkflowProgress]


@dataclass(frozen=True)
class LetterOfEvent:
    """A dead letter of the event."""

    group: str
    workflow: str
    """Empty: of an invalid event, for all of them."""
    reason: str
    status: int | str | None
    attempts: int
    failed_at_ms: int
    at: str
    """Its place on the dead-letter topic."""
    ended: str = ""
    """`redriven` or `discarded`; empty: it is still open."""


@dataclass(frozen=True)
class EventProgress:
    """How far an event on a topic has come."""

    first: int
    end: int
    """The partition's offsets: `first` up to, not including, `end`."""
    is_read: bool
    """The settings name its topic."""
    groups: list[GroupProgress]
    letters: list[LetterOfEvent] = field(default_factory=list)
    letters_unknown: str = ""
    """Why there may be letters that were not found; empty: there are none."""


class PlaceReader:
    """Asks Kafka about one place. Blocking; raises SourceError, RefusedError where Kafka refuses."""

    def __init__(self, settings: Settings, policy: KafkaPolicy) -> None:
        self._settings = settings
        self._policy = policy

    def read(self, place: RecordId) -> tuple[Record, EventProgress]:
        """The record at `place`, and how far it has come.

        Raises:
            MissingTopicError: there is no such topic or partition.
            StreamError: there is no record at this offset; the text says which there are.
        """
        tp = TopicPartition(place.topic, place.partition)
        with OffsetReader(reader_config(self._policy)) as reader:
            partitions = reader.partitions(["^."])
            _require(tp, partitions)
            span = OffsetRange(*reader.range_of(tp))
            if place.offset < span.start:
                raise MissingEventError(f"{_missing(place, span)} {self._fate(place)}")
            record = self._record(place, span)
            letters, unknown = self._letters(record, reader, [p for p in partitions if p.topic == self._letter_topic])
        topics = sorted({p.topic for p in partitions})
        is_read = not self._policy.topics or tp.topic in source_topics(self._policy, topics)
        return record, EventProgress(*span, is_read, list(self._groups(place)), letters, unknown)

    def _fate(self, place: RecordId) -> str:
        """What the groups' offsets say of an event that is gone from the topic."""
        sentences = []
        for group in self._groups(place):
            passed = [name for name, progress in group.workflows.items() if progress in ("passed", "done")]
            left = [name for name in group.workflows if name not in passed]
            if passed:
                sentences.append(f"Done with by {', '.join(passed)}: delivered, filtered, or a dead letter.")
            if left and group.state != "unseen":
                sentences.append(f"Not done with by {', '.join(left)}, as far as the group {group.group} tells.")
        return " ".join(
            ["It is gone from the topic.", *sentences, f"tray-stream dead-letters show {place} may have it."]
        )

    @property
    def _letter_topic(self) -> str:
        return self._settings.dead_letter_topic

    def _record(self, place: RecordId, span: OffsetRange) -> Record:
        if place.offset >= span.end:
            raise StreamError(_missing(place, span))
        with RecordReader(reader_config(self._policy)) as reader:
            tp = TopicPartition(place.topic, place.partition)
            found = next((records[0] for records in reader.scan({tp: OffsetRange(place.offset, span.end)})), None)
        if found is None or found.offset != place.offset:
            after = f"the next one is at {found.offset}" if found else "nor is there one behind it"
            why = "compaction removed it, or it is a transaction's marker or an aborted record"
            raise StreamError(f"There is no record at {place}: {why}; {after}.")
        return found

    def _groups(self, place: RecordId) -> Iterator[GroupProgress]:
        groups, tp = Groups(common_config(self._policy)), TopicPartition(place.topic, place.partition)
        for layout in layouts(self._settings):
            try:
                found = groups.describe(layout.group)
                commit = groups.committed(layout.group, [tp]).get(tp)
            except RefusedError:
                unknown: dict[str, WorkflowProgress] = {workflow.name: "unknown" for workflow in layout.workflows}
                yield GroupProgress(layout.group, "unseen", 0, None, "none", unknown)
                continue
            kind, workflows = _progress(layout, commit, place.offset)
            offset = commit.offset if commit else None
            yield GroupProgress(layout.group, found.word, len(found.members), offset, kind, workflows)

    def _letters(
        self, record: Record, reader: OffsetReader, partitions: list[TopicPartition]
    ) -> tuple[list[LetterOfEvent], str]:
        """Letters of the record, and why some may have been missed. Written on its own partition where it exists."""
        if not partitions:
            return [], ""
        same = TopicPartition(self._letter_topic, record.partition)
        tps = [same] if same in partitions else partitions
        try:
            starts = reader.at_time(tps, letters_from_ms(record.timestamp_ms, time_ns() // 1_000_000))
            spans = {tp: OffsetRange(starts[tp], end) for tp, end in reader.ends(list(starts)).items()}
            return self._found(record.place, spans)
        except SourceError as error:
            return [], str(error)

    def _found(self, place: RecordId, spans: Mapping[TopicPartition, OffsetRange]) -> tuple[list[LetterOfEvent], str]:
        groups = {layout.group for layout in layouts(self._settings)}
        book = DeadLetterIndex(lambda whose: whose.place == place and whose.group in groups, keep_done=True)
        give_up_at, unknown = monotonic() + LETTERS_WITHIN_S, ""
        with RecordReader(reader_config(self._policy)) as reader:
            for records in reader.scan(spans):
                for record in records:
                    book.take(record)
                if monotonic() > give_up_at:
                    unknown = f"not all letters were read within {LETTERS_WITHIN_S:.0f} s"
                    break
        found = [_letter(letter) for letter in book.open_letters()]
        ended = [_letter(letter, marker.reason) for letter, marker in book.done.values()]
        return found + ended, unknown


def letters_from_ms(timestamp_ms: int, now_ms: int) -> int:
    """When a record's first letter can have been written: a timestamp in the future tells nothing."""
    return max(0, timestamp_ms - CLOCKS_APART_MS) if timestamp_ms <= now_ms + CLOCKS_APART_MS else 0


def _require(tp: TopicPartition, partitions: list[TopicPartition]) -> None:
    topics = sorted({p.topic for p in partitions})
    if tp.topic not in topics:
        near = nearest(tp.topic, topics)
        fix = f" Did you mean {near}?" if near else ""
        raise MissingTopicError(f"There is no topic {tp.topic} on this cluster that we may see.{fix}")
    if tp not in partitions:
        last = max(p.partition for p in partitions if p.topic == tp.topic)
        raise MissingTopicError(f"{tp.topic} has no partition {tp.partition}: it has 0 to {last}.")


def _missing(place: RecordId, span: OffsetRange) -> str:
    return f"There is no offset {place.offset} on {place.topic}:{place.partition}: {_told(span)}"


def _told(span: OffsetRange) -> str:
    if span.start == span.end:
        return f"it holds no record; the next one will be at {span.end}."
    return f"it holds {span.start} to {span.end - 1}."


def _progress(layout: GroupSpec, commit: Committed | None, offset: int) -> tuple[MapState, dict[str, WorkflowProgress]]:
    names = [workflow.name for workflow in layout.workflows]
    if commit is None:
        return "none", dict.fromkeys(names, "not_started")
    if offset < commit.offset:
        return "none", dict.fromkeys(names, "passed")
    state, found = read_map(commit.metadata, commit.offset)
    has_it = {name: any(low <= offset < high for low, high in found.of(name_hash(name))) for name in names}
    return state, {name: "done" if has_it[name] else "open" for name in names}


def _letter(letter: Letter, ended: str = "") -> LetterOfEvent:
    identity: Identity = letter.identity
    return LetterOfEvent(
        identity.group,
        identity.workflow,
        letter.reason,
        answer_code(letter.status),
        letter.attempts,
        letter.failed_at_ms,
        str(letter.at),
        ended,
    )

"""Says whether a trial kept the promises: from the topic, the receivers, the dead letters, commits and traces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import orjson
from acceptance_support import header_texts
from confluent_kafka import KafkaException
from faults_trial import CANARIES, Trial, patiently
from support.checker import check_commits, duplicates, first_deliveries_in_order, id_of, unstable_keys
from support.topics import read_topic
from support.trace import Trace, merge_traces, read_trace

from stream.model.records import Record

Letter = tuple[str, int, int, str]
"""Topic, partition, offset and workflow that a dead letter names."""


@dataclass
class Evidence:
    """Everything that outsiders can see of a trial that is over."""

    trial: Trial
    records: list[Record] = field(default_factory=list)
    letters: Counter[Letter] = field(default_factory=Counter)
    traces: list[Trace] = field(default_factory=list)
    letter_headers: str = ""

    def __post_init__(self) -> None:
        trial = self.trial
        self.records = patiently(lambda: read_topic(trial.broker.bootstrap, trial.topic))
        written = _read_if_there(trial.broker.bootstrap, trial.dead_letters)
        headers = [header_texts(letter.headers) for letter in written]
        self.letters = Counter(_named(found) for found in headers)
        self.letter_headers = "\n".join(text for found in headers for text in found.values())
        paths = sorted(trial.directory.glob("trace-*.jsonl"))
        self.traces = [read_trace(path) for path in paths]

    @cached_property
    def ids(self) -> dict[str, Record]:
        """The records that are events, by message id."""
        found = ((_id(record), record) for record in self.records)
        return {message_id: record for message_id, record in found if message_id is not None}


def findings(trial: Trial) -> list[str]:
    """Each broken promise as a sentence; none when all were kept. The trial's counters are filled in."""
    evidence = Evidence(trial)
    found = [
        *_lost(evidence),
        *_strange(evidence),
        *_out_of_order(evidence),
        *_sent_again(evidence),
        *_unsafe_commits(evidence),
        *_left_open(trial),
        *_leaked(evidence),
    ]
    _count(evidence)
    return found


def _lost(evidence: Evidence) -> Iterator[str]:
    """NO-LOSS: each event has, for each workflow, a delivery or a dead letter."""
    trial = evidence.trial
    for name in trial.workflows:
        delivered = {id_of(arrival) for arrival in trial.got(name)} | trial.endless
        for message_id, record in evidence.ids.items():
            place = (record.topic, record.partition, record.offset)
            kept = (*place, name) in evidence.letters or (*place, "") in evidence.letters
            if message_id not in delivered and not kept and message_id not in trial.lost:
                yield f"NO-LOSS: {message_id} has neither a delivery to {name} nor a dead letter."


def _strange(evidence: Evidence) -> Iterator[str]:
    """NO-GHOST: what arrives is a record of the topic, byte for byte."""
    trial = evidence.trial
    bodies = {record.value for record in evidence.records} | trial.expired
    for arrival in trial.receiver.arrivals():
        message_id = id_of(arrival)
        if arrival.body not in bodies:
            yield f"NO-GHOST: {message_id} arrived at {arrival.path} and is not on the topic like this."


def _out_of_order(evidence: Evidence) -> Iterator[str]:
    """ORDER: a user's events come one after the other; one that is a dead letter is done with, should it come again."""
    trial = evidence.trial
    for name in trial.workflows:
        ended = {(partition, offset) for _, partition, offset, of in evidence.letters if of in (name, "")}
        arrivals, seen = [], set()
        for arrival in trial.receiver.arrivals(trial.path(name)):
            place = trial.places.get(id_of(arrival))
            if place is None:
                continue  # a legal oddity without an id
            if place not in ended or place not in seen:
                arrivals.append(arrival)
            seen.add(place)
        found = first_deliveries_in_order(
            arrivals,
            lambda arrival: (trial.places[id_of(arrival)][0], trial.users[id_of(arrival)]),
            lambda arrival: trial.places[id_of(arrival)][1],
        )
        yield from (f"ORDER: {fault}" for fault in found)


def _sent_again(evidence: Evidence) -> Iterator[str]:
    """BOUNDED-DUP: only what a crash left above the commit comes again, and under the same key."""
    trial = evidence.trial
    for name in trial.workflows:
        yield from (f"BOUNDED-DUP: {fault}" for fault in unstable_keys(trial.receiver.arrivals(trial.path(name))))
        if trial.is_ambiguous:
            continue
        for again in duplicates(trial.got(name)):
            partition, offset = trial.places[again.split(" ", 1)[0]]
            if not any(offset >= (commits.get(partition) or 0) for commits in trial.crashes):
                yield f"BOUNDED-DUP: {name}: {again}"


def _unsafe_commits(evidence: Evidence) -> Iterator[str]:
    """COMMIT-SAFE: no commit passes an open offset, goes back within a tenure, or is made outside of one."""
    trial = evidence.trial
    existing: dict[tuple[str, int], list[int]] = {}
    for record in evidence.ids.values():
        existing.setdefault((record.topic, record.partition), []).append(record.offset)
    merged = merge_traces(evidence.traces)
    yield from (f"COMMIT-SAFE: {fault}" for fault in check_commits([merged], existing, trial.workflows, trial.group))


def _left_open(trial: Trial) -> Iterator[str]:
    """LIVENESS: in the end everything is committed."""
    committed, ends = patiently(trial.committed), patiently(trial.ends)
    if committed != ends:
        yield f"LIVENESS: committed is {committed}, the ends are {ends}."


def _leaked(evidence: Evidence) -> Iterator[str]:
    """SECRETS: no planted text is in a log line, a dead letter's headers or a trace."""
    trial = evidence.trial
    written = {f"the log of run {number}": program.log for number, program in enumerate(trial.programs)}
    written |= {path.name: path.read_text() for path in trial.directory.glob("trace-*.jsonl")}
    written["the headers of the dead letters"] = evidence.letter_headers
    for place, text in written.items():
        yield from (f"SECRETS: {canary} stands in {place}." for canary in CANARIES if canary in text)


def _count(evidence: Evidence) -> None:
    trial = evidence.trial
    again = sum(len(duplicates(trial.got(name))) for name in trial.workflows)
    trial.counters |= {
        "events": len(evidence.records),
        "requests": trial.receiver.count(),
        "again": again,
        "letters": evidence.letters.total(),
        "commits": sum(line.event == "committed" for trace in evidence.traces for line in trace),
    }


def _named(headers: dict[str, str]) -> Letter:
    return (
        headers["tray.topic"],
        int(headers["tray.partition"]),
        int(headers["tray.offset"]),
        headers["tray.workflow"],
    )


def _id(record: Record) -> str | None:
    try:
        found = orjson.loads(record.value or b"")["messageId"]
    except (ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None


def _read_if_there(bootstrap: str, topic: str) -> list[Record]:
    try:
        return read_topic(bootstrap, topic)
    except (KafkaException, KeyError):
        return []

"""`tray-stream check`: what of Kafka could stop a run or make it forget, and what form the records have."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Literal

from stream.check.finding import Finding, Verdict, verdict_of
from stream.kafka.client_config import KafkaPolicy, common_config, reader_config
from stream.kafka.diagnosis import diagnosed
from stream.kafka.groups import Groups
from stream.kafka.permissions import Permissions, grant, lacks
from stream.kafka.reader import OffsetReader
from stream.kafka.record_reader import OffsetRange, RecordReader
from stream.kafka.start_offsets import TopicStart, has_run_without, topic_start
from stream.kafka.topics import Topics
from stream.model.errors import ConfigError, RegistryError, SourceError
from stream.model.events import Event, Invalid
from stream.model.records import Record, TopicPartition
from stream.rules.unwrap import FRAME
from stream.runtime.decoding import RecordDecoder, record_decoder
from stream.runtime.group_layout import Commits, check_layout, is_decisive, needed_rights
from stream.runtime.policies import dead_letter_plan, kafka_policy, layouts
from stream.runtime.start import source_topics
from stream.settings.keys import nearest
from stream.settings.model import Settings

KAFKA_TIMEOUT_S = 5.0
_METADATA_LIMIT = "offset.metadata.max.bytes"

_SILENT = logging.Logger("check", logging.CRITICAL + 1)
"""What the client says of its troubles is in the findings, once."""
LAST = 5
"""Records that are looked at of each partition."""
MOST_PARTITIONS = 4
"""Of a topic: those with the most records."""


def check_kafka(settings: Settings) -> list[Finding]:
    """Brokers, topics, rights, the groups' offsets, the dead-letter topic. Blocking."""
    what = f"Kafka at {settings.kafka.bootstrap_servers}"
    options = common_config(kafka_policy(settings, logger=_SILENT))
    topics = Topics(options)
    try:
        with diagnosed(options):
            counts = topics.partition_counts(KAFKA_TIMEOUT_S)
            return [Finding(what, "ok"), *KafkaCheck(settings, topics, counts).findings()]
    except SourceError as error:
        return [Finding(what, verdict_of(error), str(error))]


class KafkaCheck:
    """One look at a cluster that answers. `counts`: the topics that we may see, and their partitions."""

    def __init__(self, settings: Settings, topics: Topics, counts: Mapping[str, int]) -> None:
        self._settings = settings
        self._policy = kafka_policy(settings, logger=_SILENT)
        self._topics = topics
        self._counts = counts
        self._permissions = Permissions(common_config(self._policy))
        self._sources = source_topics(self._policy, counts)

    def findings(self) -> Iterator[Finding]:
        """Everything, in the order in which a start would meet it."""
        yield from self._topic_findings()
        yield from self._form_findings()
        yield from self._group_findings()
        if self._settings.dead_letter.enabled:
            yield from self._dead_letter_findings()
        yield from self._metadata_findings()

    def _topic_findings(self) -> Iterator[Finding]:
        names = [topic for topic in self._settings.kafka.topics if not topic.startswith("^")]
        allowed = self._permissions.of_topics(list(dict.fromkeys([*names, *self._sources])))
        for topic, operations in allowed.items():
            if lacks(operations, "Read"):
                yield _forbidden("topic", topic, "Read")
            elif topic in self._counts:
                yield Finding(f"topic {topic}", "ok", f"{self._counts[topic]} partitions")
            else:
                near = nearest(topic, self._counts)
                fix = f"Create it, or correct kafka.topics{f': did you mean {near}?' if near else '.'}"
                yield Finding(f"topic {topic}", "failed", f"It does not exist. {fix}")
        for pattern in self._settings.kafka.topics:
            if pattern.startswith("^") and not source_topics(self._policy, self._counts, [pattern]):
                yield Finding(f"topics {pattern}", "failed", "No topic that we may see matches. Correct kafka.topics.")

    def _form_findings(self) -> Iterator[Finding]:
        """What the last records of each topic that may be read are."""
        allowed = self._permissions.of_topics(list(self._sources))
        readable = [topic for topic, operations in allowed.items() if not lacks(operations, "Read")]
        if readable:
            yield from form_findings(self._settings, self._policy, readable, KAFKA_TIMEOUT_S)

    def _group_findings(self) -> Iterator[Finding]:
        """The groups that a start would use, and the other layout's, which it compares with them."""
        rights = needed_rights(self._settings)
        allowed = self._permissions.of_groups(list(rights))
        lacking = [group for group, right in rights.items() if lacks(allowed[group], right)]
        for group in lacking:
            if is_decisive(self._settings, group):
                yield _forbidden("group", group, rights[group])
            else:
                yield Finding(f"group {group}", "ok", "may not be seen: counts as never used")
        if not any(is_decisive(self._settings, group) for group in lacking):
            yield from self._offset_findings([group for group, right in rights.items() if right == "Read"])

    def _offset_findings(self, groups: list[str]) -> Iterator[Finding]:
        client = Groups(common_config(self._policy))
        with OffsetReader(reader_config(self._policy)) as reader:
            tps = reader.partitions(self._sources, KAFKA_TIMEOUT_S)
            found = {group: client.committed(group, tps) for group in groups}
            for group in groups:
                yield from self._offsets_of(group, found, reader, tps)
        try:
            check_layout(self._settings, self._policy)
        except ConfigError as error:
            yield from (Finding("isolation", "failed", f"{p.what} {p.fix}") for p in error.problems)

    def _offsets_of(
        self, group: str, commits: Mapping[str, Commits], reader: OffsetReader, tps: list[TopicPartition]
    ) -> Iterator[Finding]:
        what, committed = f"group {group}", commits[group]
        for detail in self._starts_of(group, commits, tps):
            yield Finding(what, "ok", detail)
        if not committed:
            return
        ranges = reader.ranges(list(committed), KAFKA_TIMEOUT_S)
        for tp, commit in sorted(committed.items()):
            first, end = ranges[tp]
            if not first <= commit.offset <= end:
                yield self._lost(what, tp, commit.offset, first)
        yield Finding(what, "ok", f"committed offsets on {len(committed)} of {len(tps)} partitions")

    def _starts_of(self, group: str, commits: Mapping[str, Commits], tps: list[TopicPartition]) -> Iterator[str]:
        """Where a run would start on topics of which the group has committed nothing; one line for equal starts."""
        layout = next(layout for layout in layouts(self._settings) if layout.group == group)
        new: defaultdict[TopicStart, list[str]] = defaultdict(list)
        known = {tp.topic for tp in commits[group]}
        for topic in sorted({tp.topic for tp in tps} - known):
            others = {other: commits[other] for other in layout.other_groups}
            running = next((other for other, theirs in others.items() if has_run_without(theirs, topic, group)), "")
            new[topic_start(layout.start, layout.own_start, running)].append(topic)
        for start, topics in new.items():
            where = f" on {', '.join(topics)}" if known or len(new) > 1 else ""
            why = f", as a new workflow beside {start.because_of} ([[workflow]] start changes it)"
            yield f"nothing committed{where} yet: starts at {start.policy}{why if start.because_of else ''}"

    def _lost(self, what: str, tp: TopicPartition, committed: int, first: int) -> Finding:
        stops = self._settings.kafka.on_data_loss == "stop"
        then = "run does not consume it" if stops else f"run continues at {first}"
        detail = f"{tp.topic}:{tp.partition} is committed at {committed}, which the topic no longer holds"
        return Finding(what, "failed" if stops else "warning", f"{detail}: {then} (kafka.on_data_loss).")

    def _dead_letter_findings(self) -> Iterator[Finding]:
        plan = dead_letter_plan(self._settings)
        what = f"dead-letter topic {plan.topic}"
        if plan.topic not in self._counts:
            yield self._missing_dead_letters(what)
            return
        if lacks(self._permissions.of_topics([plan.topic])[plan.topic], "Write"):
            yield _forbidden("topic", plan.topic, "Write", what)
            return
        faults = self._topics.dead_letter_findings(plan.topic, self._sources)
        if not self._topics.topic_config(plan.topic):
            faults = ["Its configuration may not be read (DescribeConfigs): whether it compacts is not known."]
        yield from (Finding(what, "warning", fault) for fault in faults)
        if not faults:
            yield Finding(what, "ok", f"{self._counts[plan.topic]} partitions")

    def _missing_dead_letters(self, what: str) -> Finding:
        try:
            self._topics.try_dead_letters(dead_letter_plan(self._settings), self._sources)
        except SourceError as error:
            return Finding(what, verdict_of(error), str(error))
        return Finding(what, "ok", "missing: run creates it")

    def _metadata_findings(self) -> Iterator[Finding]:
        wanted = self._settings.kafka.metadata_max_bytes
        limit = self._topics.broker_option(_METADATA_LIMIT)
        if limit.isdecimal() and wanted > int(limit):
            what = f"{wanted} is more than the broker takes ({_METADATA_LIMIT} = {limit}): longer commits would fail."
            yield Finding("kafka.metadata_max_bytes", "warning", f"{what} Set it to {limit} or less.")


def _forbidden(kind: Literal["topic", "group"], name: str, operation: str, what: str = "") -> Finding:
    detail = f"{operation} is not allowed. Allow it: {grant(operation, kind, name)}"
    return Finding(what or f"{kind} {name}", "refused", detail)


def form_findings(
    settings: Settings, policy: KafkaPolicy, topics: Sequence[str], timeout_s: float
) -> Iterator[Finding]:
    """A line for each topic. Raises SourceError when Kafka does not answer."""
    with OffsetReader(reader_config(policy)) as reader:
        ranges = reader.ranges(reader.partitions(topics, timeout_s), timeout_s)
    spans = _last_of(ranges)
    records: dict[str, list[Record]] = {topic: [] for topic in topics}
    with RecordReader(reader_config(policy)) as source:
        for batch in source.scan(spans):
            records[batch[0].topic] += batch
    decoder = cache(partial(record_decoder, settings))
    for topic, found in records.items():
        yield _finding(settings, decoder, topic, found)


def _last_of(ranges: dict[TopicPartition, tuple[int, int]]) -> dict[TopicPartition, OffsetRange]:
    spans: dict[TopicPartition, OffsetRange] = {}
    of_topic: Counter[str] = Counter()
    for tp, (first, end) in sorted(ranges.items(), key=lambda item: item[1][0] - item[1][1]):
        if of_topic[tp.topic] < MOST_PARTITIONS and end > first:
            of_topic[tp.topic] += 1
            spans[tp] = OffsetRange(max(first, end - LAST), end)
    return spans


def _finding(
    settings: Settings, open_decoder: Callable[[], RecordDecoder], topic: str, records: Sequence[Record]
) -> Finding:
    what = f"records of {topic}"
    values = [record for record in records if record.value is not None]
    if not values:
        return Finding(what, "ok", "none to look at")
    try:
        decoder = open_decoder()
        decoded = [decoder.decode(record) for record in values]
    except RegistryError as error:
        return Finding(what, "failed", f"{_form(settings, values)}. {error}")
    except ConfigError as error:
        return Finding(what, "failed", " ".join(str(problem) for problem in error.problems))
    invalid = [each for each in decoded if isinstance(each, Invalid)]
    looks = _appearance(decoder, topic)
    if not invalid and not looks:
        types = Counter(each.type for each in decoded if isinstance(each, Event))
        known = ", ".join(type_ for type_, _ in types.most_common(3))
        return Finding(what, "ok", f"the last {len(values)} are events ({_form(settings, values)}): {known}")
    why = looks or invalid[0].detail
    if not invalid:
        return Finding(what, "warning", f"the last {len(values)} pass as events of a custom type, and {why}")
    verdict: Verdict = "failed" if looks and len(invalid) == len(values) else "warning"
    return Finding(what, verdict, f"{len(invalid)} of the last {len(values)} are no events: {why}")


def _appearance(decoder: RecordDecoder, topic: str) -> str:
    return decoder.new_appearances().get(topic, "")


def _form(settings: Settings, records: Sequence[Record]) -> str:
    """In which form they lie on the topic."""
    framed = sum((record.value or b"").startswith(FRAME) for record in records)
    form = "JSON" if not framed else "with a schema's id"
    if framed and framed < len(records):
        form = "some with a schema's id, some JSON"
    unwrap = settings.kafka.unwrap
    return f"{form}, unwrapped by {unwrap}" if unwrap else form

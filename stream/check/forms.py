"""`tray-stream check`: whether the last records of each topic are what the settings take them for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial

from stream.check.finding import Finding, Verdict
from stream.kafka.client_config import KafkaPolicy, reader_config
from stream.kafka.reader import OffsetReader
from stream.kafka.record_reader import OffsetRange, RecordReader
from stream.model.errors import ConfigError, RegistryError
from stream.model.events import Event, Invalid
from stream.model.records import Record, TopicPartition
from stream.rules.framing import FRAME
from stream.runtime.decoding import RecordDecoder, record_decoder
from stream.settings.model import Settings

LAST = 5
"""Records that are looked at of each partition."""
MOST_PARTITIONS = 4
"""Of a topic: those with the most records."""


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

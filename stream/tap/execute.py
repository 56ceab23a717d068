"""What `tray-stream tap` does: reads beside every group, chooses, judges, prints."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import typer
from confluent_kafka import KafkaError

from stream.console import options
from stream.console.output import print_json, standard_output
from stream.explain.explainer import Explainer
from stream.fql.compile import compiled
from stream.fql.errors import EvaluationError
from stream.kafka.client_config import KafkaPolicy, reader_config
from stream.kafka.codes import as_source_error, is_refused
from stream.kafka.reader import OffsetReader
from stream.kafka.record_reader import RecordReader
from stream.model.amounts import counted
from stream.model.errors import SourceError, config_error
from stream.model.events import Event
from stream.model.records import Record, TopicPartition
from stream.replay.event_query import EventQuery
from stream.replay.plan import resolve_start
from stream.replay.request import ReplayRequest
from stream.runtime.policies import kafka_policy
from stream.settings.filters import statement_fault
from stream.settings.model import Settings
from stream.tap.report import Tapped, TapReport

LOOK_AGAIN_S = 10.0
"""Between two looks for partitions that were added."""
ASK_TIMEOUT_S = 3.0


@dataclass(frozen=True)
class TapRequest:
    """What the options ask for."""

    workflows: frozenset[str]
    query: EventQuery
    where: str | None
    start: str
    limit: int | None
    topics: Mapping[str, frozenset[int]]
    """Partitions by topic; none: all of them."""

    @property
    def chooses_events(self) -> bool:
        """Whether records that are no events are left out."""
        return self.where is not None or not self.query.is_everything


def run_tap(settings: Settings, request: TapRequest, *, with_body: bool, as_json: bool) -> None:
    """Print events until the limit, or Ctrl-C.

    Raises:
        ConfigError: --where or --from cannot be used. SourceError: Kafka refuses, or cannot be reached at the start.
    """
    if request.where is not None and (fault := statement_fault(request.where)):
        raise config_error("--where", fault.what, fault.fix)
    kafka = kafka_policy(settings, logger=options.SILENT)
    starts = resolve_start(settings, kafka, _range(request), int(time.time() * 1000))
    typer.echo(f"Following {_topics(starts)} from {request.start}. Ctrl-C ends it.", err=True)
    report, console, looked_at, shown = TapReport(settings, request.workflows, with_body), standard_output(), 0, 0
    choose = Chooser(Explainer(settings, with_body), request)
    try:
        for record in Follower(kafka, request.topics).records(starts):
            looked_at += 1
            if (tapped := choose(record)) is None:
                continue
            if as_json:
                print_json(report.tree(tapped))
            else:
                for line in report.lines(tapped):
                    console.print(line, soft_wrap=True)
            shown += 1
            if shown == request.limit:
                break
    except KeyboardInterrupt:
        pass
    typer.echo(f"{shown:,} of {looked_at:,} records shown.", err=True)


def _range(request: TapRequest) -> ReplayRequest:
    return ReplayRequest("tap", False, request.start, "latest", request.topics, tuple(sorted(request.workflows)))


def _topics(starts: Mapping[TopicPartition, int]) -> str:
    names = sorted({tp.topic for tp in starts})
    return f"{', '.join(names)} ({counted(len(starts), 'partition')})"


class Chooser:
    """Leaves out what is not asked for, and judges the rest."""

    def __init__(self, explainer: Explainer, request: TapRequest) -> None:
        self._explainer = explainer
        self._request = request
        self._holds = None if request.where is None else compiled(request.where)

    def __call__(self, record: Record) -> Tapped | None:
        """What is to be printed of a record; None: nothing."""
        decoded, request = self._explainer.decode(record), self._request
        if not isinstance(decoded, Event):
            if request.chooses_events:
                return None
            return Tapped(record, None, self._explainer.not_an_event(record, decoded), [])
        if request.query.reason(decoded) is not None or not self._is_where(decoded):
            return None
        verdicts = [one for one in self._explainer.verdicts(decoded) if one.workflow in request.workflows]
        return Tapped(record, decoded, None, verdicts)

    def _is_where(self, event: Event) -> bool:
        try:
            return self._holds is None or self._holds(event.payload)
        except EvaluationError:
            return False


class Follower:
    """Reads topics as they grow; tells on standard error when Kafka goes away and comes back."""

    def __init__(self, kafka: KafkaPolicy, topics: Mapping[str, frozenset[int]]) -> None:
        self._kafka = kafka
        self._topics = topics
        self._is_away = False
        self._refusal: KafkaError | None = None
        self._looked_at = time.monotonic()

    def records(self, starts: Mapping[TopicPartition, int]) -> Iterator[Record]:
        """Every record from these offsets on, for ever.

        Raises:
            SourceError: Kafka refuses.
        """
        config = {**reader_config(self._kafka), "error_cb": self._on_error}
        with OffsetReader(reader_config(self._kafka)) as asker, RecordReader(config) as reader:
            for records in reader.follow(starts, partial(self._added, asker)):
                if self._refusal is not None:
                    raise as_source_error(self._refusal, "reading records")
                if records and self._is_away:
                    self._is_away = False
                    typer.echo("Kafka answers again.", err=True)
                yield from records

    def _added(self, asker: OffsetReader) -> list[TopicPartition]:
        """The partitions that there are now, if it is time to ask; none where it is not."""
        if time.monotonic() < self._looked_at + LOOK_AGAIN_S:
            return []
        self._looked_at = time.monotonic()
        try:
            found = asker.partitions(self._topics, ASK_TIMEOUT_S)
        except SourceError:
            return []  # it is asked again
        hidden = self._kafka.hidden_topics
        return [tp for tp in found if tp.topic not in hidden and not self._topics.get(tp.topic)]

    def _on_error(self, error: KafkaError) -> None:
        if is_refused(error):
            self._refusal = error
        elif error.code() == KafkaError._ALL_BROKERS_DOWN and not self._is_away:
            self._is_away = True
            typer.echo("Kafka does not answer; waiting for it.", err=True)

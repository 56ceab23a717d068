"""`tray-stream explain`: one event, from a file, standard input or a topic, explained step by step."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import typer
from rich.table import Table

from stream.console import options
from stream.console.event_file import read_event
from stream.console.output import cell, print_json, print_table
from stream.dead_letters.bars import shown_count
from stream.dead_letters.options import read_place
from stream.explain.explainer import Explainer, Explanation
from stream.explain.outcome import Outcome, outcomes
from stream.explain.place import EventProgress, PlaceReader
from stream.explain.search import DEFAULT_START, Found, Sought, search
from stream.explain.text import print_explanation
from stream.kafka.client_config import KafkaPolicy
from stream.model.errors import ConfigError, MissingEventError, config_error
from stream.model.events import Event
from stream.model.needs import Needs
from stream.model.records import Record, RecordId
from stream.model.timeparse import format_time
from stream.runtime.decoding import RecordDecoder, record_decoder
from stream.runtime.policies import kafka_policy
from stream.settings.model import Settings
from stream.top.fetch import HeldAnswer, NoAnswerError, ask_held, endpoint, own_endpoint, together


@dataclass(frozen=True)
class EventSource:
    """Where the event is, as the command line names it."""

    file: str | None
    line: int | None
    topic: str | None
    partition: int | None
    offset: int | None
    message_id: str | None = None
    user: str | None = None
    start: str | None = None
    until: str | None = None

    @property
    def is_search(self) -> bool:
        """Whether the event is to be found by an id."""
        return self.message_id is not None or self.user is not None

    @property
    def is_on_topic(self) -> bool:
        """Whether it is named by its place, or by a part of one."""
        return (self.partition, self.offset) != (None, None) or (self.topic is not None and not self.is_search)


def run_explain(given: options.Given, source: EventSource, urls: Sequence[str], with_body: bool, as_json: bool) -> None:
    """Read the event, or find it; explain it, or list what was found. `urls`: processors to ask what is held.

    Raises:
        StreamError: there is no such event; ConfigError: what was asked for makes no sense.
    """
    source = _with_place(source)
    _require_one_source(source)
    needs = Needs.KAFKA if source.is_on_topic or source.is_search else Needs.NOTHING
    settings = options.load(given, topics_required=False, needs=needs).settings
    if not source.is_search:
        record, standing = _read(settings, source)
        _explain(settings, record, standing, urls, with_body, as_json)
        return
    found, decoder = _search(settings, source), record_decoder(settings, "off")
    if len(found.records) == 1:
        record, standing = PlaceReader(settings, _kafka(settings)).read(found.records[0].place)
        _explain(settings, record, standing, urls, with_body, as_json)
    elif as_json:
        entries = [_found_json(record, decoder) for record in found.records]
        print_json({"found": entries, "looked_at": found.looked_at})
    else:
        _print_found(found, decoder)


def _explain(
    settings: Settings,
    record: Record,
    standing: EventProgress | None,
    urls: Sequence[str],
    with_body: bool,
    as_json: bool,
) -> None:
    explanation = Explainer(settings, with_body).explain(record, time.time())
    held, unknown = (None, "") if standing is None else _ask_held(settings, urls)
    paused = frozenset(workflow.name for workflow in settings.workflows if workflow.paused)
    found = [] if standing is None else outcomes(record.place, explanation, standing, held, paused)
    if as_json:
        print_json(_tree(record, explanation, standing, found, unknown))
    else:
        print_explanation(record, explanation, standing, found, unknown)


def _ask_held(settings: Settings, urls: Sequence[str]) -> tuple[HeldAnswer | None, str]:
    """What is held, or why that is not known."""
    try:
        addresses = [endpoint(url, "/held.json") for url in urls or [own_endpoint(settings.http)]]
    except ConfigError:
        if urls:
            raise
        return None, "http.listen takes any free port; --url names it"
    try:
        return together([ask_held(address) for address in addresses]), ""
    except NoAnswerError as error:
        return None, f"{' '.join(addresses)} gives no answer ({error}); --url names another"


def _search(settings: Settings, source: EventSource) -> Found:
    """The events of the ids. Raises MissingEventError when there is none."""
    topics = (source.topic,) if source.topic else tuple(settings.kafka.topics)
    if not topics:
        raise config_error("--topic", "is missing.", "Name the topic to search, or kafka.topics in the settings.")
    sought = Sought(
        frozenset(filter(None, (source.message_id,))),
        frozenset(filter(None, (source.user,))),
        source.start or DEFAULT_START,
        source.until or "latest",
        topics,
    )
    with shown_count("Searching") as progress:
        found = search(settings, _kafka(settings), sought, int(time.time() * 1000), progress)
    if not found.records:
        further = "" if source.start else " It went back a day: --from earliest reads all."
        raise MissingEventError(f"No such event among the {found.looked_at:,} records of the range.{further}")
    return found


def _print_found(found: Found, decoder: RecordDecoder) -> None:
    table = Table("event", "written", "type", "name", box=None, pad_edge=False)
    for record in found.records:
        entry = _found_json(record, decoder)
        texts = (entry["place"], entry["written_at"], entry["type"], entry["event"])
        table.add_row(*(cell(str(text or "-")) for text in texts))
    print_table(table)
    more = ", and perhaps more: narrow --from and --until" if found.is_cut else ""
    typer.echo(f"{len(found.records)} events{more}. To explain one: tray-stream explain PLACE", err=True)


def _found_json(record: Record, decoder: RecordDecoder) -> dict[str, object]:
    decoded = decoder.decode(record)
    event = decoded if isinstance(decoded, Event) else None
    name = event.payload.get("event") if event else None
    return {
        "place": str(record.place),
        "written_at": format_time(record.timestamp_ms) if record.timestamp_ms >= 0 else None,
        "type": event.type if event else "invalid",
        "event": name if isinstance(name, str) else None,
    }


def _kafka(settings: Settings) -> KafkaPolicy:
    return kafka_policy(settings, logger=options.SILENT)


def _with_place(source: EventSource) -> EventSource:
    """A place may be given where a file is, as other commands take it."""
    if source.file is None or os.path.lexists(source.file):
        return source
    try:
        topic, partition, offset = read_place(source.file)
    except ValueError:
        return source
    if (source.topic, source.partition, source.offset) != (None,) * 3:
        raise config_error(source.file, "is a place, and there is another one.", "Leave one of them out.")
    return replace(source, file=None, topic=topic, partition=partition, offset=offset)


def _require_one_source(source: EventSource) -> None:
    """Raises ConfigError when the event is named in more than one way."""
    if source.is_search and (source.file is not None or source.is_on_topic):
        raise config_error(
            "--message-id, --user", "search for an event; another one is named.", "Leave one of them out."
        )
    if not source.is_search and (source.start or source.until):
        raise config_error("--from, --until", "are of a search.", "Say what for: --message-id or --user.")


def _read(settings: Settings, source: EventSource) -> tuple[Record, EventProgress | None]:
    on_topic = (source.topic, source.partition, source.offset)
    if source.file is not None and any(part is not None for part in on_topic):
        raise config_error("FILE", "an event is either in a file or on a topic.", "Leave one of them out.")
    if all(part is None for part in on_topic):
        return read_event(source.file, source.line), None
    place = _place(settings, *on_topic)
    record, standing = PlaceReader(settings, _kafka(settings)).read(place)
    return record, standing


def _place(settings: Settings, topic: str | None, partition: int | None, offset: int | None) -> RecordId:
    known = [name for name in settings.kafka.topics if not name.startswith("^")]
    if topic is None and len(known) == 1:
        topic = known[0]
    missing = [
        option
        for option, value in (("--topic", topic), ("--partition", partition), ("--offset", offset))
        if value is None
    ]
    if topic is None or partition is None or offset is None:
        raise config_error(" ".join(missing), "is missing.", "A place is topic:partition:offset.")
    return RecordId(topic, partition, offset)


def _tree(
    record: Record, explanation: Explanation, standing: EventProgress | None, found: Sequence[Outcome], unknown: str
) -> dict[str, object]:
    tree: dict[str, object] = {}
    if standing is not None:
        tree["place"] = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
        tree["timestamp_ms"] = record.timestamp_ms
        tree["outcomes"] = [asdict(one) for one in found]
        tree["processor"] = unknown or "answers"
    tree |= dict(_without_none(asdict(explanation)))
    if standing is not None:
        tree["standing"] = asdict(standing)
    return tree


def _without_none(tree: dict[str, object]) -> Iterator[tuple[str, object]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield key, dict(_without_none(value))
        elif isinstance(value, list):
            yield key, [dict(_without_none(one)) if isinstance(one, dict) else one for one in value]
        elif value is not None or key == "value":
            yield key, value

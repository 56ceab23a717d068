"""`tray-stream explain`: one event, from a file, standard input or a topic, explained step by step."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from stream.console import options
from stream.console.output import print_json
from stream.explain.explainer import Explainer, Explanation
from stream.explain.place import PlaceReader, Standing
from stream.explain.text import print_explanation
from stream.model.errors import ConfigError, Problem, StreamError
from stream.model.records import Place, Record
from stream.runtime.policies import kafka_policy
from stream.settings.model import Settings
from stream.settings.needs import Needs

MAX_BYTES = 64 * 1024 * 1024
"""More than any record; a longer file is read by the line."""


@dataclass(frozen=True)
class Source:
    """Where the event is, as the command line told."""

    file: str | None
    line: int | None
    topic: str | None
    partition: int | None
    offset: int | None


def run_explain(given: options.Given, source: Source, with_body: bool, as_json: bool) -> None:
    """Read the event, explain it, print the explanation.

    Raises:
        StreamError: there is no such event; ConfigError: what was asked for makes no sense.
    """
    needs = Needs.NOTHING if (source.topic, source.partition, source.offset) == (None,) * 3 else Needs.KAFKA
    settings = options.load(given, topics_required=False, needs=needs).settings
    record, standing = _read(settings, source)
    explanation = Explainer(settings, with_body).explain(record, time.time())
    if as_json:
        print_json(_tree(record, explanation, standing))
    else:
        print_explanation(record, explanation, standing)


def _read(settings: Settings, source: Source) -> tuple[Record, Standing | None]:
    on_topic = (source.topic, source.partition, source.offset)
    if source.file is not None and any(part is not None for part in on_topic):
        raise _usage("FILE", "an event is either in a file or on a topic.", "Leave one of them out.")
    if all(part is None for part in on_topic):
        return _from_file(source), None
    place = _place(settings, *on_topic)
    record, standing = PlaceReader(settings, kafka_policy(settings, logger=options.SILENT)).read(place)
    return record, standing


def _place(settings: Settings, topic: str | None, partition: int | None, offset: int | None) -> Place:
    known = [name for name in settings.kafka.topics if not name.startswith("^")]
    if topic is None and len(known) == 1:
        topic = known[0]
    missing = [
        option
        for option, value in (("--topic", topic), ("--partition", partition), ("--offset", offset))
        if value is None
    ]
    if topic is None or partition is None or offset is None:
        raise _usage(" ".join(missing), "is missing.", "A place is --topic, --partition and --offset.")
    return Place(topic, partition, offset)


def _from_file(source: Source) -> Record:
    if source.file is None and sys.stdin.isatty():
        raise _usage(
            "FILE", "no event is given.", "Name a file, - for standard input, or --topic, --partition, --offset."
        )
    if source.file in (None, "-"):
        value = _event_of("standard input", sys.stdin.buffer, source.line)
    else:
        value = _event_in(Path(str(source.file)), source.line)
    return Record("", 0, 0, int(time.time() * 1000), None, value)


def _event_in(path: Path, line: int | None) -> bytes:
    try:
        with path.open("rb") as file:
            return _event_of(str(path), file, line)
    except OSError as error:
        raise _usage(str(path), f"cannot be read ({error.strerror}).", "") from error


def _event_of(name: str, file: BinaryIO, line: int | None) -> bytes:
    """The one event of a file, or the one in a line of it; a file may hold one event in several lines."""
    if line is not None:
        return _line(name, file, line)
    whole = file.read(MAX_BYTES + 1).strip()
    if len(whole) > MAX_BYTES:
        raise _usage(name, "is longer than any event.", "Choose a line of it: --line 1")
    if not whole:
        raise _usage(name, "is empty.", "Give it one event as JSON.")
    lines = [number for number, text in enumerate(whole.splitlines(), 1) if text.strip()]
    if len(lines) > 1 and not _is_json(whole) and all(map(_is_json, whole.splitlines()[:2])):
        raise _usage(name, f"holds {len(lines)} events, one a line.", f"Choose one: --line 1 to --line {lines[-1]}")
    return whole


def _line(name: str, file: BinaryIO, wanted: int) -> bytes:
    number = 0
    for number, text in enumerate(file, 1):
        if number == wanted:
            return text.rstrip(b"\r\n")
    raise _usage("--line", f"{name} has {number} lines.", "")


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _usage(path: str, what: str, fix: str) -> StreamError:
    return ConfigError([Problem(path, what, fix)])


def _tree(record: Record, explanation: Explanation, standing: Standing | None) -> dict[str, object]:
    tree: dict[str, object] = {}
    if standing is not None:
        tree["place"] = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
        tree["timestamp_ms"] = record.timestamp_ms
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

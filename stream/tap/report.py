"""Tapped events as people and programs read them; nothing personal unless the body is asked for."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2s

from rich.text import Text

from stream.console.output import cell
from stream.engine.dispatcher import lane_of
from stream.explain.explainer import Decoded, Verdicts
from stream.explain.text import setting_text
from stream.model.events import Event
from stream.model.records import Record
from stream.model.timeparse import format_time
from stream.rules.filter import event_name
from stream.settings.model import Settings

MOST_SHOWN = 100
"""Characters of an event's name in a line."""


@dataclass(frozen=True)
class Tapped:
    """One record to print: an event and what is judged of it, or what it is instead."""

    record: Record
    event: Event | None
    decoded: Decoded | None
    verdicts: Sequence[Verdicts]


class TapReport:
    """Prints tapped events. A lane's tag is the same for the same lane as long as the command runs, and no longer."""

    def __init__(self, settings: Settings, workflows: Collection[str], with_body: bool) -> None:
        chosen = [workflow for workflow in settings.workflows if workflow.name in workflows]
        self._lanes = {workflow.name: lane_of(workflow.ordering) for workflow in chosen}
        self._paused = {workflow.name for workflow in chosen if workflow.paused}
        self._width = max(len(workflow.name) for workflow in chosen)
        self._with_body = with_body
        self._key = os.urandom(16)

    def tree(self, tapped: Tapped) -> dict[str, object]:
        """One record as `--json` has it."""
        event, decoded = tapped.event, tapped.decoded
        return {
            "at": _time(tapped.record),
            "place": str(tapped.record.place),
            "verdict": "event" if event else decoded.verdict if decoded else None,
            "type": event.type if event else None,
            "event": _name(event),
            "bytes": len(tapped.record.value or b""),
            "reason": decoded.reason or None if decoded else None,
            "detail": decoded.detail or None if decoded else None,
            "workflows": [self._workflow(tapped, one) for one in tapped.verdicts],
            "body": self._body(tapped),
        }

    def lines(self, tapped: Tapped) -> Iterator[Text]:
        """One record: a line of its own, and one for each workflow."""
        record, event = tapped.record, tapped.event
        head = Text.assemble(cell(f"{_time(record) or 'no timestamp'} "), cell(f"{record.place} ", "bold"))
        if event is None:
            yield head + cell(_not_an_event(tapped.decoded), "red")
            return
        name = _name(event)
        shown = "" if name is None else f" {json.dumps(_cut(name), ensure_ascii=False)}"
        yield head + cell(f"{event.type}{shown}, {len(event.body)} bytes")
        for verdicts in tapped.verdicts:
            yield self._line(tapped, verdicts)
        if (body := self._body(tapped)) is not None:
            yield cell(f"  {body}")

    def _line(self, tapped: Tapped, verdicts: Verdicts) -> Text:
        word, style = self._word(verdicts)
        line = Text.assemble("  ", cell(f"{verdicts.workflow:<{self._width}} ", "bold"), cell(f"{word:<8} ", style))
        if verdicts.wanted:
            return line + cell(self._lane_text(tapped, verdicts), "dim")
        rule = verdicts.rules[-1]
        return line + cell(f"{rule.rule}: {rule.why}") + setting_text(rule.setting)

    def _word(self, verdicts: Verdicts) -> tuple[str, str]:
        if not verdicts.wanted:
            return "no", "yellow"
        if verdicts.given_up is not None:
            return "given up", "yellow"
        return ("paused", "yellow") if verdicts.workflow in self._paused else ("goes", "green")

    def _lane_text(self, tapped: Tapped, verdicts: Verdicts) -> str:
        tag, by = self._tag(tapped, verdicts), verdicts.lane.by if verdicts.lane else ""
        if tag is None:
            return "lane: none"
        name = verdicts.lane.name if verdicts.lane else None
        return f"lane: {by}" if by == "partition" else f"lane: {by} {tag if name is None else name}"

    def _workflow(self, tapped: Tapped, verdicts: Verdicts) -> dict[str, object]:
        rule, lane = verdicts.rules[-1], verdicts.lane
        named = {"by": lane.by, "tag": self._tag(tapped, verdicts), "name": lane.name} if lane and lane.by else None
        return {
            "workflow": verdicts.workflow,
            "goes": verdicts.wanted and verdicts.given_up is None,
            "paused": verdicts.workflow in self._paused,
            "given_up": verdicts.given_up is not None,
            "rule": rule.rule,
            "why": rule.why,
            "setting": asdict(rule.setting),
            "lane": named,
        }

    def _tag(self, tapped: Tapped, verdicts: Verdicts) -> str | None:
        """Stands for a lane without telling whose it is."""
        lane = None if tapped.event is None else self._lanes[verdicts.workflow](tapped.event)
        if lane is None:
            return None
        text = lane if isinstance(lane, bytes) else str(lane).encode("utf-8", "surrogatepass")
        where = f"{tapped.record.topic}:{tapped.record.partition}:".encode()
        return "#" + blake2s(where + text, key=self._key, digest_size=3).hexdigest()

    def _body(self, tapped: Tapped) -> str | None:
        if not self._with_body:
            return None
        value = tapped.event.body if tapped.event else tapped.record.value
        return None if value is None else value.decode("utf-8", "replace")


def _not_an_event(decoded: Decoded | None) -> str:
    if decoded is None or decoded.verdict == "tombstone":
        return "no value (a tombstone)"
    return f"{decoded.reason}: {decoded.detail.rstrip('.')}; {decoded.then}"


def _time(record: Record) -> str | None:
    return None if record.timestamp_ms < 0 else format_time(record.timestamp_ms)


def _name(event: Event | None) -> str | None:
    return event_name(event.payload) if event is not None and event.type == "track" else None


def _cut(name: str) -> str:
    return name if len(name) <= MOST_SHOWN else f"{name[:MOST_SHOWN]}…"

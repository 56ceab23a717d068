"""An explanation as people read it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from rich.text import Text

from stream.console.output import cell, standard_output
from stream.explain.explainer import Decoded, Explanation, Lane, Request, Rule, Setting, Verdicts
from stream.explain.outcome import FINAL, TROUBLES, Outcome
from stream.explain.place import EventProgress, GroupProgress, LetterOfEvent
from stream.model.records import Record
from stream.model.timeparse import format_time

_LABEL = 16
_OUTCOMES = {
    "passed": "done with it (delivered, or a dead letter), unless the group was set or started past it",
    "done": "done with it (delivered, or a dead letter), ahead of the committed offset",
    "open": "not done with it: it waits, or is being tried again; tray-stream top shows the workflow",
    "not_started": "has not read it",
    "unknown": "not known",
}
_NOBODY = "not done with it, and nobody reads"


def print_explanation(
    record: Record, explanation: Explanation, standing: EventProgress | None, found: Sequence[Outcome], unknown: str
) -> None:
    """Print what became of the event, every step, and how far it has come. `unknown`: why that may be incomplete."""
    console = standard_output()
    lines = [*_became(found, unknown), *_event(record, explanation.decoded, standing)]
    for verdicts in explanation.workflows:
        lines += [Text(), *_workflow(verdicts, from_file=standing is None)]
    if standing is not None:
        lines += [Text(), *_standing(record, standing, _unwanting(explanation))]
    for line in lines:
        console.print(line, soft_wrap=True)


def _became(found: Sequence[Outcome], unknown: str) -> Iterator[Text]:
    for one in found:
        style = "bold green" if one.state in FINAL else "bold red" if one.state in TROUBLES else "bold yellow"
        yield Text.assemble(cell(f"{one.workflow}: ", "bold"), cell(one.said, style))
    if unknown:
        yield cell(f"What is held, and what is read, is not known: {unknown}.", "yellow")
    if found or unknown:
        yield Text()


def _event(record: Record, decoded: Decoded, standing: EventProgress | None) -> Iterator[Text]:
    if standing is not None:
        when = "no timestamp" if record.timestamp_ms < 0 else format_time(record.timestamp_ms)
        yield row("event", f"{record.place}, {when}, {decoded.bytes} bytes", "bold")
    else:
        yield row("event", f"{decoded.bytes} bytes", "bold")
    if decoded.verdict == "tombstone":
        yield row("decode", f"no value (a tombstone): {decoded.then}", "yellow")
        return
    if decoded.verdict == "event":
        yield row("decode", f'a JSON object of type "{decoded.type}"')
        checked = f"valid by {decoded.schema}" if decoded.schema else "any JSON object is taken"
        yield row("validate", checked, "green", decoded.mode)
        return
    where = "validate" if decoded.reason == "invalid_event" else "decode"
    by = f" by {decoded.schema}" if decoded.schema else ""
    yield row(where, f"{decoded.reason}{by}: {decoded.detail}", "red", decoded.mode)
    yield row("then", decoded.then)


def _workflow(verdicts: Verdicts, from_file: bool) -> Iterator[Text]:
    would = "would receive it" if verdicts.wanted else f"would not receive it ({verdicts.rules[-1].rule})"
    yield Text(f"workflow {verdicts.workflow}: ", "bold").append(would, "bold green" if verdicts.wanted else "bold red")
    for rule in verdicts.rules:
        yield rule_line(rule)
    if verdicts.given_up is not None:
        yield row("given up", "the settings name it: it ends without being sent", "yellow", verdicts.given_up)
    if verdicts.lane is not None:
        yield row("lane", _lane(verdicts.lane, from_file), "", verdicts.lane.setting)
    if verdicts.request is not None:
        yield from request_lines(verdicts.request)


def rule_line(rule: Rule) -> Text:
    """What a rule said, and the setting that it read."""
    return row(rule.rule, f"{'yes' if rule.passes else 'no'}: {rule.why}", "" if rule.passes else "red", rule.setting)


def _lane(lane: Lane, from_file: bool) -> str:
    if lane.setting.value == "none":
        return "none: it waits for no other event"
    if lane.setting.value == "partition":
        return "its partition: it waits for every earlier event there"
    if lane.setting.value == "key":
        if from_file:
            return "its Kafka key, which a file does not have"
        return (
            "its Kafka key: it waits for earlier events with that key in its partition" if lane.by else "none: no key"
        )
    if not lane.by:
        return "none: it names no user"
    name = f" {lane.name}" if lane.name is not None else ""
    return f"its user by {lane.by}{name}: it waits for earlier events of that user in its partition"


def request_lines(request: Request, *, is_stored: bool = True) -> Iterator[Text]:
    """The request, a line for each header, and the body where it was asked for; `is_stored`: of an event of a topic."""
    yield row("request", f"{request.method} {request.url}")
    for name, value in request.headers.items():
        yield row("", f"{name}: {value}")
    origin = ", as it is on the topic" if request.is_original else ", made from the event"
    yield row("body", f"{request.body_bytes} bytes, sha256 {request.body_sha256}{origin if is_stored else ''}")
    if request.body_before is not None:
        yield row("before filters", request.body_before)
    if request.body is not None:
        yield row("after filters" if request.body_before is not None else "", request.body)


def _unwanting(explanation: Explanation) -> set[str]:
    """Workflows that are done with it at once; whether an invalid record has been passed concerns all of them."""
    return {verdicts.workflow for verdicts in explanation.workflows if not verdicts.wanted}


def _standing(record: Record, standing: EventProgress, unwanting: set[str]) -> Iterator[Text]:
    if not standing.is_read:
        yield row("topic", f"kafka.topics does not name {record.topic}: run does not read it", "red")
    last = "no offset" if standing.first == standing.end else f"offsets {standing.first} to {standing.end - 1}"
    yield row("partition", f"{record.topic}:{record.partition} holds {last}")
    for group in standing.groups:
        yield from _group(record.offset, group, unwanting)
    for letter in standing.letters:
        yield row("dead letter", _letter(letter), "" if letter.ended else "red")
    if not standing.letters:
        nothing = f"not known: {standing.letters_unknown}" if standing.letters_unknown else "none"
        yield row("dead letter", nothing)


def _group(offset: int, group: GroupProgress, unwanting: set[str]) -> Iterator[Text]:
    if group.state == "unseen":
        yield row("group", f"{group.group}: Kafka does not let us see it", "yellow")
        return
    members = _count(group.members, "member")
    nobody = "" if group.members else ": nobody reads"
    yield row("group", f"{group.group}: {group.state}, {members}{nobody}", "red" if nobody else "")
    yield row("committed", _committed(offset, group.committed))
    if group.map == "ignored":
        yield row("", "the commit's metadata is not ours: what is done beyond it is not known", "yellow")
    for name, progress in group.workflows.items():
        if name not in unwanting:
            said = _NOBODY if nobody and progress == "open" else _OUTCOMES[progress]
            yield row("", f"{name}: {said}", "" if progress in ("passed", "done") else "yellow")


def _committed(offset: int, committed: int | None) -> str:
    if committed is None:
        return "nothing on this partition"
    if offset < committed:
        return f"{committed}: this event is before it"
    ahead = offset - committed
    return f"{committed}: this event is {_count(ahead, 'offset')} behind it" if ahead else f"{committed}: this event"


def _letter(letter: LetterOfEvent) -> str:
    whose = letter.workflow or "every workflow"
    status = f", answer {letter.status}" if letter.status else ""
    attempts = f", {_count(letter.attempts, 'attempt')}" if letter.attempts else ""
    ended = f", {letter.ended} since" if letter.ended else ""
    return f"{whose}: {letter.reason}{status}{attempts}, {format_time(letter.failed_at_ms)}, at {letter.at}{ended}"


def row(label: str, said: str, style: str = "", setting: Setting | None = None) -> Text:
    """A labelled line, with the setting that decided."""
    line = Text(f"  {label:<{_LABEL}}").append(cell(said, style))
    return line if setting is None else line + setting_text(setting)


def setting_text(setting: Setting) -> Text:
    """The setting that decided, behind what it decided."""
    return cell(f"  [{setting.path}{_value(setting.value)}]", "dim")


def _value(value: object) -> str:
    return ", left out" if value is None or value == [] else f" = {json.dumps(value, ensure_ascii=False)}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")

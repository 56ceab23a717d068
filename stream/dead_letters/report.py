"""Dead letters as tables, as JSON, and one of them in full."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from stream.console.output import cell
from stream.dead_letters.index import DeadLetterIndex
from stream.dead_letters.plan import RedrivePlan, RedriveRow
from stream.dead_letters.query import Count, count_by
from stream.model.letters import DISCARDED, OURS, REDRIVEN, Letter, Marker, answer_code
from stream.model.records import Record
from stream.model.timeparse import format_time

NONE = "-"
"""A letter that goes to every workflow, or that no answer came for."""

Json = dict[str, object]


def list_json(topic: str, group: str, book: DeadLetterIndex, letters: Sequence[Letter], by: Sequence[str]) -> Json:
    """What `list` prints with --json."""
    rows = [
        {name: answer_code(value) if name == "status" else value for name, value in zip(by, count.values, strict=True)}
        | {
            "letters": count.letters,
            "first_failed_at": format_time(count.first_failed_at_ms),
            "last_failed_at": format_time(count.last_failed_at_ms),
        }
        for count in count_by(letters, by)
    ]
    return {
        "topic": topic,
        "group": group,
        "open": len(letters),
        "redriven": book.ended[REDRIVEN],
        "discarded": book.ended[DISCARDED],
        "of_other_groups": book.foreign,
        "not_letters": book.unknown,
        "letters": rows,
    }


def print_list(out: Console, topic: str, book: DeadLetterIndex, letters: Sequence[Letter], by: Sequence[str]) -> None:
    """The open letters, counted; then what was left out of the count."""
    if letters:
        out.print(_counts_table(count_by(letters, by), by))
    for line in _summary(topic, book, len(letters)):
        out.print(cell(line))


def _counts_table(counts: Iterable[Count], by: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in by:
        table.add_column(name)
    table.add_column("letters", justify="right")
    table.add_column("first failed")
    table.add_column("last failed")
    for count in counts:
        values = [cell(value or NONE) for value in count.values]
        first, last = format_time(count.first_failed_at_ms), format_time(count.last_failed_at_ms)
        table.add_row(*values, f"{count.letters:,}", first, last)
    return table


def _summary(topic: str, book: DeadLetterIndex, count: int) -> list[str]:
    lines = [f"{_letters(count, 'open letter')} in {topic}."]
    if book.ended:
        lines.append(f"Done with: {book.ended[REDRIVEN]:,} redriven, {book.ended[DISCARDED]:,} discarded.")
    if book.foreign:
        lines.append(f"Left out: {_letters(book.foreign, 'letter')} of other groups.")
    if book.unknown:
        lines.append(f"Left out: {_letters(book.unknown, 'record')} that tray-stream did not write.")
    return lines


def letter_json(letter: Letter, marker: Marker | None, stored: Record | None, with_value: bool) -> Json:
    """One letter in full; `stored` is None when it has left the topic meanwhile."""
    identity = letter.identity
    named = dict(stored.headers or ()) if stored else {}
    shown: Json = {
        "workflow": identity.workflow or None,
        "state": marker.reason if marker else "open",
        "ended_at": format_time(marker.at_ms) if marker else None,
        "event": str(identity.place),
        "group": identity.group,
        "reason": letter.reason,
        "status": answer_code(letter.status),
        "detail": _text(named.get("tray.detail")),
        "attempts": letter.attempts,
        "failed_at": format_time(letter.failed_at_ms),
        "event_at": format_time(letter.timestamp_ms) if letter.timestamp_ms >= 0 else None,
        "dead_letter": str(letter.at),
        "copies": letter.copies,
        "key": _text(letter.key),
        "headers": [[name, _text(content)] for name, content in _own_headers(stored)],
        "value_omitted": letter.is_omitted,
    }
    if identity.topic_id:
        shown["topic_id"] = identity.topic_id
    return shown | (_value_json(stored) if with_value else {})


def _own_headers(stored: Record | None) -> list[tuple[str, bytes | None]]:
    return [(name, content) for name, content in (stored.headers if stored else None) or () if name not in OURS]


def _value_json(stored: Record | None) -> Json:
    value = stored.value if stored else None
    try:
        return {"value": None if value is None else value.decode()}
    except UnicodeDecodeError:
        return {"value_base64": base64.b64encode(value or b"").decode()}


def print_letter(out: Console, shown: Json) -> None:
    """One letter in full, a line for each thing there is to say; its value comes last."""
    value, headers = shown.pop("value", None), shown.pop("headers")
    lines = [(name.replace("_", " "), str(said)) for name, said in shown.items() if said not in (None, False)]
    lines += [("header", f"{name}: {said}") for name, said in headers] if isinstance(headers, list) else []
    lines += [("value", str(value))] if value is not None else []
    width = max(len(name) for name, _ in lines)
    for name, said in lines:
        line = Text(f"{name:<{width}}", "bold").append(cell(f"  {said}", "not bold"))
        out.print(line, soft_wrap=True)


def discard_json(topic: str, letters: Sequence[Letter], *, dry_run: bool) -> Json:
    """What `discard` prints with --json."""
    counts = count_by(letters, ("workflow", "reason"))
    rows = [{"workflow": c.values[0] or None, "reason": c.values[1], "letters": c.letters} for c in counts]
    return {"topic": topic, "dry_run": dry_run, "letters": len(letters), "rows": rows}


def print_discard(out: Console, letters: Sequence[Letter], *, dry_run: bool) -> None:
    """What would be discarded, or was."""
    table = Table("workflow", "reason", box=None, pad_edge=False)
    table.add_column("would be discarded" if dry_run else "discarded", justify="right")
    for count in count_by(letters, ("workflow", "reason")):
        table.add_row(cell(count.values[0] or NONE), cell(count.values[1]), f"{count.letters:,}")
    out.print(table)


def redrive_json(plan: RedrivePlan, *, dry_run: bool) -> Json:
    """What `redrive` prints with --json."""
    sent = "would_be_sent" if dry_run else "redriven"
    rows = [
        {"workflow": workflow or None, "reason": reason} | _row_json(row, sent)
        for (workflow, reason), row in sorted(plan.account.rows.items())
    ]
    total = _row_json(plan.account.total(), sent)
    return {"dry_run": dry_run} | total | {"rows": rows, "left_because": dict(plan.account.left)}


def _row_json(row: RedriveRow, sent: str) -> Json:
    named = {"letters": row.letters, sent: row.redriven, "left": row.left}
    if sent == "redriven":
        named |= {"failed_again": row.failed_again, "not_tried": row.untouched}
    return dict(named)


def print_redrive(out: Console, plan: RedrivePlan, *, dry_run: bool) -> None:
    """What would be sent, or what came of it; and why the rest is left as it is."""
    table = Table("workflow", "reason", box=None, pad_edge=False)
    names = ("letters", "would be sent", "left") if dry_run else ("letters", "redriven", "failed again", "left")
    rest = plan.account.total().untouched and not dry_run
    for name in (*names, *(("not tried",) if rest else ())):
        table.add_column(name, justify="right")
    for (workflow, reason), row in sorted(plan.account.rows.items()):
        failed = () if dry_run else (row.failed_again,)
        numbers = (row.letters, row.redriven, *failed, row.left, *((row.untouched,) if rest else ()))
        table.add_row(cell(workflow or NONE), cell(reason), *(f"{number:,}" for number in numbers))
    out.print(table)
    for why, count in plan.account.left.most_common():
        out.print(cell(f"{_letters(count, 'letter')} left as they are: {why}."))


def _letters(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode("utf-8", "backslashreplace")

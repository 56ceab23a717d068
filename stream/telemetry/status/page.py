"""The status page: HTML with the values in it, which its script replaces by those of the next request.

One place writes the values, so what a browser without scripts shows is what the others show, and every foreign text
is escaped once, in `_text`.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

from stream.model.amounts import NONE, latency, rate, short, span
from stream.model.printable import printable
from stream.model.timeparse import format_wall
from stream.telemetry.status.merging import summed_trends
from stream.telemetry.status.report import (
    TREND_EVERY_S,
    TREND_POINTS,
    Change,
    GroupStatus,
    PartitionStatus,
    ProcessStatus,
    State,
    WorkflowStatus,
)
from stream.telemetry.status.summary import Severity, Summary, summarize, total_lag

_HERE = Path(__file__).parent
_FRAME, _STYLE, _SCRIPT = ((_HERE / f"page.{kind}").read_text("utf-8").strip() for kind in ("html", "css", "js"))
PARTITIONS_SHOWN = 10
OLD_AFTER_S = 5.0
DAY_S = 86_400.0

Html = str
_MARKS = {Severity.GOOD: "●", Severity.NOTICE: "■", Severity.BAD: "▲"}
"""A shape for each severity: colour alone says nothing to some."""
_URGENCY = (Severity.BAD, Severity.NOTICE, Severity.GOOD)
_SEVERITIES = {
    State.DELIVERING: Severity.GOOD,
    State.PAUSED: Severity.NOTICE,
    State.FAILING: Severity.BAD,
    State.HELD: Severity.BAD,
}


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        f"style-src {_hash(_STYLE)}",
        f"script-src {_hash(_SCRIPT)}",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


def render(status: ProcessStatus, now: float) -> bytes:
    """The whole page. `now`: Unix time in seconds; a status that is older than some seconds says so."""
    summary = summarize(status)
    title = f"{_MARKS[summary.severity]} {summary.sentence} · tray-stream"
    main = "\n".join(_main(status, summary, now))
    parts = {"title": _text(title), "style": _STYLE, "main": main, "script": _SCRIPT}
    return re.sub(r"\{(title|style|main|script)\}", lambda found: parts[found[1]], _FRAME).encode()


def _main(status: ProcessStatus, summary: Summary, now: float) -> Iterator[Html]:
    yield _part("header", "header", _header(status, summary, now))
    yield _part("section", "workflows", _workflows(status))
    yield _part("section", "kafka", _kafka(status))
    yield _part("section", "changes", _changes(status.changes, status.at, bool(status.workers)))
    yield _part("footer", "footer", _footer(status))


def _part(tag: str, name: str, lines: Iterable[Html]) -> Html:
    return f'<{tag} data-part="{name}">{"".join(lines)}</{tag}>'


def _text(text: str) -> Html:
    """The only way for text into the page."""
    return escape(printable(text))


def _header(status: ProcessStatus, summary: Summary, now: float) -> Iterator[Html]:
    severity, sentence = summary
    yield f'<h1 class="{severity}"><span class="mark">{_MARKS[severity]}</span> {_text(sentence)}</h1>'
    if now - status.at > OLD_AFTER_S:
        ago = f"The process is too busy to answer: this is how it was {span(now - status.at)} ago."
        yield f'<p class="bad"><span class="word">▲ {ago}</span></p>'
    delivered = [one.delivered_per_s for one in status.workflows if one.delivered_per_s is not None]
    facts = [
        f"{rate(sum(delivered) if delivered else None)} deliveries/s",
        f"lag {total_lag(status.groups)}",
        f"open events {short(sum(group.open_events for group in status.groups))}",
        f"dead letters {short(sum(one.dead_letters for one in status.workflows))}",
    ]
    yield f"<p>{_text(' · '.join(facts))}</p>"
    for severity, word in (_reached(group, status.at) for group in _most_urgent(status.groups)):
        yield f'<p class="{severity}"><span class="word">{_MARKS[severity]} Kafka {_text(word)}</span></p>'
    if status.token_failing_since is not None:
        word = f"{_MARKS[Severity.BAD]} No new Kafka token since {_clock(status.token_failing_since, status.at)}"
        yield f'<p class="{Severity.BAD}"><span class="word">{_text(word)}</span></p>'
    yield _trend(summed_trends([one.trend for one in status.workflows]), "All workflows")
    yield f'<p class="dim">As of {_clock(status.at, status.at)}</p>'


def _most_urgent(groups: Sequence[GroupStatus]) -> Sequence[GroupStatus]:
    """The group that waits longest for Kafka; where all are answered, the one that is answered the shortest time."""
    cut_off = [group for group in groups if not group.kafka_up]
    by_since = sorted(cut_off or groups, key=lambda group: group.kafka_since or 0.0, reverse=not cut_off)
    return by_since[:1]


def _workflows(status: ProcessStatus) -> Iterator[Html]:
    yield '<h2>Workflows</h2><div class="cards">'
    for one in sorted(status.workflows, key=lambda one: _URGENCY.index(_SEVERITIES[one.state])):
        yield from _workflow(one, status.at)
    yield "</div>"


def _workflow(one: WorkflowStatus, now: float) -> Iterator[Html]:
    severity = _SEVERITIES[one.state]
    since = f" since {_clock(one.since, now)}" if one.since is not None else ""
    of = f" in {one.gates_closed} of {one.gates} workers" if 0 < one.gates_closed < one.gates else ""
    because = f" because {one.because}" if one.because else ""
    yield f'<article class="card {severity}"><div><h3>{_text(one.workflow)}</h3>'
    yield f'<span class="word">{_MARKS[severity]} {_text(one.state)}</span></div>'
    if one.state is not State.DELIVERING:
        yield f"<p>{_text(f'{one.state.capitalize()}{since}{of}{because}.')}</p>"
    yield _trend(one.trend, one.workflow)
    yield _listed(_numbers(one, now))
    if one.filtered_by_reason:
        reasons = ", ".join(f"{reason} {short(count)}" for reason, count in one.filtered_by_reason.items())
        yield f'<p class="dim">Filtered by reason: {_text(reasons)}</p>'
    if one.failing:
        codes = ", ".join(f"{code} x{short(count)}" for code, count in one.failing.items())
        yield f'<p class="dim">Failures in the last minute: {_text(codes)}</p>'
    yield "</article>"


def _numbers(one: WorkflowStatus, now: float) -> Iterator[tuple[str, str]]:
    yield "last delivery", _ago(one.last_delivery_at, now, " ago")
    yield "deliveries/s", rate(one.delivered_per_s)
    yield "p50 / p99", f"{latency(one.p50_s)} / {latency(one.p99_s)}"
    yield "in flight", f"{short(one.in_flight)} of {short(one.concurrency_limit)}"
    yield "waiting", short(one.waiting)
    yield "oldest event", _ago(one.oldest_open_at, now, "")
    yield "dead letters", short(one.dead_letters)
    yield "held", short(one.held)
    if one.gate_closed_until is not None:
        left = one.gate_closed_until - now
        yield "next probe", f"in {span(left)}" if left >= 0.5 else "now"
    else:
        yield "delivered", short(one.delivered)


def _ago(at: float | None, now: float, word: str) -> str:
    """The age of a moment; one that is as good as now has none."""
    if at is None:
        return NONE
    return "just now" if word and now - at < 1 else f"{span(now - at)}{word}"


def _trend(points: Sequence[float], whose: str) -> Html:
    """Bars of the last quarter of an hour; the newest is at the right."""
    top = max(points, default=0.0)
    start = TREND_POINTS - len(points)
    bars = "".join(
        f'<rect x="{(start + index) * 4}" y="{36 - height}" width="3" height="{height}"/>'
        for index, point in enumerate(points)
        if (height := max(1, round(36 * point / top)) if point else 0)
    )
    most = f"at most {rate(top)}/s"
    minutes = TREND_POINTS * TREND_EVERY_S // 60
    label = _text(f"{whose}: deliveries in the last {minutes} minutes, {most}")
    return (
        f'<svg viewBox="0 0 {TREND_POINTS * 4} 36" preserveAspectRatio="none" role="img" aria-label="{label}">{bars}'
        f'</svg><div class="trend dim"><span>{minutes} minutes ago</span><span>{most}</span><span>now</span></div>'
    )


def _kafka(status: ProcessStatus) -> Iterator[Html]:
    yield '<h2>Kafka</h2><div class="cards">'
    for group in status.groups:
        severity, word = _reached(group, status.at)
        yield f'<article class="card {severity}"><div><h3>{_text(group.group)}</h3></div>'
        yield f'<p class="word">{_MARKS[severity]} {_text(word)}</p>'
        yield _listed(
            (
                ("partitions", str(group.partitions_assigned)),
                ("lag", "?" if group.lag is None else short(group.lag)),
                ("received/s", rate(group.received_per_s)),
                ("halted", str(group.partitions_halted)),
                ("held", str(group.partitions_held)),
                ("waiting for a schema", str(group.partitions_awaiting_schema)),
                ("paused for room", str(group.partitions_paused)),
            )
        )
        yield "</article>"
    yield "</div>"
    if status.partitions:
        yield from _partitions(status.partitions, status)


def _listed(numbers: Iterable[tuple[str, str]]) -> Html:
    return "<dl>" + "".join(f"<div><dt>{name}</dt><dd>{_text(value)}</dd></div>" for name, value in numbers) + "</dl>"


def _reached(group: GroupStatus, now: float) -> tuple[Severity, str]:
    since = f" since {_clock(group.kafka_since, now)}" if group.kafka_since is not None else ""
    if not group.members_cut_off:
        return Severity.GOOD, f"reachable{since}"
    some = f" from {group.members_cut_off} of {group.members} workers" if group.members_cut_off < group.members else ""
    if group.last_contact_at is None:
        return Severity.BAD, f"has not answered yet{some}"
    return Severity.BAD, f"unreachable{some}{since}"


def _partitions(partitions: Sequence[PartitionStatus], status: ProcessStatus) -> Iterator[Html]:
    several, workers = len(status.groups) > 1, bool(status.workers)
    total = sum(group.partitions for group in status.groups)
    shown = partitions[:PARTITIONS_SHOWN]
    heads = ["partition", "lag", "committed", "offsets/s", *["group"] * several, *["worker"] * workers]
    yield '<h2>Partitions</h2><div class="wide"><table><thead><tr>'
    yield "".join(f"<th>{head}" for head in heads) + "</thead><tbody>"
    for one in shown:
        committed = NONE if one.committed is None else str(one.committed)
        texts = [f"{one.topic}:{one.partition}", "?" if one.lag is None else short(one.lag), committed]
        texts += [rate(one.committed_per_s), *[one.group] * several, *[one.worker] * workers]
        yield "<tr>" + "".join(f"<td>{_text(text)}" for text in texts)
    yield "</tbody></table></div>"
    if total > len(shown):
        yield f'<p class="dim">{total - len(shown)} partitions with less lag are not shown.</p>'


def _changes(changes: Sequence[Change], now: float, has_workers: bool) -> Iterator[Html]:
    yield '<h2>Last changes</h2><ol class="card">'
    for change in changes:
        worker = f" (worker {change.worker})" if has_workers and change.worker else ""
        yield f"<li><time>{_clock(change.at, now)}</time>{_text(change.sentence + worker)}"
    yield "</ol>"


def _footer(status: ProcessStatus) -> Iterator[Html]:
    facts = [f"tray-stream {status.version}"]
    if status.started_at is not None:
        facts.append(f"started {_clock(status.started_at, status.at)}")
    facts.append(
        "settings not reloaded" if status.reloaded_at is None else f"reloaded {_clock(status.reloaded_at, status.at)}"
    )
    if status.reloads_failed:
        facts.append(f"reloads failed {status.reloads_failed}")
    if status.workers:
        facts.append(f"workers {status.workers_up}/{status.workers}, restarts {status.worker_restarts}")
    yield f"<p>{_text(' · '.join(facts))}</p>"
    yield '<p>As JSON: <a href="/status.json">/status.json</a> · metrics: <a href="/metrics">/metrics</a></p>'


def _clock(at: float, now: float) -> str:
    """The time of day; with its day when that is not within the last 24 hours."""
    text = format_wall(at)
    return f"{text[11:19]} UTC" if abs(now - at) < DAY_S else f"{text[:10]} {text[11:16]} UTC"

"""Offsets as tables and as JSON."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from rich.console import Console
from rich.table import Table

from stream.console.output import cell
from stream.kafka.groups import GroupState
from stream.model.amounts import counted
from stream.model.timeparse import format_time
from stream.offsets.reset import Reset
from stream.offsets.show import GroupOffsets, HeldByWorkflow, PartitionOffsets, RunningGroups
from stream.telemetry.status.report import GroupStatus
from stream.top.outages import outages

Json = dict[str, object]

ALARM = "bold red"
NONE_RUN: RunningGroups = {}
NONE = "-"
"""Nothing is committed, or nobody has it."""


def standings_json(
    standings: Sequence[GroupOffsets],
    held: HeldByWorkflow,
    now_ms: int,
    running: RunningGroups = NONE_RUN,
    paused: Collection[str] = (),
) -> list[Json]:
    """What `show` prints with --json; `paused` has the names of workflows that the settings pause."""
    return [
        {
            "group": one.group,
            "state": one.state.word,
            "members": [
                {
                    "id": member.id,
                    "client_id": member.client_id,
                    "host": member.host.lstrip("/"),
                    "partitions": [f"{tp.topic}:{tp.partition}" for tp in member.partitions],
                }
                for member in one.state.members
            ],
            "workflows": [_workflow_json(one, name, held, name in paused) for name in one.workflows if name],
            "partitions": [_partition_json(partition, now_ms) for partition in one.partitions],
            "running": _running_json(running.get(one.group)),
        }
        for one in standings
    ]


def _running_json(found: GroupStatus | None) -> Json | None:
    """What the processor that answers says of the group; None: none does."""
    if found is None:
        return None
    at = found.last_contact_at
    return {
        "kafka_up": not found.members_cut_off,
        "kafka_away_since": None if at is None else format_time(int(at * 1000)),
        "partitions_assigned": found.partitions_assigned,
        "partitions_halted": found.partitions_halted,
        "partitions_awaiting_schema": found.partitions_awaiting_schema,
    }


def _workflow_json(standing: GroupOffsets, name: str, held: HeldByWorkflow, is_paused: bool) -> Json:
    found = held.get((standing.group, name))
    since = found.closed_since if found else None
    return {
        "workflow": name,
        "left": standing.left_of(name),
        "paused": is_paused,
        "held": found.events if found else None,
        "closed_since": None if since is None else format_time(int(since * 1000)),
    }


def _partition_json(one: PartitionOffsets, now_ms: int) -> Json:
    progress, oldest = one.progress, one.oldest
    is_dated = oldest is not None and oldest.timestamp_ms >= 0
    return {
        "topic": one.tp.topic,
        "partition": one.tp.partition,
        "committed": progress.committed if progress else None,
        "end": one.end,
        "lag": progress.lag if progress else None,
        "left": _left(one),
        "lost": one.lost,
        "beyond_end": one.beyond_end,
        "oldest_open": oldest.offset if oldest else None,
        "oldest_open_at": format_time(oldest.timestamp_ms) if oldest and is_dated else None,
        "oldest_open_age_s": max(0, now_ms - oldest.timestamp_ms) / 1000 if oldest and is_dated else None,
        "member": one.member.id if one.member else None,
    }


def _left(one: PartitionOffsets) -> int | None:
    """Offsets that some workflow is not done with, at least: those of the one that has most left."""
    progress = one.progress
    return max(map(progress.left_of, progress.done)) if progress else None


def print_standings(
    out: Console,
    standings: Sequence[GroupOffsets],
    held: HeldByWorkflow,
    now_ms: int,
    running: RunningGroups = NONE_RUN,
    paused: Collection[str] = (),
) -> None:
    """Each group with its partitions, and what keeps its workflows back."""
    for number, one in enumerate(standings):
        if number:
            out.print()
        of = f", workflow {one.workflows[0]}" if len(standings) > 1 else ""
        out.print(cell(f"Group {one.group}{of}: {_state(one.state)}"))
        out.print(_partitions_table(one.partitions, now_ms))
        for line in _alarms(one, running.get(one.group), now_ms):
            out.print(cell(line, ALARM))
        for line in _remarks(one, held, now_ms, paused):
            out.print(cell(line))


def _state(state: GroupState) -> str:
    if state.word == "dead":
        return "does not exist"
    return f"{state.word}, {counted(len(state.members), 'member')}"


def _partitions_table(partitions: Sequence[PartitionOffsets], now_ms: int) -> Table:
    table = Table("topic", box=None, pad_edge=False)
    for name in ("partition", "committed", "end", "lag", "left", "oldest open", "age"):
        table.add_column(name, justify="right")
    table.add_column("member")
    for one in partitions:
        progress, oldest = one.progress, one.oldest
        age = _span(now_ms - oldest.timestamp_ms) if oldest and oldest.timestamp_ms >= 0 else NONE
        member = f"{one.member.client_id} {one.member.host.lstrip('/')}" if one.member else NONE
        cells = [
            _offset(progress.committed if progress else None),
            _offset(one.end),
            _number(progress.lag if progress else None),
            _number(_left(one)),
            _offset(oldest.offset if oldest else None),
        ]
        table.add_row(cell(one.tp.topic), str(one.tp.partition), *cells, age, cell(member))
    return table


def _alarms(one: GroupOffsets, found: GroupStatus | None, now_ms: int) -> Iterator[str]:
    """What is never well: partitions that are not read, and a processor that reads none."""
    for partition in one.partitions:
        place = f"{partition.tp.topic}:{partition.tp.partition}"
        if partition.lost:
            yield f"{place}: {partition.lost:,} offsets from the committed one on are gone from the topic."
        if partition.beyond_end:
            yield f"{place}: the committed offset lies {partition.beyond_end:,} beyond the end; it is not read."
    if found is not None:
        yield from (f"The running processor: {line.plain}" for line in outages([found], now_ms / 1000))
        if found.partitions_halted:
            yield f"The running processor: partitions halted: {found.partitions_halted}; its log names them."
        if waiting := found.partitions_awaiting_schema:
            yield f"The running processor: partitions waiting for the Schema Registry: {waiting}; its log says why."


def _remarks(one: GroupOffsets, held: HeldByWorkflow, now_ms: int, paused: Collection[str]) -> Iterator[str]:
    for partition in one.partitions:
        place = f"{partition.tp.topic}:{partition.tp.partition}"
        if partition.progress is not None and partition.progress.map == "ignored":
            yield f"{place}: the commit's metadata is not a commit map, and ignored."
    if len(one.workflows) > 1 and len({one.left_of(name) for name in one.workflows}) > 1:
        yield "Left by workflow: " + ", ".join(f"{name} {one.left_of(name):,}" for name in one.workflows)
    for name in one.workflows:
        if name in paused:
            waiting = f"{left:,} offsets wait, " if (left := one.left_of(name)) else ""
            yield f"{name}: paused by the settings; {waiting}nothing is sent to it."
        found = held.get((one.group, name))
        if found is not None and found.events:
            yield f"{name}: {found.events:,} events are held; they end badly and are not given up."
        if found is not None and found.closed_since is not None:
            since_ms = int(found.closed_since * 1000)
            yield f"{name}: its gate is closed since {format_time(since_ms)} ({_span(now_ms - since_ms)})."


def reset_json(reset: Reset, *, dry_run: bool) -> Json:
    """What `reset` prints with --json."""
    rows = [
        {
            "group": group,
            "topic": change.tp.topic,
            "partition": change.tp.partition,
            "committed": change.committed,
            "new_offset": change.new.offset,
            "note": change.new.note or None,
        }
        for group, changes in reset.changes.items()
        for change in changes
    ]
    return {"dry_run": dry_run, "states": {group: s.word for group, s in reset.states.items()}, "offsets": rows}


def print_reset(out: Console, reset: Reset) -> None:
    """Where each partition is, and would be."""
    table = Table("group", "topic", box=None, pad_edge=False)
    for name in ("partition", "committed", "new offset", "moves by"):
        table.add_column(name, justify="right")
    for group, changes in reset.changes.items():
        for change in changes:
            moves = NONE if change.committed is None else f"{change.new.offset - change.committed:+,}"
            numbers = (_offset(change.committed), _offset(change.new.offset), moves)
            table.add_row(cell(group), cell(change.tp.topic), str(change.tp.partition), *numbers)
    out.print(table)


def _offset(offset: int | None) -> str:
    """As other commands take it: without separators."""
    return NONE if offset is None else str(offset)


def _number(number: int | None) -> str:
    return NONE if number is None else f"{number:,}"


def _span(ms: int) -> str:
    """A stretch of time in its two largest units."""
    seconds = max(0, ms // 1000)
    days, hours, minutes = seconds // 86_400, seconds // 3_600 % 24, seconds // 60 % 60
    if days:
        return f"{days}d{hours:02}h"
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{seconds % 60:02}s" if minutes else f"{seconds}s"

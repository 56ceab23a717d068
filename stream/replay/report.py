"""What a replay has counted and sent, as tables for people and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from rich.console import Console
from rich.table import Table

from stream.console.output import cell
from stream.model.events import CUSTOM_TYPE, SEGMENT_TYPES
from stream.replay.plan import ReplayPlan
from stream.replay.replay_filter import ReplayCounts
from stream.replay.request import ReplayRequest
from stream.replay.run import ReplayState

MOST_PARTITIONS = 20
"""Rows of the table of partitions; the rest is summed up."""

_REASONS = {
    "tombstone": "no value (tombstone)",
    "invalid_json": "not JSON",
    "invalid_event": "not a valid event",
    "unselected_type": "another type than --type",
    "unselected_event": "another name than --event",
    "unselected_user": "another user than --user",
    "unselected_message_id": "another id than --message-id",
    "already_done": "done by an earlier run",
    "integrations": "switched off (integrations)",
    "device_mode": "delivered by the client (device mode)",
    "type": "the workflow's types",
    "event": "the workflow's event names",
    "where": "the workflow's statement (where)",
    "sampled": "left out of a sample",
    "filter": "dropped by a filter",
    "filter_error": "a statement cannot judge it",
}


@dataclass(frozen=True)
class ReplayReport:
    """Everything that the report says."""

    request: ReplayRequest
    plan: ReplayPlan
    census: ReplayCounts
    state: ReplayState | None
    """None: a dry run."""
    is_complete: bool
    warnings: tuple[str, ...]
    seconds: float

    def as_json(self) -> dict[str, object]:
        """One object with stable names."""
        plan, census = self.plan, self.census
        return {
            "replay": self.request.name,
            "dry_run": self.state is None,
            "complete": self.is_complete,
            "resumed": plan.is_resumed,
            "range": [
                {"topic": tp.topic, "partition": tp.partition, "from": s.first, "until": s.until, "at": s.at}
                for tp, s in plan.stretches.items()
            ],
            "offsets": plan.offsets,
            "records": census.records,
            "events": dict(census.selected),
            "left_out": dict(census.left_out),
            "workflows": {name: self._workflow(name) for name in census.workflows},
            "warnings": list(self.warnings),
            "seconds": round(self.seconds, 2),
        }

    def _workflow(self, name: str) -> dict[str, object]:
        wanted = self.census.wanted[name]
        counts: dict[str, object] = {
            "send": dict(wanted),
            "total": wanted.total(),
            "not_sent": dict(self.census.unwanted[name]),
        }
        if self.state is not None:
            counts |= {"delivered": self.state.sent[name], "dead_letters": self.state.dead_letters[name]}
        return counts

    def print(self, console: Console) -> None:
        """The tables."""
        console.print(cell(self._title()), soft_wrap=True)
        console.print()
        console.print(self._partitions())
        console.print()
        console.print(self._counts())

    def _title(self) -> str:
        if self.state is None:
            return f"Replay {self.request.name}, dry run: what would be sent"
        return f"Replay {self.request.name}: {'complete' if self.is_complete else 'not complete'}"

    def _partitions(self) -> Table:
        table = _table("topic", "partition", "from", "until", "offsets")
        stretches = self.plan.stretches
        for tp, s in islice(stretches.items(), MOST_PARTITIONS):
            table.add_row(cell(tp.topic), str(tp.partition), f"{s.first}", f"{s.until}", f"{s.until - s.first:,}")
        if len(stretches) > MOST_PARTITIONS:
            table.add_row(f"and {len(stretches) - MOST_PARTITIONS} more", "", "", "", "")
        if len(stretches) > 1:
            table.add_row("all", "", "", "", f"{self.plan.offsets:,}")
        return table

    def _counts(self) -> Table:
        """Types and reasons down, workflows across."""
        census, names = self.census, self.census.workflows
        table = _table("", "in range", *names)
        table.add_row("[bold]to be sent" if self.is_complete else "[bold]to be sent, of what was read so far")
        for type_ in (*SEGMENT_TYPES, CUSTOM_TYPE):
            if census.selected[type_]:
                _add(table, type_, census.selected[type_], [census.wanted[name][type_] for name in names])
        totals = [census.wanted[name].total() for name in names]
        _add(table, "all types", census.selected.total(), totals)
        if self.state is not None:
            self._add_outcomes(table, self.state)
        reasons = {*census.left_out, *(reason for name in names for reason in census.unwanted[name])}
        if reasons:
            table.add_row("[bold]not sent")
        for reason in sorted(reasons, key=_order):
            counts = [census.unwanted[name][reason] for name in names]
            _add(table, _REASONS.get(reason, reason), census.left_out[reason], counts)
        return table

    def _add_outcomes(self, table: Table, state: ReplayState) -> None:
        names = self.census.workflows
        table.add_row("[bold]sent")
        _add(table, "delivered", 0, [state.sent[name] for name in names])
        for reason in sorted({reason for counts in state.dead_letters.values() for reason in counts}):
            counts = [state.dead_letters[name].get(reason, 0) for name in names]
            _add(table, f"dead letters ({reason})", 0, counts)


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _add(table: Table, label: str, in_range: int, counts: list[int]) -> None:
    table.add_row(cell(f"  {label}"), *(f"{count:,}" if count else "" for count in (in_range, *counts)))


def _order(reason: str) -> int:
    return list(_REASONS).index(reason) if reason in _REASONS else len(_REASONS)

"""Reads what `run --trace FILE` wrote: one JSON object a line."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson


@dataclass(slots=True)
class Line:
    """One step of a run. Fields that a step does not have are empty, or -1."""

    source: str
    """Which trace it stands in: one process, from its start to its end."""
    event: str
    """started, assigned, revoked, lost, delivered, filtered, dead_lettered, committed or stopped."""
    t: float = 0.0
    group: str = ""
    topic: str = ""
    partition: int = -1
    offset: int = -1
    workflow: str = ""
    """Empty: the step holds for every workflow."""
    ok: bool = True
    """Of a commit: whether the broker stored it."""


Trace = list[Line]


def read_trace(path: Path) -> Trace:
    """The lines of a trace file. A last line that was cut short, as by a kill, is left out.

    Raises:
        ValueError: another line is not a JSON object with an `event`.
    """
    return parse_trace(path.read_bytes(), str(path))


def parse_trace(text: bytes, source: str) -> Trace:
    """The same of a trace that is already in memory."""
    *whole, _cut_short = text.split(b"\n")
    return [_line(orjson.loads(line), source, number) for number, line in enumerate(whole, 1) if line.strip()]


def merge_traces(traces: Iterable[Trace]) -> Trace:
    """Traces of processes that ran at the same time as one, in the order of their clocks (`t`)."""
    return list(heapq.merge(*traces, key=lambda line: line.t))


def count(traces: Sequence[Trace], event: str) -> int:
    """How many lines of one kind there are: a check of nothing finds nothing, so ask this as well."""
    return sum(line.event == event for trace in traces for line in trace)


def _line(fields: Any, source: str, number: int) -> Line:
    try:
        event = str(fields["event"])
    except (KeyError, TypeError) as e:
        raise ValueError(f"{source}:{number}: not a JSON object with an event") from e
    return Line(
        source=source,
        event=event,
        t=float(fields.get("t", 0.0)),
        group=fields.get("group") or "",
        topic=fields.get("topic") or "",
        partition=_number(fields.get("partition")),
        offset=_number(fields.get("offset")),
        workflow=fields.get("workflow") or "",
        ok=bool(fields.get("ok", True)),
    )


def _number(given: int | None) -> int:
    return -1 if given is None else given

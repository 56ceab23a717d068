"""Judges a soak by its files alone: the topic, the dead letters, what the workflows got, and the samples."""

from __future__ import annotations

import json
import statistics
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from confluent_kafka import Message
from soak_load import number_in

from stream.model.letters import PREFIX

WARM_S = 600.0
"""Memory at the end is held against memory after this long."""
GROWTH = 1.1
NAMED = PREFIX + "workflow"

STILL_S = 120.0
"""Nobody may stand still longer than this; the broker's absences are shorter."""

MORE = {"fds": 50, "threads": 5}
"""So many more may be open at the end: connections come and go."""

Sample = Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """One line of the end."""

    name: str
    is_kept: bool
    figures: str

    def __str__(self) -> str:
        return f"{'PASS' if self.is_kept else 'FAIL'} soak {self.name} {self.figures}"


class Topic:
    """Where each numbered event lies: read once, kept in 12 bytes an event."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self.offsets = array("q")
        self.partitions = array("h")
        self.copies = 0
        for message, number in messages_with_numbers(messages):
            self.put(number, message.partition() or 0, message.offset() or 0)

    def __len__(self) -> int:
        return sum(offset >= 0 for offset in self.offsets)

    def numbers(self) -> Iterator[int]:
        """Numbers of the events that Kafka has."""
        return (number for number, offset in enumerate(self.offsets) if offset >= 0)

    def put(self, number: int, partition: int, offset: int) -> None:
        """An event of this number lies there."""
        while len(self.offsets) <= number:
            self.offsets.append(-1)
            self.partitions.append(-1)
        self.copies += self.offsets[number] >= 0
        self.offsets[number], self.partitions[number] = offset, partition


def messages_with_numbers(messages: Iterable[Message]) -> Iterator[tuple[Message, int]]:
    """Each message with its event's number."""
    for message in messages:
        number = number_in(message.value() or b"")
        if number >= 0:
            yield message, number


def letters_of(messages: Iterable[Message]) -> dict[str, set[int]]:
    """Numbers of the events that ended as dead letters, by workflow; "" for those of no workflow."""
    found: dict[str, set[int]] = {}
    for message, number in messages_with_numbers(messages):
        workflow = dict(_texts(message)).get(NAMED, "")
        found.setdefault(workflow, set()).add(number)
    return found


def judge_samples(samples: Sequence[Sample], steady: str) -> list[Verdict]:
    """Memory of the member that was never killed, descriptors, threads, lag and the longest standstill."""
    mine = [sample for sample in samples if sample.get("member") == steady and "rss_kib" in sample]
    if len(mine) < 3:
        return [Verdict("samples", False, f"samples={len(mine)}")]
    warm = [sample for sample in mine if sample["t"] >= WARM_S] or mine[len(mine) // 3 :]
    begin, end = (statistics.median(s["rss_kib"] for s in part) / 1024 for part in (warm[:3], mine[-3:]))
    first, last = warm[0], mine[-1]
    is_short = last["t"] < 2 * WARM_S
    note = " (short: not judged)" if is_short else ""
    memory = f"from={begin:.1f}MiB to={end:.1f}MiB ratio={end / begin:.3f} at={first['t']:.0f}s..{last['t']:.0f}s"
    handles = " ".join(f"{name}={first[name]}..{last[name]}(max {_top(mine, name)})" for name in MORE)
    is_kept = all(last[name] <= first[name] + more for name, more in MORE.items())
    still = max((s["since_progress"] or 0.0 for s in samples if "since_progress" in s), default=0.0)
    progress = f"longest_standstill={still:.0f}s largest_lag={_top(samples, 'lag'):.0f}"
    return [
        Verdict("memory", is_short or end <= GROWTH * begin, memory + note),
        Verdict("handles", is_short or is_kept, handles + note),
        Verdict("progress", still <= STILL_S, progress),
    ]


def read_samples(path: Path) -> list[Sample]:
    """The samples, one of each line."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def _top(samples: Iterable[Sample], name: str) -> float:
    return max((sample[name] for sample in samples if sample.get(name) is not None), default=0)


def _texts(message: Message) -> Iterator[tuple[str, str]]:
    """A read message's headers as text."""
    for name, value in cast(list[tuple[str, bytes | None]], message.headers() or []):
        yield name, (value or b"").decode()

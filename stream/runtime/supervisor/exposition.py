"""One text for Prometheus out of the workers' own, each sample with the label `worker`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

HELP = "# HELP "


@dataclass
class _Family:
    """What the text says of one metric: its two lines of comment, then samples of whichever worker."""

    comments: list[str]
    samples: list[str] = field(default_factory=list)


def merged(text_by_worker: Mapping[int, str]) -> str:
    """Every sample of every worker, those of one metric together, as the format wants it."""
    families: dict[str, _Family] = {}
    for worker, text in sorted(text_by_worker.items()):
        for comments, samples in _families(text.splitlines()):
            family = families.setdefault(comments[0], _Family(comments))
            family.samples += [_labelled(sample, worker) for sample in samples]
    lines = (line for family in families.values() for line in (*family.comments, *family.samples))
    return "".join(f"{line}\n" for line in lines)


def _families(lines: Iterable[str]) -> Iterator[tuple[list[str], list[str]]]:
    """(comments, samples) of each metric; a family begins with its line of help."""
    comments: list[str] = []
    samples: list[str] = []
    for line in lines:
        if line.startswith(HELP) and comments:
            yield comments, samples
            comments, samples = [], []
        (comments if line.startswith("#") else samples).append(line)
    if comments:
        yield comments, samples


def _labelled(sample: str, worker: int) -> str:
    """The sample with one label more. A name holds neither a brace nor a blank."""
    name, brace, rest = sample.partition("{")
    if brace and " " not in name:
        return f'{name}{{worker="{worker}",{rest}'
    name, _, value = sample.partition(" ")
    return f'{name}{{worker="{worker}"}} {value}'

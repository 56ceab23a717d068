"""What a replay's commits say besides the offset: the range, what was asked for, which run wrote it, what is done."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from stream.kafka.groups import GroupActiveError, Groups
from stream.kafka.progress import CommittedProgress
from stream.kafka.reader import OffsetReader
from stream.model.committed import Committed
from stream.model.errors import config_error
from stream.model.records import TopicPartition

FORM = "r1."
_LONGEST_PART = 60

EVERY_TOPIC = ("^",)


class BadProgressError(ValueError):
    """The metadata was not written by a replay."""


@dataclass(frozen=True)
class ReplayFingerprint:
    """What a replay was asked for, by option, each as text; two runs of one name must agree on it."""

    parts: Mapping[str, str]

    @property
    def digest(self) -> str:
        """Hash of the whole."""
        return _digest(json.dumps(dict(self.parts), sort_keys=True))

    def differences(self, other: ReplayFingerprint) -> list[str]:
        """Sentences about where `other` asks for something else."""
        names = [name for name in {**self.parts, **other.parts} if self.parts.get(name) != other.parts.get(name)]
        return [_difference(name, self.parts.get(name, ""), other.parts.get(name, "")) for name in names]


@dataclass(frozen=True)
class ReplayProgress:
    """One partition of a replay. `first` and `until` are the range as the first run resolved it."""

    run: str
    """Which run wrote it: a later one takes over."""
    first: int
    until: int
    asked: ReplayFingerprint


@dataclass(frozen=True)
class PartitionRange:
    """A partition's part of the range."""

    first: int
    until: int
    """Exclusive."""
    at: int
    """Where reading continues; at the first run that is `first`."""
    done_map: str = ""
    """What an earlier run had done beyond `at`."""

    @property
    def left(self) -> int:
        """Offsets to be read."""
        return self.until - self.at


def asked_for(**parts: str) -> ReplayFingerprint:
    """What was asked for; long texts are kept as their hash, and so is what may name a person (`secret_…`)."""
    kept = {}
    for name, text in parts.items():
        is_secret = name.startswith("secret_")
        option = "--" + name.removeprefix("secret_").replace("_", "-")
        hide = bool(text) and (is_secret or len(text.encode()) > _LONGEST_PART)
        kept[option] = f"#{_digest(text)}" if hide else text
    return ReplayFingerprint(kept)


def write_progress(progress: ReplayProgress) -> str:
    """What is put before the map of what is done beyond the offset."""
    fields = {
        "run": progress.run,
        "range": [progress.first, progress.until],
        "hash": progress.asked.digest,
        "asked": progress.asked.parts,
    }
    return FORM + json.dumps(fields, separators=(",", ":")) + "\n"


def read_progress(metadata: str) -> tuple[ReplayProgress, str]:
    """The progress in a commit's metadata, and the map that follows.

    Raises:
        BadProgressError: another tool, or another version, wrote it.
    """
    head, newline, done_map = metadata.partition("\n")
    try:
        if not head.startswith(FORM) or not newline:
            raise BadProgressError("of an unknown form")
        fields = json.loads(head.removeprefix(FORM))
        first, until = map(int, fields["range"])
        asked = ReplayFingerprint({str(name): str(text) for name, text in fields["asked"].items()})
        if asked.digest != fields["hash"]:
            raise BadProgressError("damaged")
        return ReplayProgress(str(fields["run"]), first, until, asked), done_map
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadProgressError(str(error)) from error


def _difference(name: str, before: str, now: str) -> str:
    if before.startswith("#") and now.startswith("#"):
        return f"{name} has other values"
    was, is_ = ("some value" if text.startswith("#") else text or "not given" for text in (before, now))
    return f"{name} was {was} and is {is_}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class KeptProgress(NamedTuple):
    """What an earlier run has left of a partition."""

    progress: ReplayProgress
    stretch: PartitionRange


def kept_progress(reader: OffsetReader, groups: Groups, group: str) -> dict[TopicPartition, KeptProgress]:
    """What the group has committed, on whatever topic; empty when no replay of that name has begun. Blocking.

    Raises:
        ConfigError: the group is not a replay's.
        SourceError: Kafka does not answer.
    """
    try:
        groups.require_idle(group)
    except GroupActiveError as error:
        what = f"{group} is a consumer group with members, so a live one."
        raise config_error("--name", what, "Choose another name.") from error
    found = {}
    for tp, commit in groups.committed(group, reader.partitions(EVERY_TOPIC)).items():
        try:
            progress, done_map = read_progress(commit.metadata)
        except BadProgressError as error:
            what = f"the consumer group {group} has offsets that no replay has written."
            raise config_error("--name", what, "Choose another name.") from error
        at = min(commit.offset, progress.until)
        found[tp] = KeptProgress(progress, PartitionRange(progress.first, progress.until, at, done_map))
    return found


def take_over(
    groups: Groups, group: str, stretches: Mapping[TopicPartition, PartitionRange], asked: ReplayFingerprint
) -> CommittedProgress:
    """Write where this run begins, under a mark of its own, by which an earlier run that still runs stops. Blocking.

    Raises:
        SourceError: Kafka did not store it.
    """
    run = uuid.uuid4().hex[:12]
    prefixes = {tp: write_progress(ReplayProgress(run, s.first, s.until, asked)) for tp, s in stretches.items()}
    groups.write(group, {tp: Committed(s.at, prefixes[tp] + s.done_map) for tp, s in stretches.items()})
    return CommittedProgress(prefixes, run)

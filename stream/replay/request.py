"""What a user asks a replay for."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from stream.model.errors import config_error
from stream.replay.event_query import EventQuery
from stream.replay.fingerprint import ReplayFingerprint, asked_for
from stream.runtime.policies import layouts
from stream.settings.model import Settings

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TOPIC = re.compile(r"([A-Za-z0-9._-]{1,249})(?::([0-9]{1,9}(?:,[0-9]{1,9})*))?")


@dataclass(frozen=True)
class ReplayRequest:
    """One replay, as the command line has it."""

    name: str
    is_named: bool
    """The name was given, so progress is kept under it."""
    start: str
    """`--from` as it was typed."""
    until: str
    topics: Mapping[str, frozenset[int]]
    """Partitions by topic; none: all of them."""
    workflows: tuple[str, ...]
    """Names of those that it sends to."""
    selection: EventQuery = field(default_factory=EventQuery)
    rate_per_s: float | None = None
    """Requests a second to each workflow, at most."""
    new_keys: bool = False

    def asked(self) -> ReplayFingerprint:
        """What two runs of one name must agree on."""
        selection = self.selection
        return asked_for(
            **{"from": self.start},
            until=self.until,
            topic=" ".join(_topic_text(topic, numbers) for topic, numbers in sorted(self.topics.items())),
            workflow=" ".join(sorted(self.workflows)),
            type=" ".join(sorted(selection.types)),
            event=" ".join(sorted(selection.events)),
            secret_user=" ".join(sorted(selection.users)),
            secret_message_id=" ".join(sorted(selection.message_ids)),
            new_keys="given" if self.new_keys else "",
        )


def live_group_of(settings: Settings, workflow: str) -> str:
    """The consumer group that delivers to the workflow of this name."""
    group = settings.kafka.group_id
    return group if settings.isolation == "shared" else f"{group}.{workflow}"


def replay_group(settings: Settings, name: str) -> str:
    """The group that keeps the progress of a replay; it never has members."""
    return f"{settings.kafka.group_id}.replay.{name}"


def require_name(settings: Settings, name: str) -> None:
    """Raises ConfigError when no replay may be called that."""
    if not _NAME.fullmatch(name):
        raise config_error("--name", f"{name!r} is not a name.", "Use letters, digits, - and _, at most 64.")
    live = {settings.kafka.group_id, *(layout.group for layout in layouts(settings))}
    if name in live or replay_group(settings, name) in live:
        what = f"{name} is the name of the live consumer group, whose offsets a replay must not touch."
        raise config_error("--name", what, "Choose another, such as the reason for the replay.")


def parse_topics(texts: Collection[str]) -> dict[str, frozenset[int]]:
    """Partitions by topic of texts such as `events` and `events:0,2`; none: all of the topic's.

    Raises:
        ConfigError: one of them is not of that form.
    """
    found: dict[str, frozenset[int]] = {}
    for text in texts:
        match = _TOPIC.fullmatch(text)
        if match is None:
            raise config_error("--topic", f"{text!r} is not a topic.", "Write events, or events:0,1.")
        numbers = frozenset(map(int, match[2].split(","))) if match[2] else frozenset[int]()
        before = found.get(match[1])
        found[match[1]] = numbers if before is None else before | numbers if before and numbers else frozenset()
    return found


def _topic_text(topic: str, numbers: frozenset[int]) -> str:
    return topic + (":" + ",".join(map(str, sorted(numbers))) if numbers else "")

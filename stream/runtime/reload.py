"""SIGHUP: which settings a running process takes, all of them or none, and which of them wait for a restart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stream.runtime.policies import Layout, engine_policy
from stream.runtime.senders import Way, ways_to
from stream.settings.keys import fields_by_key
from stream.settings.model import Settings
from stream.settings.section import Section

AT_START_ONLY = ("isolation", "kafka", "http", "tracing", "log")
"""Keys of the settings that are read at start alone."""
DEAD_LETTERS_AT_START_ONLY = ("enabled", "topic", "create", "retention")


EnginePlan = tuple[tuple[Layout, tuple[Way, ...]], ...]
"""Every engine, and the ways to its workflows in their order."""


@dataclass(frozen=True)
class Plan:
    """What a process is to go on with. Nothing of it can fail any more."""

    settings: Settings
    """In force from now on: the new ones, where they may change, and the old ones where they may not."""
    engines: EnginePlan
    waiting: tuple[str, ...]
    """Changed settings that wait for a restart, as keys of the file."""


def in_force(running: Settings, fresh: Settings) -> Settings:
    """The settings that a running process takes of fresh ones."""
    kept: dict[str, object] = {name: getattr(running, name) for name in AT_START_ONLY}
    letters = {name: getattr(running.dead_letter, name) for name in DEAD_LETTERS_AT_START_ONLY}
    return fresh.model_copy(update={**kept, "dead_letter": fresh.dead_letter.model_copy(update=letters)})


def plan_engines(settings: Settings, layouts: Sequence[Layout]) -> EnginePlan:
    """Each engine and the ways to its workflows; files are read, policies made, so that whatever is wrong shows now.

    Raises:
        ConfigError: files cannot be used.
    """
    for layout in layouts:
        engine_policy(settings, layout)
    return tuple((layout, tuple(ways_to(settings, layout.workflows))) for layout in layouts)


def changed_keys(old: Settings, new: Settings) -> tuple[str, ...]:
    """Settings that differ and wait for a restart."""
    sections = {key: (getattr(old, key), getattr(new, key)) for key in AT_START_ONLY}
    found = [key for name, (before, after) in sections.items() for key in _differences(name, before, after)]
    letters = _differences("dead_letter", old.dead_letter, new.dead_letter)
    return *found, *(key for key in letters if key.partition(".")[2] in DEAD_LETTERS_AT_START_ONLY)


def _differences(name: str, before: object, after: object) -> Iterator[str]:
    if isinstance(before, Section):
        for key, field in fields_by_key(type(before)).items():
            attribute = key if hasattr(before, key) else f"{key}_"
            if getattr(before, attribute) != getattr(after, attribute):
                yield f"{name}.{field.alias or key}"
    elif before != after:
        yield name

"""SIGHUP: which settings a running process takes, all of them or none, and which of them wait for a restart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stream.runtime.endpoints import WorkflowEndpoint, endpoints_of
from stream.runtime.policies import GroupSpec, engine_policy
from stream.settings.model import Settings
from stream.settings.section import Section
from stream.settings.workflow import Workflow

AT_START_ONLY = ("isolation", "kafka", "schema_registry", "http", "tracing", "log")
"""Keys of the settings that are read at start alone."""
DEAD_LETTERS_AT_START_ONLY = ("enabled", "topic", "create", "retention")
WORKFLOWS = "workflow"

EnginePlan = tuple[tuple[GroupSpec, tuple[WorkflowEndpoint, ...]], ...]
"""Every engine, and the endpoints of its workflows in their order."""


@dataclass(frozen=True)
class ReloadPlan:
    """What a process continues with. Applying it cannot fail."""

    settings: Settings
    """In force from now on: the new ones, where they may change, and the old ones where they may not."""
    engines: EnginePlan
    changed: tuple[str, ...]
    """What is different from now on, as keys of the file."""
    waiting: tuple[str, ...]
    """Changed settings that wait for a restart, as keys of the file."""


def in_force(running: Settings, fresh: Settings) -> Settings:
    """The settings that a running process takes of fresh ones."""
    kept: dict[str, object] = {name: getattr(running, name) for name in AT_START_ONLY}
    letters = {name: getattr(running.dead_letter, name) for name in DEAD_LETTERS_AT_START_ONLY}
    return fresh.model_copy(update={**kept, "dead_letter": fresh.dead_letter.model_copy(update=letters)})


def plan_engines(settings: Settings, layouts: Sequence[GroupSpec]) -> EnginePlan:
    """Each engine and the endpoints of its workflows. Reads files and makes policies, so that any fault shows now.

    Raises:
        ConfigError: files cannot be used.
    """
    for layout in layouts:
        engine_policy(settings, layout)
    return tuple((layout, tuple(endpoints_of(settings, layout.workflows))) for layout in layouts)


def changed_keys(old: Settings, new: Settings) -> tuple[str, ...]:
    """Settings that differ, as keys of the file, never with their values; workflows are identified by their names."""
    return tuple(_differences("", old, new))


def changed_files(old: EnginePlan, new: EnginePlan) -> tuple[str, ...]:
    """Workflows whose TLS files hold something else than before."""
    before = {endpoint.workflow: endpoint.files for _, endpoints in old for endpoint in endpoints}
    after = {endpoint.workflow: endpoint.files for _, endpoints in new for endpoint in endpoints}
    changed = [name for name, files in after.items() if before.get(name, files) != files]
    return tuple(f"workflow[{name}] (what its TLS files hold)" for name in changed)


def _differences(at: str, before: object, after: object) -> Iterator[str]:
    if before == after:
        return
    if isinstance(before, Section) and type(before) is type(after):
        for name, field in type(before).model_fields.items():
            key = f"{at}.{field.alias or name}".lstrip(".")
            yield from _differences(key, getattr(before, name), getattr(after, name))
    elif at == WORKFLOWS and isinstance(before, tuple) and isinstance(after, tuple):
        yield from _workflow_differences(before, after)
    else:
        yield at


def _workflow_differences(before: tuple[Workflow, ...], after: tuple[Workflow, ...]) -> Iterator[str]:
    old, new = ({workflow.name: workflow for workflow in side} for side in (before, after))
    yield from (f"workflow[{name}] (removed)" for name in old if name not in new)
    for name, workflow in new.items():
        at = f"workflow[{name}]"
        yield from _differences(at, old[name], workflow) if name in old else [f"{at} (added)"]
    if [name for name in old if name in new] != [name for name in new if name in old]:
        yield "workflow (the order)"

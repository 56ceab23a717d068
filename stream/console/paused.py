"""Commands that send on purpose leave paused workflows alone."""

from __future__ import annotations

from collections.abc import Collection

from stream.model.errors import ConfigError, Problem
from stream.settings.model import Settings


def require_running(settings: Settings, names: Collection[str], others: str) -> None:
    """Raises ConfigError when the settings pause one of these workflows; `others` says how to choose others."""
    fix = f"Resume it (paused = false), or {others}."
    problems = [
        Problem(f"workflow {workflow.name}", "is paused: nothing is sent to it.", fix)
        for workflow in settings.workflows
        if workflow.paused and workflow.name in names
    ]
    if problems:
        raise ConfigError(problems)

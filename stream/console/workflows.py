"""Workflows as options name them."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from stream.model.errors import ConfigError, Problem, config_error
from stream.settings.keys import suggestion
from stream.settings.model import Settings

NO_WORKFLOW = "there is no workflow {}."


def only_workflows(settings: Settings, names: Collection[str]) -> Settings:
    """The settings with these workflows alone; with all of them when none is named.

    Raises:
        ConfigError: there is no such workflow.
    """
    require_workflows(settings, "--workflow", names)
    chosen = tuple(w for w in settings.workflows if not names or w.name in names)
    return settings.model_copy(update={"workflows": chosen})


def only_name(settings: Settings) -> str:
    """The name of the only workflow there is.

    Raises:
        ConfigError: there are several, or none.
    """
    names = [workflow.name for workflow in settings.workflows]
    if len(names) != 1:
        fix = f"There are: {', '.join(names) or 'none'}. Or send to every one: --all"
        raise config_error("--workflow", "is missing.", fix)
    return names[0]


def require_workflows(settings: Settings, where: str, names: Collection[str]) -> None:
    """Raises ConfigError when one of the names, given at `where`, is not that of a workflow."""
    require_known(where, names, [workflow.name for workflow in settings.workflows], NO_WORKFLOW)


def unknown_workflows(settings: Settings, where: str, names: Collection[str]) -> list[Problem]:
    """A problem for each name that is not that of a workflow."""
    return _unknown(where, names, [workflow.name for workflow in settings.workflows], NO_WORKFLOW)


def require_known(where: str, names: Iterable[str], known: Collection[str], what: str) -> None:
    """Raises ConfigError when one of the names is not known; `what` says so, with `{}` in the place of the name."""
    if problems := _unknown(where, names, known, what):
        raise ConfigError(problems)


def _unknown(where: str, names: Iterable[str], known: Collection[str], what: str) -> list[Problem]:
    return [Problem(where, what.format(name), suggestion(name, known)) for name in names if name not in known]


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

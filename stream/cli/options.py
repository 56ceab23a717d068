"""Options that several commands share, and the settings they lead to."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Annotated, Literal, NotRequired, TypedDict

import typer

from stream.core.errors import ConfigError, Problem
from stream.settings.hidden import hidden_texts
from stream.settings.load import Loaded, load_settings
from stream.telemetry.mask import HIDDEN

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="Settings file (TOML). Default: ./stream.toml if there is one.", show_default=False
    ),
]
Bootstrap = Annotated[
    str | None,
    typer.Option("--bootstrap-servers", help="Kafka brokers, host:port, comma-separated.", show_default=False),
]
Topic = Annotated[list[str] | None, typer.Option("--topic", help="Topic to read; may be repeated.", show_default=False)]
Group = Annotated[str | None, typer.Option("--group-id", help="Consumer group.", show_default=False)]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"] | None,
    typer.Option("--log-level", help="Least level of the lines that are logged.", show_default=False),
]
LogFormat = Annotated[
    Literal["text", "json"] | None,
    typer.Option("--log-format", help="text: a sentence and key=value; json: one object a line.", show_default=False),
]


class Given(TypedDict):
    """What the shared options said; None: nothing."""

    config: Path | None
    bootstrap_servers: str | None
    topic: list[str] | None
    group_id: str | None
    log_level: NotRequired[str | None]
    log_format: NotRequired[str | None]


def load(given: Given, *, workflows_required: bool = True, topics_required: bool = True) -> Loaded:
    """Settings from file, environment and these options; their secrets are masked in all that is written.

    Raises:
        ConfigError: with every problem.
    """
    flags = {
        "kafka.bootstrap_servers": given["bootstrap_servers"],
        "kafka.topics": given["topic"] or None,
        "kafka.group_id": given["group_id"],
        "log.level": given.get("log_level"),
        "log.format": given.get("log_format"),
    }
    loaded = load_settings(
        given["config"],
        os.environ,
        flags,
        workflows_required=workflows_required,
        topics_required=topics_required,
    )
    HIDDEN.add(hidden_texts(loaded.settings))
    return loaded


def require_one(name: str, given: bool, other: str, other_given: bool) -> None:
    """Raises ConfigError when both of two options that exclude each other are given."""
    if given and other_given:
        raise ConfigError([Problem(name, f"cannot be used together with {other}.", "Leave one of them out.")])


SILENT = logging.Logger("command", logging.CRITICAL + 1)
"""For the client of a command: what it says of its troubles is in the command's own error, once."""

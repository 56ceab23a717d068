"""Options that several commands share, and the settings they lead to."""

from __future__ import annotations

import inspect
import logging
import os
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

import typer
from typer.core import TyperGroup

from stream.model.errors import UnreachableError, config_error
from stream.telemetry.mask import HIDDEN

if TYPE_CHECKING:  # the settings' library takes longer to load than --version and --help take together
    from stream.settings.load import Loaded
    from stream.settings.model import Settings
from stream.model.needs import Needs

_loaded: ContextVar[Settings] = ContextVar("settings")
"""The settings that the running command has loaded."""

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
TopicPartitions = Annotated[
    list[str] | None,
    typer.Option(
        "--topic",
        metavar="TOPIC[:0,1]",
        help="Topic, or some of its partitions; may be repeated. Default: the topics of the settings.",
        show_default=False,
    ),
]
OfTypes = Annotated[
    list[str] | None,
    typer.Option("--type", metavar="TYPE", help="Only events of this type; may be repeated.", show_default=False),
]
OfNames = Annotated[
    list[str] | None,
    typer.Option(
        "--event",
        metavar="PATTERN",
        help="Only track events of this name, as a shell pattern; may be repeated.",
        show_default=False,
    ),
]
OfUsers = Annotated[
    list[str] | None,
    typer.Option(
        "--user",
        metavar="ID",
        help="Only events with this userId, anonymousId or groupId; may be repeated.",
        show_default=False,
    ),
]
Group = Annotated[str | None, typer.Option("--group-id", help="Consumer group.", show_default=False)]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"] | None,
    typer.Option("--log-level", help="Least level of the lines that are logged.", show_default=False),
]
LogFormat = Annotated[
    Literal["text", "json"] | None,
    typer.Option("--log-format", help="text: a sentence and key=value; json: one object a line.", show_default=False),
]


class Given(TypedDict, total=False):
    """What the shared options said; None, or left out: nothing."""

    config: Path | None
    bootstrap_servers: str | None
    topic: list[str] | None
    group_id: str | None
    log_level: str | None
    log_format: str | None


def load(
    given: Given, *, workflows_required: bool = True, topics_required: bool = True, needs: Needs = Needs.ALL
) -> Loaded:
    """Settings from file, environment and these options; their secrets are masked in all that is written.

    Raises:
        ConfigError: with every problem.
    """
    from stream.settings.hidden import hidden_texts
    from stream.settings.load import load_settings

    flags = {
        "kafka.bootstrap_servers": given.get("bootstrap_servers"),
        "kafka.topics": given.get("topic") or None,
        "kafka.group_id": given.get("group_id"),
        "log.level": given.get("log_level"),
        "log.format": given.get("log_format"),
    }
    loaded = load_settings(
        given.get("config"),
        os.environ,
        flags,
        workflows_required=workflows_required,
        topics_required=topics_required,
        needs=needs,
    )
    HIDDEN.add(hidden_texts(loaded.settings))
    _loaded.set(loaded.settings)
    return loaded


class Commands(TyperGroup):
    """The tree of commands. Where one of them cannot reach Kafka, the reason is looked for and said."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        _fold_help(self)

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]  # typer's own click has no public name
        """Run the command that the arguments name."""
        try:
            return super().invoke(ctx)
        except UnreachableError as error:
            settings = _loaded.get(None)
            if error.cause or settings is None:
                raise
            raise UnreachableError(error.doing, _cause(settings)) from error


def _fold_help(command: Any) -> None:
    """Join the lines of each paragraph: the terminal's width breaks them. Indented lines, the examples, stay."""
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    command.help = "\n\n".join(one if one.startswith(" ") else " ".join(one.split("\n")) for one in paragraphs)
    for inner in getattr(command, "commands", {}).values():
        _fold_help(inner)


def _cause(settings: Settings) -> str:
    from stream.kafka.client_config import common_config
    from stream.kafka.diagnosis import diagnose
    from stream.runtime.policies import kafka_policy

    return diagnose(common_config(kafka_policy(settings, logger=SILENT)))


def read_offset(text: str) -> int:
    """An offset, with separators between the thousands or without."""
    digits = text.replace(",", "").replace("_", "")
    if not (digits.isascii() and digits.isdecimal()):
        raise typer.BadParameter(f"{text!r} is not an offset.")
    return int(digits)


def require_one(name: str, given: bool, other: str, other_given: bool) -> None:
    """Raises ConfigError when both of two options that exclude each other are given."""
    if given and other_given:
        raise config_error(name, f"cannot be used together with {other}.", "Leave one of them out.")


SILENT = logging.Logger("command", logging.CRITICAL + 1)
"""For the client of a command: what it says of its troubles is in the command's own error, once."""

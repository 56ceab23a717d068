"""Every error of our own.

StreamError                   anything this program raises on purpose; its text is fit for a person
├── ConfigError               settings are wrong: exit 2; carries every problem at once
├── SourceError               the Kafka side cannot continue: exit 1
│   ├── UnreachableError      Kafka does not answer: exit 1
│   ├── RegistryError         the Schema Registry does not answer: exit 1
│   ├── MissingTopicError     a topic that we cannot do without is not there: exit 1
│   ├── MissingEventError     what the command names is not there: exit 1
│   ├── RefusedError          Kafka refused: credentials, ACL, fenced: exit 3
│   │   └── InstanceIdTakenError   another member has the group.instance.id, or had it until it crashed: exit 3
│   └── DataLossError         records were gone before they were read, and `on_data_loss = "stop"`: exit 4
└── EngineInvariantError      a promise of the engine was broken (a bug): nothing more is committed, exit 1
"""

from __future__ import annotations

from dataclasses import dataclass


class StreamError(Exception):
    """Base of every error of this program; `exit_code` is what the command line ends with."""

    exit_code = 1


@dataclass(frozen=True)
class Problem:
    """One thing wrong with the settings: where, what, and how to fix it."""

    path: str
    what: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.what}" + (f" {self.fix}" if self.fix else "")


class ConfigError(StreamError):
    """The settings cannot be used. `problems` holds each finding, in the order of the file."""

    exit_code = 2

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


def config_error(path: str, what: str, fix: str = "") -> ConfigError:
    """The error about one setting, option or argument."""
    return ConfigError([Problem(path, what, fix)])


class SourceError(StreamError):
    """Kafka cannot be used any further by this process; a restart may help."""


class UnreachableError(SourceError):
    """No broker answers. `doing`: what was asked of Kafka; `cause`: why, as a sentence, where it was looked into."""

    def __init__(self, doing: str, cause: str = "") -> None:
        self.doing, self.cause = doing, cause
        super().__init__(f"Kafka cannot be reached, {doing}: {cause or 'is kafka.bootstrap_servers right?'}")


class RegistryError(SourceError):
    """The Schema Registry does not answer."""


class MissingTopicError(SourceError):
    """A topic that the command cannot do without does not exist."""


class MissingEventError(SourceError):
    """The event that a command is about is not where the user says."""


class RefusedError(SourceError):
    """Kafka refused us (authentication, authorisation, fenced); a restart does not help."""

    exit_code = 3


class InstanceIdTakenError(RefusedError):
    """Another member of the group has this `group_instance_id`; one that crashed has it until its session is over."""


class DataLossError(SourceError):
    """Records that were not read are gone from the topic, and nothing else is left to consume."""

    exit_code = 4


class EngineInvariantError(StreamError):
    """A promise of the engine was broken. Raised before anything is committed on the strength of it."""


def system_text(error: BaseException, otherwise: str) -> str:
    """The system's own text for an error of files or the network, to continue a sentence; `otherwise`: without any."""
    text = (isinstance(error, OSError) and error.strerror) or ""
    return text[:1].lower() + text[1:] or otherwise


def describe_error(error: BaseException) -> str:
    """What may be said of any error: ours speak for themselves, of others the class and the place.

    The text of a foreign one may hold whatever it stumbled over: an event, an address, a secret.
    """
    if isinstance(error, StreamError):
        return str(error)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error).__name__
    file = "/".join(trace.tb_frame.f_code.co_filename.split("/")[-3:])
    return f"{type(error).__name__} at {file}:{trace.tb_lineno}"

"""What the supervisor and a worker say to each other."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from stream.model.errors import Problem
from stream.model.held import Json
from stream.runtime.processor import RunOptions
from stream.runtime.remaining import Remaining
from stream.runtime.start import StartFacts
from stream.settings.load import Loaded


@dataclass(frozen=True)
class WorkerTask:
    """The first that a worker is told: who it is and what to do. The settings are not divided yet."""

    number: int
    loaded: Loaded
    start: StartFacts
    options: RunOptions


class Ask(Enum):
    """What a worker is to report."""

    PULSE = auto()
    """Its health alone."""
    METRICS = auto()
    """Its metrics, too, which takes it some milliseconds."""
    HELD = auto()
    """What it holds, too."""


class Stop(Enum):
    """Drain, commit, leave the group, end."""

    NOW = auto()


@dataclass(frozen=True)
class Reload:
    """The settings were read again: these are they, or what is wrong with them."""

    loaded: Loaded | None
    problems: tuple[Problem, ...] = ()


Order = WorkerTask | Ask | Stop | Reload


@dataclass(frozen=True)
class WorkerReport:
    """How a worker is: what `Exposed` says in its process."""

    health_fault: str
    readiness_fault: str
    metrics: str | None = None
    """Only when it was asked for."""
    remaining: Remaining = Remaining.SOME
    held: Json | None = None
    """Only when it was asked for; empty: it cannot say now."""

"""What a command uses of the settings."""

from __future__ import annotations

from enum import Enum


class Needs(Enum):
    """What a command uses of the settings."""

    ALL = "all"
    """It sends events, or says whether one could."""
    KAFKA = "kafka"
    """It talks to Kafka alone: the workflows' URLs and secrets may be missing."""
    NOTHING = "nothing"
    """It talks to nobody: every reference may be unresolved."""

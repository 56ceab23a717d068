"""What is wrong with what the user gave us, told the way the settings' problems are."""

from __future__ import annotations

from stream.model.errors import ConfigError, Problem


def refusal(option: str, what: str, fix: str = "") -> ConfigError:
    """The error (exit 2) that names an option or argument, what is wrong with it, and how to mend it."""
    return ConfigError([Problem(option, what, fix)])

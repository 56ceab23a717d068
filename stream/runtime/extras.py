"""Packages that only an extra installs."""

from __future__ import annotations

from importlib import import_module

from stream.model.errors import ConfigError, Problem


def require_extra(module: str, extra: str, setting: str, subject: str) -> None:
    """Raises ConfigError when `setting` asks for `subject`, and `module` of ours cannot import what the extra has."""
    try:
        import_module(module)
    except ImportError as error:
        what = f"is set, and {subject} is not installed (no module {error.name})."
        raise ConfigError(
            [Problem(setting, what, f'Install the extra: pip install "tray-stream[{extra}]".')]
        ) from error

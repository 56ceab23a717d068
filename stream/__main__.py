"""Entry point of `tray-stream` and `python -m stream`."""

from __future__ import annotations

import sys

from stream.core.errors import ConfigError, StreamError


def main() -> None:
    """Run the command line; an error of ours ends it with its text and its exit code."""
    from stream.cli.app import app

    try:
        app()
    except StreamError as error:
        print(_told(error), file=sys.stderr)
        sys.exit(error.exit_code)


def _told(error: StreamError) -> str:
    if isinstance(error, ConfigError) and len(error.problems) > 1:
        return f"{len(error.problems)} problems with the settings:\n" + "\n".join(f"  {p}" for p in error.problems)
    return f"Error: {error}"


if __name__ == "__main__":
    main()

"""Entry point of `tray-stream` and `python -m stream`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stream.start_signals import catch_signals

if TYPE_CHECKING:
    from stream.model.errors import StreamError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, the process's own by default.

    A StreamError ends it with its text and its exit code, any other with where it was.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    catch_signals(given)
    from stream.model.errors import StreamError

    try:
        if given == ["healthcheck"]:
            from stream.run.healthcheck import run_healthcheck

            run_healthcheck()  # without the command line's libraries: a container asks every few seconds
            return
        from stream.cli.app import app

        app(given)
    except StreamError as error:
        _print_masked(_described(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # a bug: its place is logged, its text is not, since it may hold an event or a secret
        import traceback

        frames = "".join(traceback.format_tb(error.__traceback__))
        _print_masked(f"{frames}{type(error).__name__}: this is a bug; please report it.")
        sys.exit(1)


def _print_masked(text: str) -> None:
    from stream.model.printable import printable_lines
    from stream.telemetry.mask import HIDDEN

    print(printable_lines(HIDDEN.mask(text)), file=sys.stderr)


def _described(error: StreamError) -> str:
    from stream.model.errors import ConfigError

    if isinstance(error, ConfigError) and len(error.problems) > 1:
        return f"{len(error.problems)} problems with the settings:\n" + "\n".join(f"  {p}" for p in error.problems)
    return f"Error: {error}"


if __name__ == "__main__":
    main()

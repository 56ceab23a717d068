"""Entry point of `tray-stream`, outside the package `stream`: it says when another `stream` is in its place."""

from __future__ import annotations

import sys
from pathlib import Path

FIX = (
    "Install tray-stream into an environment of its own (pipx install tray-stream, uv tool install tray-stream, or the "
    "container image), and start it where no other package named `stream` comes first."
)


def main() -> None:
    """Run the command line, or say with exit code 2 what stands in its way."""
    fault = package_fault()
    if fault:
        print(f"Error: {fault} {FIX}", file=sys.stderr)
        sys.exit(2)
    from stream.__main__ import main as run

    run()


def package_fault() -> str:
    """Why the package that Python finds as `stream` is not this program's, or not whole; empty when it is."""
    try:
        import stream
    except Exception as error:  # another distribution's package may fail in any way
        return (
            f"the Python package `stream` cannot be imported ({type(error).__name__}), since it is not this program's."
        )
    found = getattr(stream, "__file__", None)
    if found is None:
        places = ", ".join(getattr(stream, "__path__", ())) or "an unknown place"
        return f"the Python package `stream` in {places} is not whole: files of this program were removed or replaced."
    if getattr(stream, "DISTRIBUTION", "") == "tray-stream":
        return ""
    where = Path(found)
    return f"{where} belongs to another distribution: its Python package `stream` has the same name as this program's."

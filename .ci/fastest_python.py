"""Prints the fastest Python on this machine that the project runs on.

Builds of one version differ by a quarter: a plain build with a shared library (pyenv's default) against a
distribution's. Each candidate runs the same loop a few times; one that is barely faster than `python3` is not taken.
"""

from __future__ import annotations

import shutil
import subprocess

CANDIDATES = (
    "python3",
    "python3.14",
    "python3.13",
    "python3.12",
    "python3.11",
    "/usr/bin/python3",
    "/usr/local/bin/python3",
)
WORTH_IT = 0.9
"""Share of `python3`'s time that another one may take."""
PROBE = """
import sys, time
if not (3, 11) <= sys.version_info[:2] <= (3, 14):
    sys.exit(1)
class Event:
    def __init__(self, user, offset):
        self.user, self.offset = user, offset
def once():
    began, lanes = time.process_time(), {}
    for offset in range(30_000):
        event = Event(f"user-{offset % 97}", offset)
        lanes.setdefault(event.user, []).append(event)
    return time.process_time() - began
print(min(once() for _ in range(7)), sys.executable)
"""


def probe(python: str) -> tuple[float, str] | None:
    """(seconds of the loop, full path) of one Python; None when it is not there or not of a version that we run on."""
    if shutil.which(python) is None:
        return None
    ran = subprocess.run([python, "-c", PROBE], capture_output=True, text=True, check=False)  # noqa: S603  # fixed names
    if ran.returncode:
        return None
    seconds, path = ran.stdout.split(maxsplit=1)
    return float(seconds), path.strip()


def main() -> None:
    """Print one path, or `python3` when there is none to choose from."""
    found = [result for result in map(probe, CANDIDATES) if result is not None]
    if not found:
        print("python3")
        return
    first, fastest = found[0], min(found)
    print(fastest[1] if fastest[0] < first[0] * WORTH_IT else first[1])


if __name__ == "__main__":
    main()

"""Runs the program with one of the bugs of tests/simulation planted into it: `faults_planted.py BUG run …`."""

from __future__ import annotations

import sys
from pathlib import Path

from stream.__main__ import main

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).resolve().parents[1] / "simulation"))
    from planted import BUGS  # after its folder is known

    bugs = {bug.__name__: bug for bug in BUGS}
    with bugs[sys.argv[1]]():
        main(sys.argv[2:])

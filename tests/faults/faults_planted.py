"""Runs the program with a bug or a fault planted into it: `faults_planted.py NAME run …`."""

from __future__ import annotations

import sys
from pathlib import Path

from faults_hooks import HOOKS

from stream.__main__ import main

if __name__ == "__main__":
    tests = Path(__file__).resolve().parents[1]
    sys.path += [str(tests), str(tests / "simulation")]
    from planted import BUGS  # after the folders are known

    named = {bug.__name__: bug for bug in (*BUGS, *HOOKS)}
    with named[sys.argv[1]]():
        main(sys.argv[2:])

"""Finds what the tests of the registry share with those of the settings."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "settings"))

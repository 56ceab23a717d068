"""Writes grafana/dashboards/*.json: `make dashboards`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from board_kafka import kafka
from board_marks import marks
from board_overview import overview
from board_workflows import workflows
from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

DIRECTORY = Path(__file__).resolve().parents[1] / "dashboards"
BOARDS: dict[str, Callable[[], Dashboard]] = {
    "overview.json": overview,
    "workflows.json": workflows,
    "kafka.json": kafka,
}


def rendered(make: Callable[[], Dashboard]) -> str:
    """A dashboard as the file that Grafana loads."""
    made = json.loads(json.dumps(make().build(), cls=JSONEncoder))
    for number, panel in enumerate(made["panels"], start=1):
        panel["id"] = number
    made["annotations"] = {"list": marks()}
    return _dumped(made)


def _dumped(made: dict[str, Any]) -> str:
    return json.dumps(made, indent=1, sort_keys=True) + "\n"


def main() -> None:
    """Write every dashboard anew."""
    DIRECTORY.mkdir(exist_ok=True)
    for name, make in BOARDS.items():
        (DIRECTORY / name).write_text(rendered(make))


if __name__ == "__main__":
    main()

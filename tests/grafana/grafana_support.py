"""Reads the dashboards and the rules as Grafana and Prometheus do: panels, queries, selectors."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from stream.telemetry.catalogue import CATALOGUE, OF_SUPERVISOR

GRAFANA = Path(__file__).resolve().parents[2] / "grafana"
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
RULES = sorted((GRAFANA / "prometheus" / "rules").glob("*.yml"))
RULE_TESTS = sorted((GRAFANA / "prometheus" / "tests").glob("*.yml"))
PROMETHEUS_CONFIG = GRAFANA / "prometheus" / "prometheus.yml"
ALL_METRICS = (*CATALOGUE, *OF_SUPERVISOR)
SELECTOR = re.compile(
    r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<matchers>[^}]*)\})?(?:\[(?P<range>[^\]]*)\])?(?: offset \w+)?"
)
NOT_OURS = {
    "ALERTS": "of Prometheus itself",
    "up": "of Prometheus itself",
    "process_start_time_seconds": "of prometheus_client's process collector",
    "process_cpu_seconds_total": "of prometheus_client's process collector",
    "process_resident_memory_bytes": "of prometheus_client's process collector",
    "process_open_fds": "of prometheus_client's process collector",
    "python_gc_collections_total": "of prometheus_client's interpreter collector",
}
"""Metrics that queries may use though they are not in the catalogue."""


@dataclass(frozen=True)
class Panel:
    """One panel of a dashboard."""

    board: str
    fields: dict[str, Any]

    @property
    def title(self) -> str:
        """What it is called."""
        return str(self.fields.get("title", ""))

    @property
    def queries(self) -> list[str]:
        """The PromQL of its targets."""
        return [target["expr"] for target in self.fields.get("targets", [])]


@dataclass(frozen=True)
class Selector:
    """A metric in a query, with its matchers and range, and what is written before it."""

    name: str
    matchers: str
    range: str
    before: str


def board(path: Path) -> dict[str, Any]:
    """A dashboard as Grafana loads it."""
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def panels(path: Path) -> list[Panel]:
    """Its panels, rows left out."""
    loaded = board(path)
    return [Panel(loaded["title"], panel) for panel in loaded["panels"] if panel["type"] != "row"]


def all_panels() -> list[Panel]:
    """The panels of every dashboard."""
    return [panel for path in DASHBOARDS for panel in panels(path)]


def rules() -> list[dict[str, Any]]:
    """Every rule, recording and alerting."""
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    """The alerting rules by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def known_names() -> set[str]:
    """Every series name that a query may use."""
    names = set(NOT_OURS) | {rule["record"] for rule in rules() if "record" in rule}
    for metric in ALL_METRICS:
        suffixes = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
        names |= {metric.name + suffix for suffix in suffixes}
    return names


def selectors(expr: str) -> list[Selector]:
    """The series that an expression reads, in order."""
    return list(_selectors(expr))


def _selectors(expr: str) -> Iterator[Selector]:
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", lambda m: " " * len(m[0]), expr)
    for found in SELECTOR.finditer(bare):
        name, after = found["name"], bare[found.end() :].lstrip()
        is_series = found["matchers"] is not None or found["range"] is not None or name in known_names()
        if is_series and not after.startswith("("):
            yield Selector(name, found["matchers"] or "", found["range"] or "", bare[: found.start()])


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run promtool; without it the test is skipped, or fails in CI."""
    if shutil.which("promtool") is None:
        assert os.environ.get("CI") != "true", "promtool is needed: it comes with Prometheus"
        pytest.skip("promtool is not installed")
    command = ["promtool", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

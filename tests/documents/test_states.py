"""Every state in which events do not flow has a metric, an alert, a screen and a runbook, and is in the table."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from assertions import every, filled

from stream.telemetry.catalogue import CATALOGUE, OF_SUPERVISOR

ROOT = Path(__file__).resolve().parents[2]
RUNBOOKS = (ROOT / "grafana/RUNBOOKS.md").read_text()
SECTION = RUNBOOKS.partition("## When events do not flow\n")[2].partition("\n## ")[0]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in SECTION.splitlines() if line[:2] == "| "][1:]
RULES = yaml.safe_load((ROOT / "grafana/prometheus/rules/alerts.yml").read_text())["groups"]
ALERTS = {rule["alert"] for group in RULES for rule in group["rules"]}
NOT_OF_THE_FLOW = {"TrayDeadLettersWritten": "the event has ended, and the others flow"}

STOPS = re.compile(r"halt|held|hold|stop|paus|closed|park|draining|overfull|crowded|not_read|unwanted|behind|full\b")
"""How code names what is not read or not sent for now."""
STATE_OF_FLAG = {
    "is_halted": "a partition is halted",
    "halted": "a partition is halted",
    "partitions_halted": "a partition is halted",
    "stopped": "a partition is halted",
    "_stopped": "a partition is halted",
    "is_held": "a partition is held",
    "held_since": "a partition is held",
    "held_by": "a partition is held",
    "held_records": "a partition is held",
    "held": "events are held",
    "paused": "a workflow is paused",
    "closed_since": "gate is closed",
    "closed_until": "gate is closed",
    "gate_closed_since": "gate is closed",
    "gate_is_held": "events are held",
    "gate_closed_until": "gate is closed",
    "_closed_before": "gate is closed",
    "is_stopped": "backpressure",
    "overfull_lanes": "backpressure",
    "is_paused": "backpressure",
    "not_read": "backpressure",
    "_unwanted": "backpressure",
    "full": "backpressure",
    "partitions_paused": "backpressure",
    "_held_since": "backpressure",
    "_held_at": "backpressure",
    "_is_held": "backpressure",
    "_parked": "owns no partition",
    "is_draining": "handed around",
    "draining": "handed around",
}
"""What each flag of the code is a part of: a row whose first cell holds the text."""
NO_STATE = {
    "_held_retry_s": "a duration",
    "held_bytes": "a size",
    "_stops": "how a retry clock counts",
    "_stopped_s": "how a retry clock counts",
    "unwanted": "filtered, which is an end",
    "_is_closed": "the end of the process",
    "is_closed": "the end of the process",
    "_is_stopped": "the end of the process",
    "_stop_asked": "the end of the process",
    "_owner_stopped": "the end of the process",
}


def test_there_is_a_table() -> None:
    """With a row for more states than there are alerts."""
    assert len(ROWS) >= 15
    assert every(len(row) == 4 and all(row) for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_a_state_has_metrics_alerts_runbooks_and_a_screen(row: list[str]) -> None:
    """Each that is named exists, and the runbook's section has the alert's name."""
    metrics = re.findall(r"`(tray_\w+)`", row[1])
    assert metrics
    assert set(metrics) <= {metric.name for metric in (*CATALOGUE, *OF_SUPERVISOR)}
    alerts = re.findall(r"\[(\w+)\]\(#(\w+)\)", row[2])
    assert alerts
    for name, anchor in filled(alerts):
        assert anchor == name.lower()
        assert name in ALERTS
        assert f"\n## {name}\n" in RUNBOOKS


def test_every_alert_belongs_to_a_state() -> None:
    """But for those that are about something else."""
    listed = {name for row in ROWS for name in re.findall(r"\[(\w+)\]", row[2])}
    assert listed == ALERTS - NOT_OF_THE_FLOW.keys()


@pytest.mark.parametrize("name", sorted(set(re.findall(r'"([a-z ]+)"', " ".join(row[3] for row in ROWS)))))
def test_the_screen_has_these_words(name: str) -> None:
    """`top` writes what the table says it does."""
    source = "".join(path.read_text() for path in (ROOT / "stream/top").glob("*.py"))
    assert name in source


def test_every_flag_that_stops_the_flow_belongs_to_a_state() -> None:
    """Whoever adds one says in the table how it is seen."""
    unknown = {flag: where for flag, where in flags() if flag not in STATE_OF_FLAG and flag not in NO_STATE}
    assert unknown == {}


@pytest.mark.parametrize("state", sorted(set(STATE_OF_FLAG.values())))
def test_states_of_flags_are_in_the_table(state: str) -> None:
    """By the words of its row."""
    assert any(state in row[0] for row in ROWS)


def flags() -> Iterator[tuple[str, str]]:
    """(name, file) of each attribute in the engine and at the Kafka edge that is named like a stop."""
    for part in ("model", "rules", "engine", "kafka"):
        for path in sorted((ROOT / "stream" / part).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef):
                    yield from ((name, path.name) for name in attributes(node) if STOPS.search(name))


def attributes(owner: ast.ClassDef) -> Iterator[str]:
    """Fields of a dataclass, and what is assigned to self."""
    for node in ast.walk(owner):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
        for target in targets:
            if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self":
                yield target.attr

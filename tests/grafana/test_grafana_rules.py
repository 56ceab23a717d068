"""The rules are valid, every alert is tested both ways and leads to a runbook."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from grafana_support import (
    ALL_METRICS,
    GRAFANA,
    PROMETHEUS_CONFIG,
    RULE_TESTS,
    RULES,
    alerts,
    all_panels,
    promtool,
    rules,
)
from typer.testing import CliRunner

from stream.cli.app import app

RUNBOOKS = (GRAFANA / "RUNBOOKS.md").read_text()
LIST = (GRAFANA.parent / "docs/reference/alerts.md").read_text()
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", RUNBOOKS, re.MULTILINE | re.DOTALL))
PER_PROCESS = ("instance", "pod", "container", "endpoint", "service", "worker")
"""Labels of one process: an alert about a workflow or a partition must not be split by them."""
OF_ONE_PROCESS = {"TrayStreamDown", "TrayWorkerFailing", "TrayReloadFailed"}


def test_the_configuration_is_valid() -> None:
    """promtool finds no fault in prometheus.yml and in the rules that it loads."""
    checked = promtool("check", "config", PROMETHEUS_CONFIG)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(RULES)} rule files found" in checked.stdout


def test_the_rules_are_valid() -> None:
    """promtool finds no fault, and nothing to improve."""
    checked = promtool("check", "rules", "--lint=all", "--lint-fatal", *RULES)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.name)
def test_the_rules_fire_when_they_should(path: Path) -> None:
    """promtool plays the cases."""
    played = promtool("test", "rules", path)
    assert played.returncode == 0, played.stdout + played.stderr


@pytest.mark.parametrize("name", alerts())
def test_every_alert_is_tested_both_ways(name: str) -> None:
    """There is a case in which it fires, with its texts, and one in which it does not."""
    cases = [
        case["exp_alerts"]
        for path in RULE_TESTS
        for test in yaml.safe_load(path.read_text())["tests"]
        for case in test.get("alert_rule_test", ())
        if case["alertname"] == name
    ]
    assert any(cases)
    assert not all(cases)


@pytest.mark.parametrize("name", alerts())
def test_every_alert_says_what_to_do(name: str) -> None:
    """Severity, a sentence, a description, the dashboard, and a runbook section that exists."""
    alert = alerts()[name]
    assert alert["labels"]["severity"] in {"critical", "warning"}
    found = alert["annotations"]
    assert set(found) == {"summary", "description", "runbook_url", "dashboard_url"}
    assert found["runbook_url"] == f"grafana/RUNBOOKS.md#{name.lower()}"
    boards = {f"/d/{path.stem}" for path in (GRAFANA / "dashboards").glob("*.json")}
    assert found["dashboard_url"].split("?")[0].replace("/d/tray-stream-", "/d/") in boards
    parts = re.findall(r"^\*\*(.+?)\.\*\* \S", SECTIONS[name], re.MULTILINE)
    assert parts == ["It means", "Look here", "Do this"]


def test_the_reference_lists_every_alert() -> None:
    """With its severity."""
    rows = re.findall(r"^\| ((?:`Tray\w+`(?:, )?)+) \| ([a-z, ]+) \|", LIST, re.MULTILINE)
    listed = {
        name.strip("`"): severity
        for names, severities in rows
        for name, severity in zip(names.split(", "), severities.split(", "), strict=True)
    }
    assert listed == {name: alert["labels"]["severity"] for name, alert in alerts().items()}


def test_every_runbook_has_its_alert() -> None:
    """No section is left over, and they come in the order of the rules."""
    assert list(SECTIONS) == list(alerts())


def test_runbooks_name_what_exists() -> None:
    """Panels, metrics and sections that a runbook points at are there."""
    titles = {panel.title for panel in all_panels()} | {panel.board for panel in all_panels()}
    assert set(re.findall(r"(?<!\*)\*([A-Z][^*]+)\*(?!\*)", RUNBOOKS)) <= titles
    assert set(re.findall(r"`(tray_\w+)", RUNBOOKS)) <= {metric.name for metric in ALL_METRICS}
    assert set(re.findall(r"\]\(#(\w+)\)", RUNBOOKS)) <= {name.lower() for name in SECTIONS}


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`tray-stream ([^`]+)`", RUNBOOKS))))
def test_runbooks_tell_commands_that_exist(command: str) -> None:
    """The help of each knows the options that the runbook gives it."""
    words = re.match(r"[a-z-]+( [a-z-]+)*", command.split(" --")[0])
    assert words is not None
    told = CliRunner().invoke(app, [*words[0].split(), "--help"], env={"COLUMNS": "200"})
    assert told.exit_code == 0, told.output
    plain = re.sub(r"\x1b\[[0-9;]*m", "", told.output)
    assert [option for option in re.findall(r"--[a-z-]+", command) if option not in plain] == []


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("alert") or rule.get("record"))
def test_series_of_one_thing_are_one(rule: dict[str, str]) -> None:
    """However many processes, workers or pods there are, a workflow or a partition gives one alert."""
    if rule.get("alert") in OF_ONE_PROCESS:
        return
    left_out = [set(labels.split(", ")) for labels in re.findall(r"without \(([^)]*)\)", rule["expr"])]
    assert [labels for labels in left_out if not labels >= set(PER_PROCESS)] == []
    assert left_out or "workflow:tray_" in rule["expr"]

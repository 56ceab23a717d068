"""The dashboards are what their source makes, and keep the rules of Grafana's dashboard-linter."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from assertions import every, filled
from boards import BOARDS, DIRECTORY, rendered
from grafana_support import DASHBOARDS, Panel, Selector, all_panels, board, panels, promtool, selectors

UNITS = {
    "none",
    "short",
    "percentunit",
    "bytes",
    "s",
    "dtdurations",
    "dateTimeAsIsoNoDateIfToday",
    "cps",
    "reqps",
}
"""Those of Grafana's units that are used here."""
WITH_DATASOURCE = {"type": "prometheus", "uid": "$datasource"}
COUNTERS_IN = ("rate(", "irate(", "increase(")
EXCEPTIONS = yaml.safe_load((DIRECTORY / ".lint").read_text())["exclusions"]

Finding = tuple[str, str, str]
"""Rule, dashboard, panel."""
Rule = Callable[[Panel, Selector], bool]
"""Whether a selector of a panel keeps the rule."""

SELECTOR_RULES: dict[str, Rule] = {
    "target-job-rule": lambda _panel, selector: 'job=~"$job"' in selector.matchers,
    "target-instance-rule": lambda _panel, selector: 'instance=~"$instance"' in selector.matchers,
    "target-rate-interval-rule": lambda _panel, selector: (
        not selector.before.endswith(("rate(", "irate(")) or selector.range == "$__rate_interval"
    ),
    "target-counter-agg-rule": lambda _panel, selector: (
        not selector.name.endswith("_total") or bool(selector.range and selector.before.endswith(COUNTERS_IN))
    ),
    "target-histogram-rule": lambda _panel, selector: (
        not selector.name.endswith("_bucket") or "histogram_quantile(" in selector.before
    ),
}


def test_every_dashboard_is_current() -> None:
    """`make dashboards` would change nothing."""
    assert {path.name for path in DASHBOARDS} == set(BOARDS)
    for name, make in filled(BOARDS.items()):
        assert (DIRECTORY / name).read_text() == rendered(make), f"{name}: run `make dashboards`."


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_frame(path: Path) -> None:
    """A fixed uid, no id, not editable, found by its tag, with a link to the others."""
    loaded = board(path)
    assert loaded["uid"] == f"tray-stream-{path.stem}"
    assert "id" not in loaded
    assert "__inputs" not in loaded
    assert loaded["editable"] is False
    assert loaded["tags"] == ["tray-stream"]
    (link,) = loaded["links"]
    assert (link["tags"], link["includeVars"], link["keepTime"]) == (["tray-stream"], True, True)
    ids = [panel["id"] for panel in loaded["panels"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_variables(path: Path) -> None:
    """template-datasource, -job, -instance, -label-promql and -on-time-change-reload."""
    first, *others = board(path)["templating"]["list"]
    assert (first["type"], first["name"], first["label"]) == ("datasource", "datasource", "Data source")
    assert first["query"] == "prometheus"
    assert [variable["name"] for variable in others][:4] == ["namespace", "job", "instance", "group"]
    for variable in filled(others):
        assert variable["type"] == "query"
        assert variable["label"] == variable["name"].capitalize()
        assert variable["datasource"] == WITH_DATASOURCE
        everything = ".*" if variable["name"] == "namespace" else ".+"  # outside Kubernetes there is none
        assert (variable["multi"], variable["includeAll"], variable["allValue"]) == (True, True, everything)
        assert variable["refresh"] == 2
        assert re.fullmatch(rf"label_values\(tray_\w+(\{{[^}}]*\}})?, {variable['name']}\)", variable["query"])


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_every_variable_is_used(path: Path) -> None:
    """A choice at the top changes what is seen."""
    queries = [query for panel in panels(path) for query in panel.queries]
    for variable in filled(board(path)["templating"]["list"][1:]):
        assert any(f"${variable['name']}" in query for query in queries), variable["name"]


@pytest.mark.parametrize("panel", all_panels(), ids=lambda panel: f"{panel.board}-{panel.title}")
def test_panel(panel: Panel) -> None:
    """panel-datasource, -title-description, -units and -no-targets; no two queries share a reference."""
    assert panel.title
    assert panel.fields["description"].endswith(".")
    assert panel.fields["datasource"] == WITH_DATASOURCE
    assert set(_units(panel)) <= UNITS
    targets = panel.fields["targets"]
    assert targets
    assert every(target["datasource"] == WITH_DATASOURCE for target in targets)
    assert len({target["refId"] for target in targets}) == len(targets)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_panels_have_their_place(path: Path) -> None:
    """No two panels overlap, and none is wider than the screen."""
    cells: set[tuple[int, int]] = set()
    for panel in board(path)["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        mine = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not mine & cells, panel["title"]
        cells |= mine


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_starts_and_reloads_are_marked(path: Path, tmp_path: Path) -> None:
    """Every graph shows when a process started and when settings were reloaded, of what is chosen at the top."""
    marks = board(path)["annotations"]["list"]
    assert [mark["name"] for mark in marks] == ["Starts", "Reloads"]
    assert every('namespace=~"$namespace", job=~"$job", instance=~"$instance"' in mark["expr"] for mark in marks)
    made = [{"record": f"mark:number_{n}", "expr": concrete(mark["expr"])} for n, mark in enumerate(marks)]
    rules = tmp_path / "marks.yml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "marks", "rules": made}]}))
    checked = promtool("check", "rules", "--lint=none", rules)
    assert checked.returncode == 0, checked.stderr


def test_legends_have_values() -> None:
    """Eighteen lines of like colours are told apart by their last and largest values."""
    graphs = [panel for panel in all_panels() if panel.fields["type"] == "timeseries"]
    legends = [panel.fields["options"]["legend"] for panel in graphs]
    assert every((one["displayMode"], one["calcs"]) == ("table", ["lastNotNull", "max"]) for one in legends)


def test_links_lead_to_dashboards() -> None:
    """A workflow in a table leads to its own dashboard, with what is chosen at the top and the time."""
    uids = {board(path)["uid"] for path in DASHBOARDS}
    urls = [
        link["url"]
        for panel in all_panels()
        for override in panel.fields["fieldConfig"]["overrides"]
        for property_ in override["properties"]
        if property_["id"] == "links"
        for link in property_["value"]
    ]
    assert {re.split("[/?]", url)[2] for url in filled(urls)} <= uids
    assert every("${namespace:queryparam}" in url and "${__url_time_range}" in url for url in urls)


def test_queries_keep_the_rules_of_the_linter() -> None:
    """What breaks a rule is excepted in dashboards/.lint with a reason, and every exception is needed."""
    excepted = {
        (rule, entry["dashboard"], entry["panel"]) for rule, found in EXCEPTIONS.items() for entry in found["entries"]
    }
    assert every(found["reason"].endswith(".") for found in EXCEPTIONS.values())
    assert set(_findings()) == excepted


def test_queries_are_valid(tmp_path: Path) -> None:
    """target-promql-rule, by Prometheus' own parser."""
    queries = [query for panel in all_panels() for query in panel.queries]
    made = [{"record": f"query:number_{n}", "expr": concrete(query)} for n, query in enumerate(queries)]
    rules = tmp_path / "queries.yml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": made}]}))
    checked = promtool("check", "rules", "--lint=none", rules)
    assert checked.returncode == 0, checked.stderr


def concrete(query: str) -> str:
    """A query with Grafana's own variables filled in."""
    return query.replace("$__rate_interval", "1m").replace("$__range", "1h")


def _findings() -> Iterator[Finding]:
    for panel in all_panels():
        for query in panel.queries:
            for selector in selectors(query):
                for rule, keeps in SELECTOR_RULES.items():
                    if not keeps(panel, selector):
                        yield rule, panel.board, panel.title


def _units(panel: Panel) -> Iterator[str]:
    config: dict[str, Any] = panel.fields["fieldConfig"]
    yield config["defaults"]["unit"]
    for override in config["overrides"]:
        for found in override["properties"]:
            if found["id"] == "unit":
                yield found["value"]

"""The catalogue of metrics, the dashboards and the rules speak of the same names; Grafana's files are well formed."""

from __future__ import annotations

import re

import pytest
import yaml
from grafana_support import (
    ALL_METRICS,
    DASHBOARDS,
    GRAFANA,
    PROMETHEUS_CONFIG,
    all_panels,
    board,
    known_names,
    rules,
    selectors,
)

from stream.telemetry.catalogue import Metric

QUERIES = [query for panel in all_panels() for query in panel.queries] + [rule["expr"] for rule in rules()]
USED = {selector.name for query in QUERIES for selector in selectors(query)}
DATASOURCE_FIELDS = {"name", "type", "access", "orgId", "uid", "url", "isDefault", "jsonData", "version", "editable"}
JSON_DATA_FIELDS = {"httpMethod", "timeInterval", "manageAlerts", "prometheusType", "prometheusVersion"}
PROVIDER_FIELDS = {
    "name",
    "orgId",
    "folder",
    "folderUid",
    "type",
    "disableDeletion",
    "updateIntervalSeconds",
    "allowUiUpdates",
    "options",
}
"""As documented in Grafana's administration guide, "Provision Grafana"."""


@pytest.mark.parametrize("metric", ALL_METRICS, ids=lambda metric: metric.name)
def test_every_metric_is_used(metric: Metric) -> None:
    """A panel or a rule reads it."""
    assert any(name == metric.name or name.startswith(f"{metric.name}_") for name in USED)


def test_every_name_in_a_query_exists() -> None:
    """No panel and no rule reads a metric that is never written."""
    written = {name for query in QUERIES for name in re.findall(r"(?<![:\w])tray_\w+", query)}
    assert (USED | written) - known_names() == set()


def test_the_data_source_is_provisioned() -> None:
    """One Prometheus, under the uid that stays the same, asked as often as prometheus.yml scrapes."""
    loaded = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yaml").read_text())
    assert set(loaded) == {"apiVersion", "datasources"}
    assert loaded["apiVersion"] == 1
    (source,) = loaded["datasources"]
    assert set(source) <= DATASOURCE_FIELDS
    assert set(source["jsonData"]) <= JSON_DATA_FIELDS
    assert (source["type"], source["access"], source["uid"]) == ("prometheus", "proxy", "prometheus")
    scraped = yaml.safe_load(PROMETHEUS_CONFIG.read_text())["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == scraped


def test_the_dashboards_are_provisioned() -> None:
    """One provider of files, in which nobody's change is lost silently."""
    loaded = yaml.safe_load((GRAFANA / "provisioning/dashboards/tray-stream.yaml").read_text())
    assert set(loaded) == {"apiVersion", "providers"}
    assert loaded["apiVersion"] == 1
    (provider,) = loaded["providers"]
    assert set(provider) <= PROVIDER_FIELDS
    assert (provider["type"], provider["allowUiUpdates"]) == ("file", False)
    assert set(provider["options"]) == {"path", "foldersFromFilesStructure"}
    assert len({board(path)["uid"] for path in DASHBOARDS}) == len(DASHBOARDS)

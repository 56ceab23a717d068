"""A Grafana on the loopback with this project's data source and dashboards, where there is one on this machine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from stream.demo.child import HttpChild, free_port

PROGRAMS = ("grafana", "grafana-server")
HOMES = ("/usr/share/grafana", "/usr/local/share/grafana")
"""Where packages put what Grafana needs beside its program."""
SETTINGS = {
    "GF_SERVER_HTTP_ADDR": "127.0.0.1",
    "GF_AUTH_ANONYMOUS_ENABLED": "true",  # on the loopback, and may only look
    "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
    "GF_ANALYTICS_REPORTING_ENABLED": "false",
    "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
}


def grafana_program() -> str | None:
    """The path of Grafana's server, if there is one."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


class Grafana(HttpChild):
    """Serves the dashboards of `shipped` (the directory grafana/) over the Prometheus at `prometheus_url`.

    Raises:
        ChildError: it did not start.
    """

    def __init__(self, program: str, directory: Path, shipped: Path, prometheus_url: str) -> None:
        port = free_port()
        provision(directory / "provisioning", shipped, prometheus_url)
        settings = {
            **SETTINGS,
            "GF_SERVER_HTTP_PORT": str(port),
            "GF_PATHS_PROVISIONING": str(directory / "provisioning"),
            "GF_PATHS_DATA": str(directory / "data"),
            "GF_PATHS_LOGS": str(directory / "logs"),
            "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": str(shipped / "dashboards" / "overview.json"),
        }
        command = [program, *(["server"] if Path(program).name == "grafana" else []), "--homepath", _home(program)]
        log_file = directory / "grafana.log"
        super().__init__("Grafana", port, command, log_file, "/api/health", {**os.environ, **settings})


def provision(target: Path, shipped: Path, prometheus_url: str) -> None:
    """Copy the provisioning files, with this machine's addresses in the place of the containers'."""
    shutil.copytree(shipped / "provisioning", target)
    for path, old, new in (
        (target / "datasources" / "prometheus.yaml", "http://prometheus:9090", prometheus_url),
        (target / "dashboards" / "tray-stream.yaml", "/var/lib/grafana/dashboards", str(shipped / "dashboards")),
    ):
        path.write_text(path.read_text().replace(old, new))


def _home(program: str) -> str:
    own = Path(program).resolve().parents[1]  # as unpacked from grafana.com: bin/ beside conf/ and public/
    homes = [path for path in (own, *map(Path, HOMES)) if (path / "conf" / "defaults.ini").exists()]
    return str(homes[0] if homes else own)

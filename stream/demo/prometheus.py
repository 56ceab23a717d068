"""A real Prometheus on the loopback that scrapes what its file names, and answers queries."""

from __future__ import annotations

import json
import shutil
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stream.demo.child import HttpChild, free_port
from stream.model.errors import StreamError


class MissingPrometheusError(StreamError):
    """There is no Prometheus on this machine."""


class QueryError(StreamError):
    """Prometheus does not understand a query, or cannot answer it."""


@dataclass(frozen=True)
class Series:
    """One series of an answer: its labels, and its points as (Unix time in seconds, value)."""

    labels: Mapping[str, str]
    points: list[tuple[float, float]]

    @property
    def values(self) -> list[float]:
        """The values alone, in order."""
        return [value for _, value in self.points]


def prometheus_program() -> str | None:
    """The path of Prometheus' server, if there is one."""
    return shutil.which("prometheus")


class Prometheus(HttpChild):
    """Started with the configuration file `config`; `directory` takes its data and its log.

    Raises:
        MissingPrometheusError: it is not installed.
        ChildError: it did not start.
    """

    def __init__(self, directory: Path, config: Path) -> None:
        program = prometheus_program()
        if program is None:
            raise MissingPrometheusError("Prometheus is not installed: apt-get install prometheus, or prometheus.io.")
        port = free_port()
        command = [
            program,
            f"--config.file={config}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ]
        super().__init__("Prometheus", port, command, directory / "prometheus.log", "/-/ready")

    def query(self, expr: str) -> list[Series]:
        """What an expression is now; a scalar has no labels.

        Raises:
            QueryError: the expression is not valid.
        """
        found = self.api("query", query=expr)
        if found["resultType"] == "scalar":
            return [Series({}, [_point(found["result"])])]
        return [Series(series["metric"], [_point(series["value"])]) for series in found["result"]]

    def value(self, expr: str) -> float | None:
        """The value of an expression with one series; None when there is none."""
        found = self.query(expr)
        return found[0].values[0] if found else None

    def query_range(self, expr: str, start: float, end: float, step_s: float = 1.0) -> list[Series]:
        """What it was from `start` to `end` (Unix time in seconds), every `step_s`.

        Raises:
            QueryError: the expression is not valid.
        """
        found = self.api("query_range", query=expr, start=f"{start:.3f}", end=f"{end:.3f}", step=f"{step_s}")
        return [Series(series["metric"], [_point(pair) for pair in series["values"]]) for series in found["result"]]

    def api(self, path: str, **parameters: str) -> Any:
        """The data of an answer of its HTTP interface, version 1.

        Raises:
            QueryError: it answered with an error.
        """
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        _, body = self.get(f"/api/v1/{path}{query}")
        answer = json.loads(body)
        if answer["status"] != "success":
            raise QueryError(f"{answer['error']} ({parameters.get('query', path)})")
        return answer["data"]


def _point(pair: tuple[float, str]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])

"""Marks on every graph: when a process started, and when settings were reloaded."""

from __future__ import annotations

from typing import Any

from board_queries import OF_TARGET

from stream.telemetry import catalogue

DATASOURCE = {"type": "prometheus", "uid": "$datasource"}


def marks() -> list[dict[str, Any]]:
    """Starts at their own time, reloads at the point of their interval."""
    started = f"process_start_time_seconds{{{OF_TARGET}}} * 1000"
    reloads = f"increase({catalogue.CONFIG_RELOADS.name}{{{OF_TARGET}}}[$__rate_interval]) > 0"
    return [
        _mark("Starts", started, "blue", "Started", "{{instance}} {{worker}}") | {"useValueForTime": True},
        _mark("Reloads", reloads, "purple", "Settings reloaded", "{{instance}}: {{result}}"),
    ]


def _mark(name: str, expr: str, colour: str, title: str, text: str) -> dict[str, Any]:
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": True,
        "iconColor": colour,
        "expr": expr,
        "titleFormat": title,
        "textFormat": text,
        "tagKeys": "",
        "step": "15s",
    }

"""The metrics reference in Markdown, from the catalogue."""

from __future__ import annotations

from stream.telemetry.catalogue import CATALOGUE, OF_SUPERVISOR


def reference() -> str:
    """One row for each metric: name, kind, labels, sentence."""
    rows = [
        f"| `{metric.name}` | {metric.kind} | {', '.join(metric.labels)} | {metric.sentence} |"
        for metric in (*CATALOGUE, *OF_SUPERVISOR)
    ]
    return "\n".join(["| metric | kind | labels | |", "|---|---|---|---|", *rows]) + "\n"

"""What `check` found, and what it ends with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from stream.model.errors import RefusedError, SourceError

Verdict = Literal["ok", "warning", "failed", "refused"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, and what was found. `refused`: Kafka said no to who we are."""

    what: str
    verdict: Verdict
    detail: str = ""


def exit_code(findings: Iterable[Finding]) -> int:
    """3 where Kafka refused, 1 where something failed, else 0."""
    verdicts = {finding.verdict for finding in findings}
    return 3 if "refused" in verdicts else 1 if "failed" in verdicts else 0


def verdict_of(error: SourceError) -> Verdict:
    """How bad an error of Kafka is."""
    return "refused" if isinstance(error, RefusedError) else "failed"

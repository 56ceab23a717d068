"""The demo's closing table: what was received, where each event went, and that every offset is committed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.table import Table

from stream.model.statistics import EngineStats, WorkflowStats


@dataclass(frozen=True)
class DemoOutcome:
    """How the demo ended. Offsets per partition of the topic."""

    stats: EngineStats
    committed: Mapping[int, int | None]
    ends: Mapping[int, int]
    is_stopped: bool = False
    """It was stopped while events still came: the last of them are left for the next start."""

    @property
    def identity_holds(self) -> bool:
        """received = delivered + filtered + dead_lettered + open + abandoned."""
        received, accounted_for = self.stats.identity()
        return received == accounted_for

    @property
    def all_committed(self) -> bool:
        """Every partition is committed up to its end."""
        return dict(self.committed) == dict(self.ends)

    @property
    def is_good(self) -> bool:
        """Nothing was lost and nothing is left."""
        return self.identity_holds and (self.all_committed or self.is_stopped)


def events_table(outcome: DemoOutcome) -> Table:
    """Where the events of the topic ended."""
    table = Table(title="Events", title_justify="left")
    table.add_column("received", justify="right")
    settled = _by_settlement(outcome.stats)
    for settlement in settled:
        table.add_column(settlement.replace("_", "-"), justify="right")
    table.add_column("open", justify="right")
    counts = [outcome.stats.received.total(), *settled.values(), outcome.stats.open_events.total()]
    table.add_row(*map(str, counts))
    return table


def workflows_table(outcome: DemoOutcome) -> Table:
    """What each workflow got, and why it did not get the rest."""
    table = Table(title="Workflows", title_justify="left")
    for name in ("workflow", "delivered", "attempts", "retried", "dead-lettered", "filtered by reason"):
        table.add_column(name, justify="left" if name in ("workflow", "filtered by reason") else "right")
    for name, stats in outcome.stats.workflows.items():
        table.add_row(name, *_workflow_cells(stats))
    return table


def offsets_table(outcome: DemoOutcome) -> Table:
    """Committed offset against end offset, per partition."""
    table = Table(title="Offsets", title_justify="left")
    for name in ("partition", "committed", "end"):
        table.add_column(name, justify="right")
    for partition, end in sorted(outcome.ends.items()):
        committed = outcome.committed.get(partition)
        table.add_row(str(partition), "none" if committed is None else str(committed), str(end))
    return table


def verdict(outcome: DemoOutcome) -> str:
    """One sentence on whether the promise was kept."""
    if outcome.is_good and not outcome.all_committed:
        return "Every event received is accounted for; the rest would be read at the next start."
    if outcome.is_good:
        return "Every event is accounted for and every offset is committed."
    if not outcome.identity_holds:
        return "The books do not balance: received and accounted for differ."
    return "Not every offset is committed."


def _by_settlement(stats: EngineStats) -> dict[str, int]:
    counts: dict[str, int] = {}
    for (_topic, settlement), count in stats.settled.items():
        counts[settlement] = counts.get(settlement, 0) + count
    return counts


def _workflow_cells(stats: WorkflowStats) -> list[str]:
    attempts = stats.attempts.total()
    ended = stats.deliveries["delivered"] + stats.deliveries["rejected"] + stats.deliveries["expired"]
    reasons = ", ".join(f"{reason} {count}" for reason, count in stats.filtered.items() if count)
    counts = (stats.deliveries["delivered"], attempts, attempts - ended, stats.dead_letters.total())
    return [*map(str, counts), reasons or "none"]

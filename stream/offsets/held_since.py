"""What is held, fails or is not read, as the running processor of the same settings says, if one answers here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from stream.console.own_endpoint import own_endpoint
from stream.model.errors import ConfigError, StreamError
from stream.settings.model import Settings
from stream.top.fetch import endpoint
from stream.top.history import History
from stream.top.reading import GroupReading
from stream.top.scrape import Scraper
from stream.top.snapshot import Snapshot


class HeldSummary(NamedTuple):
    """What keeps a workflow back. Times are Unix time in seconds."""

    events: int
    """Events that end badly and are not given up."""
    closed_since: float | None
    """When its gate closed; None: it is open."""


HeldByWorkflow = Mapping[tuple[str, str], HeldSummary]
"""By group and workflow."""


RunningGroups = Mapping[str, GroupReading]
"""What a processor says of its consumer groups, by name."""


def look_at_processor(settings: Settings) -> Snapshot | None:
    """None where no processor answers: offsets are Kafka's to tell, this is an extra."""
    try:
        return Scraper(endpoint(own_endpoint(settings.http))).look()
    except (StreamError, ConfigError):
        return None


def running_groups(seen: Snapshot | None) -> RunningGroups:
    """Each group that the processor runs."""
    if seen is None:
        return {}
    history = History()
    history.take(seen)
    return {group.group: group for group in history.reading().groups}


def held_since(seen: Snapshot | None) -> HeldByWorkflow:
    """Each workflow that is held or fails."""
    if seen is None:
        return {}
    found: dict[tuple[str, str], HeldSummary] = {}
    for labels, events in seen.series("tray_held"):
        key = labels.get("group", ""), labels.get("workflow", "")
        since = seen.least("tray_gate_closed_since_timestamp_seconds", group=key[0], workflow=key[1])
        before = found.get(key, HeldSummary(0, None))
        found[key] = HeldSummary(before.events + int(events), since if since is not None else before.closed_since)
    return {key: held for key, held in found.items() if held.events or held.closed_since is not None}

"""What is held, fails or is not read, as the running processor of the same settings says, if one answers here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from stream.console.own_endpoint import own_endpoint
from stream.model.errors import ConfigError, StreamError
from stream.settings.model import Settings
from stream.telemetry.status.report import GroupStatus, ProcessStatus
from stream.top.fetch import endpoint
from stream.top.reading import STATUS_PATH, look


class HeldSummary(NamedTuple):
    """What keeps a workflow back. Times are Unix time in seconds."""

    events: int
    """Events that end badly and are not given up."""
    closed_since: float | None
    """When its gate closed; None: it is open."""


HeldByWorkflow = Mapping[tuple[str, str], HeldSummary]
"""By group and workflow."""


RunningGroups = Mapping[str, GroupStatus]
"""What a processor says of its consumer groups, by name."""


def look_at_processor(settings: Settings) -> ProcessStatus | None:
    """None where no processor answers: offsets are Kafka's to tell, this is an extra."""
    try:
        return look(endpoint(own_endpoint(settings.http), STATUS_PATH))
    except (StreamError, ConfigError):
        return None


def running_groups(seen: ProcessStatus | None) -> RunningGroups:
    """Each group that the processor runs."""
    return {group.group: group for group in seen.groups} if seen else {}


def held_since(seen: ProcessStatus | None) -> HeldByWorkflow:
    """Each workflow that is held or fails; an empty name: partitions whose records are not valid events."""
    if seen is None:
        return {}
    found = {(one.group, one.workflow): HeldSummary(one.held, one.gate_closed_since) for one in seen.workflows}
    found |= {(group.group, ""): HeldSummary(group.partitions_held, None) for group in seen.groups}
    return {key: held for key, held in found.items() if held.events or held.closed_since is not None}

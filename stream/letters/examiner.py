"""Whether an event would be delivered to a workflow if it were sent again now."""

from __future__ import annotations

from collections.abc import Sequence

from stream.core.decode import Decoder
from stream.core.filter import WorkflowFilter
from stream.core.model import Event, Record, WorkflowPolicy
from stream.letters.plan import INVALID, UNWANTED
from stream.settings.model import Settings
from stream.validation.schemas import SchemaValidator


class Examiner:
    """Holds events against the present rules: validation, and the filter of each workflow."""

    def __init__(self, settings: Settings, workflows: Sequence[WorkflowPolicy]) -> None:
        self._decode = Decoder(settings.validation.mode, SchemaValidator()).decode
        name = settings.destination.integration_name
        self._filters = {policy.name: WorkflowFilter(policy, name) for policy in workflows}

    def obstacle(self, record: Record, workflow: str) -> str | None:
        """Why the event cannot go there; None when it can."""
        event = self._decode(record)
        if not isinstance(event, Event):
            return INVALID
        return None if self._filters[workflow].reason(event) is None else UNWANTED

"""Whether an event would be delivered to a workflow if it were sent again now."""

from __future__ import annotations

from collections.abc import Sequence

from stream.dead_letters.plan import INVALID, UNWANTED
from stream.model.events import Event
from stream.model.policies import WorkflowPolicy
from stream.model.records import Record
from stream.rules.decode import Decoder
from stream.rules.filter import WorkflowFilter
from stream.settings.model import Settings
from stream.validation.schemas import SchemaValidator


class EligibilityChecker:
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

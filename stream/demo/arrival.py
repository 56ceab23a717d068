"""One request that reached a workflow, as the receiver's log keeps it and the checker reads it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Arrival:
    """One request, entered in the log when it was read in full."""

    at: float
    """When it was read, as `time.monotonic` tells."""
    path: str
    headers: dict[str, str]
    """Names in lower case; of a name that came twice, the last."""
    body: bytes
    status: int = 0
    """The status it was answered with; 0 as long as there is no complete answer."""
    answered_at: float = 0.0
    """When the answer was written, on the same clock; 0.0 as long as there is none."""
    method: str = "POST"

    @property
    def is_success(self) -> bool:
        """Whether it was answered with a 2xx."""
        return 200 <= self.status < 300

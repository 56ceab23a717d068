"""The status as it is sent: made once for each status, however many clients ask."""

from __future__ import annotations

import json
from threading import Lock

from stream.telemetry.status.page import OLD_AFTER_S, render
from stream.telemetry.status.report import ProcessStatus, status_json
from stream.telemetry.status.summary import summarize


class StatusViews:
    """Called from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._of: ProcessStatus | None = None
        self._json = b""
        self._page = b""

    def json(self, status: ProcessStatus) -> bytes:
        """The body of /status.json."""
        with self._lock:
            self._turn_to(status)
            self._json = self._json or json.dumps(status_json(status, summarize(status).sentence)).encode()
            return self._json

    def page(self, status: ProcessStatus, now: float) -> bytes:
        """The status page. `now`: Unix time in seconds."""
        if now - status.at > OLD_AFTER_S:
            return render(status, now)
        with self._lock:
            self._turn_to(status)
            self._page = self._page or render(status, now)
            return self._page

    def _turn_to(self, status: ProcessStatus) -> None:
        if status is not self._of:
            self._of, self._json, self._page = status, b"", b""

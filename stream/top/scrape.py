"""One look at a metrics endpoint."""

from __future__ import annotations

import time
from collections.abc import Callable

from stream.top.fetch import NoAnswerError, fetch
from stream.top.snapshot import Snapshot, read_snapshot


class Scraper:
    """Reads one endpoint again and again."""

    def __init__(
        self, url: str, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self.url = url
        self._monotonic = monotonic
        self._wall = wall

    def look(self) -> Snapshot:
        """The metrics as they are now. Blocking, for a few seconds at most.

        Raises:
            NoAnswerError: there is no answer, or it is not metrics of this program.
        """
        text = fetch(self.url)
        try:
            snapshot = read_snapshot(text, self._monotonic(), self._wall())
        except ValueError as error:
            raise NoAnswerError("its answer is not in Prometheus' format") from error
        if not snapshot.has("tray_build_info"):
            raise NoAnswerError("its answer has no metrics of tray-stream")
        return snapshot

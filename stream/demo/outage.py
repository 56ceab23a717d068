"""Kafka killed while everything else runs: what is noticed, after how long, and what is over again."""

from __future__ import annotations

import time

from rich.console import Console

from stream.demo.apache_kafka import ApacheKafka
from stream.demo.prometheus import Prometheus

FIRING = 'ALERTS{alertname=~"Tray.*", alertstate="firing"}'
BEGINS_AFTER_S = 30.0


class PlayedOutage:
    """Kills the broker after half a minute, brings it back `lasts_s` later, and says which alerts come and go."""

    def __init__(self, kafka: ApacheKafka, prometheus: Prometheus, lasts_s: float, out: Console) -> None:
        self._kafka = kafka
        self._prometheus = prometheus
        self._lasts_s = lasts_s
        self._out = out
        self._kill_at = time.monotonic() + BEGINS_AFTER_S
        self._is_killed = self._is_over = False
        self._firing: set[str] = set()

    def look(self) -> None:
        """To be called again and again."""
        now = time.monotonic()
        if not self._is_killed and now >= self._kill_at:
            self._is_killed = True
            self._kafka.kill()
            self._tell(f"Kafka is killed, for {self._lasts_s:g} s.")
        elif self._is_killed and not self._is_over and now >= self._kill_at + self._lasts_s:
            self._is_over = True
            self._kafka.restart()
            self._tell("Kafka runs again.")
        self._tell_alerts()

    def _tell_alerts(self) -> None:
        firing = {
            " ".join(series.labels.get(name, "") for name in ("alertname", "group", "workflow")).strip()
            for series in self._prometheus.query(FIRING)
        }
        for alert in sorted(firing - self._firing):
            self._tell(f"fires:    {alert}")
        for alert in sorted(self._firing - firing):
            self._tell(f"resolved: {alert}")
        self._firing = firing

    def _tell(self, what: str) -> None:
        self._out.print(f"{time.monotonic() - self._kill_at:+6.0f} s  {what}", markup=False)

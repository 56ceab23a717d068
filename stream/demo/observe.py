"""Everything that there is to watch, on this machine and without containers: `make observe`."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from rich.console import Console
from rich.table import Table

from stream.demo.apache_kafka import ApacheKafka
from stream.demo.child import ChildError
from stream.demo.grafana import Grafana, grafana_program
from stream.demo.observation import SHIPPED, Observation, ObservationPlan
from stream.demo.prometheus import Prometheus
from stream.demo.samples import poison_values
from stream.demo.topics import produce_events
from stream.demo.workflows import WORKFLOWS, script_workflows
from stream.model.errors import StreamError

FIRING = 'ALERTS{alertname=~"Tray.*", alertstate="firing"}'
BEGINS_AFTER_S = 30.0

TOPIC = "segment-events"
UP_S, DOWN_S = 40.0, 20.0
QUERIES = {
    "delivered per second": "sum by (workflow) (rate(tray_deliveries_total[10s]))",
    "lag": "sum by (group) (tray_consumer_lag)",
    "who is failing": "tray_gate_open == 0",
    "is Kafka there": "tray_kafka_up",
}
LAST_SCRAPE_S = 1.5


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


def observe(seconds: float | None, rate: float, outage_s: float | None, out: Console) -> None:
    """Run it all until SIGINT or SIGTERM, or for `seconds`; with an outage of Kafka if `outage_s` says how long.

    Raises:
        StreamError: a part is missing on this machine, or did not start, or ended.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    out.print("Starting Kafka, Prometheus, the processor, three workflows and a load …")
    with tempfile.TemporaryDirectory(prefix="tray-observe-") as scratch, ApacheKafka(f"{scratch}/kafka") as kafka:
        directory = Path(scratch)
        with Observation(directory, kafka.bootstrap, ObservationPlan(topic=TOPIC, rate=rate)) as run:
            manners = script_workflows(run.receiver, UP_S, DOWN_S)
            produce_events(kafka.bootstrap, TOPIC, [(None, value, None, None) for _, value in poison_values()])
            with _grafana(directory / "grafana", run) as grafana:
                _tell(run, manners, kafka.bootstrap, grafana, out)
                outage = None if outage_s is None else PlayedOutage(kafka, run.prometheus, outage_s, out)
                _wait(stop, seconds, run, outage)
                _end(run, out)


@contextmanager
def _grafana(directory: Path, run: Observation) -> Iterator[Grafana | None]:
    program = grafana_program()
    if program is None:
        yield None
        return
    directory.mkdir()
    with Grafana(program, directory, SHIPPED, run.prometheus.url) as grafana:
        yield grafana


def _tell(run: Observation, manners: Mapping[str, str], bootstrap: str, grafana: Grafana | None, out: Console) -> None:
    lines = ["", "The workflows:", *(f"  {name:<11} {what}" for name, what in manners.items()), "", "Look here:"]
    if grafana is not None:
        lines.append(f"  Grafana     {grafana.url}/d/tray-stream-overview")
    lines.append(f"  status page {run.metrics_url.removesuffix('metrics')}")
    lines.append(f"  Prometheus  {run.prometheus.url}/alerts")
    for what, query in QUERIES.items():
        lines.append(f"  {what}: {run.prometheus.url}/graph?g0.tab=0&g0.range_input=5m&g0.expr={quote(query)}")
    lines.append(f"  metrics     {run.metrics_url}")
    lines.append(f"  Kafka       {bootstrap}, topic {TOPIC}")
    lines.append(f"  logs        {run.directory}")
    if grafana is None:
        lines.append("")
        lines.append(
            "There is no Grafana on this machine. In one that runs elsewhere, add a Prometheus data source with"
        )
        lines.append(
            f"the address {run.prometheus.url} and import grafana/dashboards/*.json (Dashboards, New, Import)."
        )
    lines += ["", "Ctrl-C ends it all."]
    out.print("\n".join(lines), soft_wrap=True, markup=False)


def _wait(stop: threading.Event, seconds: float | None, run: Observation, outage: PlayedOutage | None) -> None:
    """Until asked to stop, or the time is over.

    Raises:
        ChildError: the processor ended.
    """
    ends_at = None if seconds is None else time.monotonic() + seconds
    while not stop.wait(0.5) and (ends_at is None or time.monotonic() < ends_at):
        if not run.processor.is_running:
            raise ChildError(f"The processor ended.\n{run.processor.log}")
        if outage is not None:
            outage.look()


def _end(run: Observation, out: Console) -> None:
    out.print("\nStopping: the load, then the processor, which drains, commits and leaves.")
    run.end_load()
    time.sleep(LAST_SCRAPE_S)
    table = Table(title="Each workflow with a consumer group of its own", title_justify="left")
    for name in ("workflow", "received", "settled", "open", "delivered", "failed", "letters", "lag"):
        table.add_column(name, justify="left" if name == "workflow" else "right")
    for workflow in WORKFLOWS:
        table.add_row(workflow, *(f"{run.prometheus.value(query) or 0:,.0f}" for query in _numbers(workflow)))
    out.print(table)
    fired = run.prometheus.query('last_over_time(ALERTS{alertstate="firing"}[1d])')
    names = sorted({series.labels["alertname"] for series in fired})
    out.print(f"Alerts that fired: {', '.join(names) or 'none'}.")
    out.print(f"The processor ended with exit code {run.stop_processor()}.")


def _numbers(workflow: str) -> list[str]:
    of_group, of_workflow = f'group="{TOPIC}.{workflow}"', f'workflow="{workflow}"'
    return [
        f"sum(tray_events_received_total{{{of_group}}})",
        f"sum(tray_events_settled_total{{{of_group}}})",
        f"sum(tray_open_events{{{of_group}}})",
        f'sum(tray_deliveries_total{{{of_workflow}, outcome="delivered"}})',
        f'sum(tray_attempts_total{{{of_workflow}, code!~"2..|stale"}})',
        f"sum(tray_dead_letters_total{{{of_group}}})",
        f"sum(tray_consumer_lag{{{of_group}}})",
    ]


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(prog="make observe", description=__doc__)
    parser.add_argument("--seconds", type=float, help="end by itself after so many; otherwise at Ctrl-C")
    parser.add_argument("--rate", type=float, default=200.0, help="events a second (default: 200)")
    parser.add_argument("--kafka-outage", type=float, metavar="SECONDS", help="kill Kafka after 30 s, for so long")
    given = parser.parse_args()
    try:
        observe(given.seconds, given.rate, given.kafka_outage, Console(highlight=False))
    except StreamError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()

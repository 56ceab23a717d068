"""A processor that can be watched: workflows that fail, a load, the processor and Prometheus, on a Kafka that runs."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT, SIGTERM, signal
from typing import Self

import orjson
from confluent_kafka import Producer

from stream.demo.child import Child, free_port, wait_until_it
from stream.demo.prometheus import Prometheus
from stream.demo.receiver import Receiver
from stream.demo.samples import event_key, sample_events
from stream.demo.topics import create_topic
from stream.demo.workflows import WORKFLOWS
from stream.model.timeparse import format_wall

STEP_S = 0.1
EVENTS_OF_A_SEED = 1_000
TIMES = ("timestamp", "originalTimestamp", "sentAt", "receivedAt")

SHIPPED = Path(__file__).resolve().parents[2] / "grafana"
"""Dashboards and rules; there in a checkout, not in an installed package."""
PARTITIONS = 6
RETENTION_MS = str(60 * 60 * 1000)
STOP_WITHIN_S = 30.0
SETTINGS = """
isolation = "{isolation}"

[kafka]
bootstrap_servers = "{bootstrap}"
topics = ["{topic}"]
group_id = "{topic}"

[retry]
initial = "100ms"
max = "5s"

[gate]                      # sooner than by default, so that there is something to see in a minute
initial = "500ms"
max = "5s"

[http]
listen = "127.0.0.1:{port}"
"""
WORKFLOW = """
[[workflow]]
name = "{name}"
url = "{url}"
"""


def events_for_ever() -> Iterator[tuple[str | None, bytes]]:
    """(key, value) of sample events, with the present time in them; no two have one message id."""
    seed = int.from_bytes(os.urandom(4))
    while True:
        for event in sample_events(EVENTS_OF_A_SEED, seed):
            at = format_wall(time.time())
            yield event_key(event), orjson.dumps(event | {name: at for name in TIMES if name in event})
        seed += 1


def produce_steadily(producer: Producer, topic: str, rate: float, stop: threading.Event) -> int:
    """Write `rate` events a second until `stop` is set; how many were handed to Kafka's client."""
    events, written, began = events_for_ever(), 0, time.monotonic()
    while not stop.wait(STEP_S):
        due = int((time.monotonic() - began) * rate)
        for _ in range(due - written):
            key, value = next(events)
            try:
                producer.produce(topic, value, key)
            except BufferError:  # Kafka does not keep up, or is away: what is due is written later
                break
            written += 1
        producer.poll(0)
    producer.flush(10)
    return written


def main() -> None:
    """Write until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m stream.demo.observation", description=main.__doc__)
    parser.add_argument("--bootstrap-servers", default="localhost:9092", metavar="HOST:PORT")
    parser.add_argument("--topic", default="segment-events")
    parser.add_argument("--rate", type=float, default=200.0, help="events a second (default: 200)")
    given = parser.parse_args()
    stop = threading.Event()
    for number in (SIGTERM, SIGINT):
        signal(number, lambda *_: stop.set())
    print(f"Writing {given.rate:g} events a second to {given.topic}.", flush=True)
    config = {"bootstrap.servers": given.bootstrap_servers, "partitioner": "murmur2_random", "linger.ms": 20}
    written = produce_steadily(Producer(config), given.topic, given.rate, stop)
    print(f"Wrote {written} events.", flush=True)


if __name__ == "__main__":
    main()


@dataclass(frozen=True)
class ObservationPlan:
    """What is watched. `workflows` are names of paths of the receiver; `rate` in events a second."""

    topic: str = "segment-events"
    workflows: Sequence[str] = WORKFLOWS
    isolation: str = "workflow"
    rate: float = 200.0
    workers: int = 1


class Observation:
    """Everything runs from construction until `close`; what each part writes is in `directory`.

    Raises:
        MissingPrometheusError: it is not installed.
        ChildError: a part did not start.
    """

    def __init__(self, directory: Path, bootstrap: str, plan: ObservationPlan) -> None:
        self.directory = directory
        self._bootstrap = bootstrap
        self._plan = plan
        self._stop_load = threading.Event()
        self._stack = ExitStack()
        with ExitStack() as unwind:  # what has started ends again if a later part does not start
            unwind.callback(self._stack.close)
            create_topic(bootstrap, plan.topic, PARTITIONS, {"retention.ms": RETENTION_MS})
            self.receiver = self._stack.enter_context(Receiver(keeps_log=False))
            self.port = free_port()
            self.processor = self._stack.enter_context(self._start_processor())
            self.prometheus = self._stack.enter_context(Prometheus(directory, self._prometheus_config()))
            self._start_load()
            unwind.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def metrics_url(self) -> str:
        """Where the processor's metrics are."""
        return f"http://127.0.0.1:{self.port}/metrics"

    def end_load(self) -> None:
        """Stop writing events; what is on the topic is still delivered."""
        self._stop_load.set()
        self._load.join()

    def stop_processor(self) -> int:
        """Let it drain, commit and leave; its exit code."""
        return self.processor.stop(STOP_WITHIN_S)

    def close(self) -> None:
        """End every part. May be called again."""
        self._stack.close()

    def _start_processor(self) -> Child:
        plan = self._plan
        head = SETTINGS.format(isolation=plan.isolation, bootstrap=self._bootstrap, topic=plan.topic, port=self.port)
        urls: Mapping[str, str] = {name: self.receiver.url(f"/{name}") for name in plan.workflows}
        workflows = "".join(WORKFLOW.format(name=name, url=url) for name, url in urls.items())
        (self.directory / "stream.toml").write_text(head + workflows)
        command = [sys.executable, "-m", "stream", "run", "--workers", str(plan.workers)]
        env = {name: value for name, value in os.environ.items() if not name.startswith("TRAY_")}
        child = Child(command, self.directory / "processor.log", cwd=self.directory, env=env)
        with ExitStack() as unwind:
            unwind.callback(child.close)
            wait_until_it(lambda: "Partitions assigned." in child.log, child, "The processor")
            unwind.pop_all()
        return child

    def _prometheus_config(self) -> Path:
        """The shipped configuration, every second, with this machine's places in the place of the containers'."""
        text = (SHIPPED / "prometheus" / "prometheus.yml").read_text()
        for old, new in (
            ("tray-stream:9464", f"127.0.0.1:{self.port}"),
            ("scrape_interval: 5s", "scrape_interval: 1s"),
            ("evaluation_interval: 15s", "evaluation_interval: 1s"),
            ("- rules/*.yml", f"- {SHIPPED}/prometheus/rules/*.yml"),
        ):
            text = text.replace(old, new)
        path = self.directory / "prometheus.yml"
        path.write_text(text)
        return path

    def _start_load(self) -> None:
        producer = Producer({"bootstrap.servers": self._bootstrap, "linger.ms": 5, "log_level": 0})
        arguments = (producer, self._plan.topic, self._plan.rate, self._stop_load)
        self._load = threading.Thread(target=produce_steadily, args=arguments, name="load", daemon=True)
        self._load.start()
        self._stack.callback(self.end_load)

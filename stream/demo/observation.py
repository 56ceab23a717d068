"""A processor that can be watched: workflows that fail, a load, the processor and Prometheus, on a Kafka that runs."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from confluent_kafka import Producer

from stream.demo.child import Child, free_port, wait_until_it
from stream.demo.load import produce_steadily
from stream.demo.prometheus import Prometheus
from stream.demo.receiver import Receiver
from stream.demo.topics import create_topic
from stream.demo.workflows import WORKFLOWS

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


@dataclass(frozen=True)
class ObservationPlan:
    """What is watched. `workflows` are names of paths of the receiver; `rate` in events a second."""

    topic: str = "segment-events"
    workflows: Sequence[str] = WORKFLOWS
    isolation: str = "workflow"
    shipped: Path = SHIPPED
    """The folder of the dashboards and rules."""
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
            self.receiver = self._stack.enter_context(Receiver())
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
        text = (self._plan.shipped / "prometheus" / "prometheus.yml").read_text()
        for old, new in (
            ("tray-stream:9464", f"127.0.0.1:{self.port}"),
            ("scrape_interval: 5s", "scrape_interval: 1s"),
            ("evaluation_interval: 15s", "evaluation_interval: 1s"),
            ("- rules/*.yml", f"- {self._plan.shipped}/prometheus/rules/*.yml"),
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

"""A real Apache Kafka on the loopback, one node, that can be killed, stopped and started again."""

from __future__ import annotations

import atexit
import os
import random
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from stream.demo import topics
from stream.demo.child import LOG_TAIL, STOP_TIMEOUT_S, Child, ChildError, wait_until_it
from stream.demo.kafka_jars import kafka_jars, require_program

START_TIMEOUT_S = 180.0

_PORTS = range(20_000, 30_000)
"""Below the range from which systems take ports for outgoing connections: a client that keeps trying to
reach a dead broker would sooner or later be given the broker's own port, and the broker could not return."""

_CLUSTER_ID = "dHJheS1zdHJlYW0tdGVzdA"

_LOG4J = """<Configuration status="WARN" shutdownHook="disable">
  <Appenders><Console name="C"><PatternLayout pattern="%d %p %c{1}: %m%n"/></Console></Appenders>
  <Loggers><Root level="WARN"><AppenderRef ref="C"/></Root></Loggers>
</Configuration>
"""

_PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "3000",  # a killed broker cannot return before its old session has ended
    "num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "8000",
    "group.consumer.min.heartbeat.interval.ms": "500",
    "group.consumer.heartbeat.interval.ms": "1000",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "log.segment.bytes": str(16 * 1024 * 1024),
    "log.index.size.max.bytes": str(64 * 1024),
    "log.cleaner.dedupe.buffer.size": str(2 * 1024 * 1024),
}

_QUICK_START = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


class ApacheKafka:
    """One node of Apache Kafka (KRaft) whose data live in `directory`.

    Ports are chosen once, so clients find it again after `restart`. `properties` are added to, or replace,
    the server's; they are written at each start and may be changed in between. The broker ends with this
    object, with this interpreter, and also when this interpreter is killed. `java_options` are by default those
    that start fast; without them Java compiles what is hot well, for benches.
    """

    def __init__(
        self,
        directory: Path | str,
        properties: Mapping[str, str] | None = None,
        heap: str = "512m",
        java_options: Sequence[str] = _QUICK_START,
    ) -> None:
        self.directory = Path(directory)
        self.heap = heap
        self.java_options = java_options
        self.port, self.controller_port = free_ports(2)
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.log_file = self.directory / "broker.log"
        self.properties = self._defaults() | dict(properties or {})
        self._child: Child | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Process id of the broker, which leads its own process group.

        Raises:
            ChildError: the broker is not running.
        """
        if self._child is None:
            raise ChildError(f"The broker of {self.directory} is not running.")
        return self._child.pid

    @property
    def is_running(self) -> bool:
        """Whether the process is there, be it stopped or not."""
        return self._child is not None and self._child.is_running

    def create_topic(self, name: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> None:
        """Create a topic and wait until clients see it."""
        topics.create_topic(self.bootstrap, name, partitions, config)

    def start(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Start the broker and return once it answers; nothing happens to one that runs.

        Raises:
            KafkaUnavailable: Java, or the jars and Maven, are missing.
            ChildError: it did not answer in time, or ended.
        """
        if self.is_running:
            return
        self.close()
        java = self._java()
        self._write_configuration()
        if not (self.directory / "data").is_dir():
            self._format(java)
        command = [*java, f"-Xmx{self.heap}", "kafka.Kafka", str(self.directory / "server.properties")]
        self._child = Child(command, self.log_file)
        atexit.register(self.close)
        try:
            self._await_answer(self._child, timeout_s)
        except BaseException:  # an interrupt must not leave a half started broker behind either
            self.kill()
            raise

    def kill(self) -> None:
        """SIGKILL, as a crash or the machine's out-of-memory killer would."""
        if self._child is not None:
            self._child.close()
            self._child = None
            atexit.unregister(self.close)

    def terminate(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """SIGTERM: an orderly end; killed when it takes longer than `timeout_s`."""
        self.resume()
        if self._child is not None:
            self._child.stop(timeout_s)
        self.kill()

    def stop(self) -> None:
        """SIGSTOP: the process stays, its connections too, and nothing answers until `resume`."""
        os.killpg(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT; nothing happens to a broker that is not stopped."""
        if self.is_running:
            os.killpg(self.pid, signal.SIGCONT)

    def restart(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Start again with the same data and ports, after an orderly end if it still runs."""
        if self.is_running:
            self.terminate()
        self.start(timeout_s)

    def close(self) -> None:
        """End the broker at once. Its files stay. May be called again."""
        self.kill()

    def _defaults(self) -> dict[str, str]:
        client, controller = self.bootstrap, f"127.0.0.1:{self.controller_port}"
        return _PROPERTIES | {
            "listeners": f"PLAINTEXT://{client},CONTROLLER://{controller}",
            "controller.quorum.voters": f"1@{controller}",
            "log.dirs": str(self.directory / "data"),
        }

    def _java(self) -> list[str]:
        java = require_program("java", "run Apache Kafka")
        log4j = f"-Dlog4j2.configurationFile={self.directory / 'log4j2.xml'}"
        return [java, *self.java_options, log4j, "-cp", f"{kafka_jars()}/*"]

    def _write_configuration(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "log4j2.xml").write_text(_LOG4J)
        lines = [f"{key}={value}\n" for key, value in self.properties.items()]
        (self.directory / "server.properties").write_text("".join(lines))

    def _format(self, java: list[str]) -> None:
        tool = ["kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", "server.properties"]
        with self.log_file.open("ab") as log:
            done = subprocess.run([*java, *tool], cwd=self.directory, stdout=log, stderr=log, check=False)
        if done.returncode != 0:
            tail = self.log_file.read_text(errors="replace")[-LOG_TAIL:]
            raise ChildError(f"Apache Kafka could not format its storage.\n{tail}")

    def _await_answer(self, child: Child, timeout_s: float) -> None:
        quiet = {"log_level": 0, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100}
        with AdminClient({"bootstrap.servers": self.bootstrap, **quiet}) as admin:
            wait_until_it(lambda: _answers(admin), child, "Apache Kafka", timeout_s)


def _answers(admin: AdminClient) -> bool:
    """Whether the broker is registered and leads every partition that it has."""
    try:
        metadata = admin.list_topics(timeout=1.0)
    except KafkaException:
        return False
    partitions = [p for topic in metadata.topics.values() for p in topic.partitions.values()]
    return bool(metadata.brokers) and all(p.leader >= 0 for p in partitions)


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody uses."""
    return list(islice(filter(_is_free, random.sample(_PORTS, len(_PORTS))), count))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

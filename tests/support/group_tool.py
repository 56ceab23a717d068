"""Kafka's own tool for consumer groups (kafka-consumer-groups), to compare with what we say."""

from __future__ import annotations

import csv
import subprocess

from stream.demo.kafka_jars import KAFKA_VERSION, cached_jars, kafka_jars, require_program

TIMEOUT_S = 60.0
_CLASS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
_TOOLS = f"""
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>{KAFKA_VERSION}</version>
      <exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>
    </dependency>
"""
"""What the tools need beside their own jar is among the broker's."""
_QUICK_START = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx128m")


def exported_offsets(bootstrap: str, group: str, *arguments: str) -> dict[tuple[str, int], int]:
    """The offsets that `--reset-offsets --export` with these arguments prints, by topic and partition; a dry run.

    Raises:
        KafkaUnavailable: Java, or the jars and Maven, are missing.
        AssertionError: the tool did not print offsets.
    """
    command = ["--bootstrap-server", bootstrap, "--group", group, "--reset-offsets", "--export", *arguments]
    told = _run(*command)
    rows = [row for row in csv.reader(told.splitlines()) if len(row) == 3 and row[2].isdigit()]
    if not rows:
        raise AssertionError(f"kafka-consumer-groups printed no offsets: {told}")
    return {(topic, int(partition)): int(offset) for topic, partition, offset in rows}


def _run(*arguments: str) -> str:
    java = require_program("java", "run Kafka's tools")
    path = f"{kafka_jars()}/*:{cached_jars(f'kafka-tools-{KAFKA_VERSION}', _TOOLS)}/*"
    done = subprocess.run(
        [java, *_QUICK_START, "-cp", path, _CLASS, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return done.stdout if done.returncode == 0 else done.stdout + done.stderr

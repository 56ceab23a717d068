"""Producers that run on Java: Kafka Connect's JsonConverter, and serialisers of Avro, JSON Schema and Protobuf."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from stream.demo.kafka_jars import KAFKA_VERSION, cached_jars, require_program
from support.registry_jars import REGISTRY_VERSION

_SOURCE = Path(__file__).parent / "Producers.java"
_DEPENDENCIES = f"""
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>connect-json</artifactId><version>{KAFKA_VERSION}</version>
    </dependency>
""" + "".join(
    f"""
    <dependency>
      <groupId>io.apicurio</groupId><artifactId>apicurio-registry-serdes-{form}-serde</artifactId>
      <version>{REGISTRY_VERSION}</version>
    </dependency>
"""
    for form in ("avro", "jsonschema", "protobuf")
)
TIMEOUT_S = 300.0


def produce_by_java(kind: str, bootstrap: str, topic: str, count: int, registry: str = "") -> None:
    """Write events `m-0`, `m-1` … of 50 users. Raises KafkaUnavailable where Java's producers cannot be run."""
    java, jars = require_program("java", "run Java's producers"), cached_jars("producers-2", _DEPENDENCIES)
    classes = f"{jars}/*{os.pathsep}{_SOURCE.parent}"
    command = [java, "-Xmx256m", "-cp", classes, str(_SOURCE), kind, bootstrap, topic, str(count), registry]
    done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr[-2000:].decode(errors="replace")

"""Where the jars of Apache Kafka come from: Maven, once, into the user's cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from stream.model.errors import StreamError

KAFKA_VERSION = "4.3.1"
DOWNLOAD_TIMEOUT_S = 900.0

_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tray-stream</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
{}
  </dependencies>
</project>
"""
_BROKER = f"""
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA_VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId>
      <version>2.24.3</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId><version>2.24.3</version>
    </dependency>
"""


class KafkaUnavailable(StreamError):  # noqa: N818 - a state of the machine, not a mistake of the caller
    """Apache Kafka cannot be run on this machine: no Java, no Maven, or its jars cannot be fetched."""


def require_program(name: str, purpose: str) -> str:
    """Path of a program on PATH.

    Raises:
        KafkaUnavailable: it is not there.
    """
    path = shutil.which(name)
    if path is None:
        raise KafkaUnavailable(f"`{name}` is not on PATH; it is needed to {purpose}.")
    return path


def kafka_jars(cache: Path | None = None, maven: str = "mvn") -> Path:
    """Directory of the jars that run Apache Kafka; fetched when it is not in the cache yet.

    Raises:
        KafkaUnavailable: Maven is missing or could not fetch them.
    """
    return cached_jars(f"kafka-{KAFKA_VERSION}", _BROKER, cache, maven)


def cached_jars(name: str, dependencies: str, cache: Path | None = None, maven: str = "mvn") -> Path:
    """Directory in the cache with the jars of these dependencies of a Maven project, and what they depend on.

    Raises:
        KafkaUnavailable: Maven is missing or could not fetch them.
    """
    jars = (cache or cache_directory()) / name
    if not jars.is_dir():
        _fetch(jars, dependencies, require_program(maven, "fetch Apache Kafka"))
    return jars


def cache_directory() -> Path:
    """This program's folder in the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tray-stream"


def _fetch(jars: Path, dependencies: str, maven: str) -> None:
    """Fill a folder beside `jars` and rename it, so that `jars` is either whole or absent."""
    jars.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=jars.parent, prefix="fetching-") as scratch:
        pom, fetched = Path(scratch) / "pom.xml", Path(scratch) / "jars"
        pom.write_text(_POM.format(dependencies))
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={fetched}", "-DincludeScope=runtime"]
        _run([maven, "-q", "-B", "-f", str(pom), *goal])
        _move(fetched, jars)


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=DOWNLOAD_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as e:
        raise KafkaUnavailable(f"Maven did not fetch Apache Kafka within {e.timeout:.0f} s.") from e
    if done.returncode != 0:
        output = (done.stdout + done.stderr).strip()[-2000:]
        raise KafkaUnavailable(f"Maven could not fetch Apache Kafka {KAFKA_VERSION}:\n{output}")


def _move(fetched: Path, jars: Path) -> None:
    try:
        fetched.rename(jars)
    except OSError:
        if not jars.is_dir():  # else another process was faster, and its jars are as good
            raise

"""The world that tests run in: brokers, workflows that fail on demand, and names of their own for topics."""

from __future__ import annotations

import os
import re
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import hypothesis
import pytest
from support import topics
from support.builds import is_compiled
from support.kafka_proxy import SlowedKafka
from support.mock_cluster import MockCluster
from support.receiver import FaultReceiver
from support.registry import ApicurioRegistry
from support.secured_kafka import SecuredKafka
from support.topics import Broker

from stream.demo.apache_kafka import ApacheKafka
from stream.demo.kafka_jars import KAFKA_VERSION, KafkaUnavailable
from stream.http import sender

# Without bytecode each start of the program compiles it and its packages again, which takes half of the start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# No example is judged by its speed; `make fuzz`: as many inputs for every test that does not say a number itself.
hypothesis.settings.register_profile(
    "patient",
    max_examples=int(os.environ.get("FUZZ", "") or 100),
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("patient")
GIVEN_BOOTSTRAP = os.environ.get("TRAY_TEST_BOOTSTRAP", "")
KAFKA_FIXTURES = frozenset({"apache_kafka", "registry", "own_kafka", "secured_kafka", "slowed_kafka"})
UNAVAILABLE = "no Apache Kafka:"


def pytest_configure() -> None:
    """Raises UsageError where the program under test is not the build that COMPILED=1 asks for."""
    if os.environ.get("COMPILED") and not is_compiled():
        raise pytest.UsageError(f"COMPILED is set, and {sender.__file__} is plain Python: run make compiled.")


def pytest_report_header() -> str:
    """Which of the two builds is tested."""
    return f"hot path: {'compiled' if is_compiled() else 'plain Python'}"


class Startable(Protocol):
    """What runs on Java, and can be started and closed."""

    def start(self) -> None:
        """Start it; raises KafkaUnavailable where it cannot be run."""

    def close(self) -> None:
        """End it."""


Kafka = TypeVar("Kafka", bound=Startable)


@dataclass(frozen=True)
class GivenKafka:
    """A Kafka that somebody else runs, named by TRAY_TEST_BOOTSTRAP."""

    bootstrap: str

    def create_topic(self, name: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> None:
        """Create a topic and wait until clients see it."""
        topics.create_topic(self.bootstrap, name, partitions, config)


@pytest.fixture(scope="session")
def apache_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Apache Kafka, one for the whole run; tests keep apart by the names of their topics and groups."""
    if GIVEN_BOOTSTRAP:
        yield GivenKafka(GIVEN_BOOTSTRAP)
        return
    with started(ApacheKafka(tmp_path_factory.mktemp("kafka"))) as kafka:
        yield kafka


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApicurioRegistry]:
    """A Schema Registry, one for the whole run; tests keep apart by the names of their subjects."""
    with started(ApicurioRegistry(tmp_path_factory.mktemp("registry"))) as running:
        yield running


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[ApacheKafka]:
    """Apache Kafka for one test alone, which may kill, stop and restart it."""
    with started(ApacheKafka(tmp_path / "kafka")) as kafka:
        yield kafka


@pytest.fixture(scope="session")
def secured_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    """Apache Kafka that its clients have to log in to; tests that use it run one after the other."""
    with started(SecuredKafka(tmp_path_factory.mktemp("secured"))) as kafka:
        yield kafka


@pytest.fixture(scope="session")
def slowed_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlowedKafka]:
    """The broker of `slowed_kafka`, one for the whole run."""
    with started(SlowedKafka(tmp_path_factory.mktemp("slowed"))) as kafka, kafka.proxy:
        yield kafka


@pytest.fixture
def slowed_kafka(slowed_broker: SlowedKafka) -> Iterator[SlowedKafka]:
    """Apache Kafka that can be slow for those that come through its proxy; afterwards it is fast again."""
    yield slowed_broker
    slowed_broker.proxy.slow(seconds=0)


@contextmanager
def started(kafka: Kafka) -> Iterator[Kafka]:
    """Run a broker; where none can be run, skip the test and say so at the end, or fail it in CI."""
    missing = ""
    try:
        kafka.start()
    except KafkaUnavailable as e:
        missing = str(e)
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"Apache Kafka must run in CI. {missing}", pytrace=False)
    if missing:
        pytest.skip(f"{UNAVAILABLE} {missing}")
    try:
        yield kafka
    finally:
        kafka.close()


@pytest.fixture(scope="session")
def mock_cluster() -> Iterator[MockCluster]:
    """A broker inside the process, one for the whole run."""
    with MockCluster() as cluster:
        yield cluster


@pytest.fixture(params=["mock", pytest.param("apache", marks=pytest.mark.kafka)])
def broker(request: pytest.FixtureRequest) -> Broker:
    """Both brokers in turn, for tests that must hold on either."""
    fixture = "mock_cluster" if request.param == "mock" else "apache_kafka"
    found: Broker = request.getfixturevalue(fixture)
    return found


@pytest.fixture
def receiver() -> Iterator[FaultReceiver]:
    """Workflows that answer 200 until a test says otherwise."""
    with FaultReceiver() as server:
        yield server


@pytest.fixture
def topic_name(request: pytest.FixtureRequest) -> str:
    """A name of the test's own; good for a topic, a group or a transactional id."""
    test = re.sub(r"[^A-Za-z0-9]+", "-", request.node.name).strip("-")
    return f"{test[:60]}-{uuid.uuid4().hex[:8]}"


@pytest.hookimpl(tryfirst=True)  # before `-m kafka` selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that asks for Apache Kafka."""
    for item in items:
        if KAFKA_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.kafka)
        if "registry" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("registry"))
        if "secured_kafka" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("secured_kafka"))  # one broker is enough for them all


@pytest.hookimpl(wrapper=True, tryfirst=True)  # around all others, so that these are the last lines
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """Say what ran against Apache Kafka, and loudly when nothing could; whichever process ran the tests."""
    yield
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    reports = [report for report in reports if isinstance(report, pytest.TestReport)]
    unavailable = {report.longreprtext for report in reports if report.skipped and UNAVAILABLE in report.longreprtext}
    if unavailable:
        terminalreporter.section("NOT TESTED AGAINST APACHE KAFKA", sep="!", red=True, bold=True)
        terminalreporter.write_line(min(unavailable), red=True)
    name = f"Kafka at {GIVEN_BOOTSTRAP}" if GIVEN_BOOTSTRAP else f"Apache Kafka {KAFKA_VERSION}"
    executed = sum(report.when == "call" and "kafka" in report.keywords for report in reports)
    terminalreporter.write_line(f"{name}: {executed} tests executed")

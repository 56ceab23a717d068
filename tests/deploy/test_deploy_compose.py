"""The Compose file, proved without a Docker engine: its form, its parts, and its commands run on this machine."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from assertions import every
from deploy_image import FINAL, call, free_port, start
from deploy_tools import ROOT
from prometheus_client.parser import text_string_to_metric_families
from support.topics import Broker, partitions_of
from support.waiting import wait_until

from stream.demo.apache_kafka import ApacheKafka
from stream.demo.kafka_jars import KAFKA_VERSION
from stream.settings import load_settings

FILE = ROOT / "docker-compose.yml"
STACK: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = STACK["services"]
OURS = sorted(name for name, service in SERVICES.items() if service["image"] == "tray-stream:local")
LASTING = sorted(name for name in SERVICES if name != "topics")
SETTINGS = ROOT / "deploy" / "compose" / "stream.toml"


KAFKA_EXAMPLE = {
    "KAFKA_NODE_ID": "1",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PLAINTEXT_HOST:PLAINTEXT",
    "KAFKA_ADVERTISED_LISTENERS": "PLAINTEXT_HOST://localhost:9092,PLAINTEXT://HOSTNAME:19092",
    "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@HOSTNAME:29093",
    "KAFKA_LISTENERS": "CONTROLLER://:29093,PLAINTEXT_HOST://:9092,PLAINTEXT://:19092",
    "KAFKA_INTER_BROKER_LISTENER_NAME": "PLAINTEXT",
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
}
"""The image's own example of one node without TLS, save its cluster id and log directory."""


def test_the_reference_loader_takes_it(compose_spec: str) -> None:
    """The published loader and schema accept the file, and see all services with their merged fields."""
    done = subprocess.run([compose_spec, str(FILE)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = yaml.safe_load(done.stdout)["services"]
    assert sorted(loaded) == sorted(SERVICES)
    assert {name: service["read_only"] for name, service in loaded.items() if name in OURS} == dict.fromkeys(OURS, True)


@pytest.mark.parametrize("name", LASTING)
def test_a_lasting_service(name: str) -> None:
    """It comes back, its health is asked where there is anything to ask, and its ports are this machine's alone."""
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert "healthcheck" in service or name == "tray-stream"  # the image has its own
    assert [port for port in service.get("ports", []) if not port.startswith("127.0.0.1:")] == []
    assert re.search(r":(v?\d+\.\d+\.\d+|local)$", service["image"])


def test_one_image_is_built_once() -> None:
    """The services that run our image share one build, and each has an init as process 1."""
    assert [name for name in OURS if "build" in SERVICES[name]] == ["tray-stream"]
    entrypoints = [SERVICES[name].get("entrypoint", FINAL.command("ENTRYPOINT")) for name in OURS]
    assert every(entrypoint[:3] == ["tini", "-s", "--"] for entrypoint in entrypoints)


def test_health_checks_pass_on_a_busy_machine() -> None:
    """Ten seconds or more for an answer, at least six tries, and none starts a JVM."""
    checks = [service["healthcheck"] for service in SERVICES.values() if "test" in service.get("healthcheck", {})]
    assert every(int(check["timeout"].removesuffix("s")) >= 10 and check["retries"] >= 6 for check in checks)
    assert every(".sh" not in " ".join(check["test"]) for check in checks)


@pytest.mark.parametrize("name", [*OURS, "prometheus"])
def test_what_needs_no_privilege_has_none(name: str) -> None:
    """A read-only root, no capability, no way to gain one."""
    service = SERVICES[name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_a_stop_is_longer_than_a_drain(tmp_path: Path) -> None:
    """Docker waits for the drain, the last commit and the leave."""
    settings = load_settings(local_settings(tmp_path, {}), {}, {}).settings
    grace = float(SERVICES["tray-stream"]["stop_grace_period"].removesuffix("s"))
    assert grace >= settings.kafka.drain_timeout + 10


def test_mounted_files_are_there() -> None:
    """Every path of this repository that is mounted exists."""
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", []) if mount.startswith(".")]
    assert mounts
    paths = [mount.split(":")[0] for mount in mounts] + [secret["file"] for secret in STACK["secrets"].values()]
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_a_reload_sees_a_replaced_file() -> None:
    """An editor replaces the file: mounted alone it would stay what it was."""
    (mount,) = SERVICES["tray-stream"]["volumes"]
    source, target, _ = mount.split(":")
    assert (ROOT / source / "stream.toml").is_file()
    assert target == FINAL.last("WORKDIR")


def test_hosts_are_services() -> None:
    """Whoever is spoken to by name is a service, at a port that it listens on."""
    spoken = SETTINGS.read_text() + " ".join(str(service.get("command", "")) for service in SERVICES.values())
    spoken += (ROOT / "grafana/prometheus/prometheus.yml").read_text()
    spoken += "".join(path.read_text() for path in (ROOT / "grafana/provisioning/datasources").iterdir())
    named = set(re.findall(r"\b([a-z][a-z-]+):(\d{4,5})\b", spoken)) - {("localhost", "9090")}
    listening = {("kafka", "19092"), ("workflows", "8080"), ("tray-stream", "9464"), ("prometheus", "9090")}
    assert named == listening
    assert {name for name, _ in named} <= set(SERVICES)


def test_kafka_has_the_settings_of_its_own_example() -> None:
    """As the image documents it for one node; what is added is deliberate."""
    service = SERVICES["kafka"]
    environment = {name: text.replace("kafka:", "HOSTNAME:") for name, text in service["environment"].items()}
    assert environment.items() >= KAFKA_EXAMPLE.items()
    ours = {"CLUSTER_ID", "KAFKA_LOG_DIRS", "KAFKA_AUTO_CREATE_TOPICS_ENABLE"}
    assert set(environment) == set(KAFKA_EXAMPLE) | ours
    assert service["hostname"] == "kafka"
    assert service["image"] == SERVICES["topics"]["image"] == f"apache/kafka:{KAFKA_VERSION}"
    assert [volume.split(":")[1] for volume in service["volumes"]] == [environment["KAFKA_LOG_DIRS"]]


def server_properties(environment: dict[str, str]) -> dict[str, str]:
    """What the image makes of KAFKA_ variables: __ was an underscore, and any other _ a dot."""
    named = {name.removeprefix("KAFKA_"): text for name, text in environment.items() if name.startswith("KAFKA_")}
    return {name.replace("__", "\0").replace("_", ".").replace("\0", "_").lower(): text for name, text in named.items()}


def test_kafka_starts_with_these_settings(own_kafka_stopped: ApacheKafka) -> None:
    """Apache Kafka of the same version comes up with the properties that the variables mean, ports aside."""
    kafka = own_kafka_stopped
    inner = free_port()
    ports = {
        "://:9092": f"://{kafka.bootstrap}",
        "localhost:9092": kafka.bootstrap,
        "://:19092": f"://127.0.0.1:{inner}",
        "kafka:19092": f"127.0.0.1:{inner}",
        "://:29093": f"://127.0.0.1:{kafka.controller_port}",
        "kafka:29093": f"127.0.0.1:{kafka.controller_port}",
        SERVICES["kafka"]["environment"]["KAFKA_LOG_DIRS"]: str(kafka.directory / "data"),
    }
    properties = server_properties(SERVICES["kafka"]["environment"])
    kafka.properties = {name: replaced(text, ports) for name, text in properties.items()}
    kafka.restart()
    command = SERVICES["topics"]["command"]
    asked = dict(pairwise(command))
    kafka.create_topic(asked["--topic"], int(asked["--partitions"]))
    assert partitions_of(kafka.bootstrap, "segment-events") == list(range(6))


@pytest.fixture
def own_kafka_stopped(own_kafka: ApacheKafka) -> ApacheKafka:
    """A broker that is there and does not run, its data gone."""
    own_kafka.close()
    shutil.rmtree(own_kafka.directory / "data")
    return own_kafka


def replaced(text: str, by: dict[str, str]) -> str:
    """`text` with each key of `by` as its value."""
    for old, new in by.items():
        text = text.replace(old, new)
    return text


def local_settings(directory: Path, hosts: dict[str, str]) -> Path:
    """The stack's settings with this machine's addresses, as stream.toml in `directory`."""
    secret = ROOT / STACK["secrets"]["tray_shared_secret"]["file"]
    path = directory / "stream.toml"
    path.write_text(replaced(SETTINGS.read_text(), {"/run/secrets/tray_shared_secret": str(secret), **hosts}))
    return path


@contextmanager
def service(built: Path, name: str, ports: dict[str, str], directory: Path) -> Iterator[Callable[[], tuple[int, str]]]:
    """A service of ours as Compose starts it; gives a function that stops it: (exit code, what it printed)."""
    given = SERVICES[name]
    command = [*given.get("entrypoint", FINAL.command("ENTRYPOINT")), *given.get("command", FINAL.command("CMD"))]
    env = {key: replaced(text, ports) for key, text in (FINAL.variables | given.get("environment", {})).items()}
    process = start(built, [replaced(word, ports) for word in command], env, directory)

    def stop() -> tuple[int, str]:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
        return process.returncode, out + err

    try:
        yield stop
    finally:
        process.kill()
        print(name, *process.communicate(), sep="\n")  # shown where the test fails; nothing is left after `stop`


def delivered(port: int) -> dict[str, float]:
    """Per workflow how many events it took, as the metrics tell."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            families = list(text_string_to_metric_families(answer.read().decode()))
    except OSError:
        return {}
    samples = [sample for family in families for sample in family.samples if sample.name == "tray_deliveries_total"]
    return {s.labels["workflow"]: s.value for s in samples if s.labels["outcome"] == "delivered"}


def test_the_stack_runs(built: Path, apache_kafka: Broker, topic_name: str, tmp_path: Path) -> None:
    """Workflows, load and processor, each with its own command and variables: every workflow gets events."""
    apache_kafka.create_topic(topic_name, 6)
    workflows, metrics = free_port(), free_port()
    ports = {
        "0.0.0.0:8080": f"127.0.0.1:{workflows}",
        "('127.0.0.1', 8080)": f"('127.0.0.1', {workflows})",
        "workflows:8080": f"127.0.0.1:{workflows}",
        "0.0.0.0:9464": f"127.0.0.1:{metrics}",
        "kafka:19092": apache_kafka.bootstrap,
        "segment-events": topic_name,
        'group_id = "tray"': f'group_id = "{topic_name}"',
    }
    local_settings(tmp_path, ports)
    healthy = [replaced(word, ports) for word in SERVICES["workflows"]["healthcheck"]["test"][1:]]
    with service(built, "workflows", ports, tmp_path) as stop_workflows:
        wait_until(lambda: call(built, healthy, FINAL.variables, tmp_path).returncode == 0, "workflows are not healthy")
        with (
            service(built, "tray-stream", ports, tmp_path) as stop_processor,
            service(built, "load", ports, tmp_path) as stop_load,
        ):
            wait_until(
                lambda: sum(map(bool, delivered(metrics).values())) == 3, f"not every workflow: {delivered(metrics)}"
            )
            ends = [stop_load(), stop_processor(), stop_workflows()]
    assert [code for code, _ in ends] == [0, 0, 0], ends
    assert re.search(r"Wrote [1-9]\d* events", ends[0][1])


def test_prometheus_takes_its_configuration() -> None:
    """The file that is mounted is valid, and so are the rules that it names."""
    if shutil.which("promtool") is None:
        pytest.skip("NOT CHECKED: promtool is not on PATH.")
    path = ROOT / "grafana/prometheus/prometheus.yml"
    done = subprocess.run(["promtool", "check", "config", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--config.file=/etc/prometheus/prometheus.yml" in SERVICES["prometheus"]["command"]


def test_grafana_finds_what_is_mounted() -> None:
    """The dashboards lie where the provider looks, and the home page is one of them."""
    mounts = dict(mount.split(":")[:2] for mount in SERVICES["grafana"]["volumes"])
    (provider,) = (ROOT / "grafana/provisioning/dashboards").iterdir()
    (listed,) = yaml.safe_load(provider.read_text())["providers"]
    assert mounts["./grafana/dashboards"] == listed["options"]["path"]
    home = Path(SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (ROOT / "grafana/dashboards" / home.name).exists()
    assert str(home.parent) == mounts["./grafana/dashboards"]

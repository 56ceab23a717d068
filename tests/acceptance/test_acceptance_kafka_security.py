"""Logging in to a Kafka that wants to know who one is, and what happens when it says no, at start and later."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from acceptance_support import Event, Program, Scene, call, call_here, header_texts, ids_of, make_event, tracks
from assertions import every
from confluent_kafka.admin import AclOperation, ResourceType
from support.checker import id_of
from support.receiver import FaultReceiver
from support.secured_kafka import SecuredKafka
from support.topics import read_topic
from support.waiting import wait_until

from stream.demo.behaviours import slow, when

READ, WRITE, DESCRIBE = AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE
TOPIC, GROUP = ResourceType.TOPIC, ResourceType.GROUP
FEW_LINES = 8
"""More lines in ten seconds than these would be a flood."""


def scene_of(
    kafka: SecuredKafka,
    topic: str,
    receiver: FaultReceiver,
    folder: Path,
    options: dict[str, str],
    servers: str = "",
    **workflow: object,
) -> Scene:
    """A topic, its dead-letter topic, and settings that log in with `options`."""
    for name in (topic, f"{topic}.dead-letters"):
        kafka.create_topic(name, 2)
    scene = Scene(kafka, topic, receiver, folder)
    scene.configure(
        scene.workflow("orders", **workflow),
        kafka={"bootstrap_servers": servers or kafka.sasl_bootstrap},
        **{"kafka.options": dict[str, object](options)},
    )
    return scene


@pytest.mark.parametrize("way", ["PLAIN", "SCRAM", "SCRAM over TLS", "OAUTHBEARER", "mutual TLS"])
def test_each_way_to_log_in_delivers(
    secured_kafka: SecuredKafka, topic_name: str, receiver: FaultReceiver, tmp_path: Path, way: str
) -> None:
    """Options of librdkafka are all that it takes; consumer, dead letters and questions log in alike."""
    servers, options = secured_kafka.ways_in()[way]
    scene = scene_of(secured_kafka, topic_name, receiver, tmp_path, options, servers)
    events = list(tracks(range(5)))
    scene.produce(events)
    ended = call(tmp_path, "run", "--until-end")
    assert ended.returncode == 0, ended.stderr
    assert sorted(map(id_of, receiver.arrivals("/orders"))) == sorted(ids_of(events))
    assert call_here(tmp_path, "check").returncode == 0


def nothing(_kafka: SecuredKafka, _topic: str) -> None:
    """No right at all."""


def all_but_group(kafka: SecuredKafka, topic: str) -> None:
    kafka.allow(TOPIC, topic, READ)
    kafka.allow(TOPIC, f"{topic}.dead-letters", WRITE)


def all_but_letters(kafka: SecuredKafka, topic: str) -> None:
    kafka.allow(TOPIC, topic, READ)
    kafka.allow(TOPIC, f"{topic}.dead-letters", DESCRIBE)
    kafka.allow(GROUP, topic, READ)


def everything(kafka: SecuredKafka, topic: str) -> None:
    kafka.allow(TOPIC, topic, READ)
    kafka.allow(TOPIC, f"{topic}.dead-letters", WRITE)
    kafka.allow(GROUP, topic, READ)


@pytest.mark.parametrize(
    ("rights", "missing"),
    [
        (nothing, ["Read on the topic {0} (TOPIC_AUTHORIZATION_FAILED)", "--operation Read --topic {0}"]),
        (all_but_group, ["Read on the group {0} (GROUP_AUTHORIZATION_FAILED)", "--operation Read --group {0}"]),
        (all_but_letters, ["Write on the topic {0}.dead-letters", "--operation Write --topic {0}.dead-letters"]),
    ],
    ids=["topic", "group", "dead letters"],
)
def test_a_missing_right_ends_the_start(
    secured_kafka: SecuredKafka,
    topic_name: str,
    receiver: FaultReceiver,
    tmp_path: Path,
    rights: Callable[[SecuredKafka, str], None],
    missing: list[str],
) -> None:
    """Exit 3, one message that names each right and the command that gives it; nothing was read."""
    scene_of(secured_kafka, topic_name, receiver, tmp_path, secured_kafka.plain("reader"))
    rights(secured_kafka, topic_name)
    ended = call(tmp_path, "run", "--until-end")
    assert ended.returncode == 3
    (said,) = ended.stderr.split("Error: ")[1:]
    assert every(text.format(topic_name) in said for text in missing)
    assert len(ended.stderr.splitlines()) <= FEW_LINES
    assert call_here(tmp_path, "check").returncode == 3


def wrong_password(kafka: SecuredKafka) -> tuple[str, dict[str, str]]:
    return kafka.sasl_bootstrap, kafka.plain("reader", "wrong-s3cret")


def unknown_authority(kafka: SecuredKafka) -> tuple[str, dict[str, str]]:
    servers, options = kafka.ways_in()["SCRAM over TLS"]
    return servers, {name: value for name, value in options.items() if name != "ssl.ca.location"}


def no_certificate(kafka: SecuredKafka) -> tuple[str, dict[str, str]]:
    servers, options = kafka.ways_in()["mutual TLS"]
    return servers, {name: value for name, value in options.items() if "cert" not in name and "key" not in name}


@pytest.mark.parametrize(
    ("login", "text"),
    [
        (wrong_password, "Authentication failed: Invalid username or password"),
        (unknown_authority, "Set ssl.ca.location in [kafka.options]"),
        (no_certificate, "certificate"),
    ],
)
def test_a_login_that_fails_ends_the_start(
    secured_kafka: SecuredKafka,
    topic_name: str,
    receiver: FaultReceiver,
    tmp_path: Path,
    login: Callable[[SecuredKafka], tuple[str, dict[str, str]]],
    text: str,
) -> None:
    """Exit 3 with the reason, whoever of the two refused the other; the password is not repeated."""
    servers, options = login(secured_kafka)
    scene_of(secured_kafka, topic_name, receiver, tmp_path, options, servers)
    ended = call(tmp_path, "run")
    assert ended.returncode == 3
    assert text in ended.stderr.partition("Error: ")[2]
    assert "s3cret" not in ended.stderr
    assert len(ended.stderr.splitlines()) <= FEW_LINES


def test_a_right_on_the_dead_letters_that_is_taken_away_is_waited_for(
    secured_kafka: SecuredKafka, topic_name: str, receiver: FaultReceiver, tmp_path: Path
) -> None:
    """Nothing ends: a metric counts what fails, a few lines say so, other events go on, and no letter is missing."""
    scene = scene_of(secured_kafka, topic_name, receiver, tmp_path, secured_kafka.plain("reader"))
    everything(secured_kafka, topic_name)
    receiver.script("/orders", when(lambda body: b'"bad"' in body, 400))
    with scene.start() as program:
        _deliver(scene, receiver, range(5))
        lines = len(program.log.splitlines())
        secured_kafka.forbid(TOPIC, f"{topic_name}.dead-letters")
        scene.produce(make_event(number, event="bad") for number in range(5, 10))
        wait_until(partial(_counts, program, "tray_dead_letter_writes_total", result="failed"), "failed letters count")
        _deliver(scene, receiver, range(10, 15))
        assert scene.committed() != scene.ends()
        everything(secured_kafka, topic_name)
        wait_until(lambda: scene.committed() == scene.ends(), "everything is committed after all")
        assert len(program.log.splitlines()) - lines <= FEW_LINES
        assert program.stop() == 0
    letters = read_topic(secured_kafka.bootstrap, f"{topic_name}.dead-letters")
    assert [header_texts(letter.headers)["tray.reason"] for letter in letters] == ["rejected"] * 5


@pytest.mark.parametrize("kind", [TOPIC, GROUP], ids=["topic", "group"])
def test_commits_that_are_refused_end_the_run(
    secured_kafka: SecuredKafka, topic_name: str, receiver: FaultReceiver, tmp_path: Path, kind: ResourceType
) -> None:
    """Working on would only make more to repeat: exit 3, and once it is allowed again nothing is missing."""
    scene = scene_of(secured_kafka, topic_name, receiver, tmp_path, secured_kafka.plain("reader"))
    everything(secured_kafka, topic_name)
    with scene.start() as program:
        _deliver(scene, receiver, range(5))
        wait_until(lambda: scene.committed() == scene.ends(), "everything is committed")
        receiver.script("/orders", slow(0.5))
        scene.produce(tracks(range(5, 10)))
        wait_until(lambda: receiver.count("/orders") >= 10, "requests are on their way")
        secured_kafka.forbid(kind, topic_name)
        assert program.wait() == 3
        program.line(f"Error: Kafka, committing offsets: Broker: {kind.name.title()} authorization failed")
        assert len(program.log.splitlines()) <= 2 * FEW_LINES
    everything(secured_kafka, topic_name)
    scene.produce(tracks(range(10, 12)))
    assert call(tmp_path, "run", "--until-end").returncode == 0
    assert scene.committed() == scene.ends()
    assert {id_of(arrival) for arrival in receiver.arrivals("/orders")} == {f"m-{number}" for number in range(12)}


def _deliver(scene: Scene, receiver: FaultReceiver, numbers: range) -> None:
    events: list[Event] = list(tracks(numbers))
    scene.produce(events)
    wanted = set(ids_of(events))
    wait_until(lambda: wanted <= set(map(id_of, receiver.arrivals("/orders"))), f"delivery of {numbers}")


def _counts(program: Program, metric: str, **labels: str) -> bool:
    return program.metrics().total(metric, **labels) > 0

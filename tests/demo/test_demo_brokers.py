"""Both brokers hold what is produced; Apache's survives a crash, and the mock refuses on demand."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from support import topics
from support.mock_cluster import OFFSET_COMMIT, MockCluster
from support.topics import Broker

from stream.demo import kafka_jars
from stream.demo.apache_kafka import ApacheKafka
from stream.demo.child import ChildError

EVENTS: list[topics.Given] = [
    ("user-1", b'{"n":1}', 0, [("trace", b"a"), ("trace", b"b"), ("none", None)]),
    (None, None, 1, None),
    ("user-2", b"", 0, None),
]


def commit(bootstrap: str, group: str, topic: str, offset: int) -> None:
    config = {"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False, "log_level": 0}
    with Consumer(config) as consumer:
        consumer.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)


def test_what_is_produced_is_read_back(broker: Broker, topic_name: str) -> None:
    """Keys, values and headers as they were, null and empty kept apart, at the places reported."""
    broker.create_topic(topic_name, 2)
    assert topics.partitions_of(broker.bootstrap, topic_name) == [0, 1]
    assert topics.produce_events(broker.bootstrap, topic_name, EVENTS) == [(0, 0), (1, 0), (0, 1)]
    records = topics.read_topic(broker.bootstrap, topic_name)
    assert [(r.partition, r.offset, r.key, r.value, r.headers) for r in records] == [
        (0, 0, b"user-1", b'{"n":1}', [("trace", b"a"), ("trace", b"b"), ("none", None)]),
        (0, 1, b"user-2", b"", None),
        (1, 0, None, None, None),
    ]
    assert topics.end_offsets(broker.bootstrap, topic_name) == {0: 2, 1: 1}


def test_an_empty_topic_is_read_to_its_end(broker: Broker, topic_name: str) -> None:
    """Nothing to read is no reason to wait."""
    broker.create_topic(topic_name)
    assert topics.read_topic(broker.bootstrap, topic_name) == []
    assert topics.end_offsets(broker.bootstrap, topic_name) == {0: 0}


def test_committed_offsets_are_those_of_the_group(broker: Broker, topic_name: str) -> None:
    """None where the group has committed nothing."""
    broker.create_topic(topic_name, 2)
    topics.produce_events(broker.bootstrap, topic_name, EVENTS)
    commit(broker.bootstrap, f"{topic_name}-a", topic_name, 2)
    assert topics.committed_offsets(broker.bootstrap, f"{topic_name}-a", topic_name) == {0: 2, 1: None}
    assert topics.committed_offsets(broker.bootstrap, f"{topic_name}-b", topic_name) == {0: None, 1: None}


def test_large_records_pass(broker: Broker, topic_name: str) -> None:
    """A value of a megabyte is within the default limits of a topic."""
    broker.create_topic(topic_name)
    topics.produce_events(broker.bootstrap, topic_name, [(None, b"x" * 1_000_000, None, None)])
    [record] = topics.read_topic(broker.bootstrap, topic_name)
    assert len(record.value or b"") == 1_000_000


def test_transactions_leave_markers_and_aborted_records_stay_unread(apache_kafka: Broker, topic_name: str) -> None:
    """The end that a reader can reach lies beyond the last record."""
    apache_kafka.create_topic(topic_name)
    bootstrap = apache_kafka.bootstrap
    kept: list[topics.Given] = [(None, b"kept", 0, None)]
    gone: list[topics.Given] = [(None, b"gone", 0, None)]
    assert topics.produce_transaction(bootstrap, topic_name, kept, topic_name) == [(0, 0)]
    assert topics.produce_transaction(bootstrap, topic_name, gone, topic_name, commit=False) == [(0, 2)]
    assert [(r.offset, r.value) for r in topics.read_topic(bootstrap, topic_name)] == [(0, b"kept")]
    assert topics.end_offsets(bootstrap, topic_name) == {0: 4}


def test_a_topic_that_is_not_there_is_an_error(apache_kafka: Broker, topic_name: str) -> None:
    """Asking for it creates nothing."""
    for _ in range(2):
        with pytest.raises(KafkaException) as found:
            topics.read_topic(apache_kafka.bootstrap, topic_name)
        assert found.value.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_a_record_that_is_refused_is_an_error(apache_kafka: Broker, topic_name: str) -> None:
    """No record may get lost on the way into a test."""
    apache_kafka.create_topic(topic_name, 1, {"max.message.bytes": "100"})
    with pytest.raises(KafkaException) as found:
        topics.produce_events(apache_kafka.bootstrap, topic_name, [(None, b"x" * 200, 0, None)])
    assert found.value.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE


def test_a_broker_keeps_its_data_and_address_over_crashes_and_restarts(own_kafka: ApacheKafka, topic_name: str) -> None:
    """Killed, ended in order, or stopped and resumed: what was acknowledged is there afterwards."""
    own_kafka.create_topic(topic_name, 2)
    topics.produce_events(own_kafka.bootstrap, topic_name, EVENTS)
    crashed = own_kafka.pid
    own_kafka.kill()
    assert not own_kafka.is_running
    own_kafka.restart()
    assert own_kafka.pid != crashed
    assert len(topics.read_topic(own_kafka.bootstrap, topic_name)) == 3
    commit(own_kafka.bootstrap, "group", topic_name, 1)
    own_kafka.restart()
    own_kafka.stop()
    own_kafka.resume()
    assert topics.committed_offsets(own_kafka.bootstrap, "group", topic_name) == {0: 1, 1: None}
    own_kafka.stop()
    own_kafka.terminate()
    assert not own_kafka.is_running
    with pytest.raises(ChildError, match="not running"):
        own_kafka.stop()


@pytest.mark.kafka
def test_a_broker_that_cannot_start_says_why(own_kafka: ApacheKafka, tmp_path: Path) -> None:
    """The end of its log is in the error, and nothing is left running."""
    broken = ApacheKafka(tmp_path / "broken", {"num.network.threads": "none"})
    with pytest.raises(ChildError, match=r"num\.network\.threads"), broken:
        pytest.fail("it started")
    assert not broken.is_running
    assert own_kafka.is_running


@pytest.mark.kafka
def test_a_broker_ends_with_its_interpreter(own_kafka: ApacheKafka, tmp_path: Path) -> None:
    """Also when the interpreter is killed and has no chance to clean up."""
    own_kafka.close()  # the fixture has seen to it that one can be run
    program = (
        "import sys; from stream.demo.apache_kafka import ApacheKafka\n"
        "kafka = ApacheKafka(sys.argv[1]); kafka.start(); print(kafka.port, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "orphan")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as interpreter:
        assert interpreter.stdout is not None
        address = ("127.0.0.1", int(interpreter.stdout.readline()))
        with socket.create_connection(address, timeout=20) as connection:
            interpreter.kill()
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(1) == b""


def test_without_maven_the_jars_cannot_be_fetched(tmp_path: Path) -> None:
    """The error names the program that is missing, and the cache holds nothing half done."""
    with pytest.raises(kafka_jars.KafkaUnavailable, match="`no-maven-here` is not on PATH"):
        kafka_jars.kafka_jars(tmp_path, maven="no-maven-here")
    assert list(tmp_path.iterdir()) == []


def test_a_fetch_that_fails_leaves_nothing_and_says_what_maven_said(tmp_path: Path) -> None:
    """A Maven that fails: its words are in the error."""
    maven, cache = tmp_path / "mvn", tmp_path / "cache"
    maven.write_text("#!/bin/sh\necho no route to the repository\nexit 1\n")
    maven.chmod(0o755)
    with pytest.raises(kafka_jars.KafkaUnavailable, match="no route to the repository"):
        kafka_jars.kafka_jars(cache, str(maven))
    assert list(cache.iterdir()) == []


def test_jars_are_fetched_once(tmp_path: Path) -> None:
    """What Maven has put into its output directory is in the cache, whole; the second time nothing is asked."""
    maven, cache = tmp_path / "mvn", tmp_path / "cache"
    find_output = "for a; do case $a in -DoutputDirectory=*) out=${a#*=};; esac; done"
    maven.write_text(f"#!/bin/sh\n{find_output}\nmkdir $out && touch $out/kafka.jar\n")
    maven.chmod(0o755)
    jars = kafka_jars.kafka_jars(cache, str(maven))
    assert [path.name for path in jars.iterdir()] == ["kafka.jar"]
    assert kafka_jars.kafka_jars(cache, maven="no-maven-here") == jars
    assert list(cache.iterdir()) == [jars]


def test_a_new_group_on_the_mock_has_its_partitions_at_once(topic_name: str) -> None:
    """Nobody waits three seconds for members that do not come."""
    with MockCluster(brokers=3) as cluster:
        cluster.create_topic(topic_name, 2)
        places = topics.produce_events(cluster.bootstrap, topic_name, EVENTS)
        config = {"bootstrap.servers": cluster.bootstrap, "group.id": "g", "auto.offset.reset": "earliest"}
        with Consumer({**config, "partition.assignment.strategy": "cooperative-sticky"}) as consumer:
            consumer.subscribe([topic_name])
            found = consumer.consume(3, 2.5)
    assert sorted((message.partition(), message.offset()) for message in found) == sorted(places)


def test_the_mock_refuses_requests_on_demand(mock_cluster: MockCluster, topic_name: str) -> None:
    """The next commit fails as told, the one after it succeeds."""
    mock_cluster.create_topic(topic_name)
    commit(mock_cluster.bootstrap, topic_name, topic_name, 1)
    mock_cluster.fail_next(OFFSET_COMMIT, KafkaError.OFFSET_METADATA_TOO_LARGE)
    with pytest.raises(KafkaException) as found:
        commit(mock_cluster.bootstrap, topic_name, topic_name, 2)
    assert found.value.args[0].code() == KafkaError.OFFSET_METADATA_TOO_LARGE
    commit(mock_cluster.bootstrap, topic_name, topic_name, 3)
    assert topics.committed_offsets(mock_cluster.bootstrap, topic_name, topic_name) == {0: 3}


def test_the_mock_goes_down_and_comes_back() -> None:
    """What it holds is there again afterwards."""
    with MockCluster() as cluster:
        cluster.create_topic("events", 2)
        topics.produce_events(cluster.bootstrap, "events", EVENTS)
        cluster.set_down()
        config = {"bootstrap.servers": cluster.bootstrap, "group.id": "g", "log_level": 0}
        with Consumer(config) as consumer, pytest.raises(KafkaException):
            consumer.list_topics(timeout=0.2)
        cluster.set_up()
        assert len(topics.read_topic(cluster.bootstrap, "events")) == 3


def test_a_closed_mock_may_be_closed_again_and_a_topic_is_made_once() -> None:
    """Two clusters do not know each other's topics."""
    with MockCluster() as one, MockCluster() as other:
        one.create_topic("events", 3)
        other.create_topic("events", 1)
        assert topics.partitions_of(one.bootstrap, "events") == [0, 1, 2]
        with pytest.raises(KafkaException):
            one.create_topic("events", 3)
        one.close()
        assert topics.partitions_of(other.bootstrap, "events") == [0]

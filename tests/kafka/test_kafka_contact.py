"""Whether Kafka answers is known within seconds, however it went away, and without a false alarm."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from assertions import every
from confluent_kafka import Consumer
from kafka_support import QUIET, RecordingLogger, until
from support.mock_cluster import MockCluster
from support.tcp_proxy import TcpProxy

from stream.demo.apache_kafka import ApacheKafka, free_ports
from stream.kafka.contact import ContactWatch, read_report
from stream.model.source import SILENT_AFTER_S, Contact

NOTICED_S = SILENT_AFTER_S + 50
"""Only ends a hang."""


class Watched:
    """A member of a group whose contact with Kafka is watched."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.contacts: list[Contact] = []
        watch = ContactWatch(self.contacts.append, lambda call, given: call(given), RecordingLogger())
        session = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
        options = {**QUIET, **session, "bootstrap.servers": bootstrap, "group.id": topic, **watch.options}
        self._consumer = Consumer(options)
        self._consumer.subscribe([topic])
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._thread.start()

    @property
    def is_up(self) -> bool:
        """As the last report has it."""
        return bool(self.contacts) and self.contacts[-1].is_up

    def wait(self, is_up: bool) -> None:
        """Wait for a verdict."""
        until(lambda: self.contacts and self.is_up is is_up, NOTICED_S)

    def reports(self, count: int) -> list[Contact]:
        """The next so many."""
        seen = len(self.contacts)
        until(lambda: len(self.contacts) >= seen + count, NOTICED_S)
        return self.contacts[seen:]

    def close(self) -> None:
        """Stop polling, and close the consumer."""
        self._is_over.set()
        self._thread.join()
        self._consumer.close()

    def _poll(self) -> None:
        while not self._is_over.is_set():
            self._consumer.poll(0.1)


@contextmanager
def watched(bootstrap: str, topic: str) -> Iterator[Watched]:
    member = Watched(bootstrap, topic)
    try:
        yield member
    finally:
        member.close()


def broker(state: str = "UP", idle_s: float = 0.0, waiting: int = 0) -> dict[str, object]:
    """One broker of a report; `idle_s` below 0: nothing came on this connection."""
    return {"state": state, "rxidle": int(idle_s * 1e6), "waitresp_cnt": waiting, "outbuf_cnt": 0}


def report(at: float, *brokers: dict[str, object]) -> str:
    """As librdkafka writes one: the topics follow the brokers."""
    named = {f"b{number}": one for number, one in enumerate(brokers)}
    return json.dumps({"ts": int(at * 1e6), "time": int(1000 + at), "brokers": named, "topics": {"t": {}}})


def verdicts(*reports: str) -> list[bool]:
    """What is made of them, one after the other."""
    told: list[Contact] = []
    watch = ContactWatch(told.append, lambda call, given: call(given), RecordingLogger())
    for text in reports:
        watch.on_statistics(text)
    return [contact.is_up for contact in told]


def test_nothing_is_up_before_the_first_answer() -> None:
    """A client that only tries to connect has no contact, and no time of one; before ten seconds that says nothing."""
    told: list[Contact] = []
    watch = ContactWatch(told.append, lambda call, given: call(given), RecordingLogger())
    for at in (1, 5, 12):
        watch.on_statistics(report(at, broker("TRY_CONNECT", -1e-6)))
    assert told == [Contact(is_up=False, at=None, seen_at=1012.0)]


def test_the_last_answer_is_told_in_unix_time() -> None:
    """The report's own time less how long nothing came."""
    told: list[Contact] = []
    watch = ContactWatch(told.append, lambda call, given: call(given), RecordingLogger())
    watch.on_statistics(report(50, broker(idle_s=3)))
    assert told == [Contact(is_up=True, at=1047.0, seen_at=1050.0)]


@pytest.mark.parametrize(
    "silent",
    [
        pytest.param(lambda at: [broker("DOWN", -1e-6)], id="killed"),
        pytest.param(lambda at: [broker("TRY_CONNECT", -1e-6), broker("INIT", -1e-6)], id="refused"),
        pytest.param(lambda at: [broker(idle_s=at, waiting=1)], id="frozen"),
        pytest.param(lambda at: [broker("APIVERSION_QUERY", -1e-6, 1)], id="accepts and says nothing"),
        pytest.param(
            lambda at: [broker(idle_s=at), broker("CONNECT", -1e-6), broker(idle_s=at, waiting=1)], id="one idle"
        ),
        pytest.param(lambda at: [], id="no broker known"),
    ],
)
def test_silence_is_noticed_after_ten_seconds(silent: Callable[[float], list[dict[str, object]]]) -> None:
    """Not before, and for as long as it lasts; the next answer ends it."""
    reports = [report(at, *silent(at)) for at in (4, 10, 11, 60)]
    assert verdicts(report(0.001, broker()), *reports, report(62, broker())) == [True, True, True, False, False, True]


def test_one_of_three_brokers_that_is_dead_is_no_outage() -> None:
    """The others answer."""
    dead = broker("DOWN", -1e-6)
    assert verdicts(*(report(at, dead, broker(), broker(idle_s=at)) for at in (1, 20, 40))) == [True] * 3


def test_silence_proves_nothing_while_nothing_is_asked() -> None:
    """A connection that stands, with long heartbeats and paused partitions; once something is asked it counts."""
    quiet = [report(at, broker(idle_s=at)) for at in (1, 12, 25)]
    assert verdicts(*quiet, report(26, broker(idle_s=26, waiting=1))) == [True, True, True, False]
    # and what stands idle does not end an outage
    assert verdicts(report(1, broker()), report(20, broker(idle_s=20, waiting=1)), report(30, broker(idle_s=30))) == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"brokers": {}}', '{"brokers": {"b": {}}, "ts": 1, "time": 1}']
)
def test_a_report_that_cannot_be_read_is_told_and_harms_nothing(text: str) -> None:
    """An exception in a callback would destroy records that were polled already."""
    logger = RecordingLogger()
    watch = ContactWatch(lambda contact: None, lambda call, given: call(given), logger)
    watch.on_statistics(text)
    assert logger.count("statistics cannot be read", "warning") == 1


def test_only_the_head_of_a_report_is_read() -> None:
    """With thousands of partitions the rest is megabytes."""
    head, before_topics, _ = report(5, broker(idle_s=1)).partition('"topics": ')
    assert read_report(f"{head}{before_topics} not even JSON").answered_at == 4.0


def test_brokers_of_the_mock_that_go_one_after_the_other(topic_name: str) -> None:
    """Two of three down: up. All down: down. One back: up."""
    with MockCluster(brokers=3) as cluster:
        cluster.create_topic(topic_name, 3)
        with watched(cluster.bootstrap, topic_name) as member:
            member.wait(True)
            cluster.set_down(1)
            cluster.set_down(2)
            assert every(contact.is_up for contact in member.reports(8))
            cluster.set_down(3)
            member.wait(False)
            cluster.set_up(2)
            member.wait(True)


@pytest.mark.kafka
def test_a_frozen_broker_and_a_killed_one_are_noticed(own_kafka: ApacheKafka, topic_name: str) -> None:
    """Frozen, its connections stay open; the time of the last contact stands still."""
    own_kafka.create_topic(topic_name)
    with watched(own_kafka.bootstrap, topic_name) as member:
        member.wait(True)
        frozen_at = time.time()
        own_kafka.stop()
        member.wait(False)
        last = member.contacts[-1].at
        assert last is not None
        assert abs(last - frozen_at) < 5
        own_kafka.resume()
        member.wait(True)
        own_kafka.kill()
        member.wait(False)
        own_kafka.restart()
        member.wait(True)


@pytest.mark.kafka
def test_a_network_that_swallows_everything_is_noticed(own_kafka: ApacheKafka, topic_name: str) -> None:
    """The connections stand, and nothing comes through them."""
    own_kafka.close()
    port = free_ports(1)[0]
    with TcpProxy(port) as proxy:
        plain, controller = f"PLAINTEXT://{own_kafka.bootstrap}", f"CONTROLLER://127.0.0.1:{own_kafka.controller_port}"
        own_kafka.properties |= {
            "listeners": f"{plain},PROXIED://127.0.0.1:{port},{controller}",
            "advertised.listeners": f"{plain},PROXIED://{proxy.address}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
        }
        own_kafka.start()
        own_kafka.create_topic(topic_name)
        with watched(proxy.address, topic_name) as member:
            member.wait(True)
            proxy.black_hole()
            member.wait(False)
            proxy.heal()
            member.wait(True)

"""Of all processes that ask for a lease, one has it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from assertions import HANG_S
from kafka_support import policy_for
from support.topics import Broker

from stream.demo.apache_kafka import ApacheKafka
from stream.kafka.client_config import common_config
from stream.kafka.groups import Groups
from stream.kafka.lease import Lease, LeaseTakenError


def lease_of(broker: Broker, name: str, on_lost: Callable[[], None] = lambda: None) -> Lease:
    quick = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 200}
    return Lease(policy_for(broker, name, consumer_options=quick), name, name, "redrive", on_lost)


def test_one_at_a_time(apache_kafka: Broker, topic_name: str) -> None:
    """A second one is refused while the first lives, which goes on undisturbed; then it is free at once."""
    apache_kafka.create_topic(topic_name, 2)
    lost = threading.Event()
    with lease_of(apache_kafka, topic_name, lost.set):
        began = time.monotonic()
        with pytest.raises(LeaseTakenError, match=f"Another redrive is running .*{topic_name}"):
            lease_of(apache_kafka, topic_name).__enter__()
        assert time.monotonic() - began > 6
        assert len(Groups(common_config(policy_for(apache_kafka, topic_name))).describe(topic_name).members) == 1
    assert not lost.is_set()
    with lease_of(apache_kafka, topic_name):
        pass


def test_never_two_that_ask_at_once(apache_kafka: Broker, topic_name: str) -> None:
    """Four ask at the same time: at most one gets it, and afterwards it can be had."""
    apache_kafka.create_topic(topic_name)
    all_decided = threading.Barrier(4)

    def ask(_number: int) -> bool:
        lease = lease_of(apache_kafka, topic_name)
        has_it = True
        try:
            lease.__enter__()
        except LeaseTakenError:
            has_it = False
        all_decided.wait(HANG_S)
        lease.close()
        return has_it

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(ask, range(4))) <= 1
    with lease_of(apache_kafka, topic_name):
        pass


def test_it_is_told_when_it_is_lost(own_kafka: ApacheKafka, topic_name: str) -> None:
    """Broker and member do not hear of each other for longer than the session: another may have it by now."""
    own_kafka.create_topic(topic_name)
    lost = threading.Event()
    with lease_of(own_kafka, topic_name, lost.set):
        own_kafka.stop()
        assert lost.wait(HANG_S)
        own_kafka.resume()

"""A Kafka inside the process: librdkafka's mock cluster, for the demo and for quick tests."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaError, KafkaException, cimpl

PRODUCE, FETCH, OFFSET_COMMIT, OFFSET_FETCH, JOIN_GROUP, HEARTBEAT = 0, 1, 8, 9, 11, 12
"""Numbers of Kafka's requests, for `fail_next`."""

_PRODUCER, _ERROR_TEXT_SIZE = 0, 512


class MockCluster:
    """Mock brokers in this process, alive until this object is closed or dropped.

    They know produce, fetch, groups and commits, but no controller: admin requests (topics, offsets,
    configurations, ACLs) time out. So topics are made by `create_topic` here, or appear with four partitions
    when a producer or an admin client first names them, and offsets are read with a consumer. Transactions
    are accepted, but aborted records are read like others. `rebalance_delay_ms` is how long a new group waits
    for more members.
    """

    def __init__(self, brokers: int = 1, rebalance_delay_ms: int = 0) -> None:
        self._lib = _library()
        self._client = _client(self._lib)
        self._cluster = ctypes.c_void_p(self._lib.rd_kafka_mock_cluster_new(self._client, brokers))
        self._lib.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, rebalance_delay_ms)
        self.bootstrap: str = self._lib.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def create_topic(self, name: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> None:
        """Create a topic, there at once; `config` is taken for the sake of the interface and has no effect.

        Raises:
            KafkaException: there is one of that name.
        """
        _check(self._lib.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1))

    def fail_next(self, request: int, *errors: int) -> None:
        """Answer the next requests of this kind with these error codes, one each, and then normally again."""
        codes = (ctypes.c_int * len(errors))(*errors)
        count = ctypes.c_size_t(len(errors))
        self._lib.rd_kafka_mock_push_request_errors_array(self._cluster, ctypes.c_int16(request), count, codes)

    def set_down(self, broker: int = 1) -> None:
        """Cut the connections of a broker and refuse new ones."""
        _check(self._lib.rd_kafka_mock_broker_set_down(self._cluster, broker))

    def set_up(self, broker: int = 1) -> None:
        """Let a broker be reached again."""
        _check(self._lib.rd_kafka_mock_broker_set_up(self._cluster, broker))

    def close(self) -> None:
        """End the brokers; all they hold is gone. May be called again."""
        cluster, self._cluster = getattr(self, "_cluster", None), ctypes.c_void_p()
        if cluster:
            self._lib.rd_kafka_mock_cluster_destroy(cluster)
            self._lib.rd_kafka_destroy(self._client)


def _library() -> ctypes.CDLL:
    """The librdkafka that the Kafka client brings along, whose mock brokers have no Python interface."""
    lib = ctypes.CDLL(cimpl.__file__)  # a symbol of a library is also looked for in those it depends on
    for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_mock_cluster_new"):
        getattr(lib, name).restype = ctypes.c_void_p
    lib.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    return lib


def _client(lib: ctypes.CDLL) -> ctypes.c_void_p:
    """A silent client that is never used; the mock brokers belong to it."""
    conf, text = ctypes.c_void_p(lib.rd_kafka_conf_new()), ctypes.create_string_buffer(_ERROR_TEXT_SIZE)
    lib.rd_kafka_conf_set(conf, b"log_level", b"0", text, ctypes.c_size_t(len(text)))
    client = lib.rd_kafka_new(_PRODUCER, conf, text, ctypes.c_size_t(len(text)))
    if not client:
        raise KafkaException(KafkaError(KafkaError._FAIL, text.value.decode()))
    return ctypes.c_void_p(client)


def _check(code: int) -> None:
    if code:
        raise KafkaException(KafkaError(code))

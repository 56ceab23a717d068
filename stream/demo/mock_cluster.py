"""A Kafka inside the process: librdkafka's mock cluster, for the demo and for quick tests."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Self

from confluent_kafka import KafkaError, KafkaException, cimpl

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
        self.lib = mock_library()
        self._client = _client(self.lib)
        self.cluster = ctypes.c_void_p(self.lib.rd_kafka_mock_cluster_new(self._client, brokers))
        self.lib.rd_kafka_mock_group_initial_rebalance_delay_ms(self.cluster, rebalance_delay_ms)
        self.bootstrap: str = self.lib.rd_kafka_mock_cluster_bootstraps(self.cluster).decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def create_topic(self, name: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> None:
        """Create a topic, there at once; `config` is taken for the sake of the interface and has no effect.

        Raises:
            KafkaException: there is one of that name.
        """
        check_code(self.lib.rd_kafka_mock_topic_create(self.cluster, name.encode(), partitions, 1))

    def close(self) -> None:
        """End the brokers; all they hold is gone. May be called again."""
        cluster, self.cluster = getattr(self, "cluster", None), ctypes.c_void_p()
        if cluster:
            self.lib.rd_kafka_mock_cluster_destroy(cluster)
            self.lib.rd_kafka_destroy(self._client)


def mock_library() -> ctypes.CDLL:
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


def check_code(code: int) -> None:
    """Raise KafkaException where a call of the library failed."""
    if code:
        raise KafkaException(KafkaError(code))

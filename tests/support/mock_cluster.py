"""The demo's mock brokers, which here can refuse and be cut off."""

from __future__ import annotations

import ctypes

from stream.demo import mock_cluster
from stream.demo.mock_cluster import check_code

PRODUCE, FETCH, OFFSET_COMMIT, OFFSET_FETCH, JOIN_GROUP, HEARTBEAT = 0, 1, 8, 9, 11, 12
"""Numbers of Kafka's requests, for `fail_next`."""


class MockCluster(mock_cluster.MockCluster):
    """The demo's, with what tests do to it."""

    def fail_next(self, request: int, *errors: int) -> None:
        """Answer the next requests of this kind with these error codes, one each, and then normally again."""
        codes = (ctypes.c_int * len(errors))(*errors)
        count = ctypes.c_size_t(len(errors))
        self.lib.rd_kafka_mock_push_request_errors_array(self.cluster, ctypes.c_int16(request), count, codes)

    def set_down(self, broker: int = 1) -> None:
        """Cut the connections of a broker and refuse new ones."""
        check_code(self.lib.rd_kafka_mock_broker_set_down(self.cluster, broker))

    def set_up(self, broker: int = 1) -> None:
        """Let a broker be reached again."""
        check_code(self.lib.rd_kafka_mock_broker_set_up(self.cluster, broker))

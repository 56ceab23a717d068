"""The bus that the tests of syncs write to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from audience_support import Bus
from support.topics import Broker


@pytest.fixture
def bus(apache_kafka: Broker, topic_name: str, tmp_path: Path) -> Iterator[Bus]:
    """A topic of the test's own."""
    with closing(Bus(apache_kafka, topic_name, tmp_path)) as own:
        yield own

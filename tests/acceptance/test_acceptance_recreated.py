"""A topic that is deleted and created again while the program reads it, on real Kafka."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from acceptance_support import ids_of, tracks
from letters_support import LetterScene
from support.receiver import FaultReceiver
from support.topics import Broker

pytestmark = pytest.mark.acceptance


@pytest.mark.parametrize("group_protocol", ["classic", "consumer"])
def test_every_event_of_the_new_topic_is_delivered(
    apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path, group_protocol: str
) -> None:
    """Though it holds more than was read of the old one; the trace tells the two apart."""
    scene = LetterScene(apache_kafka, topic_name, receiver, tmp_path)
    scene.create()
    kafka = {"group_protocol": group_protocol, "on_data_loss": "skip"}
    sections = {} if group_protocol == "classic" else {"kafka.consumer_options": {"fetch.wait.max.ms": 100}}
    scene.configure(scene.workflow("orders"), kafka=kafka, **sections)
    old, new = list(tracks(range(30))), list(tracks(range(30, 130)))
    with scene.start("--trace", "trace.jsonl") as run:
        scene.produce(old)
        assert receiver.wait_for_count("/orders", 30)
        scene.recreate()
        scene.produce(new)
        assert receiver.wait_for(lambda: set(ids_of(new)) <= set(scene.ids("/orders")))
        assert run.stop() == 0
    lines = [orjson.loads(line) for line in (tmp_path / "trace.jsonl").read_bytes().splitlines()]
    assert len({line["topic_id"] for line in lines if line["event"] == "assigned"}) == 2

"""One workflow is down for a while: its events wait, the others' do not."""

from __future__ import annotations

from pathlib import Path

import pytest
from acceptance_support import Scene, ids_of, tracks
from support.behaviours import OutageBehaviour
from support.checker import duplicates, missing
from support.receiver import FaultReceiver
from support.topics import Broker
from support.trace import read_trace
from support.waiting import wait_until

pytestmark = pytest.mark.acceptance

EVENTS = 1500


def test_an_outage_delays_only_its_own_workflow(
    apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path
) -> None:
    """While one workflow answers 503 the other gets everything; afterwards the first does, in order per user."""
    scene = Scene(apache_kafka, topic_name, receiver, tmp_path)
    apache_kafka.create_topic(topic_name, 4)
    scene.configure(scene.workflow("well"), scene.workflow("ill"), retry={"initial": "100ms", "max": "1s"})
    scene.produce(tracks(range(EVENTS)))
    outage = OutageBehaviour()
    receiver.script("/ill", outage)
    with scene.start("--until-end", "--trace", "trace.jsonl") as run:
        assert receiver.wait_for(lambda: len(receiver.successes("/well")) == EVENTS)
        assert receiver.wait_for_count("/ill", 10)
        assert not receiver.successes("/ill")
        wait_until(lambda: run.metrics().total("tray_gate_open", workflow="ill") == 0, "only probes are sent")
        wait_until(lambda: run.metrics().by("tray_deliveries_total", "workflow") == {"well": EVENTS}, "well is done")
        outage.heal()
        assert run.wait() == 0

    for path in ("/well", "/ill"):
        arrivals = receiver.arrivals(path)
        assert not missing(ids_of(tracks(range(EVENTS))), arrivals)
        assert not duplicates(arrivals)
        assert not scene.order_faults(path)
    assert scene.committed() == scene.ends()
    assert not scene.commit_faults([read_trace(tmp_path / "trace.jsonl")], "well", "ill")

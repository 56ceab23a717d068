"""Two members of one group: the second joins in the middle of the work, and leaves again."""

from __future__ import annotations

import signal
from collections import defaultdict
from itertools import count
from pathlib import Path

import pytest
from acceptance_support import Scene, ids_of, make_event
from support.checker import duplicates, missing, unexpected, unstable_keys
from support.receiver import FaultReceiver
from support.topics import Broker
from support.trace import Trace, merge_traces, read_trace
from support.waiting import wait_until

from stream.demo.behaviours import slow

pytestmark = pytest.mark.acceptance

STAGE = 4000


@pytest.mark.parametrize("users", [500, 3 * STAGE])
def test_a_second_member_joins_and_leaves(
    apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path, users: int
) -> None:
    """Nothing is missing, and who takes over starts at the first event that is not done.

    With one event per user nobody waits in a lane, so a drain leaves no gap behind and nothing comes twice.
    """
    events = [make_event(number, users=users) for number in range(3 * STAGE)]
    scene = Scene(apache_kafka, topic_name, receiver, tmp_path)
    apache_kafka.create_topic(topic_name, 4)
    scene.configure(scene.workflow("orders"))
    receiver.script("/orders", slow(0.01))
    scene.produce(events[:STAGE])
    with scene.start("--trace", "first.jsonl") as first:
        assert receiver.wait_for_count("/orders", STAGE // 4)
        with scene.start("--trace", "second.jsonl") as second:
            wait_until(lambda: second.get("/readyz")[0] == 200, "the second has joined")
            scene.produce(events[STAGE : 2 * STAGE])
            wait_until(lambda: second.metrics().total("tray_deliveries_total") > STAGE // 8, "the second delivers")
            assert second.stop() == 0
        scene.produce(events[2 * STAGE :])
        wait_until(lambda: scene.committed() == scene.ends(), "all is committed")
        first.signal(signal.SIGTERM)
        assert first.wait() == 0

    ids, arrivals = ids_of(events), receiver.arrivals("/orders")
    assert not missing(ids, arrivals)
    assert not unexpected(ids, arrivals)
    assert not unstable_keys(arrivals)
    assert not scene.order_faults("/orders")
    again = duplicates(arrivals)
    print(f"{len(again)} events came again")
    assert not again or users == 500
    both = merge_traces([read_trace(tmp_path / "first.jsonl"), read_trace(tmp_path / "second.jsonl")])
    assert not scene.commit_faults([both], "orders")
    assert {line.source for line in both if line.event == "delivered"} == {line.source for line in both}
    assert not late_starts(both)


def test_two_members_both_end_at_the_end(
    apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path
) -> None:
    """`run --until-end` counts what the other member did; each exits 0 once all is done, by whomever."""
    scene = Scene(apache_kafka, topic_name, receiver, tmp_path)
    apache_kafka.create_topic(topic_name, 4)
    scene.configure(scene.workflow("orders"))
    receiver.script("/orders", slow(0.02))
    events = [make_event(number) for number in range(STAGE)]
    scene.produce(events)
    with scene.start("--until-end") as first, scene.start("--until-end") as second:
        assert (first.wait(), second.wait()) == (0, 0)
    assert not missing(ids_of(events), receiver.arrivals("/orders"))
    assert not scene.order_faults("/orders")
    assert scene.committed() == scene.ends()


def late_starts(trace: Trace) -> list[str]:
    """Takeovers that did not start at the lowest offset that no member had delivered."""
    delivered: dict[int, set[int]] = defaultdict(set)
    findings = []
    for line in trace:
        if line.event == "delivered":
            delivered[line.partition].add(line.offset)
        elif line.event == "assigned":
            done = delivered[line.partition]
            first_open = next(offset for offset in count() if offset not in done)
            if line.offset != first_open:
                findings.append(f"{line.partition} starts at {line.offset}, not at {first_open}.")
    return findings

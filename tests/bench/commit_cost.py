"""What one commit tick costs the event loop while deliveries wait scattered: `python tests/bench/commit_cost.py`.

Ten workflows; nine are down, and each wants another part of the events, so that the map of what is done is all holes.
A tick makes and encodes the map of one partition; the next one, in which nothing has changed, follows at once.
"""

from __future__ import annotations

import statistics
import time
from random import Random

from stream.engine.delivery import Delivery, OpenEvent
from stream.engine.partition import PartitionState
from stream.model.commit_map import encode, name_hash
from stream.model.events import Event
from stream.model.records import Record, TopicPartition
from stream.model.source import StartedPartition

WAITING = (500, 5_000, 20_000)
WORKFLOWS = 10
MAX_BYTES = 4_000
ROUNDS = 7
TP = TopicPartition("t", 0)


def scattered(waiting: int, *, every: int) -> PartitionState:
    """A partition in which so many deliveries wait; each workflow that is down wants one event in about `every`."""
    chooser = Random(7)
    partition = PartitionState.begin(StartedPartition(TP, 1, 0, None), [[] for _ in range(WORKFLOWS)])
    offset = 0
    while waiting > 0:
        event = Event(Record("t", 0, offset, 0, None, b"{}"), b"{}", "track", f"u{offset}", None, {})
        wanting = [index for index in range(1, WORKFLOWS) if not chooser.randrange(every)]
        partition.tracker.admit([offset])
        if wanting:
            open_event = OpenEvent(event, partition, len(wanting))
            for index in wanting:
                own = partition.workflows[index]
                own.pending[offset] = Delivery(open_event, index, own, event.user, 0.0)
        else:
            partition.tracker.settle([offset])
        waiting -= len(wanting)
        offset += 1
    return partition


def main() -> None:
    """Print the median of several rounds for each number of waiting deliveries."""
    hashes = [name_hash(f"w{n}") for n in range(WORKFLOWS)]
    for every in (3, 30):
        for waiting in WAITING:
            partition, costs, text = scattered(waiting, every=every), [], ""
            for _ in range(ROUNDS):
                began = time.perf_counter()
                text = encode(partition.done_map(hashes), MAX_BYTES)
                costs.append((time.perf_counter() - began) * 1e3)
            kept = f"{len(text):,} of {MAX_BYTES:,} characters"
            print(f"{waiting:>6,} waiting, one in {every:>2} wanted: {statistics.median(costs):8.2f} ms a tick, {kept}")


if __name__ == "__main__":
    main()

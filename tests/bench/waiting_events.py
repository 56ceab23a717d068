"""What one more event costs when many wait already: `python tests/bench/waiting_events.py`.

Lanes, tracker and pending offsets are filled with 10, 1,000 and 100,000 waiting events; then events of other users
are offered, sent, delivered and settled. The cost of one should not depend on how many wait.
"""

from __future__ import annotations

import statistics
import time

from stream.engine.delivery import Delivery, OpenEvent
from stream.engine.dispatcher import Dispatcher
from stream.engine.partition import PartitionState
from stream.model.events import Event
from stream.model.records import Record, TopicPartition
from stream.model.source import StartedPartition

WAITING = (10, 1_000, 100_000)
MEASURED = 20_000
ROUNDS = 7


def offer(dispatcher: Dispatcher, partition: PartitionState, offset: int, user: str) -> Delivery:
    """Admit an event and put it in its lane."""
    event = Event(Record("t", 0, offset, 0, None, b"{}"), b"{}", "track", user, None, {})
    delivery = Delivery(OpenEvent(event, partition, 1), 0, partition.workflows[0], user, 0.0)
    partition.tracker.admit([offset])
    partition.workflows[0].pending[offset] = delivery
    dispatcher.offer([delivery])
    return delivery


def cost_us(waiting: int) -> float:
    """Microseconds for one event from admission to settlement, with `waiting` events in lanes of held users."""
    partition = PartitionState.begin(StartedPartition(TopicPartition("t", 0), 1, 0, None), [[]])
    dispatcher = Dispatcher(0, 10**9)
    holders = [offer(dispatcher, partition, offset, f"held-{offset}") for offset in range(min(waiting, 100))]
    dispatcher.take(len(holders))
    for offset in range(len(holders), waiting):
        offer(dispatcher, partition, offset, f"held-{offset % len(holders)}")
    began = time.perf_counter()
    for offset in range(waiting, waiting + MEASURED):
        delivery = offer(dispatcher, partition, offset, f"free-{offset}")
        dispatcher.take(1)
        dispatcher.land()
        del partition.workflows[0].pending[offset]
        dispatcher.release([delivery])
        partition.tracker.settle([offset])
    return (time.perf_counter() - began) / MEASURED * 1e6


def main() -> None:
    """Print the median of several rounds for each number of waiting events, and the ratio to the first."""
    medians = {waiting: statistics.median(cost_us(waiting) for _ in range(ROUNDS)) for waiting in WAITING}
    first = medians[WAITING[0]]
    for waiting, median in medians.items():
        print(f"{waiting:>8,} waiting: {median:6.2f} us an event, {median / first:5.2f} x")


if __name__ == "__main__":
    main()

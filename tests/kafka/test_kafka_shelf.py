"""What is unwanted for now is kept in order and in its epoch, and told apart from what is wanted."""

from __future__ import annotations

from stream.kafka.batches import Polled
from stream.kafka.paused_buffer import ALL_FULL_BYTES, FULL_BYTES, PausedBuffer
from stream.model.records import Record, RecordBatch, TopicPartition

FIRST, SECOND = TopicPartition("events", 0), TopicPartition("events", 1)


def batch(tp: TopicPartition, epoch: int, *offsets: int, size: int = 10) -> RecordBatch:
    """Records at these offsets."""
    return RecordBatch(tp, epoch, [Record(*tp, offset, -1, None, bytes(size)) for offset in offsets])


def offsets(polled: Polled) -> dict[TopicPartition, list[int]]:
    """What was polled, by partition."""
    return {batch.tp: [record.offset for record in batch.records] for batch in polled.batches}


def test_unwanted_partitions_wait_and_the_others_pass() -> None:
    """Until they are wanted: then all that was polled meanwhile comes as one batch, its end behind it."""
    shelf = PausedBuffer({FIRST: 1, SECOND: 2})
    passed = shelf.sift(Polled([batch(FIRST, 1, 5, 6), batch(SECOND, 2, 9)], [(SECOND, 2, 10)]), {FIRST})
    assert (offsets(passed), passed.ends) == ({SECOND: [9]}, [(SECOND, 2, 10)])
    assert not shelf.sift(Polled([batch(FIRST, 1, 8)], [(FIRST, 1, 9)]), {FIRST}).batches
    assert not shelf.take(lambda tp: tp == SECOND).batches
    taken = shelf.take(lambda tp: tp == FIRST)
    assert (offsets(taken), taken.ends) == ({FIRST: [5, 6, 8]}, [(FIRST, 1, 9)])
    assert not shelf.take(lambda _tp: True).batches


def test_an_end_alone_waits_too() -> None:
    """Told at once, it would make the records that wait here count as passed."""
    shelf = PausedBuffer({FIRST: 1})
    assert not shelf.sift(Polled(ends=[(FIRST, 1, 9)]), {FIRST}).ends
    assert shelf.take(lambda _tp: True).ends == [(FIRST, 1, 9)]


def test_what_is_of_an_earlier_epoch_is_dropped() -> None:
    """Its next owner has read it, or this one does so again."""
    epochs = {FIRST: 1, SECOND: 1}
    shelf = PausedBuffer(epochs)
    shelf.sift(Polled([batch(FIRST, 1, 5, size=FULL_BYTES), batch(SECOND, 1, 5)]), {FIRST, SECOND})
    epochs |= {FIRST: 2, SECOND: 2}
    assert shelf.full == set()
    shelf.sift(Polled([batch(SECOND, 2, 3)]), {SECOND})
    assert offsets(shelf.take(lambda _tp: True)) == {SECOND: [3]}


def test_a_partition_is_full_by_its_bytes() -> None:
    """Each by its own."""
    shelf = PausedBuffer({FIRST: 1, SECOND: 1})
    half = FULL_BYTES // 2
    shelf.sift(Polled([batch(FIRST, 1, 5, size=half), batch(SECOND, 1, 5, size=half)]), {FIRST, SECOND})
    assert shelf.full == set()
    shelf.sift(Polled([batch(FIRST, 1, 6, size=half)]), {FIRST})
    assert shelf.full == {FIRST}
    shelf.take(lambda tp: tp == FIRST)
    assert shelf.full == set()


def test_all_are_full_by_their_bytes_together() -> None:
    """However many there are, memory is bounded."""
    many = [TopicPartition("events", number) for number in range(ALL_FULL_BYTES // FULL_BYTES * 2)]
    shelf = PausedBuffer(dict.fromkeys(many, 1))
    shelf.sift(Polled([batch(tp, 1, 5, size=FULL_BYTES // 2) for tp in many[:-1]]), many)
    assert shelf.full == set()
    shelf.sift(Polled([batch(many[-1], 1, 5, size=FULL_BYTES // 2)]), many)
    assert shelf.full == set(many)

"""Where partitions start, decided from what Kafka said, and who commits it."""

from __future__ import annotations

import pytest

from stream.kafka.start_offsets import (
    AGAIN_AFTER_S,
    FirstLook,
    ResolvedStart,
    StartAnswer,
    StartOffsets,
    TopicStart,
    has_progressed,
    has_run_without,
    topic_start,
)
from stream.model.commit_map import START_MARK, CommitMap, decode
from stream.model.origin import origin_of
from stream.model.records import TopicPartition
from stream.model.source import CommitOffset, CommitOutcome, CommitResult

A, B = TopicPartition("events", 0), TopicPartition("events", 1)
EARLIEST, LATEST = TopicStart("earliest"), TopicStart("latest")


def looked(look: FirstLook) -> StartOffsets:
    """Ready to join the group."""
    starts = StartOffsets()
    assert starts.is_due(0.0)
    assert starts.ask() == {}
    starts.looked(look)
    return starts


def resolved(
    starts: StartOffsets, answer: StartAnswer
) -> tuple[list[ResolvedStart], dict[TopicPartition, CommitOffset]]:
    """Ask for what is granted, and take this answer."""
    found = starts.answered(starts.ask(), answer, 0.0)
    return list(found.known), dict(found.fresh)


def test_a_partition_with_a_commit_is_read_from_there() -> None:
    """Nothing is committed for it; the mark of a start says nothing about what lies beyond."""
    starts = looked(FirstLook(known=frozenset({"events"})))
    starts.add({A: 1, B: 2})
    known, fresh = resolved(starts, StartAnswer({A: (7, "t1.x"), B: (3, START_MARK)}))
    assert (known, fresh) == ([ResolvedStart(A, 7, "t1.x"), ResolvedStart(B, 3)], {})
    assert not starts.is_waiting


@pytest.mark.parametrize(
    ("look", "offset"),
    [
        (FirstLook(topics={"events": EARLIEST}), 2),
        (FirstLook(topics={"events": LATEST}, ends={A: 5}), 5),
        (FirstLook(topics={"events": LATEST}), 2),
        (FirstLook(known=frozenset({"events"})), 2),
        (FirstLook(), 2),
        (FirstLook(topics={"events": LATEST}, ends={A: 1}), 2),
        (FirstLook(topics={"events": LATEST}, ends={A: 50}), 2),
    ],
    ids=["earliest", "latest", "grew later", "grew", "topic appeared", "expired since", "topic made anew"],
)
def test_a_partition_without_a_commit_starts_by_the_first_look(look: FirstLook, offset: int) -> None:
    """`latest` is what it was before the group was joined: what is written later is never left out."""
    starts = looked(look)
    starts.add({A: 1})
    known, fresh = resolved(starts, StartAnswer({}, {A: (2, 9)}))
    assert (known, fresh) == ([], {A: CommitOffset(1, offset, START_MARK)})
    assert starts.committed([CommitResult(A, 1, offset, CommitOutcome.OK)], 0.0) == [ResolvedStart(A, offset)]


@pytest.mark.parametrize(("topic_id", "offset"), [("old", 5), ("new", 2)])
def test_an_end_that_was_found_in_an_earlier_topic_of_the_name_is_none_of_this_one(topic_id: str, offset: int) -> None:
    """All of it was written after the first look, however many records it holds by now."""
    starts = looked(FirstLook(topics={"events": LATEST}, ends={A: 5}, topic_ids={"events": "old"}))
    starts.add({A: 1})
    known, fresh = resolved(starts, StartAnswer({}, {A: (2, 9)}, {"events": topic_id}))
    assert (known, fresh) == ([], {A: CommitOffset(1, offset, START_MARK + topic_id)})


def test_a_latest_start_waits_for_the_id_of_a_topic_that_had_one() -> None:
    """Whether it is still the topic of the first look is not known before; commits are read from all the same."""
    starts = looked(FirstLook(topics={"events": LATEST}, ends={A: 5, B: 5}, topic_ids={"events": "old"}))
    starts.add({A: 1, B: 1})
    answer = StartAnswer({B: (7, "")}, {A: (2, 9)})
    assert resolved(starts, answer) == ([ResolvedStart(B, 7)], {})
    assert starts.is_due(AGAIN_AFTER_S)
    assert starts.ask() == {A: 1}


def test_an_answer_that_comes_after_a_revoke_commits_nothing() -> None:
    """Nor does one that was asked for in an earlier epoch: the owner in between may have committed."""
    starts = looked(FirstLook())
    starts.add({A: 1, B: 2})
    asked = starts.ask()
    starts.drop([A, B])
    starts.add({A: 3})
    found = starts.answered(asked, StartAnswer({}, {A: (0, 9), B: (0, 9)}), 0.0)
    assert (found.known, found.fresh) == ([], {})
    assert starts.ask() == {A: 3}


def test_a_partition_that_kafka_does_not_tell_of_is_asked_for_again() -> None:
    """The others are not kept waiting."""
    starts = looked(FirstLook())
    starts.add({A: 1, B: 2})
    assert resolved(starts, StartAnswer({}, {A: (0, 9)})) == ([], {A: CommitOffset(1, 0, START_MARK)})
    assert not starts.is_due(AGAIN_AFTER_S / 2)
    assert starts.is_due(AGAIN_AFTER_S)
    assert starts.ask() == {B: 2}


@pytest.mark.parametrize("outcome", [CommitOutcome.RETRIED, CommitOutcome.FAILED, CommitOutcome.DROPPED])
def test_a_start_that_was_not_stored_is_resolved_anew(outcome: CommitOutcome) -> None:
    """Kafka is asked again what is committed before it is tried again."""
    starts = looked(FirstLook())
    starts.add({A: 1})
    resolved(starts, StartAnswer({}, {A: (0, 9)}))
    answer = CommitResult(A, 1, 0, outcome, "X")
    assert starts.is_start(answer)
    assert starts.committed([answer], 0.0) == []
    assert not starts.is_start(answer)
    assert starts.is_due(AGAIN_AFTER_S)
    assert resolved(starts, StartAnswer({A: (4, "")})) == ([ResolvedStart(A, 4)], {})


def test_the_answer_to_a_start_of_an_earlier_epoch_is_not_taken_for_the_engines() -> None:
    """It was given back while the commit was under way."""
    starts = looked(FirstLook())
    starts.add({A: 1})
    resolved(starts, StartAnswer({}, {A: (0, 9)}))
    starts.drop([A])
    late = CommitResult(A, 1, 0, CommitOutcome.OK)
    assert starts.is_start(late)
    assert starts.committed([late], 0.0) == []
    assert not starts.is_start(CommitResult(A, 1, 3, CommitOutcome.OK))


@pytest.mark.parametrize("start", ["earliest", "latest"])
@pytest.mark.parametrize("own", [None, "earliest", "latest"])
@pytest.mark.parametrize("running", ["", "tray.a"])
def test_a_workflow_is_new_only_where_another_one_has_been_running(start: str, own: str | None, running: str) -> None:
    """Its own `start` comes first, then `latest` where it is new, then kafka.start."""
    found = topic_start(start, own, running)
    assert found.policy == (own or ("latest" if running else start))
    assert bool(found.because_of) == (own is None and bool(running) and start == "earliest")


def test_a_start_says_with_which_others_it_was_made() -> None:
    """So does what is read of it later; where the topic grew it says nothing, since the group began earlier."""
    others = origin_of(["tray.b"])
    starts = looked(FirstLook(topics={"events": EARLIEST}, others=others))
    starts.add({A: 1})
    _, fresh = resolved(starts, StartAnswer({}, {A: (0, 9)}, {"events": "id"}))
    assert fresh == {A: CommitOffset(1, 0, f"{START_MARK}id{others}")}
    [begun] = starts.committed([CommitResult(A, 1, 0, CommitOutcome.OK)], 0.0)
    assert begun == ResolvedStart(A, 0, topic_id="id", origin=others)
    starts.add({A: 2, B: 2})
    known, _ = resolved(starts, StartAnswer({A: (7, f"t1.x{others}"), B: (0, f"{START_MARK}id{others}")}))
    assert known == [ResolvedStart(A, 7, "t1.x", origin=others), ResolvedStart(B, 0, topic_id="id", origin=others)]
    grown = looked(FirstLook(known=frozenset({"events"}), others=others))
    grown.add({A: 1})
    assert resolved(grown, StartAnswer({}, {A: (0, 9)})) == ([], {A: CommitOffset(1, 0, START_MARK)})


def test_a_workflow_is_not_new_beside_one_that_began_with_it() -> None:
    """However far that one is: its commits keep the names. One that began alone makes the others new."""
    together, alone = origin_of(["tray.b", "tray.c"]), origin_of(["tray.c"])
    assert not has_run_without({A: (7, f"t1.x{together}"), B: (0, START_MARK)}, "events", "tray.b")
    assert not has_run_without({A: (7, together)}, "events", "tray.b")
    assert has_run_without({A: (7, together)}, "events", "tray.d")
    assert has_run_without({A: (7, f"t1.x{alone}")}, "events", "tray.b")
    assert has_run_without({A: (7, "t1.x")}, "events", "tray.b")
    assert not has_run_without({A: (0, START_MARK + alone)}, "events", "tray.b")
    assert not has_run_without({}, "events", "tray.b")


def test_resolved_starts_are_no_progress() -> None:
    """A group that has only just started does not make the others new."""
    assert not has_progressed({A: (0, START_MARK), B: (5, START_MARK)})
    assert has_progressed({A: (0, START_MARK), B: (5, "")})
    assert not has_progressed({})
    assert decode(START_MARK, 5) == CommitMap(5)

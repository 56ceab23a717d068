"""The parts of a redrive: what goes where, in which order, how many at once, and what ends a letter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

from stream.dead_letters.engine_edges import AT_ONCE, MarkingSender, RedriveSource, RepeatedLetters
from stream.dead_letters.markers import MarkerWriter
from stream.dead_letters.plan import REMOVED, UNWANTED, RedriveRow, RedriveTask, plan_redrive
from stream.dead_letters.tracker import RedriveTracker
from stream.kafka.dead_letters import DeadLetterTopic, Written
from stream.model.attempts import HttpRequest
from stream.model.events import DeadLetter, Reason
from stream.model.letters import Identity, Letter
from stream.model.ports import Attempt, AttemptResult, OnResults
from stream.model.records import Record, RecordId, TopicPartition

ALL = ["orders", "crm"]


def letter(offset: int = 7, workflow: str = "orders", *, done_by: Sequence[str] = (), attempts: int = 2) -> Letter:
    identity = Identity("tray", "events", 0, offset, workflow)
    at = RecordId("letters", 3, offset)
    return Letter(identity, at, "rejected", "400", attempts, 0, 0, b"ann", False, done_by=frozenset(done_by))


class FakeTopic:
    """Keeps what is put, and answers when told."""

    def __init__(self) -> None:
        self.put_: list[tuple[Written, Callable[[str], None]]] = []

    def put(self, written: Written, on_written: Callable[[str], None]) -> None:
        self.put_.append((written, on_written))

    def answer(self, error: str = "") -> None:
        """Answer the oldest."""
        self.put_.pop(0)[1](error)

    @property
    def named(self) -> list[dict[str, str]]:
        """Headers of what waits."""
        return [{name: (value or b"").decode() for name, value in written.headers} for written, _ in self.put_]


def topic_of(fake: FakeTopic) -> DeadLetterTopic:
    return cast(DeadLetterTopic, fake)


class RecordedEnds:
    """Fulfils what the desk needs of `MarkerWriter`."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, bool]] = []

    def end(self, letter: Letter, reason: str, workflow: str = "", *, partly: bool = False) -> None:
        self.calls.append((letter.identity.workflow, workflow, partly))


def nobody(_results: Sequence[AttemptResult]) -> None:
    """Nothing is answered."""


class FakeSender:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[Attempt] = []
        self.cancelled: list[Attempt] = []

    def send(self, request: HttpRequest, attempt: Attempt, on_results: OnResults) -> None:
        self.sent.append(attempt)

    def cancel(self, attempt: Attempt) -> None:
        self.cancelled.append(attempt)

    async def close(self) -> None:
        """Nothing is open."""


def test_each_letter_goes_to_its_workflow() -> None:
    """One without a workflow to each that is not done with it; one of a workflow that is gone to nobody."""
    letters = [letter(1), letter(2, ""), letter(3, "", done_by=["crm"]), letter(4, "old"), letter(5, "", done_by=ALL)]
    plan = plan_redrive(letters, ALL)
    offsets = {name: sorted(place.offset for place in tasks) for name, tasks in plan.of_workflow.items()}
    assert offsets == {"orders": [1, 2, 3], "crm": [2]}
    assert [ended.identity.offset for ended in plan.ended] == [5]
    assert plan.account.left == {REMOVED: 1}
    assert plan.account.total() == RedriveRow(letters=5, redriven=1, left=1)
    assert plan.account.total().untouched == 3


def test_two_letters_of_one_event_are_sent_once() -> None:
    """An event may be invalid in one life of a process and refused in the next."""
    plan = plan_redrive([letter(1, ""), letter(1, "orders")], ["orders"])
    [tasks] = plan.of_workflow["orders"].values()
    ends = RecordedEnds()
    RedriveTracker(plan.account, ends).delivered(plan.of_workflow["orders"], tasks[0].letter.identity.place, "orders")
    assert ends.calls == [("", "orders", False), ("orders", "orders", False)]
    assert plan.account.total() == RedriveRow(letters=2, redriven=2)


def test_letters_of_two_topics_at_one_place_go_in_two_rounds() -> None:
    """Within a round a place means one event, whichever workflow it goes to."""
    old, new = (letter(1, "") for _ in range(2))
    old.identity, new.identity = old.identity._replace(topic_id="old"), new.identity._replace(topic_id="new")
    plan = plan_redrive([old, new, letter(2)], ALL)
    assert [{name: sorted(place.offset for place in tasks) for name, tasks in of.items()} for of in plan.rounds] == [
        {"orders": [1, 2], "crm": [1]},
        {"orders": [1], "crm": [1]},
    ]
    assert [tasks[old.identity.place][0].letter for name, tasks in plan.all_tasks() if name == "crm"] == [old, new]


def test_a_letter_without_a_workflow_ends_with_the_last_one() -> None:
    """Marked for each on the way; who does not want it does not hold it up, nor who has a letter of its own now."""
    plan = plan_redrive([letter(1, ""), letter(2, "")], [*ALL, "new"])
    ends, one, two = RecordedEnds(), RecordId("events", 0, 1), RecordId("events", 0, 2)
    desk, of = RedriveTracker(plan.account, ends), plan.of_workflow
    desk.delivered(of["orders"], one, "orders")
    desk.failed(of["crm"], one, "crm")
    assert ends.calls == [("", "orders", True)]
    desk.refused(of["new"], one, "new", UNWANTED)
    assert ends.calls == [("", "orders", True), ("", "new", False)]
    for name in (*ALL, "new"):
        desk.refused(of[name], two, name, UNWANTED)
    assert len(ends.calls) == 2
    assert plan.account.total() == RedriveRow(letters=2, failed_again=1, left=1)
    assert plan.account.left == {UNWANTED: 1}


def test_events_are_handed_over_in_order_while_there_is_room() -> None:
    """Partitions take turns; a stopped one waits, and a closed intake takes nothing."""
    places = [RecordId("events", n % 2, n // 2) for n in range(3 * AT_ONCE)]
    feed = RedriveSource(reversed(places))
    assert feed.starts == {TopicPartition("events", 0): 0, TopicPartition("events", 1): 0}
    first, second = feed.take(), feed.take()
    assert [place.partition for place in (first[0], second[0])] == [0, 1]
    assert [place.offset for place in first] == list(range(AT_ONCE))
    feed.set_intake(False)
    assert feed.take() == []
    feed.set_intake(True)
    feed.set_stopped([TopicPartition("events", 0)])
    assert [place.partition for place in feed.take()[:1]] == [1]
    assert feed.take() == []
    assert not feed.is_empty
    feed.set_stopped([])
    assert len(feed.take()) == AT_ONCE // 2
    assert feed.is_empty


def test_what_failed_again_is_the_same_letter_with_more_attempts() -> None:
    """On the partition where it lies; told once the topic has acknowledged it, or did not."""
    fake, answers, failures = FakeTopic(), list[str](), list[str]()
    tasks = {RecordId("events", 0, 7): [RedriveTask(letter(attempts=2), {"orders"})]}
    again = RepeatedLetters(topic_of(fake), "orders", tasks, lambda: failures.append("failed"))
    record = Record("events", 0, 7, 0, b"ann", b"{}", [("trace", b"t")])
    again.write(DeadLetter(record, Reason.EXPIRED, "no", "orders", "timeout", 5), answers.append)
    [named] = fake.named
    assert (named["tray.attempts"], named["tray.reason"], named["trace"]) == ("7", "expired", "t")
    assert (fake.put_[0][0].partition, fake.put_[0][0].value) == (3, b"{}")
    assert (failures, answers) == (["failed"], [])
    fake.answer("_TIMED_OUT")
    assert answers == ["_TIMED_OUT"]


def test_an_invalid_record_that_is_refused_has_a_first_letter_of_the_workflow() -> None:
    """With the attempts of now alone; where it has one already, that one is continued, and none is written twice."""
    fake, answers = FakeTopic(), list[str]()
    place = RecordId("events", 0, 7)
    record = Record("events", 0, 7, 0, b"ann", b"{}")
    refused = DeadLetter(record, Reason.REJECTED, "no", "orders", "400", 1)
    RepeatedLetters(topic_of(fake), "orders", {place: [RedriveTask(letter(7, ""), set())]}, lambda: None).write(
        refused, answers.append
    )
    both = {place: [RedriveTask(letter(7, ""), set()), RedriveTask(letter(7, attempts=4), set())]}
    RepeatedLetters(topic_of(fake), "orders", both, lambda: None).write(refused, answers.append)
    assert [(named["tray.workflow"], named["tray.attempts"]) for named in fake.named] == [
        ("orders", "1"),
        ("orders", "5"),
    ]


def test_a_marker_is_written_until_it_is_acknowledged() -> None:
    """One for each partition with a copy; what a batch could not carry goes alone."""

    async def play() -> None:
        batched, single = FakeTopic(), FakeTopic()
        marks = MarkerWriter(topic_of(batched), topic_of(single))
        copied = letter()
        copied.elsewhere = (RecordId("letters", 1, 9),)
        marks.end(copied, "redriven", "orders")
        assert sorted(written.partition for written, _ in batched.put_) == [1, 3]
        assert {(w.key, w.value) for w, _ in batched.put_} == {(b"ann", None)}
        batched.answer("MSG_SIZE_TOO_LARGE")
        batched.answer()
        assert (marks.outstanding, marks.last_error) == (1, "MSG_SIZE_TOO_LARGE")
        assert not await marks.fewer_than(1, 0.01)
        asyncio.get_running_loop().call_later(1.2, single.answer)
        assert await marks.fewer_than(1, 5)
        assert marks.outstanding_of == {"orders": 0}

    asyncio.run(play())


def test_requests_wait_while_too_much_is_unmarked() -> None:
    """They go on with the acknowledgements, in order; one that is cancelled meanwhile is never sent."""

    async def play() -> None:
        batched, inner = FakeTopic(), FakeSender()
        marks = MarkerWriter(topic_of(batched), topic_of(FakeTopic()))
        sender = MarkingSender(inner, marks, "orders", limit=2)
        marks.end(letter(1), "redriven", "crm")
        for n in range(2):
            sender.send(HttpRequest([], b""), n, nobody)
            marks.end(letter(n), "redriven", "orders")
        for n in range(2, 5):
            sender.send(HttpRequest([], b""), n, nobody)
        sender.cancel(3)
        assert inner.sent == [0, 1]
        batched.answer()  # the other workflow's
        assert inner.sent == [0, 1]
        batched.answer()
        assert inner.sent == [0, 1, 2, 4]
        await sender.close()

    asyncio.run(play())

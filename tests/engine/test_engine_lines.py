"""What the engine says in the log: a line for each change of state, with what is needed to act on it."""

from __future__ import annotations

from dataclasses import replace

from assertions import every
from support.engine_world import EngineWorld
from support.scripted_workflow import statuses

from stream.model.attempts import Answer
from stream.model.policies import DeadLetterPolicy, EnginePolicy, WorkflowPolicy
from stream.model.records import Record
from stream.rules.listener import DeliveryListener
from stream.rules.outcome import RetryPolicy

FREE = WorkflowPolicy("orders", shown_host="https://***.trayapp.io", concurrency=64)


def test_a_gate_that_closes_and_opens() -> None:
    """Once each, however many probes fail in between; the second line says since when and for how long."""
    world = EngineWorld(workflows=[FREE])
    for n in range(20):
        world.put(f"u{n}")
    world.workflows["orders"].script = statuses(then=503)
    world.assign_all()
    world.clock.jump(100)
    closed = world.logger.fields_of("its gate is closed")
    (line,) = closed
    wait = line.pop("next_probe_in_s")
    assert isinstance(wait, float)
    assert 0 < wait <= 1
    assert line == {"workflow": "orders", "host": "https://***.trayapp.io", "answer": "503"}
    world.workflows["orders"].script = statuses()
    world.run()
    (opened,) = world.logger.fields_of("its gate is open")
    assert opened["workflow"] == "orders"
    assert isinstance(opened["closed_for_s"], float)
    assert opened["closed_for_s"] > 90
    assert str(opened["closed_since"]).endswith("Z")


def test_a_gate_that_closes_without_an_answer_says_why() -> None:
    """In words, with the host that cannot be reached; of an answer that came nothing is quoted."""
    world = EngineWorld(workflows=[FREE])
    for n in range(20):
        world.put(f"u{n}")
    refused = Answer(0, failure="connect", excerpt="connection refused")
    world.workflows["orders"].script = lambda _request: refused
    world.assign_all()
    world.clock.jump(100)
    (line,) = world.logger.fields_of("its gate is closed")
    assert (line["host"], line["answer"], line["reason"]) == ("https://***.trayapp.io", "connect", "connection refused")


class Attempts(DeliveryListener):
    """Keeps what it hears of attempts."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, int, str]] = []

    def on_attempt(self, record: Record, workflow: str, number: int, answer: Answer, elapsed_s: float) -> None:
        assert elapsed_s >= 0
        self.heard.append((str(record.place), workflow, number, answer.code))


def test_a_listener_hears_of_each_attempt() -> None:
    """With its number, whether it is a first one, a repeated one or a probe."""
    attempts = Attempts()
    world = EngineWorld(workflows=[FREE], listeners=[attempts])
    world.put("ann")
    world.workflows["orders"].script = statuses(500, 503, then=200)
    world.assign_all()
    world.run()
    assert attempts.heard == [("events:0:0", "orders", n, code) for n, code in ((1, "500"), (2, "503"), (3, "200"))]


def test_a_gate_that_stays_closed_is_reminded_of_each_minute() -> None:
    """With since when and until the next probe; not in the first minute, and no more once it is open."""
    world = EngineWorld(workflows=[FREE])
    for n in range(20):
        world.put(f"u{n}")
    world.workflows["orders"].script = statuses(then=503)
    world.assign_all()
    for _ in range(50):
        world.clock.jump(1)
    assert world.logger.fields_of("still failing") == []
    for _ in range(200):
        world.clock.jump(1)
    reminders = world.logger.fields_of("still failing")
    assert 3 <= len(reminders) <= 4
    (since,) = {str(line["closed_since"]) for line in reminders}
    assert since.endswith("Z")
    waits = [line["next_probe_in_s"] for line in reminders]
    assert every(isinstance(wait, float) and 0 <= wait <= 61 for wait in waits)
    world.workflows["orders"].script = statuses()
    world.run()
    world.clock.jump(300)
    assert world.logger.fields_of("still failing") == reminders


def test_dead_letters() -> None:
    """Where the event lies and why, of a workflow's and of an invalid one; nothing of what is in it."""
    world = EngineWorld(workflows=[FREE])
    world.put("ann")
    world.broker.append(world.partitions[0], b'{"type":"track","userId":"secret-user"}')
    world.workflows["orders"].script = statuses(then=400)
    world.assign_all()
    world.run()
    assert world.logger.fields_of("An event became a dead letter.") == [
        {"workflow": "orders", "reason": "rejected", "status": "400", "place": "events:0:0"}
    ]
    (invalid,) = world.logger.fields_of("An invalid record became a dead letter.")
    assert invalid == {
        "topic": "events",
        "reason": "invalid_event",
        "fault": "event is missing.",
        "place": "events:0:1",
    }


def test_the_flood_guard_is_told_once() -> None:
    """With how many dead letters there were."""
    world = EngineWorld(workflows=[FREE], policy=EnginePolicy("tray", dead_letters=DeadLetterPolicy(max_consecutive=5)))
    for n in range(30):
        world.put(f"u{n}")
    world.workflows["orders"].script = statuses(then=400)
    world.assign_all()
    world.clock.jump(50)
    assert world.logger.fields_of("The workflow is held") == [{"workflow": "orders", "dead_letters": 5}]


def test_what_is_held_is_told_every_minute() -> None:
    """How much it is, and which to give up first, until nothing is held."""
    world = EngineWorld(workflows=[replace(FREE, on_failure="hold")], retry=RetryPolicy(max_s=10, for_s=20))
    for user in ("ann", "bob"):
        world.put(user)
    world.workflows["orders"].script = lambda _request: Answer(400)
    world.assign_all()
    world.clock.jump(150)
    assert len(world.logger.fields_of("An event is held")) == 2
    reminders = world.logger.fields_of("Events are held")
    assert reminders[-1] == {"workflow": "orders", "held": 2, "give_up": "events:0:0"}
    assert 2 <= len(reminders) <= 3
    world.workflows["orders"].script = statuses()
    world.run()
    told = len(world.logger.fields_of("Events are held"))
    world.clock.jump(150)
    assert len(world.logger.fields_of("Events are held")) == told


def test_partitions_that_come_and_go() -> None:
    """Granted, drained, given back, with how long the drain took."""
    world = EngineWorld(partitions=2, workflows=[FREE])
    world.assign_all()
    world.member.revoke(*world.partitions)
    world.run()
    assert world.logger.fields_of("Partitions assigned.") == [{"partitions": "events:0 events:1"}]
    assert world.logger.fields_of("Partitions are drained.") == [{"partitions": "events:0 events:1"}]
    assert world.logger.fields_of("Partitions are given back.") == [
        {"partitions": "events:0 events:1", "drained_in_s": 0.0}
    ]

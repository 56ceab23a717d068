"""The engine when workflows are down, when events may not be given up, and after restarts."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from assertions import every
from support.engine_world import EngineWorld
from support.scripted_workflow import statuses

from stream.model.attempts import Answer, HttpRequest
from stream.model.events import Reason
from stream.model.policies import DeadLetterPolicy, EnginePolicy, GatePolicy, Limits, WorkflowPolicy
from stream.model.ports import Offsets
from stream.model.records import RecordId
from stream.rules.outcome import RetryPolicy

ONE_AT_A_TIME = WorkflowPolicy("orders", concurrency=1)
FREE = WorkflowPolicy("orders", concurrency=64)


def key_of(request: HttpRequest) -> str:
    """The request's idempotency key."""
    return dict(request.headers)["idempotency-key"]


def test_an_outage_expires_nothing() -> None:
    """With the workflow down for ten times `retry.for` nothing is lost, and few requests are made."""
    world = EngineWorld(workflows=[FREE], retry=RetryPolicy(for_s=60))
    keys = {world.put(f"u{n}") for n in range(40)}
    world.workflows["orders"].script = statuses(then=503)
    world.assign_all()
    world.clock.jump(600)
    assert not world.dead_letters.letters
    assert len(world.workflows["orders"].arrivals) < 40 * 4 + 30
    world.workflows["orders"].script = statuses()
    world.run()
    assert set(world.workflows["orders"].delivered()) == keys
    assert not world.dead_letters.letters


def test_a_wrong_credential_stops_the_workflow_and_loses_nothing() -> None:
    """401 is the workflow's fault: after three nothing but probes is sent, and all arrives once it is mended."""
    world = EngineWorld(workflows=[ONE_AT_A_TIME])
    keys = {world.put(f"u{n}") for n in range(20)}
    world.workflows["orders"].script = statuses(then=401)
    world.assign_all()
    world.clock.jump(0.9)
    assert len(world.workflows["orders"].arrivals) == 3
    world.clock.jump(300)
    world.workflows["orders"].script = statuses()
    world.run()
    assert set(world.workflows["orders"].delivered()) == keys


def test_retry_after_stops_the_whole_workflow() -> None:
    """After a 429 with Retry-After no event of any user is sent to that workflow until then."""
    world = EngineWorld(workflows=[ONE_AT_A_TIME])
    for n in range(10):
        world.put(f"u{n}")
    answers = iter([Answer(429, retry_after="30")])
    world.workflows["orders"].script = lambda _request: next(answers, Answer(200))
    world.assign_all()
    world.run()
    first, second = world.workflows["orders"].arrivals[:2]
    assert 30 <= second.at - first.at < 31


def test_a_slow_workflow_is_soon_sent_all_that_it_may_have_in_flight() -> None:
    """It takes 3 s an event and may have 256 in flight: 2,000 events are through in a minute."""
    world = EngineWorld(workflows=[WorkflowPolicy("orders", max_in_flight=256)])
    world.workflows["orders"].latency_s = 3
    for n in range(2000):
        world.put(f"u{n}")
    world.assign_all()
    world.run()
    assert world.clock.monotonic() <= 60
    assert world.workflows["orders"].most_in_flight == 256


def test_an_outage_does_not_take_the_concurrency_that_was_learnt() -> None:
    """Probes and what hung when the gate closed do not shrink the limit: afterwards it is as fast as before."""
    world = EngineWorld(workflows=[WorkflowPolicy("orders", max_in_flight=256)])
    workflow = world.workflows["orders"]
    workflow.latency_s = 1
    for n in range(2000):
        world.put(f"u{n}")
    world.assign_all()
    world.clock.jump(8)
    before = world.stats.workflows["orders"].concurrency_limit
    workflow.script = statuses(then=503)
    world.clock.jump(600)
    workflow.script = statuses()
    world.run()
    assert before == 256
    assert world.stats.workflows["orders"].concurrency_limit >= before // 2


def test_a_pause_is_kept_though_earlier_requests_succeed() -> None:
    """Successes that were on their way when the workflow asked for silence do not end it."""
    world = EngineWorld(workflows=[replace(FREE, concurrency=32)])
    keys = {world.put(f"u{n}") for n in range(100)}
    first = world.put("u0")
    answers = iter([Answer(429, retry_after="30")])
    workflow = world.workflows["orders"]
    workflow.script = lambda _request: next(answers, Answer(200))
    workflow.latency_of = lambda arrival: 0.5 if arrival.status == 200 else 0.1
    world.assign_all()
    world.clock.jump(30)
    assert len(workflow.arrivals) == 32
    world.run()
    later = [arrival.at for arrival in workflow.arrivals[32:]]
    assert min(later) >= 30.1
    assert set(workflow.delivered()) == {*keys, first}


def test_throttling_is_met_with_silence_not_with_more_requests() -> None:
    """A receiver that takes 20 a second and asks for 5 s of silence beyond that gets few requests too many."""
    world = EngineWorld(workflows=[replace(FREE, concurrency=32)])
    keys = {world.put(f"u{n}") for n in range(200)}
    workflow, taken = world.workflows["orders"], list[float]()

    def throttle(_request: HttpRequest) -> Answer:
        now = world.clock.monotonic()
        if sum(at > now - 1 for at in taken) >= 20:
            return Answer(429, retry_after="5")
        taken.append(now)
        return Answer(200)

    workflow.script = throttle
    workflow.latency_of = lambda arrival: 0.3 if arrival.status == 200 else 0.01
    world.assign_all()
    world.run()
    assert set(workflow.delivered()) == keys
    refused = [arrival for arrival in workflow.arrivals if arrival.status == 429]
    assert len(refused) <= 10 * 12  # each time those of 32 at once that are one too many


def test_requests_from_before_an_outage_do_not_close_the_gate_after_it() -> None:
    """Answers that hang since the outage come back as timeouts when the workflow works again: they change nothing."""
    world = EngineWorld(workflows=[replace(FREE, concurrency=32)])
    for n in range(32):
        world.put(f"u{n}")
    workflow = world.workflows["orders"]
    workflow.script = lambda r: Answer(502) if int(key_of(r)[2:]) < 12 else Answer(0, "timeout")
    workflow.latency_of = lambda arrival: 0.1 if arrival.status else 10.0
    world.assign_all()
    world.clock.jump(1)
    assert not world.engine.gate_is_open("orders")
    workflow.script = statuses()
    world.clock.jump(8)
    assert world.engine.gate_is_open("orders")
    closed: list[float] = []
    while not world.everything_committed():
        world.clock.jump(0.1)
        closed += [] if world.engine.gate_is_open("orders") else [world.clock.monotonic()]
    assert closed == []


def test_an_event_that_is_wanted_no_more_still_brings_the_request_to_wait() -> None:
    """The settings change while it is in flight: its answer's Retry-After holds for the workflow's other events."""
    world = EngineWorld(workflows=[ONE_AT_A_TIME])
    dropped = world.put("ann")
    world.put("bob", type_="identify")
    workflow = world.workflows["orders"]
    workflow.script = lambda r: Answer(429, retry_after="30") if key_of(r) == dropped else Answer(200)
    world.assign_all()
    world.clock.jump_until(lambda: bool(workflow.arrivals), 1)
    world.reconfigure(replace(ONE_AT_A_TIME, types=frozenset({"identify"})))
    world.run()
    first, second = workflow.arrivals
    assert 30 <= second.at - first.at < 31


def test_a_poison_event_does_not_keep_the_gate_shut() -> None:
    """Probes go round the lanes, so that an event which always fails does not pass for an outage."""
    world = EngineWorld(workflows=[FREE])
    poison = [world.put(f"p{n}") for n in range(3)]
    world.workflows["orders"].script = lambda r: Answer(500 if key_of(r) in poison else 200)
    world.assign_all()
    world.clock.jump(60)
    good = [world.put(f"u{n}") for n in range(30)]
    world.clock.jump(180)
    assert set(world.workflows["orders"].delivered()) == set(good)


def test_rate_limit_is_kept() -> None:
    """At 10/s a hundred events take about ten seconds."""
    world = EngineWorld(workflows=[replace(FREE, rate_per_s=10.0)])
    for n in range(100):
        world.put(f"u{n}")
    world.assign_all()
    world.run()
    arrivals = world.workflows["orders"].arrivals
    assert 9.5 <= arrivals[-1].at - arrivals[0].at <= 10.5


def test_hold_never_gives_up() -> None:
    """With `on_failure = "hold"` a rejected event keeps its user waiting until the workflow takes it."""
    world = EngineWorld(workflows=[replace(FREE, on_failure="hold")], retry=RetryPolicy(max_s=10, for_s=20))
    stuck, behind = world.put("ann"), world.put("ann")
    other = world.put("bob")
    world.workflows["orders"].script = lambda r: Answer(400 if key_of(r) == stuck else 200)
    world.assign_all()
    world.clock.jump(120)
    assert world.workflows["orders"].delivered() == [other]
    assert world.stats.workflows["orders"].held == 1
    assert any("give_up" in sentence for sentence in world.logger.sentences)
    world.workflows["orders"].script = statuses()
    world.run()
    assert world.workflows["orders"].delivered() == [other, stuck, behind]
    assert not world.dead_letters.letters
    assert world.stats.workflows["orders"].held == 0


def test_give_up_ends_the_named_event_and_nothing_else() -> None:
    """The event that the settings name becomes a dead letter without an attempt; its user goes on."""
    held = replace(FREE, on_failure="hold", give_up=frozenset({RecordId("events", 0, 0)}))
    world = EngineWorld(workflows=[held, WorkflowPolicy("audit")])
    stuck, behind = world.put("ann"), world.put("ann")
    world.assign_all()
    world.run()
    (letter,) = world.dead_letters.letters
    assert (letter.reason, letter.workflow, letter.attempts) == (Reason.GIVEN_UP, "orders", 0)
    assert world.workflows["orders"].delivered() == [behind]
    assert world.workflows["audit"].delivered() == [stuck, behind]


def test_give_up_without_a_dead_letter_topic_is_filtered() -> None:
    """Where there are no dead letters the named event ends as filtered, and is counted as given up."""
    held = replace(FREE, on_failure="hold", give_up=frozenset({RecordId("events", 0, 0)}))
    policy = EnginePolicy("tray", dead_letters=DeadLetterPolicy(enabled=False))
    world = EngineWorld(workflows=[held], policy=policy)
    world.put("ann")
    world.assign_all()
    world.run()
    assert not world.dead_letters.letters
    assert world.stats.workflows["orders"].filtered["given_up"] == 1
    assert world.stats.settled["events", "filtered"] == 1


def test_the_flood_guard_stops_an_outage_from_filling_the_dead_letters() -> None:
    """After the limit of dead letters in a row the rest waits; a delivery ends the hold."""
    world = EngineWorld(workflows=[FREE], policy=EnginePolicy("tray", dead_letters=DeadLetterPolicy(max_consecutive=5)))
    keys = {world.put(f"u{n}") for n in range(100)}
    world.workflows["orders"].script = statuses(then=400)
    world.assign_all()
    world.clock.jump(600)
    assert len(world.dead_letters.letters) == 5
    assert world.stats.workflows["orders"].held > 0
    world.workflows["orders"].script = statuses()
    world.run()
    assert len(world.workflows["orders"].delivered()) == 95
    buried = {f"0-{letter.record.offset}" for letter in world.dead_letters.letters}
    assert set(world.workflows["orders"].delivered()) | buried == keys


def test_the_flood_guard_of_invalid_events_holds_their_partition() -> None:
    """A partition full of invalid records is held after the limit, and the other one goes on."""
    world = EngineWorld(partitions=2, policy=EnginePolicy("tray", dead_letters=DeadLetterPolicy(max_consecutive=5)))
    for _ in range(50):
        world.broker.append(world.partitions[0], b"\x00\x00\x00\x00\x01avro")
    good = world.put("ann", partition=1)
    world.assign_all()
    world.clock.jump(100)
    assert len(world.dead_letters.letters) == 5
    assert (world.committed(0), world.committed(1)) == (5, 1)
    assert world.workflows["orders"].delivered() == [good]
    assert world.member.stopped == {world.partitions[0]}
    assert any("partition is held" in sentence for sentence in world.logger.sentences)
    assert world.stats.held_records == 1


def test_a_held_invalid_record_can_be_given_up() -> None:
    """Named in `validation.give_up` it is buried, and the partition moves on."""
    policy = EnginePolicy(
        "tray", dead_letters=DeadLetterPolicy(max_consecutive=0), give_up=frozenset({RecordId("events", 0, 0)})
    )
    world = EngineWorld(policy=policy)
    world.broker.append(world.partitions[0], b"not json")
    good = world.put("ann")
    world.assign_all()
    world.run()
    assert world.dead_letters.letters[0].reason is Reason.GIVEN_UP
    assert world.workflows["orders"].delivered() == [good]


def test_without_dead_letters_an_invalid_record_holds_its_partition() -> None:
    """With the dead-letter topic switched off nothing invalid is skipped."""
    world = EngineWorld(
        workflows=[replace(FREE, on_failure="hold")],
        policy=EnginePolicy("tray", dead_letters=DeadLetterPolicy(enabled=False)),
    )
    world.broker.append(world.partitions[0], b"not json")
    world.put("ann")
    world.assign_all()
    world.clock.jump(100)
    assert (world.committed(), world.workflows["orders"].arrivals) == (0, [])


def test_what_is_done_beyond_a_stuck_event_is_not_sent_again() -> None:
    """One event never succeeds while fifty thousand later ones are delivered; after a restart only it is sent."""
    world = EngineWorld(workflows=[replace(FREE, max_in_flight=1000, concurrency=1000)])
    stuck = world.put("ann")
    for n in range(50_000):
        world.put(f"u{n % 5000}")
    world.workflows["orders"].script = lambda r: Answer(503 if key_of(r) == stuck else 200)
    world.workflows["orders"].latency_s = 0.001
    world.assign_all()
    world.clock.jump_until(lambda: len(world.workflows["orders"].delivered()) == 50_000, 600)
    world.clock.jump(2)
    assert world.committed() == 0
    world.crash_and_restart()
    before = len(world.workflows["orders"].arrivals)
    world.workflows["orders"].script = statuses()
    world.assign_all()
    world.run()
    assert [arrival.key for arrival in world.workflows["orders"].arrivals[before:]] == [stuck]
    assert world.stats.settled["events", "avoided"] == 50_000


def test_a_commit_of_many_partitions_lets_the_event_loop_do_other_things() -> None:
    """Where much waits, the partitions are committed in several turns; all of them within the interval."""
    policy = EnginePolicy("tray", commit_interval_s=1)
    quick = WorkflowPolicy("audit", max_in_flight=1000, concurrency=1000)
    world = EngineWorld(partitions=10, policy=policy, workflows=[WorkflowPolicy("orders"), quick])
    world.workflows["audit"].latency_s = 0.001
    for n in range(10_000):
        world.put(f"u{n}", partition=n % 10)
    first = {f"{partition}-0" for partition in range(10)}
    world.workflows["orders"].script = lambda r: Answer(200 if key_of(r) in first else 503)
    commits = list[tuple[float, int]]()
    commit = world.member.commit

    def watched(offsets: Offsets) -> None:
        commits.append((world.clock.monotonic(), len(offsets)))
        commit(offsets)

    world.member.commit = watched  # type: ignore[method-assign]  # to see how many come at once
    world.assign_all()
    world.clock.jump(1.5)
    assert sum(count for _, count in commits) == 10
    assert len(commits) > 2
    assert {at for at, _ in commits} == {1.0}


def test_after_a_restart_only_the_missing_workflow_gets_an_event() -> None:
    """What nine of ten workflows have is sent to the tenth only."""
    names = [f"w{n}" for n in range(10)]
    world = EngineWorld(*names)
    key = world.put("ann")
    world.put("bob")
    world.workflows["w3"].script = lambda r: Answer(503 if key_of(r) == key else 200)
    world.assign_all()
    world.clock.jump(3)
    world.crash_and_restart()
    world.workflows["w3"].script = statuses()
    world.assign_all()
    world.run()
    assert every(len(w.delivered()) == 2 for w in world.workflows.values())
    assert [len(world.workflows[name].arrivals) for name in names if name != "w3"] == [2] * 9
    assert world.stats.workflows["w0"].deliveries["avoided"] == 2
    assert world.stats.settled["events", "delivered"] == 1


@pytest.mark.parametrize("metadata", ["from another tool", "t1.AAAA", "t9.zzzz", "\x00"])
def test_foreign_metadata_is_ignored(metadata: str) -> None:
    """Metadata that is no map of ours is ignored with a warning, and everything is sent."""
    world = EngineWorld("orders")
    keys = [world.put("ann") for _ in range(3)]
    world.broker.committed["tray", world.partitions[0]] = 1
    world.broker.metadata["tray", world.partitions[0]] = metadata
    world.assign_all()
    world.run()
    assert world.workflows["orders"].delivered() == keys[1:]
    assert any("not a commit map" in sentence for sentence in world.logger.sentences)


def test_what_waited_for_a_removed_workflow_is_told_once() -> None:
    """Removing a workflow ends what waited for it, with one line that gives count and range."""
    world = EngineWorld("orders", "audit")
    for n in range(5):
        world.put(f"u{n}")
    world.workflows["audit"].script = lambda r: Answer(503 if key_of(r) in ("0-0", "0-3") else 200)
    world.assign_all()
    world.clock.jump(3)
    world.member.crash()
    world.policy = replace(world.policy, workflows=(WorkflowPolicy("orders"),))
    del world.workflows["audit"]
    world.start()
    world.assign_all()
    world.run()
    assert world.stats.removed == 2
    assert sum("workflow was removed" in sentence for sentence in world.logger.sentences) == 1


def test_one_partition_may_not_take_the_room_of_the_others() -> None:
    """A partition whose events all wait stops at half of the limit; the other one is read and delivered."""
    policy = EnginePolicy("tray", limits=Limits(max_open_events=400))
    world = EngineWorld(partitions=2, policy=policy, workflows=[replace(FREE, max_in_flight=1000, concurrency=1000)])
    for n in range(1000):
        world.put(f"u{n}", partition=0)
    world.workflows["orders"].script = lambda r: None if key_of(r).startswith("0-") else Answer(200)
    world.assign_all()
    world.clock.jump(5)
    keys = [world.put(f"u{n}", partition=1) for n in range(50)]
    world.clock.jump(200)
    assert world.member.stopped == {world.partitions[0]}
    assert set(world.workflows["orders"].delivered()) == set(keys)


def test_a_long_lane_stops_only_its_partition() -> None:
    """A user with more waiting events than a lane may have stops the reading of that partition for a while."""
    world = EngineWorld(partitions=2, policy=EnginePolicy("tray", limits=Limits(max_lane_events=20)))
    for _ in range(300):
        world.put("ann", partition=0)
    world.workflows["orders"].script = lambda r: Answer(503 if key_of(r).startswith("0-") else 200)
    world.assign_all()
    world.clock.jump(5)
    assert world.member.stopped == {world.partitions[0]}
    assert world.stats.open_events["events"] < 150
    world.put("bob", partition=1)
    world.workflows["orders"].script = statuses()
    world.run()
    assert world.member.stopped == frozenset()


def test_reading_stops_far_beyond_the_watermark() -> None:
    """Offsets beyond a stuck event are bounded by `max_ahead`."""
    world = EngineWorld("orders", policy=EnginePolicy("tray", limits=Limits(max_ahead=500)))
    stuck = world.put("ann")
    for n in range(2000):
        world.put(f"u{n % 50}")
    world.workflows["orders"].script = lambda r: Answer(503 if key_of(r) == stuck else 200)
    world.assign_all()
    world.clock.jump(100)
    assert 450 <= len(world.workflows["orders"].delivered()) < 700
    world.workflows["orders"].script = statuses()
    world.run()


@pytest.mark.parametrize(("most", "longest"), [(100, range(80, 101)), (4000, range(101, 4001))])
def test_the_map_never_grows_beyond_its_limit(most: int, longest: range) -> None:
    """A partition whose map gets long is not read until it is short again; nothing is lost meanwhile."""
    policy = EnginePolicy("tray", limits=Limits(metadata_max_bytes=most), gate=GatePolicy(failures=10**6))
    world = EngineWorld("orders", policy=policy)
    keys = [world.put(f"u{n}") for n in range(3000)]
    failing = set(Random(7).sample(keys, 1000))
    world.workflows["orders"].script = lambda r: Answer(503 if key_of(r) in failing else 200)
    world.assign_all()
    lengths = set()
    for _ in range(60):
        world.clock.jump(1)
        lengths |= {len(metadata) for metadata in world.broker.metadata.values()}
    assert max(lengths) in longest
    world.workflows["orders"].script = statuses()
    world.run()
    assert set(world.workflows["orders"].delivered()) == set(keys)


def test_a_refused_map_makes_maps_shorter_and_loses_nothing() -> None:
    """Where Kafka takes less metadata than configured the map is cut, and the commit is made all the same."""
    world = EngineWorld("orders")
    world.broker.metadata_limit = 20
    stuck = world.put("ann")
    for n in range(200):
        world.put(f"u{n}")
    world.workflows["orders"].script = lambda r: Answer(503 if key_of(r) == stuck else 200)
    world.assign_all()
    world.clock.jump(30)
    world.workflows["orders"].script = statuses()
    world.run()
    assert world.stats.commits["failed"] > 0


def test_a_held_event_can_be_given_up_while_running() -> None:
    """Settings that are read again name the held event: it ends when it is next due, and its user goes on."""
    world = EngineWorld(workflows=[replace(FREE, on_failure="hold")], retry=RetryPolicy(max_s=10))
    stuck, behind = world.put("ann"), world.put("ann")
    world.workflows["orders"].script = lambda r: Answer(400 if key_of(r) == stuck else 200)
    world.assign_all()
    world.clock.jump(30)
    tried = len(world.workflows["orders"].arrivals)
    world.reconfigure(replace(FREE, on_failure="hold", give_up=frozenset({RecordId("events", 0, 0)})))
    world.run()
    assert [letter.reason for letter in world.dead_letters.letters] == [Reason.GIVEN_UP]
    assert [arrival.key for arrival in world.workflows["orders"].arrivals[tried:]] == [behind]
    assert world.stats.workflows["orders"].held == 0


def test_a_held_partition_goes_on_once_its_record_is_given_up_while_running() -> None:
    """Settings that are read again name the invalid record: nothing that was read after it is skipped.

    The end of the partition was told meanwhile, and does not count before what is kept back.
    """
    policy = EnginePolicy("tray", dead_letters=DeadLetterPolicy(max_consecutive=2))
    world = EngineWorld(policy=policy)
    for _ in range(4):
        world.broker.append(world.partitions[0], b"not json")
    good = [world.put("ann") for _ in range(3)]
    world.assign_all()
    world.clock.jump(30)
    assert (world.committed(), world.workflows["orders"].arrivals) == (2, [])
    world.reconfigure(*world.policy.workflows, give_up=frozenset({RecordId("events", 0, 2)}))
    world.run()
    assert world.workflows["orders"].delivered() == good
    reasons = [letter.reason for letter in world.dead_letters.letters]
    assert reasons == [Reason.INVALID_JSON, Reason.INVALID_JSON, Reason.GIVEN_UP, Reason.INVALID_JSON]
    assert world.clock.jump_until(lambda: world.stats.held_records == 0, 2)
    assert world.member.stopped == frozenset()
    assert world.committed() == 7


def test_a_retry_is_signed_anew() -> None:
    """Each attempt carries its own time, and the same id."""
    world = EngineWorld(workflows=[WorkflowPolicy("orders", webhook_keys=(b"key",))])
    seen: list[dict[str, str]] = []

    def script(request: HttpRequest) -> Answer:
        seen.append(dict(request.headers))
        return Answer(503 if len(seen) < 4 else 200)

    world.put("ann")
    world.workflows["orders"].script = script
    world.assign_all()
    world.run()
    times = [int(headers["webhook-timestamp"]) for headers in seen]
    starts = [
        int(world.clock.wall() - world.clock.monotonic() + arrival.at) for arrival in world.workflows["orders"].arrivals
    ]
    assert times == starts
    assert times[-1] > times[0]
    assert len({headers["webhook-id"] for headers in seen}) == 1
    assert len({headers["webhook-signature"] for headers in seen}) == len(set(times))


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        ("no flow 0b1c.trayapp.io for u-4711", "no flow *** for ***"),
        ("invalid token tok_X", "invalid token ***"),
        ("invalid token tok&#95;X", ""),
    ],
)
def test_a_dead_letter_quotes_neither_secrets_nor_values(answer: str, detail: str) -> None:
    """Of the workflow's settings and of its event, whole or in part."""
    headers = (("Authorization", "Bearer tok_X"),)
    world = EngineWorld(workflows=[WorkflowPolicy("orders", headers=headers, secrets=("0b1c.trayapp.io",))])
    world.put("u-4711")
    world.workflows["orders"].script = lambda _request: Answer(400, excerpt=answer)
    world.assign_all()
    world.run()
    (letter,) = world.dead_letters.letters
    assert letter.detail == detail

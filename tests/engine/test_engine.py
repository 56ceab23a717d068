"""The whole engine among fakes, on a clock that jumps."""

from __future__ import annotations

from assertions import every
from support.engine_world import EngineWorld
from support.scripted_workflow import Script, failing, statuses

from stream.model.attempts import RESENT, Answer, HttpRequest
from stream.model.events import Reason
from stream.model.policies import EnginePolicy, Limits, WorkflowPolicy
from stream.model.source import CommitOutcome, DataLoss
from stream.rules.outcome import RetryPolicy


def assert_identity(world: EngineWorld) -> None:
    """Every event received has one end, or is open."""
    received, ended_or_open = world.stats.identity()
    assert received == ended_or_open


def test_every_event_reaches_every_workflow_and_is_committed() -> None:
    """Two workflows get all of it, once; offsets are committed up to the end."""
    world = EngineWorld("orders", "audit", partitions=2)
    keys = {world.put(f"u{n % 5}", partition=n % 2) for n in range(100)}
    world.assign_all()
    world.run()
    assert [sorted(w.delivered()) for w in world.workflows.values()] == [sorted(keys)] * 2
    assert (world.committed(0), world.committed(1)) == (50, 50)
    assert_identity(world)


def test_events_of_one_user_arrive_in_order_through_retries() -> None:
    """A failing event holds back its user alone; the user's later events come after it."""
    world = EngineWorld("orders")
    first, second = world.put("ann"), world.put("ann")
    other = world.put("bob")
    world.workflows["orders"].script = by_key({first: [503, 503, 200]})
    world.assign_all()
    world.run()
    delivered = world.workflows["orders"].delivered()
    assert delivered.index(first) < delivered.index(second)
    assert delivered[0] == other
    assert [a.key for a in world.workflows["orders"].arrivals].count(first) == 3


def test_nothing_is_committed_past_an_undelivered_event() -> None:
    """While the first event fails the others go on, and the commit stays below it."""
    world = EngineWorld("orders")
    stuck = world.put("ann")
    for n in range(50):
        world.put(f"u{n}")
    world.workflows["orders"].script = lambda r: Answer(503 if key_of(r) == stuck else 200)
    world.assign_all()
    world.clock.jump(30)
    assert len(world.workflows["orders"].delivered()) == 50
    assert world.committed() in (None, 0)
    world.workflows["orders"].script = statuses()
    world.run()
    assert world.committed() == 51


def test_one_workflow_that_fails_is_the_only_one_retried() -> None:
    """An event that one of two workflows took is sent again to the other one only."""
    world = EngineWorld("orders", "audit")
    world.put("ann")
    world.workflows["audit"].script = statuses(500, 500)
    world.assign_all()
    world.run()
    assert [len(w.arrivals) for w in world.workflows.values()] == [1, 3]


def test_rejected_goes_to_the_dead_letters_and_the_user_goes_on() -> None:
    """A 400 ends that event for that workflow; what comes after is delivered."""
    world = EngineWorld("orders", "audit")
    bad, good = world.put("ann"), world.put("ann")
    world.workflows["orders"].script = by_key({bad: [400]})
    world.assign_all()
    world.run()
    (letter,) = world.dead_letters.letters
    assert (letter.workflow, letter.reason, letter.status, letter.attempts) == ("orders", Reason.REJECTED, "400", 1)
    assert world.workflows["orders"].delivered() == [good]
    assert world.stats.settled["events", "dead_lettered"] == 1
    assert_identity(world)


def test_an_offset_stays_open_until_its_dead_letter_is_acknowledged() -> None:
    """A dead letter that the broker did not take is written again, and nothing is committed past it meanwhile."""
    world = EngineWorld("orders")
    world.put("ann")
    world.workflows["orders"].script = statuses(400)
    world.dead_letters.errors = ["_MSG_TIMED_OUT"] * 5
    world.assign_all()
    world.clock.jump(4)
    assert (world.committed(), world.stats.open_events["events"]) == (0, 1)
    world.run()
    assert (world.committed(), len(world.dead_letters.letters)) == (1, 1)
    assert world.stats.dead_letter_writes == {"ok": 1, "failed": 5}


def test_an_event_expires_after_its_time() -> None:
    """What fails for as long as `retry.for` becomes a dead letter, reason expired."""
    world = EngineWorld("orders", retry=RetryPolicy(for_s=120))
    world.put("ann")
    world.workflows["orders"].script = statuses(then=503)
    world.assign_all()
    world.run()
    (letter,) = world.dead_letters.letters
    assert letter.reason is Reason.EXPIRED
    assert letter.attempts > 3
    assert world.clock.monotonic() < 200


def test_every_event_behind_an_expired_one_gets_an_attempt() -> None:
    """Events that waited behind an expired one are tried at least once before they expire, too."""
    world = EngineWorld("orders", retry=RetryPolicy(for_s=60))
    keys = [world.put("ann") for _ in range(5)]
    world.workflows["orders"].script = statuses(then=503)
    world.assign_all()
    world.run()
    tried = {arrival.key for arrival in world.workflows["orders"].arrivals}
    assert tried == set(keys)
    assert len(world.dead_letters.letters) == 5
    assert world.clock.monotonic() < 120


def test_failures_without_an_answer_are_retried_and_counted() -> None:
    """A timeout or a reset is tried again, and counted by its word."""
    world = EngineWorld("orders")
    world.put("ann")
    world.workflows["orders"].script = failing("timeout", 2)
    world.assign_all()
    world.run()
    attempts = world.stats.workflows["orders"].attempts
    assert (attempts["timeout"], attempts["200"]) == (2, 1)


def test_a_request_that_is_sent_again_within_an_attempt_is_counted() -> None:
    """Where a used connection had gone stale: as an attempt of the event, in the metric and in its dead letter."""
    world = EngineWorld("orders")
    world.put("ann")
    answers = iter([RESENT, Answer(500), RESENT, Answer(400)])
    world.workflows["orders"].script = lambda _request: next(answers)
    world.assign_all()
    world.run()
    [letter] = world.dead_letters.letters
    assert (letter.status, letter.attempts) == ("400", 4)
    attempts = world.stats.workflows["orders"].attempts
    assert (attempts["stale"], attempts["500"], attempts["400"]) == (2, 1, 1)
    assert len(world.workflows["orders"].arrivals) == 4
    assert world.workflows["orders"].in_flight == 0


def test_retry_after_is_waited_for() -> None:
    """A 429 with Retry-After is not tried again before that."""
    world = EngineWorld("orders")
    world.put("ann")
    answers = iter([Answer(429, retry_after="20")])
    world.workflows["orders"].script = lambda _r: next(answers, Answer(200))
    world.assign_all()
    world.run()
    first, second = world.workflows["orders"].arrivals
    assert second.at - first.at >= 20


def test_filtered_and_invalid_events_settle_without_a_request() -> None:
    """What no workflow wants is filtered; what is no event is a dead letter; the partition moves on."""
    world = EngineWorld(workflows=[WorkflowPolicy("orders", types=frozenset({"track"}))])
    world.put("ann", type_="identify")
    world.put("ann", integrations={"All": False})
    world.broker.append(world.partitions[0], b"not json")
    world.broker.append(world.partitions[0], None)
    wanted = world.put("ann")
    world.assign_all()
    world.run()
    assert world.workflows["orders"].delivered() == [wanted]
    settled = {end: n for (_, end), n in world.stats.settled.items() if n}
    assert settled == {"filtered": 3, "dead_lettered": 1, "delivered": 1}
    assert world.dead_letters.letters[0].reason is Reason.INVALID_JSON
    assert (world.stats.tombstones, world.stats.workflows["orders"].filtered["type"]) == (1, 1)
    assert_identity(world)


def test_markers_at_the_end_are_committed_too() -> None:
    """Offsets that no reader sees (transaction markers) do not leave lag behind."""
    world = EngineWorld("orders")
    world.put("ann")
    world.broker.skip(world.partitions[0], 3)
    world.put("ann")
    world.broker.skip(world.partitions[0], 2)
    world.assign_all()
    world.run()
    assert world.committed() == 7


def test_no_more_than_max_in_flight() -> None:
    """Requests sent and unanswered stay within the workflow's limit."""
    world = EngineWorld(workflows=[WorkflowPolicy("orders", max_in_flight=7)])
    for n in range(100):
        world.put(f"u{n}")
    world.assign_all()
    world.run()
    assert world.workflows["orders"].most_in_flight == 7


def test_a_full_process_takes_no_more_and_goes_on_at_half() -> None:
    """Open events stay near the limit while a workflow is down, and all arrive when it heals."""
    world = EngineWorld("orders", policy=EnginePolicy("tray", limits=Limits(max_open_events=200)))
    keys = {world.put(f"u{n}") for n in range(1000)}
    world.workflows["orders"].script = statuses(then=503)
    world.assign_all()
    world.clock.jump(60)
    assert 200 <= world.stats.open_events["events"] < 300
    assert not world.member.intake_open
    world.workflows["orders"].script = statuses()
    world.run()
    assert set(world.workflows["orders"].delivered()) == keys


def test_revoke_waits_for_what_is_in_flight_and_commits_it() -> None:
    """A revoke within the drain time leaves nothing to be sent again."""
    world = EngineWorld(workflows=[WorkflowPolicy("orders", concurrency=64)])
    world.workflows["orders"].latency_s = 3
    keys = [world.put(f"u{n}") for n in range(10)]
    world.assign_all()
    world.clock.jump(1)
    world.member.revoke(*world.partitions)
    assert not world.broker.committed
    world.clock.jump(5)
    assert world.committed() == 10
    world.start()
    world.assign_all()
    world.clock.jump(10)
    assert sorted(world.workflows["orders"].delivered()) == sorted(keys)


def test_revoke_aborts_what_does_not_answer_in_time() -> None:
    """What hangs beyond the drain time is cut off and not committed: the next owner sends it."""
    world = EngineWorld("orders")
    done, hanging = world.put("ann"), world.put("bob")
    world.workflows["orders"].script = lambda r: None if key_of(r) == hanging else Answer(200)
    world.assign_all()
    world.clock.jump(1)
    world.member.revoke(*world.partitions)
    world.clock.jump(16)
    assert world.committed() == 1
    assert world.workflows["orders"].in_flight == 0
    assert world.stats.settled["events", "abandoned"] == 1
    assert world.stats.workflows["orders"].deliveries["stale"] == 1
    assert_identity(world)
    world.workflows["orders"].script = statuses()
    world.start()
    world.assign_all()
    world.run()
    assert world.workflows["orders"].delivered() == [done, hanging]


def test_lost_partitions_are_not_committed() -> None:
    """After a loss nothing is committed, late answers settle nothing, and the next owner gets it all."""
    world = EngineWorld("orders")
    world.workflows["orders"].latency_s = 3
    world.put("ann")
    world.assign_all()
    world.clock.jump(1)
    world.member.lose(*world.partitions)
    world.clock.jump(10)
    assert world.committed() is None
    assert_identity(world)
    world.member.assign(*world.partitions)
    world.run()
    assert len(world.workflows["orders"].arrivals) == 2


def test_a_partition_has_numbers_only_while_it_is_owned() -> None:
    """What is exposed by partition starts at zero when it is granted and is gone once it is given back."""
    world = EngineWorld(partitions=2)
    world.assign_all()
    first, second = world.partitions
    assert world.stats.records_lost == {first: 0, second: 0}
    world.engine.on_data_loss(DataLoss(second, first=0, resume=9, skipped=True))
    world.stats.ends |= {first: 5, second: 9}
    world.clock.jump(2)
    world.member.revoke(second)
    world.clock.jump(2)
    assert world.stats.records_lost == {first: 0}
    assert world.stats.committed.keys() <= {first}
    assert world.stats.lag().keys() <= {first}


def test_granted_again_while_draining() -> None:
    """A partition that comes back before its drain ended starts a new epoch; the old one's results do not count."""
    world = EngineWorld("orders")
    world.workflows["orders"].latency_s = 4
    keys = [world.put("ann") for _ in range(3)]
    world.assign_all()
    world.clock.jump(1)
    world.member.revoke(*world.partitions)
    world.member.assign(*world.partitions)
    world.run()
    assert set(world.workflows["orders"].delivered()) == set(keys)
    assert world.committed() == 3
    assert_identity(world)


def test_a_refused_commit_is_tried_again() -> None:
    """A commit during a rebalance is refused and made again on the next interval."""
    world = EngineWorld("orders")
    world.put("ann")
    world.member.commit_outcomes = [CommitOutcome.RETRIED, CommitOutcome.FAILED]
    world.assign_all()
    world.run()
    assert world.stats.commits == {"ok": 1, "retried": 1, "failed": 1, "dropped": 0}


def test_crash_and_restart_repeat_only_what_was_not_committed() -> None:
    """After a crash everything since the last commit is sent again, with the same key, and nothing is missing."""
    world = EngineWorld("orders")
    for n in range(300):
        world.put(f"u{n % 7}")
    world.workflows["orders"].latency_s = 0.3
    world.assign_all()
    world.clock.jump(2.5)
    committed = world.committed() or 0
    assert 0 < committed < 300
    world.crash_and_restart()
    world.assign_all()
    world.run()
    keys = world.workflows["orders"].delivered()
    assert len(set(keys)) == 300
    repeated = {key for key in keys if keys.count(key) > 1}
    assert every(int(key.split("-")[1]) >= committed for key in repeated)


def test_a_broken_engine_commits_nothing_more() -> None:
    """After a broken promise nothing is committed, whatever still comes in."""
    world = EngineWorld("orders")
    world.put("ann")
    world.assign_all()
    world.engine.fail()
    world.clock.jump(30)
    assert world.committed() is None


def key_of(request: HttpRequest) -> str:
    """The request's idempotency key."""
    return dict(request.headers)["idempotency-key"]


def by_key(scripts: dict[str, list[int]]) -> Script:
    """Answer the named events by their lists, everything else and afterwards with 200."""
    left = {key: iter(codes) for key, codes in scripts.items()}
    return lambda request: Answer(next(left.get(key_of(request), iter(())), 200))

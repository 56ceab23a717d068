"""Rows 1 to 11: the process is killed, stopped, frozen, slow."""

from __future__ import annotations

import signal
import time

from faults_trial import Trial, spread
from rows_members import owned, two
from support.behaviours import hanging
from support.checker import id_of
from support.topics import end_offsets
from support.waiting import wait_until

from stream.demo.behaviours import slow, when

EVENTS = 1500
SLOWLY = slow(0.005)


def undisturbed(trial: Trial) -> None:
    """Row 0: nothing is broken; nothing is lost and nothing comes twice."""
    trial.configure(trial.workflow("orders"), trial.workflow("audit"))
    trial.load(800)
    program = trial.start()
    trial.rest()
    metrics = program.metrics()
    assert metrics.received == metrics.accounted_for == 800
    trial.stop(program)


def killed_under_load(trial: Trial) -> None:
    """Row 1: SIGKILL in the middle, three times; each restart goes on at the commit."""
    trial.configure(trial.workflow("orders"), trial.workflow("audit"))
    trial.script("orders", SLOWLY)
    trial.load(EVENTS)
    for part in range(1, 4):
        program = trial.start()
        trial.await_arrivals("orders", EVENTS * part // 4 + trial.somewhere(0, EVENTS // 8))
        trial.crash(program)
    trial.finish()


def killed_between_answer_and_commit(trial: Trial) -> None:
    """Row 2: the receiver kills the process as soon as it has answered; the event comes again under the same key."""
    trial.configure(trial.workflow("orders"), kafka={"commit_interval": "5s"})
    events = trial.load(200)
    fatal = trial.rng.choice(events[100:150])["messageId"]
    program = trial.start()
    wait_until(lambda: any(id_of(arrival) == fatal for arrival in trial.got("orders")), "the event is delivered")
    trial.crash(program)
    trial.finish()
    times = sum(id_of(arrival) == fatal for arrival in trial.got("orders"))
    assert times >= 2, f"{fatal} was delivered {times} times: the commit was faster than the kill."


def killed_between_letter_and_commit(trial: Trial) -> None:
    """Row 3: killed as soon as the dead-letter topic has grown; the second copy names the same place."""
    trial.configure(trial.workflow("orders"), kafka={"commit_interval": "5s"})
    events = trial.load(200)
    trial.script("orders", when(spread(trial.rng.sample(events, 40)), 400))
    program = trial.start()
    wait_until(lambda: "Partitions assigned." in program.log, "the dead-letter topic is there")
    bootstrap, letters = trial.broker.bootstrap, trial.dead_letters
    wait_until(lambda: sum(end_offsets(bootstrap, letters).values()) > 0, "a letter is written")
    trial.crash(program)
    trial.finish()


def terminated_under_load(trial: Trial) -> None:
    """Row 4: SIGTERM under load drains and commits; the next run repeats nothing."""
    trial.configure(trial.workflow("orders"))
    trial.script("orders", slow(0.01))
    trial.load(EVENTS)
    for part in (1, 2):
        program = trial.start()
        trial.await_arrivals("orders", EVENTS * part // 3 + trial.somewhere(0, 200))
        trial.stop(program)
    trial.finish()


def terminated_while_a_receiver_hangs(trial: Trial) -> None:
    """Row 5: the drain's deadline cuts what hangs; it is not committed, and comes again."""
    trial.configure(trial.workflow("orders"), kafka={"drain_timeout": "1s"})
    events = trial.load(300)
    hung = trial.rng.sample(events, 3)
    trial.script("orders", when(spread(hung), hanging()))
    program = trial.start()
    trial.await_arrivals("orders", 250)
    began = time.monotonic()
    trial.stop(program)
    took = time.monotonic() - began
    trial.counters["stop_s"] = round(took, 1)
    assert took < 1 + 10
    for event in hung:
        partition, offset = trial.places[event["messageId"]]
        assert (trial.committed()[partition] or 0) <= offset
    trial.heal()
    trial.finish()


def signalled_twice_and_while_starting(trial: Trial) -> None:
    """Row 6: a second SIGTERM ends at once, and SIGINT during the start commits nothing."""
    trial.configure(trial.workflow("orders"))
    trial.load(300)
    trial.script("orders", when(lambda _body: True, hanging()))
    early = trial.start()
    trial.let_pass(trial.rng.uniform(0.05, 1.0))  # somewhere in the start; signals that come before ours end it, too
    early.signal(signal.SIGINT)
    early.wait()
    assert trial.receiver.count() == 0 or early.log
    program = trial.start()
    trial.await_arrivals("orders", 1)
    before = trial.committed()
    program.signal(signal.SIGTERM)
    program.line("Stopping: draining")
    program.signal(signal.SIGTERM)
    assert program.wait(3) == 130
    assert trial.committed() == before
    trial.note_crash()
    trial.heal()
    trial.finish()


def frozen_beyond_the_session(trial: Trial) -> None:
    """Row 7: frozen for longer than the session; the other member takes over, the woken one's commits are refused."""
    trial.configure(trial.workflow("orders", rate_limit="200/s"))
    trial.load(EVENTS)
    zombie, other = two(trial)
    trial.await_arrivals("orders", EVENTS // 4)
    zombie.signal(signal.SIGSTOP)
    trial.note_crash()
    wait_until(lambda: owned(other) == 4, "the other one has every partition")
    trial.await_arrivals("orders", EVENTS * 2 // 3)
    zombie.signal(signal.SIGCONT)
    zombie.line("Partitions lost")
    trial.rest()
    trial.stop(zombie, other)


def frozen_within_the_session(trial: Trial) -> None:
    """Row 8: frozen for less than the session; nothing moves, and nothing comes twice."""
    trial.configure(trial.workflow("orders", rate_limit="300/s"))
    trial.load(EVENTS)
    program = trial.start()
    for _ in range(3):
        trial.await_arrivals("orders", trial.receiver.count() + 200)
        trial.freeze(program, trial.rng.uniform(0.5, 1.5))
    trial.rest()
    assert program.metrics().total("tray_rebalances_total", kind="lost") == 0
    trial.stop(program)


def slower_than_the_poll_interval(trial: Trial) -> None:
    """Row 9: each request takes longer than max.poll.interval; polling goes on, and nothing is taken away."""
    patient = {"timeout": "30s", "concurrency": 30}
    trial.configure(trial.workflow("orders", **patient), kafka={"max_poll_interval": "15s", "drain_timeout": "1s"})
    trial.script("orders", slow(17.0))
    trial.load(30, users=10_000)
    program = trial.start()
    trial.rest()
    assert "poll interval was exceeded" not in program.log
    assert program.metrics().total("tray_rebalances_total", kind="lost") == 0
    trial.stop(program)

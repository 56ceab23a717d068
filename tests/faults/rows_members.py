"""Rows 12 to 18: members join, leave, come and go, and take each other's place."""

from __future__ import annotations

from functools import partial

from acceptance_support import Program
from faults_trial import Trial
from support.behaviours import OutageBehaviour
from support.waiting import wait_until

from stream.demo.behaviours import slow

EVENTS = 2000


def member_joins(trial: Trial) -> None:
    """Row 12: a second member joins under load; what moves is drained and committed, so nothing comes twice."""
    trial.configure(trial.workflow("orders", rate_limit="400/s"))
    trial.load(EVENTS)
    first = trial.start()
    trial.await_arrivals("orders", trial.somewhere(200, 600))
    second = trial.start()
    wait_until(lambda: owned(second) > 0, "the second has partitions")
    trial.rest()
    trial.stop(first, second)


def member_leaves(trial: Trial) -> None:
    """Row 13: one of two is told to stop; the other takes over, and nothing comes twice."""
    trial.configure(trial.workflow("orders", rate_limit="300/s"))
    trial.load(EVENTS)
    first, second = two(trial)
    trial.await_arrivals("orders", trial.somewhere(400, 1000))
    trial.stop(first)
    trial.rest()
    trial.stop(second)


def rebalance_storm(trial: Trial) -> None:
    """Row 14: a member comes and goes, again and again, now politely, now killed; the work goes on."""
    trial.configure(trial.workflow("orders", rate_limit="200/s"))
    trial.load(EVENTS * 2)
    steady = trial.start()
    trial.await_arrivals("orders", 100)
    for _ in range(6):
        guest = trial.start()
        guest.line("Metrics and health are served.")
        trial.let_pass(trial.rng.uniform(0.1, 2.5))  # somewhere in its joining or its work
        if trial.rng.random() < 0.4:
            trial.crash(guest)
        else:
            assert guest.stop() == 0
    trial.rest()
    trial.stop(steady)


def revoked_while_paused(trial: Trial) -> None:
    """Row 15: partitions are paused as the limit is reached, revoked, and granted again: none stays idle."""
    outage = OutageBehaviour()
    trial.configure(trial.workflow("orders"), limits={"max_open_events": 200})
    trial.script("orders", outage)
    trial.load(EVENTS)
    first = trial.start()
    wait_until(lambda: first.metrics().total("tray_partitions_paused") == 4, "reading has stopped")
    second = trial.start()
    wait_until(lambda: owned(second) > 0, "the second has partitions")
    trial.stop(second)
    wait_until(lambda: owned(first) == 4, "the first has all again")
    outage.heal()
    trial.rest()
    trial.stop(first)


def granted_again_before_the_drain_ends(trial: Trial) -> None:
    """Row 16: a drain that waits for slow requests, while the member it was for leaves again at once."""
    trial.configure(trial.workflow("orders", max_in_flight=100, concurrency=100), kafka={"drain_timeout": "3s"})
    trial.script("orders", slow(1.5))
    trial.load(600, users=600)
    first = trial.start()
    trial.await_arrivals("orders", 100)
    for _ in range(2):
        second = trial.start()
        wait_until(lambda: "Partitions are drained" in first.log or owned(first) < 4, "a drain is on")
        second.line("Metrics and health are served.")
        trial.stop(second)
    trial.script("orders", 200)
    trial.rest()
    trial.stop(first)


def two_with_one_instance_id(trial: Trial) -> None:
    """Row 18: a second process with the same static id: one is fenced and exits with 3, the other goes on."""
    trial.configure(trial.workflow("orders", rate_limit="300/s"), kafka={"group_instance_id": "one"})
    trial.load(EVENTS)
    first = trial.start()
    trial.await_arrivals("orders", trial.somewhere(100, 300))
    trial.note_crash()  # the fenced one may not commit what it has delivered
    second = trial.start()
    wait_until(lambda: not (first.is_running and second.is_running), "one of them ends")
    fenced, left = (first, second) if not first.is_running else (second, first)
    assert fenced.wait() == 3
    trial.note_crash()
    trial.rest()
    trial.stop(left)


def two(trial: Trial) -> tuple[Program, Program]:
    """Two members, each with partitions."""
    first, second = trial.start(), trial.start()
    for program in (first, second):
        program.line("Partitions assigned.")
    wait_until(partial(_is_shared, first, second), "both have partitions")
    return first, second


def owned(program: Program) -> int:
    """How many partitions a member has."""
    if "Metrics and health are served." not in program.log:
        return 0
    return program.metrics().text.count("tray_committed_offset{")


def _is_shared(first: Program, second: Program) -> bool:
    return 0 < owned(first) < 4 and 0 < owned(second) < 4

"""The supervisor among played workers: who is started again, who ends whom, and with what."""

from __future__ import annotations

import asyncio
import errno

import pytest
from assertions import every
from supervisor_support import Troupe, loaded, now, play

from stream.model.errors import Problem
from stream.model.statistics import EngineStats
from stream.runtime.engine_run import Remaining
from stream.runtime.supervisor.exposed import ExposedWorkers
from stream.runtime.supervisor.messages import Reload, Stop, WorkerReport, WorkerTask
from stream.runtime.supervisor.supervisor import Rules


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 130, 143, -9, -11, -15, 70])
def test_a_dead_worker_is_started_again_later_each_time(code: int) -> None:
    """Twice as late each time, up to a limit; the other one is left alone."""

    async def scene() -> list[float]:
        troupe = Troupe()
        await troupe.begin()
        pauses = []
        for _ in range(7):
            died_at = now()
            troupe.last(0).end(code)
            await asyncio.sleep(20)
            pauses.append(round(troupe.last(0).began_at - died_at, 1))
        assert troupe.supervisor.workers[0].restarts == 7
        assert troupe.last(1).orders == []
        assert [life.number for life in troupe.lives].count(1) == 1
        return pauses

    assert play(scene()) == [0.5, 1, 2, 4, 8, 15, 15]


def test_a_worker_that_ran_for_long_is_started_again_soon() -> None:
    """Its earlier troubles are forgotten."""

    async def scene() -> float:
        troupe = Troupe()
        await troupe.begin()
        for _ in range(4):
            troupe.last(0).end(1)
            await asyncio.sleep(20)
        await asyncio.sleep(60)
        died_at = now()
        troupe.last(0).end(1)
        await asyncio.sleep(1)
        return troupe.last(0).began_at - died_at

    assert play(scene()) == pytest.approx(0.5)


@pytest.mark.parametrize("code", [2, 3])
def test_what_keeps_every_worker_from_starting_ends_all(code: int) -> None:
    """Settings, or Kafka's refusal, met by each at its first start; those that were restarted by then are ended."""

    async def scene() -> int:
        troupe = Troupe(3)
        troupe.is_starting = True
        await troupe.begin()
        for number in range(3):
            troupe.last(number).end(code)
            await asyncio.sleep(1)
        assert [life.number for life in troupe.lives] == [0, 1, 2, 0, 1]
        for number in range(2):
            assert troupe.last(number).orders == [Stop.NOW]
            troupe.last(number).end(0)
        return await troupe.ended()

    assert play(scene()) == code


@pytest.mark.parametrize("code", [2, 3])
def test_what_keeps_some_workers_from_starting_ends_nobody(code: int) -> None:
    """One has joined, or joins when it is restarted: the settings and the rights are good for it."""

    async def scene() -> None:
        troupe = Troupe(3)
        troupe.is_starting = True
        await troupe.begin()
        troupe.last(0).end(code)
        await asyncio.sleep(1)
        troupe.last(0).report(WorkerReport("", ""))
        for number in (1, 2, 0, 1, 2):
            troupe.last(number).end(code)
            await asyncio.sleep(20)
        assert every(worker.is_running for worker in troupe.supervisor.workers)
        assert every(troupe.last(number).orders == [] for number in range(3))

    play(scene())


def test_records_lost_by_some_workers_end_nobody() -> None:
    """One has nothing left but a halted partition, and goes on telling of it; another still consumes."""

    async def scene() -> None:
        troupe = Troupe(3)
        await troupe.begin()
        troupe.last(0).remaining = Remaining.ONLY_HALTED
        troupe.last(1).remaining = Remaining.NONE
        await asyncio.sleep(60)
        assert [life.orders for life in troupe.lives] == [[], [], []]

    play(scene())


@pytest.mark.parametrize("others", [Remaining.ONLY_HALTED, Remaining.NONE])
def test_when_no_worker_has_anything_left_all_end(others: Remaining) -> None:
    """With exit code 4, some seconds after the last one said so: a rebalance takes partitions away for a moment."""

    async def scene() -> int:
        troupe = Troupe(3)
        await troupe.begin()
        troupe.last(0).remaining = Remaining.ONLY_HALTED
        troupe.last(1).remaining = troupe.last(2).remaining = others
        await asyncio.sleep(3)
        troupe.last(2).end(1)  # nobody knows what this one would have
        await asyncio.sleep(2)
        troupe.last(2).remaining = others
        assert [life.orders for life in troupe.lives] == [[], [], [], []]
        await asyncio.sleep(10)
        for number in range(3):
            assert troupe.last(number).orders == [Stop.NOW]
            troupe.last(number).end(0)
        return await troupe.ended()

    assert play(scene()) == 4


def test_workers_without_partitions_are_no_reason_to_end() -> None:
    """Nothing was lost."""

    async def scene() -> None:
        troupe = Troupe()
        await troupe.begin()
        for life in troupe.lives:
            life.remaining = Remaining.NONE
        await asyncio.sleep(60)
        assert [life.orders for life in troupe.lives] == [[], []]

    play(scene())


def test_a_worse_end_that_comes_later_counts() -> None:
    """One worker is done, another one finds that records were lost."""

    async def scene() -> int:
        troupe = Troupe(2, Rules(25.0, until_end=True))
        await troupe.begin()
        troupe.last(0).end(0)
        await asyncio.sleep(1)
        troupe.last(1).end(4)
        return await troupe.ended()

    assert play(scene()) == 4


def test_at_the_end_of_the_topics_the_others_come_to_it_by_themselves() -> None:
    """They are told to end only when they do not within five seconds."""

    async def scene() -> list[object]:
        troupe = Troupe(3, Rules(25.0, until_end=True))
        await troupe.begin()
        troupe.last(0).end(0)
        await asyncio.sleep(1)
        troupe.last(1).end(0)
        await asyncio.sleep(3)
        assert troupe.last(2).orders == []
        await asyncio.sleep(2)
        told = list(troupe.last(2).orders)
        troupe.last(2).end(0)
        assert await troupe.ended() == 0
        assert len(troupe.lives) == 3
        return [*told, *troupe.last(1).orders]

    assert play(scene()) == [Stop.NOW]


@pytest.mark.parametrize(
    ("codes", "found"), [((0, 0), 0), ((0, 143), 0), ((0, 1), 1), ((-9, 0), 1), ((1, 3), 3), ((3, 1), 3)]
)
def test_a_stop_ends_all(codes: tuple[int, int], found: int) -> None:
    """All are told once; the exit code is 0 unless one broke, or found something worse."""

    async def scene() -> int:
        troupe = Troupe()
        await troupe.begin()
        troupe.supervisor.stop()
        for life, code in zip(troupe.lives, codes, strict=True):
            assert life.orders == [Stop.NOW]
            life.end(code)
        ended = await troupe.ended()
        assert len(troupe.lives) == 2
        return ended

    assert play(scene()) == found


def test_a_worker_that_was_only_starting_may_die_of_the_signal() -> None:
    """It knows no signal yet and has done nothing: no failure."""

    async def scene() -> int:
        troupe = Troupe()
        await troupe.begin()
        troupe.last(1).is_silent = True
        troupe.supervisor.workers[1].report = None
        troupe.supervisor.stop()
        troupe.last(0).end(0)
        troupe.last(1).end(-15)
        return await troupe.ended()

    assert play(scene()) == 0


def test_a_stop_while_one_waits_to_be_started_again() -> None:
    """It is not."""

    async def scene() -> int:
        troupe = Troupe()
        await troupe.begin()
        troupe.last(0).end(1)
        await asyncio.sleep(0.1)
        troupe.supervisor.stop()
        troupe.last(1).end(0)
        code = await troupe.ended()
        assert len(troupe.lives) == 2
        return code

    assert play(scene()) == 0


def test_a_worker_that_does_not_end_is_killed() -> None:
    """After its limit and five seconds, with an error line."""

    async def scene() -> float:
        troupe = Troupe()
        await troupe.begin()
        troupe.supervisor.stop()
        began = now()
        troupe.last(0).end(0)
        assert await troupe.ended() == 1
        assert ("error", "A worker does not end; it is killed.", {"worker": 1}) in troupe.logger.written
        killed_at = troupe.last(1).killed_at
        assert killed_at is not None
        return killed_at - began

    assert play(scene()) == pytest.approx(30)


def test_a_start_that_fails_is_tried_again() -> None:
    """As a machine out of memory refuses it."""

    async def scene() -> Troupe:
        troupe = Troupe()
        troupe.refusals = [OSError(errno.ENOMEM, "Cannot allocate memory")]
        await troupe.begin()
        assert [life.number for life in troupe.lives] == [1]
        await asyncio.sleep(1)
        return troupe

    troupe = play(scene())
    assert [life.number for life in troupe.lives] == [1, 0]
    fields: dict[str, object] = {"worker": 0, "error": "Cannot allocate memory"}
    assert ("error", "A worker cannot be started.", fields) in troupe.logger.written


def test_a_worker_that_was_stopped_alone_has_not_seen_the_end_of_the_topics() -> None:
    """It is started again, and the others go on."""

    async def scene() -> list[int]:
        troupe = Troupe(2, Rules(25.0, until_end=True))
        await troupe.begin()
        troupe.last(0).end(143)
        await asyncio.sleep(30)
        assert troupe.last(1).orders == []
        return [life.number for life in troupe.lives]

    assert play(scene()) == [0, 1, 0]


def test_settings_that_were_read_again_reach_everyone() -> None:
    """Those that run; what a worker is started with later is in its task."""

    async def scene() -> Troupe:
        troupe = Troupe()
        await troupe.begin()
        troupe.supervisor.reload(fresh)
        troupe.supervisor.reload(faulty)
        troupe.last(0).end(1)
        await asyncio.sleep(1)
        return troupe

    fresh, faulty = Reload(loaded()), Reload(None, (Problem("limits", "are wrong."),))
    troupe = play(scene())
    assert troupe.lives[1].orders == [fresh, faulty]
    again = troupe.last(0)
    assert isinstance(again.told[0], WorkerTask)
    assert again.orders == []


def test_metrics_are_asked_for_but_not_waited_for_long() -> None:
    """The one that does not answer shows what it said last; one that is gone shows nothing."""

    async def scene() -> list[str]:
        troupe = Troupe(3)
        await troupe.begin()
        await troupe.supervisor.refresh()
        troupe.last(1).is_silent = True
        troupe.last(2).end(1)
        troupe.last(0).report(WorkerReport("", "", "old"))
        began = now()
        await troupe.supervisor.refresh()
        assert now() - began == pytest.approx(1.5)
        return [worker.metrics for worker in troupe.supervisor.workers]

    text = "# HELP m m\n# TYPE m gauge\nm {}.0\n"
    assert play(scene()) == [text.format(0), text.format(1), ""]


def test_a_silent_worker_is_asked_once() -> None:
    """Questions do not pile up at a process that is stopped."""

    async def scene() -> int:
        troupe = Troupe()
        await troupe.begin()
        troupe.last(0).is_silent = True
        await asyncio.sleep(100)
        before = len(troupe.last(0).told)
        await asyncio.sleep(100)
        return len(troupe.last(0).told) - before

    assert play(scene()) == 0


def test_health_and_readiness_of_all() -> None:
    """Every worker counts: it must live, have joined, and not stop."""

    async def scene() -> None:
        troupe = Troupe()
        waiting = [EngineStats("tray", ["events"], ["orders"])]
        exposed = ExposedWorkers(troupe.supervisor, waiting, asyncio.get_running_loop(), now)
        assert exposed.health_fault() == ""
        assert exposed.readiness_fault() == "Worker 0: Not started yet. Worker 1: Not started yet."
        await asyncio.sleep(60)  # Kafka may be away for long before the first worker is started
        assert exposed.health_fault() == ""
        await troupe.begin()
        assert (exposed.health_fault(), exposed.readiness_fault()) == ("", "")
        troupe.last(0).report(WorkerReport("No sign of life from the event loop for 31 s.", "Stopping."))
        assert exposed.health_fault() == "Worker 0: No sign of life from the event loop for 31 s."
        assert exposed.readiness_fault() == "Worker 0: Stopping."
        troupe.last(1).is_silent = True
        await asyncio.sleep(32)
        assert exposed.health_fault().startswith("Worker 1: No sign of life for 3")
        troupe.last(1).end(-9)
        await asyncio.sleep(0.1)
        assert exposed.readiness_fault() == "Worker 1: Not started yet."
        await asyncio.sleep(2)
        assert (exposed.health_fault(), exposed.readiness_fault()) == ("", "")
        troupe.supervisor.stop()
        assert exposed.readiness_fault() == "Stopping."

    play(scene())

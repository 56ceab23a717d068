"""Syncs that are killed, stopped or overtaken: nothing is told twice, nothing is forgotten."""

from __future__ import annotations

import json
import random
import signal
import subprocess

from assertions import every
from audience_support import WAIT_S, Bus, Event, numbered

BEFORE = numbered("old", range(4000)) + numbered("both", range(4000))
AFTER = numbered("both", range(4000)) + numbered("new", range(4000))
KILLS = 3


def finish(sync: subprocess.Popen[bytes], given: bytes | None = None) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a sync that ends by itself."""
    out, err = sync.communicate(given, timeout=WAIT_S)
    return sync.returncode, out.decode(), err.decode()


def kill_at(bus: Bus, arguments: tuple[str, ...], records: int) -> None:
    """Start a sync and kill it once that many records are on the topic."""
    sync = bus.start(*arguments)
    bus.wait_for_records(records, sync)
    sync.kill()
    finish(sync)


def test_a_sync_killed_at_random_points_gives_what_one_run_gives(bus: Bus) -> None:
    """Twice: everyone is new, then half leave and as many come. Each user is told each change once."""
    chance = random.Random(6)
    for members, events in ((BEFORE, 8000), (AFTER, 8000)):
        arguments = ("--members", str(bus.file(members)), "--json")
        ends_before = bus.ends()
        for kill in range(KILLS):
            kill_at(bus, arguments, ends_before + chance.randint(1, events * (kill + 1) // KILLS))
        code, out, err = finish(bus.start(*arguments))
        assert (code, err) == (0, "")
        assert json.loads(out)["unchanged"] + json.loads(out)["added"] == len(members)
        assert bus.state() == dict.fromkeys(members, True)
    told = bus.events()
    assert len({event["messageId"] for event in told}) == len(told) == 16_000
    left = {user: [True, False] for user in BEFORE if user not in set(AFTER)}
    assert bus.histories() == left | {user: [True] for user in AFTER}


def test_of_two_syncs_at_once_the_one_begun_last_wins(bus: Bus) -> None:
    """The first one has claimed the audience and waits for its members; then it ends with exit 3."""
    first = bus.start("--members", "-")
    assert first.stdin is not None
    # More than a pipe holds: once this is written, the sync reads, which it does only after its claim.
    first.stdin.write(b"".join(b"first-%06d\n" % number for number in range(20_000)))
    first.stdin.flush()
    assert finish(bus.start("--members", str(bus.file(["a", "b"]))))[0] == 0
    code, _, err = finish(first)
    assert code == 3
    assert "Another sync of the audience order_completed_last_30days began after this one" in err
    assert "Traceback" not in err
    assert bus.state() == {"a": True, "b": True}
    assert len(bus.events()) == 2


def test_a_sync_that_is_overtaken_half_way_is_fenced(bus: Bus) -> None:
    """What it had written counts; what it still wants to write does not appear."""
    slow = bus.start("--members", str(bus.file(numbered("slow", range(30_000)))))
    bus.wait_for_records(2000, slow)
    slow.send_signal(signal.SIGSTOP)
    assert slow.poll() is None
    wanted = ["slow-1", "quick"]
    code, _, err = finish(bus.start("--members", str(bus.file(wanted, "quick.csv"))))
    assert (code, err) == (0, "")
    slow.send_signal(signal.SIGCONT)
    code, _, err = finish(slow)
    assert (code, "Another sync" in err) == (3, True), err
    assert bus.state() == dict.fromkeys(wanted, True)
    histories = bus.histories()
    assert {user for user, told in histories.items() if told[-1]} == set(wanted)
    assert every(told in ([True], [True, False]) for told in histories.values())


def test_a_sync_that_is_told_to_stop_gives_up_its_transaction(bus: Bus) -> None:
    """SIGTERM: exit 1 with a sentence, and no reader of the bus is held up; the next sync goes on."""
    arguments = ("--members", str(bus.file(BEFORE)))
    sync = bus.start(*arguments)
    bus.wait_for_records(1, sync)
    sync.terminate()
    code, _, err = finish(sync)
    assert (code, err) == (
        1,
        "Error: Stopped by a signal. What was written stays; the next sync continues from there.\n",
    )
    assert bus.ends("read_committed") == bus.ends()
    assert finish(bus.start(*arguments))[0] == 0
    assert_told_once(bus.events(), BEFORE)


def assert_told_once(events: list[Event], members: list[str]) -> None:
    """Each member has one event."""
    assert sorted(event["userId"] for event in events) == sorted(members)

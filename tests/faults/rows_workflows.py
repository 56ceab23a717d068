"""Rows 33 to 43: workflows that fail, refuse, hang, lie or are gone."""

from __future__ import annotations

import gzip
from pathlib import Path

import orjson
from acceptance_support import Program
from faults_trial import Trial, spread
from support.behaviours import (
    OutageBehaviour,
    closing,
    closing_unannounced,
    garbage,
    hanging,
    hanging_in_body,
    resetting,
    retry_after,
    trickling,
)
from support.waiting import wait_until

from stream.demo.behaviours import Behaviour, Reply, always, flaky, when

EVENTS = 1000
SHORT = {"timeout": "1s"}


def burst_of_failures(trial: Trial) -> None:
    """Row 33: a burst of 5xx, then ok: retried with backoff, and each user stays in order."""
    outage = OutageBehaviour(trial.rng.choice([500, 502, 503]), for_s=trial.rng.uniform(1.0, 3.0))
    trial.configure(trial.workflow("orders"), trial.workflow("audit"))
    trial.script("orders", outage)
    trial.script("audit", flaky(trial.somewhere(3, 9), 500))
    trial.load(EVENTS)
    program = trial.start()
    trial.rest()
    trial.stop(program)


def permanent_refusals(trial: Trial) -> None:
    """Row 34: events that are refused for good are dead letters at once; a gone workflow is not, it waits."""
    trial.configure(trial.workflow("orders"), trial.workflow("gone"))
    events = trial.load(600)
    refused = trial.rng.sample(events, 60)
    statuses = [400, 413, 422, 501]
    trial.script("orders", when(spread(refused), lambda _body, number: Reply(statuses[number % 4])))
    trial.script("gone", always(410))
    program = trial.start()
    program.line("The workflow is failing: its gate is closed")
    wait_until(
        lambda: program.metrics().total("tray_dead_letters_total", workflow="orders") == 60, "letters are written"
    )
    assert program.metrics().total("tray_dead_letters_total", workflow="gone") == 0
    trial.heal("gone")
    trial.rest()
    trial.stop(program)


def asked_to_wait(trial: Trial) -> None:
    """Row 35: Retry-After in every form: seconds, a date, the past, absurd, garbage; the neighbour is at full rate."""
    forms = ["1", "0", "-5", "Tue, 01 Jan 2019 00:00:00 GMT", "soon, perhaps", "1.5e309"]
    answers: list[Behaviour] = [retry_after(form, status) for form in forms for status in (429, 503)]
    trial.rng.shuffle(answers)
    trial.configure(trial.workflow("orders"), trial.workflow("well"))
    trial.script("orders", lambda body, n: answers[n % 12](body, n) if n % 40 == 0 and n < 500 else Reply())
    trial.load(EVENTS)
    program = trial.start()
    assert trial.receiver.wait_for(lambda: len(trial.got("well")) == EVENTS), "the neighbour waits, too"
    trial.rest()
    trial.stop(program)


def hangs_of_every_kind(trial: Trial) -> None:
    """Row 36: hangs before and in the body, a byte a second, a body without end, 10 MB, a gzip bomb; memory stays."""

    def endless(body: bytes, number: int) -> Reply:
        trial.endless.add(orjson.loads(body)["messageId"])
        return trickling(0.0)(body, number)

    bomb = Reply(body=gzip.compress(bytes(10_000_000)), headers=(("Content-Encoding", "gzip"),))
    kinds: list[Behaviour] = [
        hanging(),
        hanging_in_body(),
        trickling(0.2),
        endless,
        lambda _body, _number: Reply(body=b"x" * 10_000_000),
        lambda _body, _number: bomb,
        garbage(),
    ]
    trial.configure(trial.workflow("orders", **SHORT), trial.workflow("well"))
    odd = trial.somewhere(15, 25)
    trial.script("orders", lambda body, n: kinds[n // odd % 7](body, n) if n % odd == 0 and n < 400 else Reply())
    trial.load(600)
    trial.is_ambiguous = True  # an answer whose body hangs was a 2xx to the receiver
    program = trial.start()
    trial.rest()
    _small(trial, program)
    trial.stop(program)


def reset_before_the_answer(trial: Trial) -> None:
    """Row 37: reset after the request was read: nobody knows whether it counted, so it comes again under its key."""
    trial.configure(trial.workflow("orders"))
    trial.is_ambiguous = True
    odd = trial.somewhere(5, 15)
    trial.script("orders", lambda body, n: resetting()(body, n) if n % odd == 0 else Reply())
    trial.load(EVENTS)
    program = trial.start()
    trial.rest()
    again = trial.receiver.count() - EVENTS  # a first reset of a kept connection is tried again at once, uncounted
    assert again >= EVENTS // odd
    trial.stop(program)


def connections_closed_between_requests(trial: Trial) -> None:
    """Row 38: kept connections are closed, announced and not; nothing is repeated, and no gate closes."""
    trial.configure(trial.workflow("orders"))
    kinds = [closing(), closing_unannounced()]
    odd = trial.somewhere(4, 12)
    trial.script("orders", lambda body, n: kinds[n // odd % 2](body, n) if n % odd == 0 else Reply())
    trial.load(EVENTS)
    program = trial.start()
    for _ in range(20):
        trial.receiver.drop_connections()
    trial.is_ambiguous = True  # a connection that is dropped while an answer is on its way
    trial.rest()
    assert "its gate is closed" not in program.log
    trial.stop(program)


def redirected(trial: Trial) -> None:
    """Row 39: redirects to other hosts and to the cloud metadata address are not followed; they are failures."""
    trial.configure(trial.workflow("orders"))
    places = ("http://169.254.169.254/latest/meta-data", trial.receiver.url("/elsewhere"), "//evil.invalid/")
    redirect: list[Behaviour] = [
        always(status, headers=(("Location", place),)) for status in (301, 302, 307, 308) for place in places
    ]
    trial.script("orders", lambda body, n: redirect[n % 12](body, n) if n % 7 == 0 and n < 300 else Reply())
    trial.load(400)
    program = trial.start()
    trial.rest()
    assert trial.receiver.count("/elsewhere") == 0
    trial.stop(program)


def one_of_ten_is_dead(trial: Trial) -> None:
    """Row 42: nine go on at full rate with a group each; the dead one's events wait, and memory stays."""
    names = [f"well-{number}" for number in range(9)]
    outage = OutageBehaviour()
    trial.configure(*(trial.workflow(name) for name in [*names, "dead"]))
    trial.script("dead", outage)
    trial.load(800)
    program = trial.start()
    done = trial.receiver.wait_for(lambda: all(len(trial.got(name)) == 800 for name in names), 60)
    assert done, "the nine did not get everything while the tenth was dead"
    assert not trial.got("dead")
    outage.heal()
    trial.rest()
    _small(trial, program)
    trial.stop(program)


def all_are_dead(trial: Trial) -> None:
    """Row 43: nothing spins, reading stops at the limit, memory stays, and it recovers by itself."""
    outage = OutageBehaviour(trial.rng.choice([500, 503]))
    trial.configure(trial.workflow("orders"), trial.workflow("audit"), limits={"max_open_events": 400})
    for name in ("orders", "audit"):
        trial.script(name, outage)
    trial.load(3000)
    program = trial.start()
    wait_until(lambda: program.metrics().total("tray_partitions_paused") == 4, "reading has stopped")
    before, requests = _cpu_s(program), trial.receiver.count()
    assert not trial.receiver.wait_for(lambda: trial.receiver.count() > requests + 40, 3.0), "it spins"
    trial.counters["cpu_of_3s"] = round(_cpu_s(program) - before, 2)
    assert _cpu_s(program) - before < 1.5
    outage.heal()
    trial.rest()
    _small(trial, program)
    trial.stop(program)


def _small(trial: Trial, program: Program) -> None:
    """BOUNDED-MEMORY: the process's memory is that of a process at work, whatever the receivers do."""
    status = Path(f"/proc/{program.pid}/status").read_text()
    kilobytes = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    trial.counters["peak_mb"] = kilobytes // 1024
    assert kilobytes < 250 * 1024, f"{kilobytes // 1024} MB at the peak"


def _cpu_s(program: Program) -> float:
    fields = Path(f"/proc/{program.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100

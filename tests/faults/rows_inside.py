"""Rows 10, 11, 17, 40, 49 and 50: threads that stand still, callbacks that raise, clocks, certificates, secrets."""

from __future__ import annotations

import hashlib
import hmac
import signal
import ssl
import sys
import time
from pathlib import Path

from acceptance_support import Program
from faults_hooks import IS_OVER
from faults_trial import SECRET, Trial
from rows_members import owned
from support.authority import EXPIRED, Authority
from support.receiver import FaultReceiver
from support.waiting import wait_until

from stream.demo.behaviours import flaky, slow

PLANTED = Path(__file__).with_name("faults_planted.py")
SHORT = {"max_poll_interval": "15s", "drain_timeout": "2s"}
NEW = f"{SECRET}-new"


def loop_stands_still(trial: Trial) -> None:
    """Row 10: the event loop is blocked for longer than max.poll.interval; Kafka is polled all the same."""
    program = _standing(trial, "loop_stands_still")
    assert program.metrics().received == 300
    program.line(IS_OVER)
    _go_on(trial, program)
    assert "poll interval was exceeded" not in program.log


def consumer_stands_still(trial: Trial) -> None:
    """Row 11: the consumer's thread does not poll for longer than max.poll.interval: lost, joined again, no commit."""
    program = _standing(trial, "consumer_stands_still")
    program.line("The poll interval was exceeded")
    trial.note_crash()
    program.line("Partitions lost")
    _go_on(trial, program)


def _standing(trial: Trial, hook: str) -> Program:
    trial.configure(trial.workflow("orders"), kafka=SHORT)
    trial.load(300)
    program = _start(trial, hook)
    trial.await_arrivals("orders", 300)
    return program


def _go_on(trial: Trial, program: Program) -> None:
    trial.load(300, first=300)
    trial.rest()
    trial.stop(program)


def _start(trial: Trial, hook: str) -> Program:
    """The program with a fault planted into it."""
    usual, trial.entry = trial.entry, (sys.executable, str(PLANTED), hook)
    try:
        return trial.start()
    finally:
        trial.entry = usual


def revoke_raises(trial: Trial) -> None:
    """Row 17: a rebalance's callback raises: the process ends, not with 0, and the other member leaves no hole."""
    trial.configure(trial.workflow("orders", rate_limit="300/s"))
    trial.load(1500)
    broken = _start(trial, "revoke_raises")
    trial.await_arrivals("orders", trial.somewhere(100, 300))
    trial.note_crash()
    other = trial.start()
    trial.counters["exit"] = broken.wait()
    assert trial.counters["exit"] == 1
    wait_until(lambda: owned(other) == 4, "the other has every partition")
    trial.rest()
    trial.stop(other)


def wall_clock_jumps(trial: Trial) -> None:
    """Row 49: the time of day jumps by two hours every second: timers do not care, signatures tell the time of day."""
    signed = {"destination": {"shared_secret": SECRET, "signing": "both"}}
    trial.configure(trial.workflow("orders", rate_limit="150/s"), **signed)
    trial.script("orders", flaky(trial.somewhere(4, 9)))
    trial.load(600)
    program = _start(trial, "wall_clock_jumps")
    trial.rest()
    trial.stop(program)
    apart = [int(a.headers["webhook-timestamp"]) - time.time() for a in trial.receiver.arrivals()]
    assert min(apart) < -3000
    assert max(apart) > 3000


def certificates_change(trial: Trial) -> None:
    """Row 40: an expired certificate, a good one, a stranger's, a good one: only the good ones are sent to."""
    ours, strange = Authority(trial.directory / "ours"), Authority(trial.directory / "strange")
    name = "IP:127.0.0.1"
    good, expired = ours.issue("good", name), ours.issue("expired", name, validity=EXPIRED)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(expired)
    trial.receiver = trial.enter(FaultReceiver(tls=server))
    trial.configure(trial.workflow("orders", ca_file=str(ours.certificate)))
    trial.script("orders", slow(0.01))
    trial.load(800)
    program = trial.start()
    _refused(program, 1)
    assert trial.receiver.count() == 0
    server.load_cert_chain(good)
    trial.await_arrivals("orders", trial.somewhere(100, 400))
    server.load_cert_chain(strange.issue("strange", name))
    before = program.metrics().total("tray_attempts_total", code="tls")
    trial.is_ambiguous = True  # connections are dropped while requests are under way
    trial.receiver.drop_connections()
    _refused(program, before + 1)
    server.load_cert_chain(good)
    trial.rest()
    trial.stop(program)


def _refused(program: Program, times: float) -> None:
    wait_until(lambda: program.metrics().total("tray_attempts_total", code="tls") >= times, "TLS is refused")


def secrets_change(trial: Trial) -> None:
    """Row 50: under load a broken file changes nothing, then the secret is another: each request has one of the two."""
    trial.configure(trial.workflow("orders"))
    trial.script("orders", slow(0.01))
    trial.load(2500)
    program = trial.start()
    trial.await_arrivals("orders", trial.somewhere(100, 500))
    settings = trial.directory / "stream.toml"
    good = settings.read_text()
    settings.write_text(good + "not toml")
    program.signal(signal.SIGHUP)
    program.line("The settings were not reloaded")
    settings.write_text(good.replace(f'"shared_secret" = "{SECRET}"', f'"shared_secrets" = ["{NEW}", "{SECRET}"]'))
    program.signal(signal.SIGHUP)
    program.line("The settings were reloaded")
    trial.rest()
    trial.stop(program)
    signed = "".join(
        _signed_with(arrival.headers["x-signature"], arrival.body) for arrival in trial.receiver.arrivals()
    )
    trial.counters |= {"old": signed.count("o"), "new": signed.count("n")}
    assert signed.startswith("o")
    assert signed.endswith("n" * 100)
    assert "?" not in signed


def _signed_with(signature: str, body: bytes) -> str:
    for letter, secret in (("o", SECRET), ("n", NEW)):
        if signature == hmac.new(secret.encode(), body, hashlib.sha1).hexdigest():
            return letter
    return "?"

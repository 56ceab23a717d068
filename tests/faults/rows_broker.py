"""Rows 19 to 26, 45 and 46: the broker is killed, frozen, behind a sick line, or strict."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, cast

from acceptance_support import Event, Program
from confluent_kafka.admin import AdminClient
from faults_stage import KafkaPair, ProxiedKafka
from faults_trial import Trial, patiently, spread
from support.toxics import Toxics
from support.waiting import wait_until

from stream.demo.behaviours import flaky, slow, when

EVENTS = 1500
FEW_LINES = 80
SLOWLY = slow(0.01)
PATIENT = {"session.timeout.ms": 45_000, "heartbeat.interval.ms": 1000, "socket.timeout.ms": 10_000}


def killed_and_restarted(trial: Trial) -> None:
    """Row 19: the only broker is killed and comes back; the process stays, and says so in few lines."""
    kafka = _own(trial)
    _begin(trial)
    program = trial.start()
    trial.await_arrivals("orders", trial.somewhere(200, 800))
    kafka.kill()
    trial.let_pass(trial.rng.uniform(4, 8))  # the broker is gone that long
    kafka.start()
    _end(trial, program)


def frozen(trial: Trial) -> None:
    """Row 20: the broker is stopped for a while; requests time out, and nothing is lost."""
    kafka = _own(trial)
    _begin(trial)
    program = trial.start()
    trial.await_arrivals("orders", trial.somewhere(200, 800))
    kafka.stop()
    try:
        trial.let_pass(trial.rng.uniform(8, 12))  # the broker is frozen that long
    finally:
        kafka.resume()
    _end(trial, program)


def leader_changes(trial: Trial) -> None:
    """Row 21: the leader of half of the partitions is killed; the other broker leads them after seconds."""
    _with_the_second_killed(trial, coordinator=1)


def coordinator_is_gone(trial: Trial) -> None:
    """Row 22: the broker that coordinates the group is killed, under load; commits wait, polling does not."""
    _with_the_second_killed(trial, coordinator=2)


def _with_the_second_killed(trial: Trial, coordinator: int) -> None:
    pair = cast(KafkaPair, trial.broker)
    wait_until(lambda: patiently(lambda: _has_group_at(trial, coordinator)), "the broker coordinates some groups")
    _begin(trial, through_proxy=False)
    program = trial.start()
    trial.await_arrivals("orders", trial.somewhere(200, 800))
    trial.note_crash()
    pair.second.kill()
    trial.await_arrivals("orders", EVENTS)
    pair.second.start()
    _end(trial, program)


def connections_reset(trial: Trial) -> None:
    """Row 23: every connection to the broker is reset each half second or so; the work goes on."""
    kafka = _own(trial)
    _begin(trial)
    program = trial.start()
    trial.await_arrivals("orders", 100)
    for _ in range(12):
        kafka.proxy.reset_connections()
        trial.let_pass(trial.rng.uniform(0.3, 0.8))  # until the next reset
    trial.counters["connections"] = kafka.proxy.connections_made
    _end(trial, program)


def line_is_silent(trial: Trial) -> None:
    """Row 24: nothing passes to or from the broker; then everything does."""
    kafka = _own(trial)
    _begin(trial)
    program = trial.start()
    trial.await_arrivals("orders", trial.somewhere(200, 800))
    with _healed(kafka):
        kafka.proxy.black_hole()
        trial.let_pass(trial.rng.uniform(8, 12))  # the line is silent that long
    assert program.get("/healthz")[0] == 200
    _end(trial, program)


def line_is_slow(trial: Trial) -> None:
    """Row 25: 64 kB/s and half a second of latency: slow, and nothing breaks."""
    kafka = _own(trial)
    with _healed(kafka):
        kafka.proxy.set(Toxics(latency_s=0.25), Toxics(latency_s=0.25, jitter_s=0.1, bytes_per_s=64_000))
        _begin(trial, events=200)
        program = trial.start()
        trial.rest()
    assert "poll interval was exceeded" not in program.log
    _end(trial, program)


def fetches_are_cut(trial: Trial) -> None:
    """Row 26: answers come in pieces of a few bytes, and connections end in the middle of one."""
    kafka = _own(trial)
    _begin(trial)
    with _healed(kafka):
        program = trial.start()
        for _ in range(6):
            pieces = trial.somewhere(500, 1500)
            kafka.proxy.set(down=Toxics(slice_bytes=pieces, limit_bytes=trial.somewhere(20_000, 200_000)))
            trial.let_pass(trial.rng.uniform(0.5, 1.5))  # connections are cut that long
            kafka.proxy.set(down=Toxics(slice_bytes=pieces))
            trial.let_pass(trial.rng.uniform(0.5, 1.0))  # and whole, if in pieces, that long
    trial.counters["connections"] = kafka.proxy.connections_made
    _end(trial, program)


def letters_cannot_be_sent(trial: Trial) -> None:
    """Row 45: a tiny producer queue, and a line that is silent while letters are due: they wait, and none is lost."""
    kafka = _own(trial)
    tiny = {"queue.buffering.max.messages": 10, "message.timeout.ms": 5000}
    _begin(trial, more={"kafka.producer_options": tiny, "dead_letter": {"max_consecutive": 10_000}})
    trial.script("orders", flaky(3, 400))
    program = trial.start()
    trial.await_arrivals("orders", 300)
    with _healed(kafka):
        kafka.proxy.black_hole()
        trial.let_pass(trial.rng.uniform(6, 8))  # letters time out meanwhile
    _end(trial, program)


def metadata_too_large(trial: Trial) -> None:
    """Row 46: the broker takes 64 bytes of metadata: commits go without a map, and only more comes again."""
    kafka = _own(trial)
    with _property(kafka, "offset.metadata.max.bytes", "64"):
        _begin(trial)
        events = trial.load(300, users=300)
        trial.script("orders", when(spread(trial.rng.sample(events[:200], 60)), 503, SLOWLY))
        program = trial.start()
        trial.await_arrivals("orders", EVENTS)
        trial.note_crash()
        trial.stop(program)
        trial.heal()
        trial.finish()


@contextmanager
def _property(kafka: ProxiedKafka, name: str, value: str) -> Any:
    kafka.properties[name] = value
    kafka.restart()
    try:
        yield
    finally:
        del kafka.properties[name]


@contextmanager
def _healed(kafka: ProxiedKafka) -> Any:
    """Whatever comes, the line is healthy afterwards."""
    try:
        yield
    finally:
        kafka.proxy.heal()


def _begin(
    trial: Trial, events: int = EVENTS, *, through_proxy: bool = True, more: dict[str, Event] | None = None
) -> None:
    kafka: dict[str, Any] = {}
    if through_proxy:
        kafka["bootstrap_servers"] = _own(trial).proxy.address
    sections = {"kafka.consumer_options": PATIENT, **(more or {})}
    trial.configure(trial.workflow("orders", rate_limit="250/s"), kafka=kafka, **sections)
    trial.script("orders", SLOWLY)
    trial.load(events)


def _end(trial: Trial, program: Program) -> None:
    """More events, rest, and the promises of every row here: the process stays, and the log is no flood."""
    trial.load(200)
    trial.rest()
    lines = len(program.log.splitlines())
    trial.counters["log_lines"] = lines
    assert lines < FEW_LINES, f"{lines} lines of log"
    wait_until(lambda: program.get("/readyz")[0] == 200, "it is ready again")
    trial.stop(program)


def _own(trial: Trial) -> ProxiedKafka:
    return cast(ProxiedKafka, trial.broker)


def _has_group_at(trial: Trial, coordinator: int) -> bool:
    """Name the trial's group so that this broker coordinates it; False when it coordinates none."""
    bootstrap, names = trial.broker.bootstrap, [f"{trial.topic}-{number}" for number in range(16)]
    found = next((name for name in names if _coordinator(bootstrap, name) == coordinator), "")
    trial.group_id = found
    return bool(found)


def _coordinator(bootstrap: str, group: str) -> int:
    with AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}) as admin:
        return int(admin.describe_consumer_groups([group])[group].result(20).coordinator.id)

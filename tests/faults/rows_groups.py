"""Rows 29 and 51 to 54: slow members, static members, workers, and topics created again while they are used."""

from __future__ import annotations

import os
import signal
from functools import partial
from typing import Any, cast

from acceptance_support import Program, Scene
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from faults_trial import Trial, spread
from slow_members import every_case, play_slow_member
from support.checker import id_of
from support.kafka_proxy import SlowedKafka
from support.receiver import FaultReceiver
from support.topics import read_topic
from support.waiting import wait_until

from stream.demo.behaviours import when

ANSWER_S = 30.0
CASES_AT_ONCE = 7


def member_hears_late(trial: Trial) -> None:
    """Row 51: each kind of request slow for one of two members, with each start, layout and group protocol.

    A seed plays a part of the cases; eight seeds that follow each other play all.
    """
    cases, broker = list(every_case()), cast(SlowedKafka, trial.broker)
    chosen = cases[trial.seed % (len(cases) // CASES_AT_ONCE) :: len(cases) // CASES_AT_ONCE]
    for case in chosen:
        directory = trial.directory / str(case)
        directory.mkdir()
        try:
            with FaultReceiver() as receiver:
                scene = Scene(broker, f"{trial.topic}-{case}", receiver, directory)
                found = play_slow_member(scene, broker.proxy, case)
        finally:
            broker.proxy.slow(seconds=0)
        assert found == [], f"{case}: {found}"
    trial.counters["cases"] = len(chosen)
    trial.configure(trial.workflow("orders"))
    trial.load(40)
    trial.finish()


def static_member_is_killed(trial: Trial) -> None:
    """Row 52: SIGKILL of a static KIP-848 member; the next start waits until Kafka has ended its session."""
    kafka = {"group_protocol": "consumer", "group_instance_id": "box"}
    trial.configure(trial.workflow("orders", rate_limit="200/s"), kafka=kafka, **{"kafka.consumer_options": {}})
    trial.load(600)
    for _ in range(2):
        program, before = trial.start(), trial.receiver.count(trial.path("orders"))
        trial.await_arrivals("orders", before + trial.somewhere(60, 120))
        trial.crash(program)
    last = trial.start()
    last.line("Kafka still has a member with this group_instance_id")
    trial.rest()
    trial.stop(last)


def worker_loses_a_partition(trial: Trial) -> None:
    """Row 53: a partition of one worker is lost to retention, and the other worker is killed: the rest goes on."""
    trial.configure(trial.workflow("orders"))
    trial.load(200)
    trial.finish()
    events = trial.load(200)
    lost = _delete_records(trial, trial.somewhere(0, 3))
    trial.lost |= {event["messageId"] for event in events if trial.places[event["messageId"]] in lost}
    halted = next(iter(lost))[0]
    program = trial.start("--workers", "2")
    program.line("Records that were not read are gone from the topic; this partition is not consumed.")
    wait_until(partial(_is_done, trial, halted), "the other partitions are delivered")
    trial.note_crash()
    os.kill(trial.rng.choice(_children(program)), signal.SIGKILL)
    program.line("A worker has died; it is started again.")
    trial.load(200)
    wait_until(partial(_is_done, trial, halted), "the other partitions go on")
    trial.stop(program)
    for path in trial.directory.glob("trace-*.jsonl.*"):
        path.rename(path.with_name(f"trace-{path.name.replace('.', '-')}.jsonl"))
    trial.configure(trial.workflow("orders"), kafka={"on_data_loss": "skip"})
    trial.finish()


def topic_is_created_again(trial: Trial) -> None:
    """Row 29: deleted and created again while it is read, with more or fewer records than before: each is delivered."""
    protocol = trial.rng.choice(["classic", "consumer"])
    sections: dict[str, Any] = {} if protocol == "classic" else {"kafka.consumer_options": {}}
    kafka = {"group_protocol": protocol, "on_data_loss": "skip"}
    trial.configure(trial.workflow("orders"), kafka=kafka, **sections)
    trial.counters["protocol"] = protocol
    old = trial.load(trial.somewhere(50, 300))
    program = trial.start()
    trial.rest()
    trial.expired |= {record.value for record in read_topic(trial.broker.bootstrap, trial.topic) if record.value}
    _recreate(trial, trial.topic, 4)
    for event in old:
        del trial.places[event["messageId"]]
    new = {event["messageId"] for event in trial.load(trial.somewhere(50, 300), first=len(old))}
    wait_until(lambda: new <= {id_of(arrival) for arrival in trial.got("orders")}, "the new ones are delivered")
    trial.rest()
    trial.stop(program)
    for path in trial.directory.glob("trace-*.jsonl"):  # what was committed of the old one is none of the new one's
        lines = path.read_text().splitlines(keepends=True)
        begun = [number for number, line in enumerate(lines) if '"assigned"' in line]
        path.write_text("".join(lines[begun[-4] :]))


def letters_lose_their_topic(trial: Trial) -> None:
    """Row 54: the dead-letter topic is created again, with fewer partitions: the letters that follow are written."""
    trial.configure(trial.workflow("orders"))
    refused = trial.load(40)
    trial.script("orders", when(spread(refused), 400))
    program = trial.start()
    trial.rest()
    trial.lost |= {event["messageId"] for event in refused}  # these letters are deleted
    _recreate(trial, trial.dead_letters, 1)
    events = trial.load(trial.somewhere(100, 400))
    trial.script("orders", when(spread(trial.rng.sample(events, 60)), 400))
    trial.rest()
    trial.stop(program)


def _recreate(trial: Trial, topic: str, partitions: int) -> None:
    with _admin(trial) as admin:
        admin.delete_topics([topic])[topic].result(ANSWER_S)
        wait_until(lambda: topic not in admin.list_topics(timeout=ANSWER_S).topics, "the topic is gone")
    trial.broker.create_topic(topic, partitions)


def _delete_records(trial: Trial, partition: int) -> set[tuple[int, int]]:
    """Delete what is not committed of a partition, but for the last record; the places of what is gone."""
    first, end = trial.committed()[partition] or 0, trial.ends()[partition]
    values = {r.value for r in read_topic(trial.broker.bootstrap, trial.topic) if r.partition == partition and r.value}
    trial.expired |= values
    with _admin(trial) as admin:
        for answer in admin.delete_records([TopicPartition(trial.topic, partition, end - 1)]).values():
            answer.result(ANSWER_S)
    return {(partition, offset) for offset in range(first, end - 1)}


def _is_done(trial: Trial, halted: int) -> bool:
    """Every partition but one is committed to its end."""
    try:
        committed, ends = trial.committed(), trial.ends()
    except KafkaException:
        return False
    return all(committed[partition] == end for partition, end in ends.items() if partition != halted)


def _children(program: Program) -> list[int]:
    with open(f"/proc/{program.pid}/task/{program.pid}/children", encoding="ascii") as children:
        return [int(pid) for pid in children.read().split()]


def _admin(trial: Trial) -> Any:
    return AdminClient({"bootstrap.servers": trial.broker.bootstrap, "log_level": 0})

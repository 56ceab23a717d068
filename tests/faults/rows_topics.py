"""Rows 27 to 32 and 44: topics that lose, change, grow, have gaps or hold poison; dead letters that nobody takes."""

from __future__ import annotations

from typing import Any

import orjson
from acceptance_support import make_event
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from confluent_kafka.cimpl import NewPartitions
from faults_trial import PAYLOAD, Trial, spread
from support.topics import Given, produce_events, produce_transaction, read_topic
from support.waiting import wait_until

from stream.demo.behaviours import slow, when
from stream.demo.samples import LEGAL, poison_values

ANSWER_S = 30.0


def retention_ate_what_was_not_read(trial: Trial) -> None:
    """Row 27: records beyond the commit are gone: never in silence; `stop` ends with 4, `skip` goes on and counts."""
    trial.configure(trial.workflow("orders"))
    trial.load(400)
    trial.finish()
    events = trial.load(400)
    trial.expired |= {record.value for record in read_topic(trial.broker.bootstrap, trial.topic) if record.value}
    gone = {p: (offset or 0) + trial.somewhere(5, 40) for p, offset in trial.committed().items()}
    trial.lost |= {
        e["messageId"] for e in events if trial.places[e["messageId"]][1] < gone[trial.places[e["messageId"]][0]]
    }
    with _admin(trial) as admin:
        asked = [TopicPartition(trial.topic, p, offset) for p, offset in gone.items()]
        for answer in admin.delete_records(asked).values():
            answer.result(ANSWER_S)
    stopped = trial.start("--until-end")
    assert stopped.wait() == 4
    stopped.line("Records that were not read are gone from the topic; this partition is not consumed.")
    trial.configure(trial.workflow("orders"), kafka={"on_data_loss": "skip"})
    program = trial.start()
    trial.rest()
    assert program.metrics().total("tray_records_lost_total") == len(trial.lost)
    trial.counters["lost_and_told"] = len(trial.lost)
    trial.stop(program)


def new_group(trial: Trial) -> None:
    """Row 28: a group without commits begins at the earliest offset, and says so before the first record."""
    trial.load(500)
    trial.configure(trial.workflow("orders"))
    program = trial.start()
    trial.rest()
    assert len(trial.got("orders")) == 500
    trial.stop(program)


def partitions_are_added(trial: Trial) -> None:
    """Row 30: the topic grows under load; the new partitions are found and read from their beginning."""
    trial.configure(trial.workflow("orders"), **{"kafka.options": {"topic.metadata.refresh.interval.ms": 1000}})
    trial.script("orders", slow(0.01))
    trial.load(600)
    program = trial.start()
    trial.await_arrivals("orders", trial.somewhere(100, 400))
    with _admin(trial) as admin:
        admin.create_partitions([NewPartitions(trial.topic, 8)])[trial.topic].result(ANSWER_S)
    wait_until(lambda: _has_grown(trial), "the topic has grown")
    events = [make_event(n, userId=f"late-{n % 80}", email=PAYLOAD) for n in range(600, 1200)]
    trial.produce(events)
    assert len({trial.places[event["messageId"]][0] for event in events}) == 8
    trial.rest()
    trial.stop(program)


def _has_grown(trial: Trial) -> bool:
    try:
        return len(trial.ends()) == 8
    except KafkaException:  # a new partition has no leader yet
        return False


def gaps_in_the_offsets(trial: Trial) -> None:
    """Row 31: transactions, committed and aborted, leave markers and records that nobody gets; the lag reaches 0."""
    trial.configure(trial.workflow("orders"))
    program = trial.start()
    for _ in range(12):
        commit = trial.rng.random() < 0.6
        _transaction(trial, trial.somewhere(1, 40), commit=commit)
        trial.load(trial.somewhere(0, 30), first=_next(trial))
    _transaction(trial, 20, commit=False)
    trial.rest()
    wait_until(lambda: program.metrics().total("tray_consumer_lag") == 0, "no lag")
    trial.stop(program)


def _next(trial: Trial) -> int:
    return int(trial.counters.get("made", 0)) + len(trial.places) + 1000


def _transaction(trial: Trial, count: int, *, commit: bool) -> None:
    made = int(trial.counters.get("made", 0))
    trial.counters["made"] = made + count
    events = [make_event(made + n, userId=f"user-{(made + n) % 20}", email=PAYLOAD) for n in range(count)]
    given: list[Given] = [(event["userId"], orjson.dumps(event), None, None) for event in events]
    places = produce_transaction(trial.broker.bootstrap, trial.topic, given, trial.topic, commit=commit)
    for event, place in zip(events, places, strict=True):
        trial.users[event["messageId"]] = event["userId"]
        if commit:
            trial.places[event["messageId"]] = place


def poison(trial: Trial) -> None:
    """Row 32: every poison among good events: dead letter or delivery by the rules, and the consumer lives."""
    trial.configure(trial.workflow("orders"))
    trial.load(200)
    values = poison_values() * 3
    trial.rng.shuffle(values)
    given: list[Given] = [(None, value, trial.rng.randrange(4), None) for _, value in values]
    produce_events(trial.broker.bootstrap, trial.topic, given)
    trial.load(200, first=200)
    program = trial.start()
    trial.rest()
    metrics = program.metrics()
    assert metrics.received == metrics.accounted_for == 400 + len(values)
    legal = [value for name, value in values if name in LEGAL]
    bodies = [arrival.body for arrival in trial.receiver.arrivals()]
    assert sorted(body for body in bodies if body in legal) == sorted(value for value in legal if value)
    letters = read_topic(trial.broker.bootstrap, trial.dead_letters)
    assert len(letters) == len([value for name, value in values if name not in LEGAL and value is not None])
    trial.stop(program)


def letters_are_refused(trial: Trial) -> None:
    """Row 44: the dead-letter topic takes no record of this size: told, counted, and not committed past."""
    trial.configure(trial.workflow("orders"))
    events = trial.load(300)
    refused = trial.rng.sample(events, 30)
    trial.script("orders", when(spread(refused), 400))
    trial.broker.create_topic(trial.dead_letters, 4, {"max.message.bytes": "100"})
    program = trial.start()
    wait_until(
        lambda: program.metrics().total("tray_dead_letter_writes_total", result="failed") >= 30, "writes fail and count"
    )
    assert program.metrics().total("tray_dead_letters_total") == 0
    for event in refused:
        partition, offset = trial.places[event["messageId"]]
        assert (trial.committed()[partition] or 0) <= offset
    with _admin(trial) as admin:
        entry = ConfigEntry("max.message.bytes", "1000000", incremental_operation=AlterConfigOpType.SET)
        topic = ConfigResource(ResourceType.TOPIC, trial.dead_letters, incremental_configs=[entry])
        for answer in admin.incremental_alter_configs([topic]).values():
            answer.result(ANSWER_S)
    trial.rest()
    trial.stop(program)


def _admin(trial: Trial) -> Any:
    return AdminClient({"bootstrap.servers": trial.broker.bootstrap, "log_level": 0})

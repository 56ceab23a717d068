"""Rows 47 and 48: rights and passwords, a log that nobody reads, a disk that is full."""

from __future__ import annotations

import os
import subprocess
from typing import cast

from acceptance_support import ENTRY, environment
from confluent_kafka.admin import AclOperation, ResourceType
from faults_trial import Trial
from support.secured_kafka import SecuredKafka
from support.waiting import wait_until

from stream.demo.behaviours import slow

TOPIC, GROUP = ResourceType.TOPIC, ResourceType.GROUP


def rights_are_taken_away(trial: Trial) -> None:
    """Row 47: the group's rights are revoked in the run: exit 3 in few lines; given again, nothing is missing."""
    kafka = cast(SecuredKafka, trial.broker)
    _allow(kafka, trial)
    options = {"kafka.options": kafka.plain("reader")}
    trial.configure(trial.workflow("orders"), kafka={"bootstrap_servers": kafka.sasl_bootstrap}, **options)
    trial.script("orders", slow(0.02))
    trial.load(800)
    program = trial.start()
    trial.await_arrivals("orders", trial.somewhere(100, 300))
    kafka.forbid(GROUP, trial.group)
    assert program.wait() == 3
    trial.note_crash()
    assert len(program.log.splitlines()) < 40
    _allow(kafka, trial)
    wrong = dict(kafka.plain("reader", "wrong-password-91"))
    trial.configure(
        trial.workflow("orders"), kafka={"bootstrap_servers": kafka.sasl_bootstrap}, **{"kafka.options": wrong}
    )
    refused = trial.start()
    assert refused.wait() == 3
    assert "wrong-password-91" not in refused.log
    trial.configure(trial.workflow("orders"), kafka={"bootstrap_servers": kafka.sasl_bootstrap}, **options)
    trial.finish()


def _allow(kafka: SecuredKafka, trial: Trial) -> None:
    kafka.allow(TOPIC, trial.topic, AclOperation.READ)
    for operation in (AclOperation.WRITE, AclOperation.CREATE, AclOperation.DESCRIBE_CONFIGS):
        kafka.allow(TOPIC, trial.dead_letters, operation)
    kafka.allow(GROUP, trial.group, AclOperation.READ)


def log_and_disk_are_gone(trial: Trial) -> None:
    """Row 48: nobody reads the log any more, and the trace's disk is full: deliveries and commits go on."""
    trial.configure(trial.workflow("orders"))
    trial.script("orders", slow(0.005))
    trial.load(1000)
    read, write = os.pipe()
    command = [*ENTRY, "run", "--trace", "/dev/full", "--until-end"]
    process = subprocess.Popen(
        command, cwd=trial.directory, env=environment({}), stdin=subprocess.DEVNULL, stdout=write, stderr=write
    )
    try:
        os.close(write)
        trial.receiver.wait_for_count(trial.path("orders"), trial.somewhere(10, 300))
        os.close(read)
        code = process.wait(60)
    finally:
        process.kill()
        process.wait()
    trial.counters["exit"] = code
    wait_until(lambda: trial.committed() == trial.ends(), "everything is committed")

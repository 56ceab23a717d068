"""How each kind of variant is measured."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bench_programs as programs
import orjson
from bench_endpoint import Endpoint, Endpoints
from bench_events import Shape, event
from bench_measure import Measured, Program, measure, running
from bench_rows import Row
from bench_topics import Topics
from bench_usage import usage_of
from bench_variants import IN_FLIGHT, Variant, filters
from confluent_kafka import Producer

from stream.demo.child import free_port

SLOW_PROGRAM_EVENTS = 20_000
"""Of a program that is far slower: its rate shows after as many."""
TLS_CONNECTIONS = 64
FEW_EVENTS_ROUNDS = 5
LATENCY_RATE = 500
LATENCY_S = 20.0
DEAD_FOR_S = 30.0
START_WITHIN_S = 120.0
WARM_UP_EVENTS = 1_500
"""Sent at the same pace before; in its first seconds a broker answers late."""


@dataclass(frozen=True)
class Stage:
    """Where everything runs. `events` is the bench's number of events."""

    directory: Path
    topics: Topics
    endpoints: Endpoints
    events: int


def rows_of(variant: Variant, stage: Stage) -> Iterator[Row]:
    """Measure a variant: a row for each program."""
    of_kind: dict[str, Callable[[Variant, Stage], Iterator[Row]]] = {
        "throughput": _throughput,
        "backlog": _backlog,
        "start": _start,
        "tls": _tls,
        "latency": _latency,
        "memory": _memory,
    }
    yield from of_kind[variant.kind](variant, stage)


def _throughput(variant: Variant, stage: Stage) -> Iterator[Row]:
    events = variant.events or max(1000, int(stage.events * variant.part))
    topic = stage.topics.filled(Shape(events, variant.size, variant.users, variant.partitions))
    endpoint = _endpoint(variant, stage)
    program = _product(variant, stage, topic, endpoint)
    yield _row(variant, program, _run(program, endpoint, events * variant.workflows))
    if variant.has_peers:
        url = endpoint.url()
        alone = programs.sender_alone(stage.directory, url, events, IN_FLIGHT, variant.size)
        yield _row(variant, alone, _run(alone, endpoint, events))
        plain = programs.plain_loop(stage.directory, stage.topics.bootstrap, topic, url)
        yield _row(variant, plain, _run(plain, endpoint, min(events, SLOW_PROGRAM_EVENTS)))


def _backlog(variant: Variant, stage: Stage) -> Iterator[Row]:
    """With few events one run is over in an instant: the middle of several."""
    topic = stage.topics.filled(Shape(variant.events, variant.size, variant.users, variant.partitions))
    endpoint = stage.endpoints.plain()
    rounds = FEW_EVENTS_ROUNDS if variant.events < SLOW_PROGRAM_EVENTS else 1
    rows = []
    for _ in range(rounds):
        program = _product(variant, stage, topic, endpoint)
        rows.append(_row(variant, program, _run(program, endpoint, variant.events)))
    yield sorted(rows, key=lambda row: row.cpu_us)[rounds // 2]


def _start(variant: Variant, stage: Stage) -> Iterator[Row]:
    """From the start of the process until the first request; the topic's events are spread over its partitions."""
    topic = stage.topics.filled(Shape(variant.events, variant.size, variant.events, variant.partitions))
    endpoint = stage.endpoints.plain()
    program = _product(variant, stage, topic, endpoint)
    before, began = endpoint.requests(), time.monotonic()
    first_s = 0.0
    with running(program) as child:
        while child.is_running and time.monotonic() < began + START_WITHIN_S:
            time.sleep(0.01)
            seen = endpoint.requests() - before
            first_s = first_s or (time.monotonic() - began if seen else 0.0)
            if seen >= variant.events:
                break
        all_s, used = time.monotonic() - began, usage_of(child.pid)
        note = f"first request after {first_s:.1f} s, all {variant.events:,} after {all_s:.1f} s"
        if seen < variant.events:
            note = f"FAILED ({seen} requests, exit {child.exit_code}, {program.directory.name})"
    yield Row(variant.name, variant.what, program.name, peak_mib=used.peak_kib / 1024, note=note)


def _tls(variant: Variant, stage: Stage) -> Iterator[Row]:
    """Requests only, without Kafka."""
    endpoint, certificate = stage.endpoints.plain(tls=True), stage.endpoints.certificate
    count = int(stage.events * variant.part)
    url = endpoint.url(tls=True)
    ours = programs.sender_alone(stage.directory, url, count, TLS_CONNECTIONS, variant.size, certificate)
    yield _row(variant, ours, _run(ours, endpoint, count))
    few = min(count, SLOW_PROGRAM_EVENTS)
    theirs = programs.aiohttp(stage.directory, url, few, TLS_CONNECTIONS, variant.size, certificate)
    if theirs is None:
        yield Row(variant.name, variant.what, programs.AIOHTTP, note="SKIPPED: no uv to fetch aiohttp with")
    else:
        yield _row(variant, theirs, _run(theirs, endpoint, few))


def _latency(variant: Variant, stage: Stage) -> Iterator[Row]:
    """From before an event is handed to a producer until its request is whole at the endpoint."""
    topic = stage.topics.empty(variant.partitions)
    endpoint = stage.endpoints.slow(0.0, is_recording=True)
    program = _product(variant, stage, topic, endpoint)
    producer = Producer({"bootstrap.servers": stage.topics.bootstrap, "linger.ms": 0})
    with running(program) as child:
        _produce_paced(producer, topic, WARM_UP_EVENTS, 0)
        give_up_at = time.monotonic() + 60
        while endpoint.requests() < WARM_UP_EVENTS and time.monotonic() < give_up_at:
            time.sleep(0.05)
        sent = _produce_paced(producer, topic, int(LATENCY_RATE * LATENCY_S), WARM_UP_EVENTS)
        time.sleep(1.0)
        arrivals = endpoint.arrivals()
        peak_mib = usage_of(child.pid).peak_kib / 1024
    waits = sorted(arrivals[name] - at for name, at in sent.items() if name in arrivals)
    if len(waits) < len(sent):
        yield Row(variant.name, variant.what, program.name, note=f"only {len(waits)} of {len(sent)} arrived")
        return
    p50, p99 = statistics.median(waits) * 1e3, waits[int(0.99 * len(waits))] * 1e3
    yield Row(variant.name, variant.what, program.name, peak_mib=peak_mib, p50_ms=p50, p99_ms=p99)


def _produce_paced(producer: Producer, topic: str, count: int, first: int) -> dict[str, float]:
    """Produce one event after the other at the rate; the time of each message id."""
    sent: dict[str, float] = {}
    began = time.monotonic()
    for index in range(count):
        time.sleep(max(0.0, began + index / LATENCY_RATE - time.monotonic()))
        number = first + index
        user = f"user-{number * 7919 % 20_000}"
        value = orjson.dumps(event(number, user))
        sent[f"m-{number}"] = time.monotonic()
        producer.produce(topic, value, user)
        producer.poll(0)
    producer.flush(30)
    return sent


def _memory(variant: Variant, stage: Stage) -> Iterator[Row]:
    """Peak memory while no workflow takes anything."""
    events = variant.events or stage.events
    topic = stage.topics.filled(Shape(events, variant.size, variant.users, variant.partitions))
    refused = f"http://127.0.0.1:{free_port()}/refused"
    url = stage.endpoints.slow(0.0).url("hang") if variant.is_hanging else refused
    workflows = [{"name": f"w{n}", "url": url} for n in range(variant.workflows)]
    program = programs.product(stage.directory, stage.topics.bootstrap, topic, workflows)
    peak_kib, give_up_at = 0, time.monotonic() + DEAD_FOR_S
    with running(program) as child:
        while time.monotonic() < give_up_at and child.is_running:
            time.sleep(0.2)
            peak_kib = max(peak_kib, usage_of(child.pid).peak_kib)
        note = "" if child.is_running else f"FAILED (exit {child.exit_code}, {program.directory.name})"
    yield Row(variant.name, variant.what, program.name, peak_mib=peak_kib / 1024, note=note)


def _endpoint(variant: Variant, stage: Stage) -> Endpoint:
    if variant.latency_s:
        return stage.endpoints.slow(variant.latency_s)
    return stage.endpoints.plain(tls=variant.has_tls)


def _product(variant: Variant, stage: Stage, topic: str, endpoint: Endpoint) -> Program:
    limits = {} if variant.has_defaults else {"max_in_flight": variant.in_flight, "concurrency": variant.in_flight}
    more: dict[str, Any] = {"ordering": variant.ordering, **limits}
    if variant.is_signed:
        more["shared_secret"] = "secret"
    if variant.has_tls:
        more["ca_file"] = str(stage.endpoints.certificate)
    workflows = [
        {
            "name": f"w{n}",
            "url": endpoint.url(f"w{n}", tls=variant.has_tls),
            **more,
            **(filters(n) if variant.is_filtered else {}),
        }
        for n in range(variant.workflows)
    ]
    mode = {"mode": variant.validation}
    return programs.product(stage.directory, stage.topics.bootstrap, topic, workflows, variant.workers, validation=mode)


def _run(program: Program, endpoint: Endpoint, expect: int) -> Measured:
    return measure(program, endpoint, expect, timeout_s=60 + expect / 500)


def _row(variant: Variant, program: Program, found: Measured) -> Row:
    note = "" if found.rate else f"FAILED ({found.requests} requests, exit {found.exit_code}, {program.directory.name})"
    return Row(variant.name, variant.what, program.name, found.rate, found.cpu_us, found.peak_mib, note=note)

"""The dashboard *Kafka*: offsets, commits, rebalances, what is open, and the processes themselves."""

from __future__ import annotations

from board_parts import (
    GREEN,
    RED,
    YES_OR_NO,
    Column,
    PanelBuilder,
    Query,
    Steps,
    board,
    by_group,
    graph,
    listing,
    timeline,
)
from board_queries import OF_TARGET, least, most, rate, series, since, total
from grafana_foundation_sdk.builders import dashboard

from stream.telemetry import catalogue

OF_PARTITION = ("topic", "partition")
OF_PROCESS = ("instance", "worker")
AGE: Steps = [(None, GREEN), (10, RED)]


def kafka() -> dashboard.Dashboard:
    """The whole dashboard."""
    made = board(
        "Kafka", "tray-stream-kafka", "How far each partition is, and how the processes are.", by_workflow=False
    )
    rows = (
        ("Is it read?", _reading()),
        ("Offsets", _offsets()),
        ("Open events and limits", _limits()),
        ("Processes", _processes()),
    )
    for title, panels in rows:
        made.with_row(dashboard.Row(title))
        for panel in panels:
            made.with_panel(panel)
    return made


def _reading() -> list[PanelBuilder]:
    up = Query(least(series(catalogue.KAFKA_UP), "group", *OF_PROCESS), "{{group}} {{instance}} {{worker}}")
    return [
        timeline(
            "Kafka reachable",
            "Red: no broker has answered this process for ten seconds. It reads and commits nothing until one does.",
            up,
            YES_OR_NO,
            width=8,
        ),
        listing(
            "Last contact",
            "When a broker last answered each process.",
            {"group": "Group", "instance": "Process", "worker": "Worker"},
            Column(
                "Ago", most(since(series(catalogue.KAFKA_LAST_CONTACT)), "group", *OF_PROCESS), "dtdurations", steps=AGE
            ),
            sort=("Ago", True),
            width=4,
        ),
        by_group(
            "Partitions assigned",
            "Partitions that the processes of each group own. At 0 nothing is read, and no lag is known.",
            catalogue.PARTITIONS_ASSIGNED,
            width=6,
        ),
        by_group(
            "Partitions halted",
            "Partitions that are not read since records of theirs were gone (kafka.on_data_loss).",
            catalogue.PARTITIONS_HALTED,
            width=6,
        ),
        graph(
            "Kafka tokens",
            "Tokens to log in with that were asked for each minute ([kafka.token]), and processes that get no new one.",
            "short",
            Query(f"60 * {total(rate(catalogue.KAFKA_TOKEN_REFRESHES), 'result')}", "{{result}}"),
            Query(total(series(catalogue.KAFKA_TOKEN_FAILING)), "processes without a new one"),
            width=24,
        ),
    ]


def _offsets() -> list[PanelBuilder]:
    committed = series(catalogue.COMMITTED_OFFSET)
    return [
        graph(
            "Lag by partition",
            "Offsets between what the group has committed and the end of the partition.",
            "short",
            Query(total(series(catalogue.CONSUMER_LAG), "group", *OF_PARTITION), "{{group}} {{topic}}:{{partition}}"),
        ),
        graph(
            "Committed offsets per second",
            "How fast the committed offset of each partition moves; 0 with lag is a partition that stands still.",
            "cps",
            Query(
                most(f"deriv({committed}[$__rate_interval])", "group", *OF_PARTITION),
                "{{group}} {{topic}}:{{partition}}",
            ),
        ),
        listing(
            "Partitions",
            "Where each partition is, and which process owns it.",
            {"topic": "Topic", "partition": "Partition", "group": "Group", "instance": "Process", "worker": "Worker"},
            Column("Committed", most(committed, "group", *OF_PARTITION, *OF_PROCESS), "none"),
            Column("Lag", most(series(catalogue.CONSUMER_LAG), "group", *OF_PARTITION, *OF_PROCESS), "none"),
            sort=("Lag", True),
            width=8,
        ),
        graph(
            "Commits",
            "Commits by result. Retried: refused for now. Dropped: the partition is another member's by now.",
            "cps",
            Query(total(rate(catalogue.COMMITS), "result"), "{{result}}"),
            stacked=True,
        ),
        graph(
            "Rebalances",
            "Rebalances that touched each process, counted over the interval of a point.",
            "short",
            Query(
                total(f"increase({series(catalogue.REBALANCES)}[$__rate_interval])", "instance", "kind"),
                "{{instance}} {{kind}}",
            ),
        ),
        graph(
            "Records lost",
            "Offsets that the topic no longer had when they were to be read, since the partition was granted.",
            "short",
            Query(total(series(catalogue.RECORDS_LOST), "group", *OF_PARTITION), "{{group}} {{topic}}:{{partition}}"),
        ),
    ]


def _limits() -> list[PanelBuilder]:
    return [
        graph(
            "Open events",
            "Events admitted and not yet settled (limits.max_open_events per process).",
            "short",
            Query(total(series(catalogue.OPEN_EVENTS), "group", "topic"), "{{group}} {{topic}}"),
            stacked=True,
        ),
        by_group(
            "Open bytes",
            "Bytes of the open events (limits.max_open_bytes per process).",
            catalogue.OPEN_BYTES,
            unit="bytes",
            stacked=True,
        ),
        by_group(
            "Partitions paused",
            "Partitions that are not read for now because a limit is reached.",
            catalogue.PARTITIONS_PAUSED,
        ),
        by_group(
            "Partitions waiting for a schema",
            "Partitions that are not read until the Schema Registry has answered.",
            catalogue.PARTITIONS_AWAITING_SCHEMA,
            width=6,
        ),
        graph(
            "Schemas asked for",
            "Questions to the Schema Registry, by result; failed ones are asked again within 15 s.",
            "cps",
            Query(total(rate(catalogue.SCHEMA_REQUESTS), "result"), "{{result}}"),
            width=6,
        ),
        graph(
            "Dead-letter writes",
            "Records produced to the dead-letter topic, by result; failed ones are written again every second.",
            "cps",
            Query(total(rate(catalogue.DEAD_LETTER_WRITES), "result"), "{{result}}"),
            width=6,
        ),
        graph(
            "Reloads of the settings",
            "Reloads (SIGHUP) by result, counted over the interval of a point.",
            "short",
            Query(
                total(f"increase({series(catalogue.CONFIG_RELOADS)}[$__rate_interval])", "instance", "result"),
                "{{instance}} {{result}}",
            ),
            width=6,
        ),
    ]


def _processes() -> list[PanelBuilder]:
    started = _of("process_start_time_seconds")
    workers = total(series(catalogue.WORKER_UP), "instance")
    restarts = total(f"increase({series(catalogue.WORKER_RESTARTS)}[$__rate_interval])", *OF_PROCESS)
    return [
        listing(
            "Versions",
            "What runs where, and for how long.",
            {"instance": "Process", "worker": "Worker", "version": "Version"},
            Column(
                "Running for",
                f"{since(_of('process_start_time_seconds'))} + on (job, instance) group_left (version) "
                f"0 * {most(series(catalogue.BUILD_INFO), 'job', 'instance', 'version')}",
                "dtdurations",
            ),
            width=8,
        ),
        graph(
            "Processor time",
            "Cores in use by each process.",
            "percentunit",
            Query(f"rate({_of('process_cpu_seconds_total')}[$__rate_interval])", "{{instance}} {{worker}}"),
        ),
        graph(
            "Memory",
            "Resident memory of each process; flat, whatever the workflows do.",
            "bytes",
            Query(_of("process_resident_memory_bytes"), "{{instance}} {{worker}}"),
        ),
        graph(
            "Open files",
            "File descriptors of each process, connections among them, and its limit.",
            "short",
            Query(_of("process_open_fds"), "{{instance}} {{worker}}"),
            width=6,
        ),
        graph(
            "Garbage collections",
            "Collections of the interpreter per second, by generation.",
            "cps",
            Query(
                total(f"rate({_of('python_gc_collections_total')}[$__rate_interval])", "generation"),
                "generation {{generation}}",
            ),
            width=6,
        ),
        graph(
            "Processes",
            "Processes that answer; of a supervisor (`run --workers`) its workers that have a process.",
            "short",
            Query(f"{workers} or count by (instance) ({started})", "{{instance}}"),
            width=6,
        ),
        graph(
            "Restarts",
            "Processes that started anew, workers of a supervisor among them, counted over the interval of a point.",
            "short",
            Query(
                f"sum by (instance, worker) (changes({started}[$__rate_interval])) or {restarts}",
                "{{instance}} {{worker}}",
            ),
            width=6,
        ),
    ]


def _of(name: str) -> str:
    """A selector of a metric of the process or the interpreter."""
    return f"{name}{{{OF_TARGET}}}"

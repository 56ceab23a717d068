"""Every metric once: name, kind, labels and what it says. The endpoint, the docs and the dashboards follow it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True)
class Metric:
    """One metric as a user sees it. Names and labels are a promise; `sentence` is its help text."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    sentence: str


# One consumer group.

EVENTS_RECEIVED = Metric(
    "tray_events_received_total",
    "counter",
    ("group", "topic", "type"),
    "Records admitted from the topic, by message type.",
)
EVENTS_SETTLED = Metric(
    "tray_events_settled_total",
    "counter",
    ("group", "topic", "settlement"),
    "Records that reached their one end; received = the sum of these + open.",
)
OPEN_EVENTS = Metric(
    "tray_open_events",
    "gauge",
    ("group", "topic"),
    "Records admitted and not yet settled.",
)
OPEN_BYTES = Metric(
    "tray_open_bytes",
    "gauge",
    ("group",),
    "Bytes of the records admitted and not yet settled.",
)
CONSUMER_LAG = Metric(
    "tray_consumer_lag",
    "gauge",
    ("group", "topic", "partition"),
    "Offsets between the committed offset and the end of the partition.",
)
COMMITTED_OFFSET = Metric(
    "tray_committed_offset",
    "gauge",
    ("group", "topic", "partition"),
    "Offset that the group has committed: everything before it is settled.",
)
COMMITS = Metric(
    "tray_commits_total",
    "counter",
    ("group", "result"),
    "Commits of a partition's offset, by result.",
)
REBALANCES = Metric(
    "tray_rebalances_total",
    "counter",
    ("group", "kind"),
    "Rebalances that touched this member: partitions assigned, revoked or lost.",
)
PARTITIONS_PAUSED = Metric(
    "tray_partitions_paused",
    "gauge",
    ("group",),
    "Partitions that are paused because a limit is reached.",
)
RECORDS_LOST = Metric(
    "tray_records_lost_total",
    "counter",
    ("group", "topic", "partition"),
    "Offsets that the topic no longer had when they were to be read.",
)
KAFKA_UP = Metric(
    "tray_kafka_up",
    "gauge",
    ("group",),
    "1 while Kafka answers; 0 when no broker has answered for 10 s, or none yet.",
)
KAFKA_LAST_CONTACT = Metric(
    "tray_kafka_last_contact_timestamp_seconds",
    "gauge",
    ("group",),
    "When a broker last answered, in Unix time; absent before the first answer.",
)
PARTITIONS_ASSIGNED = Metric(
    "tray_partitions_assigned",
    "gauge",
    ("group",),
    "Partitions that this process owns; 0 in all processes of a group: nothing is read.",
)
PARTITIONS_HALTED = Metric(
    "tray_partitions_halted",
    "gauge",
    ("group",),
    "Owned partitions that are not read because records of theirs were lost (kafka.on_data_loss).",
)
PARTITIONS_AWAITING_SCHEMA = Metric(
    "tray_partitions_awaiting_schema",
    "gauge",
    ("group",),
    "Owned partitions that are not read until the Schema Registry has answered.",
)
SCHEMA_REQUESTS = Metric(
    "tray_schema_requests_total",
    "counter",
    ("group", "result"),
    "Schemas that the Schema Registry was asked for: answered, whether it knows them or not, or failed.",
)

# One workflow of a group.

EVENTS_FILTERED = Metric(
    "tray_events_filtered_total",
    "counter",
    ("group", "workflow", "reason"),
    "Events that the workflow did not want, by reason; tombstones have no workflow.",
)
DELIVERIES = Metric(
    "tray_deliveries_total",
    "counter",
    ("group", "workflow", "outcome"),
    "Deliveries that ended, by outcome.",
)
ATTEMPTS = Metric(
    "tray_attempts_total",
    "counter",
    ("group", "workflow", "code"),
    "Requests sent, by status code or by the word for why there was none; stale: sent again at once, its kept "
    "connection had been closed.",
)
ATTEMPT_DURATION = Metric(
    "tray_attempt_duration_seconds",
    "histogram",
    ("group", "workflow"),
    "Time of one attempt, from connect to the end of the answer.",
)
EVENT_AGE = Metric(
    "tray_event_age_seconds",
    "histogram",
    ("group", "workflow"),
    "Time from the record's timestamp to its delivery.",
)
DEAD_LETTERS = Metric(
    "tray_dead_letters_total",
    "counter",
    ("group", "workflow", "reason"),
    "Dead letters acknowledged by the broker, by reason; invalid records have no workflow.",
)
IN_FLIGHT = Metric(
    "tray_in_flight",
    "gauge",
    ("group", "workflow"),
    "Requests sent and not yet answered.",
)
WAITING = Metric(
    "tray_waiting",
    "gauge",
    ("group", "workflow"),
    "Deliveries that wait for their turn or their next attempt.",
)
CONCURRENCY_LIMIT = Metric(
    "tray_concurrency_limit",
    "gauge",
    ("group", "workflow"),
    "Requests that may be in flight at present.",
)
GATE_OPEN = Metric(
    "tray_gate_open",
    "gauge",
    ("group", "workflow"),
    "1 while requests are sent freely, 0 while the workflow is failing and only probes are sent.",
)
GATE_CLOSED_SINCE = Metric(
    "tray_gate_closed_since_timestamp_seconds",
    "gauge",
    ("group", "workflow"),
    "When the gate closed, in Unix time; absent while it is open.",
)
GATE_CLOSED_UNTIL = Metric(
    "tray_gate_closed_until_timestamp_seconds",
    "gauge",
    ("group", "workflow"),
    "When the next probe is sent, in Unix time; absent while the gate is open.",
)
HELD = Metric(
    "tray_held",
    "gauge",
    ("group", "workflow"),
    "Events that end badly and are not given up; without a workflow: invalid records that hold their partition.",
)
PAUSED = Metric(
    "tray_paused",
    "gauge",
    ("group", "workflow"),
    "1 while the settings say paused = true: nothing is sent to the workflow and its events wait.",
)
OLDEST_OPEN = Metric(
    "tray_oldest_open_timestamp_seconds",
    "gauge",
    ("group", "workflow"),
    "Timestamp of the oldest record that the workflow is to get, in Unix time; absent when nothing is open.",
)
LAST_DELIVERY = Metric(
    "tray_last_delivery_timestamp_seconds",
    "gauge",
    ("group", "workflow"),
    "When the workflow last took an event, in Unix time; absent before the first.",
)

# The process.

DEAD_LETTER_WRITES = Metric(
    "tray_dead_letter_writes_total",
    "counter",
    ("result",),
    "Records produced to the dead-letter topic, by result.",
)
CONFIG_RELOADS = Metric(
    "tray_config_reloads_total",
    "counter",
    ("result",),
    "Reloads of the settings (SIGHUP), by result.",
)
KAFKA_TOKEN_REFRESHES = Metric(
    "tray_kafka_token_refreshes_total",
    "counter",
    ("result",),
    "Tokens to log in to Kafka that were asked for ([kafka.token]), by result.",
)
KAFKA_TOKEN_FAILING = Metric(
    "tray_kafka_token_failing",
    "gauge",
    (),
    "1 while the provider of tokens to log in to Kafka with gives no new one; 0 without one.",
)
BUILD_INFO = Metric(
    "tray_build_info",
    "gauge",
    ("version",),
    "Always 1; the label is the version that runs.",
)

CATALOGUE: tuple[Metric, ...] = tuple(metric for metric in list(vars().values()) if isinstance(metric, Metric))
"""Every metric of a process, in the order above."""

# Of the supervisor of `run --workers`, which gives every other metric the label `worker` as well.

WORKER_UP = Metric(
    "tray_worker_up",
    "gauge",
    ("worker",),
    "With --workers: 1 while the worker has a process, 0 while it waits to be started again.",
)
WORKER_RESTARTS = Metric(
    "tray_worker_restarts_total",
    "counter",
    ("worker",),
    "With --workers: times that the worker died and was started again.",
)
OF_SUPERVISOR: tuple[Metric, ...] = (WORKER_UP, WORKER_RESTARTS)

"""The dashboard *Overview*: which workflow is failing, since when, what waits, and that nothing is lost."""

from __future__ import annotations

from board_parts import (
    GREEN,
    KEPT,
    OPEN_OR_CLOSED,
    ORANGE,
    PAUSED_OR_NOT,
    RED,
    TRANSPARENT,
    YELLOW,
    Column,
    PanelBuilder,
    Query,
    Steps,
    board,
    by_group,
    graph,
    listing,
    number,
    timeline,
)
from board_queries import OF_WORKFLOW_OR_NONE, increase, least, most, rate, ratio, series, since, total
from grafana_foundation_sdk.builders import dashboard

from stream.telemetry import catalogue

NONE_IS_GOOD: Steps = [(None, GREEN), (1, RED)]
AGE: Steps = [(None, GREEN), (300, YELLOW), (900, RED)]
FAILED = 'code!~"2..|stale"'
OF_EACH = ("group", "workflow")
ALERTS = 'ALERTS{alertname=~"Tray.*", alertstate="firing"}'


def overview() -> dashboard.Dashboard:
    """The whole dashboard."""
    what = "Which workflow is failing, since when, what waits, and that nothing is lost."
    made = board("Overview", "tray-stream-overview", what, by_workflow=True)
    made.with_row(dashboard.Row("Is anything wrong?"))
    for panel in _numbers():
        made.with_panel(panel)
    made.with_row(dashboard.Row("Which workflow, since when, what waits"))
    made.with_panel(_workflows()).with_panel(_gates()).with_panel(_alerts())
    made.with_row(dashboard.Row("The flow"))
    for panel in _flow():
        made.with_panel(panel)
    return made


def _numbers() -> list[PanelBuilder]:
    gates = least(series(catalogue.GATE_OPEN), *OF_EACH)
    books = (catalogue.EVENTS_RECEIVED, catalogue.EVENTS_SETTLED, catalogue.OPEN_EVENTS)
    return [
        number(
            "Kafka unreachable",
            "Consumers that no broker has answered for ten seconds: they read and commit nothing, lag is not known.",
            "none",
            f"sum(1 - {series(catalogue.KAFKA_UP)})",
            NONE_IS_GOOD,
            width=3,
        ),
        number(
            "Partitions halted",
            "Partitions that are not read since records of theirs are gone: see the runbook of TrayPartitionHalted.",
            "none",
            total(series(catalogue.PARTITIONS_HALTED)),
            NONE_IS_GOOD,
            width=3,
        ),
        number(
            "Workflows failing",
            "Workflows whose gate is closed in some process: only single probes are sent, their events wait.",
            "none",
            f"sum(1 - {gates})",
            NONE_IS_GOOD,
            width=3,
        ),
        number(
            "Oldest open event",
            "Age of the oldest event that some workflow is still to get. The objective is 15 minutes.",
            "dtdurations",
            most(since(series(catalogue.OLDEST_OPEN))),
            AGE,
            none="nothing is open",
            width=3,
        ),
        number(
            "Held",
            "Events that end badly and may not be given up, and partitions that invalid records hold.",
            "none",
            total(series(catalogue.HELD, scope=OF_WORKFLOW_OR_NONE)),
            NONE_IS_GOOD,
            width=3,
        ),
        number(
            "Dead letters",
            "Dead letters written in the time range that is looked at. They can be redriven.",
            "none",
            total(increase(catalogue.DEAD_LETTERS, scope=OF_WORKFLOW_OR_NONE)),
            [(None, GREEN), (0.5, ORANGE)],
            width=3,
        ),
        number(
            "Unaccounted events",
            "Events received less those settled and open. Always 0: no event vanishes.",
            "none",
            " - ".join(total(series(metric)) for metric in books),
            [(None, RED), (0, GREEN), (1, RED)],
            width=3,
        ),
        number(
            "Records lost",
            "Records that the topic had deleted before they were read: see the runbook of TrayRecordsLost.",
            "none",
            total(series(catalogue.RECORDS_LOST)),
            NONE_IS_GOOD,
            none="0",
            width=3,
        ),
    ]


def _workflows() -> PanelBuilder:
    delivered = total(rate(catalogue.DELIVERIES, 'outcome="delivered"'), *OF_EACH)
    failures = ratio(total(rate(catalogue.ATTEMPTS, FAILED), *OF_EACH), total(rate(catalogue.ATTEMPTS), *OF_EACH))
    return listing(
        "Workflows",
        "One line for each workflow, failing ones first. Its events wait while it fails; nothing expires.",
        {"workflow": "Workflow", "group": "Group"},
        Column("Gate", least(series(catalogue.GATE_OPEN), *OF_EACH), "none", mappings=OPEN_OR_CLOSED),
        Column("Paused", most(series(catalogue.PAUSED), *OF_EACH), "none", mappings=PAUSED_OR_NOT),
        Column("Failing for", most(since(series(catalogue.GATE_CLOSED_SINCE)), *OF_EACH), "dtdurations"),
        Column("Oldest open", most(since(series(catalogue.OLDEST_OPEN)), *OF_EACH), "dtdurations", steps=AGE),
        Column("Waiting", total(series(catalogue.WAITING), *OF_EACH)),
        Column("Held", total(series(catalogue.HELD), *OF_EACH), steps=NONE_IS_GOOD),
        Column("Delivered", delivered, "reqps"),
        Column("Failed requests", failures, "percentunit", steps=[(None, GREEN), (0.01, YELLOW), (0.1, RED)]),
        Column("Dead letters", total(increase(catalogue.DEAD_LETTERS), *OF_EACH), "none"),
        Column("Last delivery", least(since(series(catalogue.LAST_DELIVERY)), *OF_EACH), "dtdurations"),
        sort=("Gate", False),
        links={"Workflow": f"/d/tray-stream-workflows?var-workflow=${{__value.text}}&{KEPT}"},
    )


def _gates() -> PanelBuilder:
    return timeline(
        "Gates",
        "Red: the workflow failed as a whole and was left alone but for probes.",
        Query(least(series(catalogue.GATE_OPEN), *OF_EACH), "{{workflow}}"),
        OPEN_OR_CLOSED,
        width=16,
    )


def _alerts() -> PanelBuilder:
    return listing(
        "Alerts firing",
        "Each alert has a section of its name in grafana/RUNBOOKS.md: what it means, where to look, what to do.",
        {
            "alertname": "Alert",
            "severity": "Severity",
            "workflow": "Workflow",
            "group": "Group",
            "partition": "Partition",
        },
        Column("Firing", most(ALERTS, "alertname", "severity", "workflow", "group", "partition"), "none"),
        sort=("Severity", False),
        width=8,
        links={
            "Workflow": f"/d/tray-stream-workflows?var-workflow=${{__value.text}}&{KEPT}",
            "Group": f"/d/tray-stream-kafka?var-group=${{__value.text}}&{KEPT}",
        },
    )


def _flow() -> list[PanelBuilder]:
    lag = total(series(catalogue.CONSUMER_LAG), "group")
    shrinking = f"deriv({series(catalogue.CONSUMER_LAG)}[10m])"
    failures = ratio(total(rate(catalogue.ATTEMPTS, FAILED), "workflow"), total(rate(catalogue.ATTEMPTS), "workflow"))
    return [
        graph(
            "Received",
            "Events read from the topics, by type. With isolation = workflow each group reads every event.",
            "cps",
            Query(total(rate(catalogue.EVENTS_RECEIVED), "type"), "{{type}}"),
            width=6,
            stacked=True,
        ),
        graph(
            "Delivered",
            "Events that each workflow answered with 2xx.",
            "cps",
            Query(total(rate(catalogue.DELIVERIES, 'outcome="delivered"'), "workflow"), "{{workflow}}"),
            width=6,
        ),
        graph(
            "Failed requests",
            "Share of requests that were not answered with 2xx. The objective is 1 %.",
            "percentunit",
            Query(failures, "{{workflow}}"),
            width=6,
            steps=[(None, TRANSPARENT), (0.01, RED)],
        ),
        graph(
            "Age of the oldest open event",
            "How late each workflow is. The objective is 15 minutes; no line while nothing is open.",
            "s",
            Query(most(since(series(catalogue.OLDEST_OPEN)), "workflow"), "{{workflow}}"),
            width=6,
            steps=[(None, TRANSPARENT), (900, RED)],
        ),
        by_group(
            "Lag",
            "Offsets between what each group has committed and the end of its topics.",
            catalogue.CONSUMER_LAG,
            width=6,
        ),
        graph(
            "Time to drain",
            "How long each group needs for its lag at the pace of the last ten minutes; no line while the lag grows.",
            "dtdurations",
            Query(ratio(lag, f"-{total(shrinking, 'group')}"), "{{group}}"),
            width=6,
            steps=[(None, TRANSPARENT), (3600, RED)],
            none="the lag does not shrink",
        ),
        graph(
            "Dead letters",
            "Dead letters that the broker acknowledged, by workflow; invalid events belong to none.",
            "cps",
            Query(total(rate(catalogue.DEAD_LETTERS, scope=OF_WORKFLOW_OR_NONE), "workflow"), "{{workflow}}"),
            width=6,
            steps=[(None, TRANSPARENT), (0.01, ORANGE)],
        ),
        graph(
            "Settled",
            "How events end: received = the sum of these + open.",
            "cps",
            Query(total(rate(catalogue.EVENTS_SETTLED), "settlement"), "{{settlement}}"),
            width=6,
            stacked=True,
        ),
    ]

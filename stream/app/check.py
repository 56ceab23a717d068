"""`tray-stream check`: everything that could stop a run, found at once."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from stream.app.policies import dead_letter_plan, kafka_policy
from stream.core.errors import MissingTopicError, RefusedError, SourceError
from stream.kafka.client_config import common_config, reader_config
from stream.kafka.reader import OffsetReader
from stream.kafka.topics import Topics
from stream.settings.model import Settings
from stream.settings.workflow import Workflow
from stream.webhook.connection import shared_tls

PROBE_TIMEOUT_S = 5.0
KAFKA_TIMEOUT_S = 5.0
Verdict = Literal["ok", "warning", "failed", "refused"]


_SILENT = logging.Logger("check", logging.CRITICAL + 1)
"""What the client says of its troubles is in the findings, once."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, and what was found. `refused`: Kafka said no to who we are."""

    what: str
    verdict: Verdict
    detail: str = ""


def exit_code(findings: list[Finding]) -> int:
    """3 where Kafka refused, 1 where something failed, else 0."""
    verdicts = {finding.verdict for finding in findings}
    return 3 if "refused" in verdicts else 1 if "failed" in verdicts else 0


def check_kafka(settings: Settings) -> list[Finding]:
    """Brokers, topics, the group's offsets, the dead-letter topic. Blocking."""
    return list(_kafka_findings(settings))


async def probe_workflows(settings: Settings) -> list[Finding]:
    """Whether each workflow's host takes a connection, with TLS where its URL says so; no event is sent."""
    return list(await asyncio.gather(*(_probe(workflow) for workflow in settings.workflows)))


def _kafka_findings(settings: Settings) -> Iterator[Finding]:
    policy = kafka_policy(settings, logger=_SILENT)
    servers = settings.kafka.bootstrap_servers
    topics = Topics(common_config(policy))
    try:
        counts = topics.partition_counts(KAFKA_TIMEOUT_S)
    except SourceError as error:
        yield Finding(f"Kafka at {servers}", _verdict(error), str(error))
        return
    yield Finding(f"Kafka at {servers}", "ok")
    yield from _topic_findings(settings, counts)
    yield _group_finding(settings)
    yield from _dead_letter_findings(settings, topics, counts)


def _topic_findings(settings: Settings, counts: dict[str, int]) -> Iterator[Finding]:
    for topic in settings.kafka.topics:
        if topic.startswith("^"):
            continue
        if topic in counts:
            yield Finding(f"topic {topic}", "ok", f"{counts[topic]} partitions")
        else:
            yield Finding(
                f"topic {topic}", "failed", "It does not exist, or we may not see it. Create it, or mend kafka.topics."
            )


def _group_finding(settings: Settings) -> Finding:
    group = f"group {settings.kafka.group_id}"
    try:
        with OffsetReader(reader_config(kafka_policy(settings, logger=_SILENT))) as reader:
            partitions = reader.partitions(settings.kafka.topics)
            committed = reader.committed(partitions) if partitions else {}
    except SourceError as error:
        return Finding(group, _verdict(error), str(error))
    if not committed:
        return Finding(group, "ok", f"nothing committed yet: starts at {settings.kafka.start}")
    return Finding(group, "ok", f"committed offsets on {len(committed)} of {len(partitions)} partitions")


def _dead_letter_findings(settings: Settings, topics: Topics, counts: dict[str, int]) -> Iterator[Finding]:
    plan = dead_letter_plan(settings)
    what = f"dead-letter topic {plan.topic}"
    if plan.topic not in counts:
        yield _missing_dead_letters(settings, topics, what)
        return
    faults = topics.dead_letter_findings(plan.topic)
    yield from (Finding(what, "warning", fault) for fault in faults)
    if not faults:
        yield Finding(what, "ok", f"{counts[plan.topic]} partitions")


def _missing_dead_letters(settings: Settings, topics: Topics, what: str) -> Finding:
    plan = dead_letter_plan(settings)
    if plan.create:
        return Finding(what, "ok", "missing: run creates it")
    try:
        topics.ensure_dead_letters(plan, settings.kafka.topics)
    except MissingTopicError as error:
        return Finding(what, "failed", str(error))
    return Finding(what, "ok")


async def _probe(workflow: Workflow) -> Finding:
    url = urlsplit(workflow.url.reveal())
    what = f"workflow {workflow.name} at {workflow.url.redacted()}"
    is_tls = url.scheme == "https"
    port = url.port or (443 if is_tls else 80)
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            _, writer = await asyncio.open_connection(url.hostname, port, ssl=shared_tls() if is_tls else None)
            writer.close()
            await writer.wait_closed()
    except TimeoutError:
        return Finding(what, "failed", f"No connection within {PROBE_TIMEOUT_S:.0f} s.")
    except socket.gaierror:
        return Finding(what, "failed", "Its host name is not known.")
    except ssl.SSLError as error:
        return Finding(what, "failed", f"TLS failed: {error.reason or type(error).__name__}.")
    except OSError as error:
        return Finding(what, "failed", f"No connection: {error.strerror or type(error).__name__}.")
    return Finding(what, "ok", "connects, with TLS" if is_tls else "connects, without TLS")


def _verdict(error: SourceError) -> Verdict:
    return "refused" if isinstance(error, RefusedError) else "failed"

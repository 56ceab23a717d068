"""From settings to the frozen policies of each part."""

from __future__ import annotations

import logging

from stream import __version__
from stream.core.model import EnginePolicy, Limits, WorkflowPolicy
from stream.core.outcome import OutcomeTable
from stream.core.retry import RetryPolicy
from stream.kafka.client_config import KafkaPolicy
from stream.kafka.topics import DeadLetterPlan
from stream.pipeline.deliverer import DeliveryRules
from stream.settings.model import Settings
from stream.settings.workflow import Workflow


def engine_policy(settings: Settings) -> EnginePolicy:
    """The rules of the one engine of the shared layout."""
    return EnginePolicy(
        group=settings.kafka.group_id,
        integration_name=settings.destination.integration_name,
        user_agent=f"tray-stream/{__version__}",
        validation=settings.validation.mode,
        workflows=tuple(workflow_policy(settings, workflow) for workflow in settings.workflows),
        limits=Limits(settings.limits.max_open_events, settings.limits.max_open_bytes),
        commit_interval_s=settings.kafka.commit_interval,
        drain_timeout_s=settings.kafka.drain_timeout,
    )


def workflow_policy(settings: Settings, workflow: Workflow) -> WorkflowPolicy:
    """What the engine needs to know of one workflow."""
    return WorkflowPolicy(
        name=workflow.name,
        types=workflow.wanted_types,
        exclude_types=frozenset(workflow.exclude_types),
        ordering=workflow.ordering,
        max_in_flight=workflow.max_in_flight,
        headers=tuple(workflow.headers.items()),
        shared_secret=settings.secret_of(workflow).reveal().encode(),
        body=settings.destination.body,
    )


def delivery_rules(settings: Settings) -> DeliveryRules:
    """What answers mean and when attempts are repeated."""
    retry = settings.retry
    return DeliveryRules(
        OutcomeTable(retry.retry_on, retry.reject_on), RetryPolicy(retry.initial, retry.max, retry.for_)
    )


def kafka_policy(settings: Settings, logger: logging.Logger | None = None) -> KafkaPolicy:
    """How the consumer group talks to Kafka; the client's own log goes to `logger`."""
    kafka = settings.kafka
    return KafkaPolicy(
        bootstrap_servers=kafka.bootstrap_servers,
        topics=kafka.topics,
        group=kafka.group_id,
        start=kafka.start,
        group_protocol=kafka.group_protocol,
        group_instance_id=kafka.group_instance_id,
        max_poll_interval_s=kafka.max_poll_interval,
        drain_timeout_s=kafka.drain_timeout,
        on_data_loss=kafka.on_data_loss,
        options=kafka.options,
        consumer_options=kafka.consumer_options,
        producer_options=kafka.producer_options,
        hidden_topics=(settings.dead_letter_topic,),
        logger=logger,
    )


def dead_letter_plan(settings: Settings) -> DeadLetterPlan:
    """What the dead-letter topic should be."""
    return DeadLetterPlan(settings.dead_letter_topic, settings.dead_letter.create, settings.dead_letter.retention)

"""From settings to the frozen policies of each part."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from stream import __version__
from stream.engine.delivery_rules import DeliveryRules
from stream.fql.rules import Filter, FilterSet
from stream.kafka.client_config import KafkaPolicy
from stream.kafka.topics import DeadLetterPlan
from stream.model.origin import room_for
from stream.model.policies import DeadLetterPolicy, EnginePolicy, GatePolicy, Limits, WorkflowPolicy
from stream.model.records import RecordId
from stream.rules.outcome import OutcomeTable, RetryPolicy
from stream.runtime.tokens import token_keeper
from stream.settings.filters import FilterSection
from stream.settings.hidden import workflow_secrets
from stream.settings.model import Settings
from stream.settings.places import parse_place
from stream.settings.signing import segment_key, webhook_keys
from stream.settings.workflow import MAX_WORKFLOWS, Workflow

PREFETCH_KBYTES = 8_192
"""What librdkafka may fetch ahead in a process."""


@dataclass(frozen=True)
class GroupSpec:
    """One engine: a consumer group and the workflows that it delivers to."""

    group: str
    workflows: tuple[Workflow, ...]
    share: int = 1
    """How many engines, of all workers together, share the limits and what is fetched ahead."""
    is_isolated: bool = False
    """The group is its workflow's own."""
    start: str = "earliest"
    """Where the group starts on a topic of which it has committed nothing."""
    own_start: str | None = None
    """Its workflow's own `start`."""
    other_groups: tuple[str, ...] = ()
    """Groups of the other workflows."""


def shared_layout(settings: Settings, workers: int = 1) -> GroupSpec:
    """All workflows in one group."""
    return GroupSpec(settings.kafka.group_id, settings.workflows, workers, start=settings.kafka.start)


def workflow_group(settings: Settings, workflow: Workflow) -> str:
    """The consumer group of one workflow alone."""
    return f"{settings.kafka.group_id}.{workflow.name}"


def layouts(settings: Settings, *, only: str | None = None, workers: int = 1) -> list[GroupSpec]:
    """The engines of a process, which is one of `workers`."""
    if settings.isolation == "shared":
        return [shared_layout(settings, workers)]
    chosen = [workflow for workflow in settings.workflows if only in (None, workflow.name)]
    return [_own_layout(settings, workflow, len(chosen) * workers) for workflow in chosen]


def _own_layout(settings: Settings, workflow: Workflow, share: int) -> GroupSpec:
    groups = [workflow_group(settings, other) for other in settings.workflows if other is not workflow]
    return GroupSpec(
        workflow_group(settings, workflow),
        (workflow,),
        share,
        is_isolated=True,
        start=settings.kafka.start,
        own_start=workflow.start,
        other_groups=tuple(groups),
    )


def engine_policy(settings: Settings, layout: GroupSpec) -> EnginePolicy:
    """The rules of one engine."""
    return EnginePolicy(
        group=layout.group,
        integration_name=settings.destination.integration_name,
        user_agent=f"tray-stream/{__version__}",
        validation=settings.validation.mode,
        unwrap=settings.kafka.unwrap or "",
        workflows=tuple(workflow_policy(settings, workflow) for workflow in layout.workflows),
        limits=_limits(settings, layout),
        gate=GatePolicy(settings.gate.failures, initial_s=settings.gate.initial, max_s=settings.gate.max),
        dead_letters=DeadLetterPolicy(settings.dead_letter.enabled, settings.dead_letter.max_consecutive),
        give_up=invalid_give_up(settings),
        is_isolated=layout.is_isolated,
        commit_interval_s=settings.kafka.commit_interval,
        drain_timeout_s=settings.kafka.drain_timeout,
    )


def workflow_policy(settings: Settings, workflow: Workflow) -> WorkflowPolicy:
    """What the engine needs to know of one workflow."""
    return WorkflowPolicy(
        name=workflow.name,
        shown_host=workflow.url.redacted(),
        types=workflow.wanted_types,
        exclude_types=frozenset(workflow.exclude_types),
        ordering=workflow.ordering,
        events=workflow.events or (),
        filters=filter_set(settings, workflow),
        max_in_flight=workflow.max_in_flight,
        concurrency=workflow.fixed_concurrency,
        rate_per_s=workflow.rate_limit,
        paused=workflow.paused,
        on_failure=workflow.on_failure,
        give_up=_places(workflow.give_up),
        headers=tuple((name, value.reveal()) for name, value in workflow.headers.items()),
        secrets=workflow_secrets(settings, workflow),
        shared_secret=segment_key(settings, workflow),
        webhook_keys=webhook_keys(settings, workflow),
        body=settings.destination.body,
    )


def filter_set(settings: Settings, workflow: Workflow) -> FilterSet:
    """What a workflow's filters are: the destination's, then its own."""
    filters = (*settings.destination.filters, *workflow.filters)
    salt = settings.destination.hash_salt.reveal()
    return FilterSet(workflow.where or "", tuple(_filter(each) for each in filters), salt)


def _filter(each: FilterSection) -> Filter:
    percent = 100.0 if each.percent is None else each.percent
    return Filter(each.action, each.if_ or "", percent, each.path or "", each.fields or ())


def workflow_policies(settings: Settings) -> list[WorkflowPolicy]:
    """What the engines need to know of each workflow."""
    return [workflow_policy(settings, workflow) for workflow in settings.workflows]


def invalid_give_up(settings: Settings) -> frozenset[RecordId]:
    """Invalid records that are not held."""
    return _places(settings.validation.give_up)


def delivery_rules(settings: Settings) -> DeliveryRules:
    """What answers mean and when attempts are repeated."""
    retry = settings.retry
    return DeliveryRules(
        OutcomeTable(retry.retry_on, retry.reject_on), RetryPolicy(retry.initial, retry.max, retry.for_)
    )


def kafka_policy(
    settings: Settings, layout: GroupSpec | None = None, logger: logging.Logger | None = None
) -> KafkaPolicy:
    """How a consumer group talks to Kafka, the shared one by default; the client's own log goes to `logger`."""
    layout = layout or shared_layout(settings)
    kafka = settings.kafka
    return KafkaPolicy(
        bootstrap_servers=kafka.bootstrap_servers,
        topics=kafka.topics,
        group=layout.group,
        start=layout.start,
        own_start=layout.own_start,
        other_groups=layout.other_groups,
        prefetch_kbytes=PREFETCH_KBYTES // layout.share,
        group_protocol=kafka.group_protocol,
        group_instance_id=kafka.group_instance_id,
        max_poll_interval_s=kafka.max_poll_interval,
        drain_timeout_s=kafka.drain_timeout,
        on_data_loss=kafka.on_data_loss,
        options=kafka.options,
        consumer_options=kafka.consumer_options,
        producer_options=kafka.producer_options,
        hidden_topics=(
            settings.dead_letter_topic,
            *(f"{topic}.audiences" for topic in kafka.topics[:1] if not topic.startswith("^")),
        ),
        token=token_keeper(settings),
        logger=logger,
    )


def dead_letter_plan(settings: Settings) -> DeadLetterPlan:
    """What the dead-letter topic should be."""
    return DeadLetterPlan(settings.dead_letter_topic, settings.dead_letter.create, settings.dead_letter.retention)


def _limits(settings: Settings, layout: GroupSpec) -> Limits:
    """The engine's part of the process's limits."""
    limits, share = settings.limits, layout.share
    # Of the most that the group may have begun beside: commits keep their names, whichever are configured now.
    room = room_for(MAX_WORKFLOWS - 1) if settings.isolation == "workflow" else 0
    return Limits(
        max_open_events=max(1, limits.max_open_events // share),
        max_open_bytes=max(1, limits.max_open_bytes // share),
        max_lane_events=limits.max_lane_events,
        max_ahead=limits.max_ahead,
        metadata_max_bytes=max(0, settings.kafka.metadata_max_bytes - room),
    )


def _places(names: tuple[str, ...]) -> frozenset[RecordId]:
    return frozenset(map(parse_place, names))


def own_part(settings: Settings, number: int, workers: int) -> Settings:
    """The settings of worker `number`: its part of each workflow's rate and requests in flight, and its own name.

    The limits of the process and what is fetched ahead are shared out with `layouts`.
    """
    workflows = tuple(_part_of(workflow, number, workers) for workflow in settings.workflows)
    kafka = settings.kafka
    if kafka.group_instance_id:
        kafka = kafka.model_copy(update={"group_instance_id": f"{kafka.group_instance_id}-{number}"})
    return settings.model_copy(update={"workflows": workflows, "kafka": kafka})


def find_share_warnings(settings: Settings, workers: int) -> Iterator[str]:
    """What cannot be shared out among so many."""
    for workflow in settings.workflows:
        if workflow.max_in_flight < workers:
            yield (
                f"max_in_flight of {workflow.name} is {workflow.max_in_flight}, and each of the {workers} workers "
                "may have one request in flight."
            )


def _part_of(workflow: Workflow, number: int, workers: int) -> Workflow:
    update: dict[str, object] = {"max_in_flight": _part(workflow.max_in_flight, number, workers)}
    if workflow.fixed_concurrency is not None:
        update["concurrency"] = _part(workflow.fixed_concurrency, number, workers)
    if workflow.rate_limit is not None:
        update["rate_limit"] = workflow.rate_limit / workers
    return workflow.model_copy(update=update)


def _part(total: int, number: int, workers: int) -> int:
    """An equal part, at least 1; the first ones get what is left over, so that the parts add up."""
    return max(1, (total + workers - 1 - number) // workers)

"""What one of several workers gets: the settings hold for all workers together, so each has its part of them."""

from __future__ import annotations

from collections.abc import Iterator

from stream.settings.model import Settings
from stream.settings.workflow import Workflow


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

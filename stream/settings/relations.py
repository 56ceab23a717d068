"""What the settings demand of each other, beyond one section: the set of workflows, and warnings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from stream.model.commit_map import short_hash
from stream.model.events import SEGMENT_TYPES
from stream.rules.patterns import doubt
from stream.settings.draft import Draft
from stream.settings.keys import nearest
from stream.settings.model import Settings
from stream.settings.options import unverified_options
from stream.settings.units import format_duration
from stream.settings.variables import OPTION_TABLES
from stream.settings.workflow import ALL_TYPES, MAX_WORKFLOWS, Workflow, default_name

_PORT = re.compile(r":[0-9]+$")
DRAIN_ALLOWANCE_S = 2.0
"""What a drain needs beyond a workflow's timeout, so that an attempt just started can end within it."""

NO_WORKFLOW_FIX = 'Set TRAY_WORKFLOW_URLS=https://…, or add [[workflow]] with url = "https://…" to the settings file.'
NO_TOPIC_FIX = 'Set TRAY_KAFKA__TOPICS=segment-events, or write topics = ["segment-events"] below [kafka].'
QUICK_START = """\
Start in one of these forms:
  1. in the environment:
       export TRAY_KAFKA__TOPICS=segment-events
       export TRAY_WORKFLOW_URLS=https://…
  2. in a file stream.toml:
       [kafka]
       topics = ["segment-events"]
       [[workflow]]
       url = "https://…\""""


def report_missing(draft: Draft, has_file: bool, workflows_required: bool, topics_required: bool) -> None:
    """Add a problem for what a command cannot do without: workflows, topics, any settings at all."""
    kafka = draft.tree.get("kafka", {})
    has_no_workflow = workflows_required and draft.tree.get("workflow", []) == []
    has_no_topic = topics_required and isinstance(kafka, dict) and kafka.get("topics", []) == []
    if not has_file and not draft.origins and not draft.problems and (has_no_workflow or has_no_topic):
        what = "there are none: no settings file, and no TRAY_ variable in the environment."
        draft.report(("settings",), what, QUICK_START)
        return
    if has_no_topic:
        draft.report(("kafka", "topics"), "no topic is given.", NO_TOPIC_FIX)
    if has_no_workflow:
        draft.report(("workflow",), "there is none.", NO_WORKFLOW_FIX)


def report_workflows(draft: Draft) -> None:
    """Add a problem for too many workflows, and for each whose name is another's or has another's hash."""
    workflows = draft.tree.get("workflow", [])
    if not isinstance(workflows, list):
        return
    if len(workflows) > MAX_WORKFLOWS:
        what = f"there are {len(workflows)}; the limit is {MAX_WORKFLOWS}."
        draft.report(("workflow",), what, "Run the others as a second deployment with a group_id of its own.")
    _report_equal_names(workflows, draft)


def find_warnings(settings: Settings) -> Iterator[str]:
    """What can be used, but hardly is what was meant."""
    slowest = max(settings.workflows, key=lambda workflow: workflow.timeout, default=None)
    if slowest and settings.kafka.drain_timeout < slowest.timeout + DRAIN_ALLOWANCE_S:
        yield _short_drain(settings.kafka.drain_timeout, slowest)
    for table in OPTION_TABLES.values():
        for name in unverified_options(getattr(settings.kafka, table)):
            yield f"kafka.{table}: {name} turns off the check that a broker is who it says. Remove it."
    yield from _addresses_without_port(settings.kafka.bootstrap_servers)
    yield from _equal_urls(settings.workflows)
    for index, workflow in enumerate(settings.workflows):
        for type_ in (*(workflow.types or ()), *workflow.exclude_types):
            if (near := nearest(type_, SEGMENT_TYPES)) and type_ not in (near, ALL_TYPES):
                yield f"workflow[{index}] ({workflow.name}): {type_} is a custom type. Did you mean {near}?"
        yield from _doubtful_events(f"workflow[{index}] ({workflow.name})", workflow)
        if workflow.paused:
            yield _paused(f"workflow[{index}] ({workflow.name})", settings)


def _addresses_without_port(servers: str) -> Iterator[str]:
    for server in map(str.strip, servers.split(",")):
        if server and not _PORT.search(server):
            yield f"kafka.bootstrap_servers: {server} has no port, so 9092 is used. Write {server}:9092."


def _equal_urls(workflows: Sequence[Workflow]) -> Iterator[str]:
    first_by_url: dict[str, str] = {}
    for index, workflow in enumerate(workflows):
        first = first_by_url.setdefault(workflow.url.reveal(), workflow.name)
        if first != workflow.name:
            yield (
                f"workflow[{index}] ({workflow.name}): its URL is that of {first}, too, so this workflow receives "
                "an event twice where both want it."
            )


def _paused(where: str, settings: Settings) -> str:
    what = f"{where}: paused: nothing is sent to it, its events wait on the topic."
    if len(settings.workflows) == 1 or settings.isolation == "workflow":
        return what
    return (
        f"{what} All workflows share one consumer group, so the others continue until the open limits are full "
        f"(limits.max_open_events = {settings.limits.max_open_events}), then wait for it, too. "
        'isolation = "workflow" keeps them apart.'
    )


def _doubtful_events(where: str, workflow: Workflow) -> Iterator[str]:
    yield from (f"{where}: events: {why}" for pattern in workflow.events or () if (why := doubt(pattern)))
    wanted = workflow.wanted_types
    if workflow.events and ((wanted is not None and "track" not in wanted) or "track" in workflow.exclude_types):
        yield f"{where}: events is not looked at, since types leaves track events out. Remove it, or add track."


def _report_equal_names(workflows: list[Any], draft: Draft) -> None:
    first_by_name: dict[str, int] = {}
    name_by_hash: dict[int, str] = {}
    for index, workflow in enumerate(workflows):
        if not isinstance(workflow, dict) or _has_problem(index, draft):
            continue
        name, url = workflow.get("name"), workflow.get("url")
        full_name = str(name or default_name(str(url)))
        first = first_by_name.setdefault(full_name, index)
        other = name_by_hash.setdefault(short_hash(full_name), full_name)
        if other != full_name:
            _report_equal_hashes(index, full_name, first_by_name[other], other, draft)
        elif first != index:
            key, noun = ("name", "name") if name else ("url", "URL, hence the same default name,")
            fix = "Remove one, or give each a name of its own."
            draft.report(("workflow", index, key), f"is the same {noun} as that of workflow[{first}].", fix)


def _report_equal_hashes(index: int, name: str, first: int, other: str, draft: Draft) -> None:
    what = (
        f"{name} has the same 32-bit hash as {other}, the name of workflow[{first}]. Commits tell workflows apart by "
        "this hash, so the events that wait for one would count as delivered to the other."
    )
    draft.report(("workflow", index, "name"), what, "Give one of them another name.")


def _has_problem(index: int, draft: Draft) -> bool:
    return any(draft.is_faulty(("workflow", index, key)) for key in ("name", "url"))


def _short_drain(drain_s: float, workflow: Workflow) -> str:
    least = format_duration(workflow.timeout + DRAIN_ALLOWANCE_S)
    return (
        f"kafka.drain_timeout: {format_duration(drain_s)} is shorter than the timeout of {workflow.name} "
        f"({format_duration(workflow.timeout)}) plus 2s, so an event may be delivered twice at a rebalance. "
        f"Set it to {least} or more."
    )

"""What is measured: each variant differs from the first one in what its name says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

IN_FLIGHT = 256
"""Requests in flight to a workflow, unless a variant says otherwise. Few users allow few at once, so variants of the
number of users are held to as many as the fewest allow; they have one partition, since ten users do not share four of
them out evenly."""

Kind = Literal["throughput", "backlog", "start", "tls", "latency", "memory"]


@dataclass(frozen=True)
class Variant:
    """One way to run. `part` of the bench's number of events is forwarded."""

    name: str
    what: str
    kind: Kind = "throughput"
    is_main: bool = False
    """Part of the short bench."""
    part: float = 1.0
    size: int = 800
    users: int = 20_000
    partitions: int = 4
    workflows: int = 1
    ordering: str = "user"
    validation: str = "strict"
    is_signed: bool = False
    has_tls: bool = False
    has_defaults: bool = False
    """Leave requests in flight to the program: at most 64, adaptive."""
    in_flight: int = IN_FLIGHT
    """To each workflow at once."""
    latency_s: float = 0.0
    """The endpoint's."""
    is_filtered: bool = False
    """With a `where` that every event passes, and two filters that drop a field each; other ones for each workflow."""
    workers: int = 1
    """Processes of the program; several have all cores, which they share with broker and endpoint."""
    has_peers: bool = False
    """Measure what it is held against, too."""
    events: int = 0
    """Exactly so many events instead of a part."""
    is_hanging: bool = False
    """Workflows that never answer, instead of ones that refuse the connection."""


MAIN = "user"
UNORDERED = "none"
FILTERED = "none-filters"
DEFAULTS = "defaults"
TEN = "10-workflows"
"""Its rate is of deliveries, as that of every variant with several workflows."""


def filters(workflow: int) -> dict[str, Any]:
    """Those of one of the workflows."""
    where = f"type != 'delete' and properties.total >= {40 - workflow} and !match(traits.email, '*@company.com')"
    fields = ("context.ip", f"context.page.field{workflow}" if workflow else "context.userAgent")
    return {"where": where, "filters": [{"action": "drop_properties", "fields": [field]} for field in fields]}


VARIANTS = (
    Variant(MAIN, "ordered by user", is_main=True, has_peers=True),
    Variant(UNORDERED, "no order", ordering="none", is_main=True),
    Variant(FILTERED, "no order, where and two filters", ordering="none", is_filtered=True, is_main=True),
    Variant(DEFAULTS, "default limits (64 in flight, adaptive)", has_defaults=True, is_main=True),
    Variant(TEN, "10 workflows, default limits", workflows=10, has_defaults=True, part=0.25, is_main=True),
    Variant("10-workflows-256", "10 workflows, 256 in flight each", workflows=10, part=0.25, is_main=True),
    Variant("signed", "signed (X-Signature)", is_signed=True, is_main=True),
    Variant("validation-off", "validation off", validation="off", is_main=True),
    Variant("200-b", "events of 200 B", size=200, is_main=True),
    Variant("8-kb", "events of 8 KB", size=8_000, part=0.25, is_main=True),
    Variant("64-kb", "events of 64 KB", size=64_000, part=0.04),
    Variant("100-kb", "events of 100 KB", size=100_000, part=0.025),
    Variant("20-ms", "endpoint answers after 20 ms", latency_s=0.02, part=0.25, is_main=True),
    Variant("200-ms", "endpoint answers after 200 ms", latency_s=0.2, part=0.05),
    Variant("3-s", "endpoint answers after 3 s, 2,000 events", latency_s=3.0, events=2_000),
    Variant("1-partition", "1 partition", partitions=1),
    Variant("64-partitions", "64 partitions", partitions=64),
    Variant("400-partitions", "400 partitions", partitions=400),
    Variant("400-partitions-many", "400 partitions, 200,000 users", partitions=400, users=200_000),
    Variant("none-400-partitions", "400 partitions, no order", ordering="none", partitions=400),
    Variant("start-4", "start, 4 partitions", "start", events=1_000),
    Variant("start-400", "start, 400 partitions", "start", events=10_000, partitions=400),
    Variant("start-10000", "start, 10,000 partitions", "start", events=10_000, partitions=10_000),
    Variant("10-users", "10 users, 10 in flight", users=10, in_flight=10, partitions=1),
    Variant("20000-users", "20,000 users, 10 in flight", in_flight=10, partitions=1),
    Variant("100000-users", "100,000 users, 10 in flight", users=100_000, in_flight=10, partitions=1),
    Variant("1000000-users", "1,000,000 users, one event each", users=1_000_000, events=1_000_000),
    Variant("2-workers", "2 workers on two cores", workers=2),
    Variant(
        "10-filtered", "10 workflows with 10 different filters, 256 in flight each",
        workflows=10, part=0.1, is_filtered=True,
    ),
    Variant(
        "none-10-workflows", "no order, 10 workflows, 256 in flight each",
        ordering="none", workflows=10, part=0.25,
    ),
    Variant("tls-workflow", "over TLS", has_tls=True),
    Variant("backlog-1000", "backlog of 1,000", kind="backlog", events=1_000),
    Variant("backlog-10000", "backlog of 10,000", kind="backlog", events=10_000),
    Variant("backlog-100000", "backlog of 100,000", kind="backlog", events=100_000),
    Variant("backlog-1000000", "backlog of 1,000,000", kind="backlog", events=1_000_000),
    Variant("tls", "requests over TLS, 64 connections", kind="tls", part=0.5, is_main=True),
    Variant("latency", "500 events/s", kind="latency", is_main=True),
    Variant("memory", "10 dead workflows (refused)", kind="memory", workflows=10, is_main=True),
    Variant(
        "memory-1000000", "10 dead workflows (refused), 1,000,000 waiting", "memory",
        workflows=10, events=1_000_000,
    ),
    Variant(
        "memory-hanging", "10 dead workflows (no answer), 1,000,000 waiting", "memory",
        workflows=10, events=1_000_000, is_hanging=True,
    ),
)  # fmt: skip


def chosen(only: str, everything: bool) -> list[Variant]:
    """Those whose name is, or else begins with, one of `only` (separated by commas); else the short bench, or all.

    Raises:
        SystemExit: there is none of such a name.
    """
    if only:
        return [variant for name in only.split(",") if name for variant in _named(name)]
    return [variant for variant in VARIANTS if everything or variant.is_main]


def _named(name: str) -> list[Variant]:
    exact = [variant for variant in VARIANTS if variant.name == name]
    found = exact or [variant for variant in VARIANTS if variant.name.startswith(name)]
    if not found:
        raise SystemExit(f"There is no variant {name}. There are: {', '.join(v.name for v in VARIANTS)}.")
    return found

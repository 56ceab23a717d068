"""The soak's own parts: a short one on real Kafka, and what its checker says of runs that were not well."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from soak import Soak
from soak_deliveries import Window, judge_deliveries
from soak_load import USERS, WORKFLOWS, is_invalid, is_wanted, number_in, user_of, value_of
from soak_log import LINE
from soak_verdicts import Topic, judge_samples

from stream.demo.apache_kafka import ApacheKafka

EVENTS = 3 * USERS
"""Three of each user."""
SECONDS = 9.0


@pytest.mark.acceptance
def test_a_few_seconds_of_soak_keep_every_promise(own_kafka: ApacheKafka, tmp_path: Path) -> None:
    """Load, faults, recovery and all verdicts, as in an hour."""
    soak = Soak(tmp_path, own_kafka, seed=4, rate=200, seconds=SECONDS)
    verdicts = soak.run()
    assert [str(verdict) for verdict in verdicts if not verdict.is_kept] == []
    assert {verdict.name for verdict in verdicts} > {"loss", "order", "duplicates", "memory", "recovery"}


def test_a_number_says_who_gets_the_event() -> None:
    """It is found again in the value, and every workflow gets some events and not others."""
    assert [number_in(value_of(number)) for number in range(1000)] == list(range(1000))
    assert number_in(b'{"type":"track"}') == -1
    wanted = {name: sum(is_wanted(name, number) for number in range(EVENTS)) for name in WORKFLOWS}
    assert EVENTS > wanted["everything"] > wanted["orders"] > wanted["crm"] > 0


def test_a_run_without_faults_is_found_well(tmp_path: Path) -> None:
    """No loss, order kept, and not one duplicate allowed or found."""
    assert failures(tmp_path, requests()) == []


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_a_lost_event_is_found(tmp_path: Path, workflow: str) -> None:
    """Of each workflow; a dead letter instead is no loss."""
    victim = next(number for number in range(100, EVENTS) if is_wanted(workflow, number))
    without = [one for one in requests() if one[:2] != (workflow, victim)]
    assert failures(tmp_path, without) == ["loss"]
    assert failures(tmp_path, without, letters={workflow: {victim}}) == []


def test_an_invalid_event_without_a_letter_is_lost(tmp_path: Path) -> None:
    """It reaches no workflow, so its letter is all there is."""
    assert failures(tmp_path, requests(), letters={"": set()}) == ["loss"]


def test_broken_order_is_found(tmp_path: Path) -> None:
    """Two events of one user that came the other way round."""
    first = next(n for n in range(EVENTS) if is_wanted("everything", n) and is_wanted("everything", n + USERS))
    assert user_of(first) == user_of(first + USERS)
    swapped = {first: first + USERS, first + USERS: first}
    turned = [(name, swapped.get(n, n) if name == "everything" else n, status) for name, n, status in requests()]
    assert failures(tmp_path, turned) == ["order"]


def test_rejected_events_that_come_again_are_no_disorder(tmp_path: Path) -> None:
    """Two of one user were rejected in order, a kill came before the commit, and both are rejected in order again."""
    first = next(n for n in range(EVENTS) if is_wanted("orders", n) and is_wanted("orders", n + USERS))
    rejected = [("orders", n, 422) for n in (first, first + USERS)]
    others = [one for one in requests() if one[:2] not in {key[:2] for key in rejected}]
    letters = {"orders": {first, first + USERS}}
    assert failures(tmp_path, [*rejected, *rejected, *others], letters) == []
    assert failures(tmp_path, [*reversed(rejected), *others], letters) == ["order"]


def test_duplicates_beyond_their_bound_are_found(tmp_path: Path) -> None:
    """One that nothing explains is one too many; one that was delivered just before a kill is not."""
    again = [*requests(), ("everything", 0, 200)]
    assert failures(tmp_path, again) == ["duplicates"]
    assert failures(tmp_path, again, windows=[Window("kill", 2.0, 2.0)]) == []
    assert failures(tmp_path, again, windows=[Window("kill", 20.0, 20.0)]) == ["duplicates"]


def test_a_stranger_is_found(tmp_path: Path) -> None:
    """An event that the workflow was not to get."""
    stranger = next(number for number in range(EVENTS) if not is_wanted("crm", number) and not is_invalid(number))
    assert failures(tmp_path, [*requests(), ("crm", stranger, 200)]) == ["strangers"]


@pytest.mark.parametrize(("growth", "found"), [(1.0, []), (1.09, []), (1.2, ["memory"])])
def test_growing_memory_is_found(growth: float, found: list[str]) -> None:
    """Memory at the end is held against that after ten minutes, not against that of the start."""
    sizes = {0: 50_000, 600: 80_000, 3600: int(80_000 * growth)}
    samples = [
        {"member": "steady", "t": at + i, "rss_kib": size, "fds": 80, "threads": 20, "lag": 0, "since_progress": 0.0}
        for at, size in sizes.items()
        for i in range(3)
    ]
    assert [verdict.name for verdict in judge_samples(samples, "steady") if not verdict.is_kept] == found


def requests() -> list[tuple[str, int, int]]:
    """(workflow, number, status) of a run in which all went well."""
    return [(name, number, 200) for number in range(EVENTS) for name in WORKFLOWS if is_wanted(name, number)]


def failures(
    directory: Path,
    given: list[tuple[str, int, int]],
    letters: dict[str, set[int]] | None = None,
    windows: Sequence[Window] = (),
) -> list[str]:
    """Names of the verdicts that are broken."""
    topic = Topic(())
    for number in range(EVENTS):
        topic.put(number, 0, number)
    log = directory / "requests.bin"
    log.write_bytes(
        b"".join(
            LINE.pack(at, at + 0.5, number, status, WORKFLOWS.index(name))
            for at, (name, number, status) in enumerate(given)
        )
    )
    invalid = {"": {number for number in range(EVENTS) if is_invalid(number)}}
    found = judge_deliveries(topic, {**invalid, **(letters or {})}, log, windows)
    return [verdict.name for verdict in found if not verdict.is_kept]

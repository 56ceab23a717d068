"""What the settings allow is shared out among the workers."""

from __future__ import annotations

import pytest
from supervisor_support import loaded

from stream.model.origin import origin_of
from stream.runtime.policies import PREFETCH_KBYTES, engine_policy, find_share_warnings, kafka_policy, layouts, own_part
from stream.settings.model import Settings
from stream.settings.workflow import MAX_WORKFLOWS


def settings_of(**workflow: object) -> Settings:
    """Settings with one workflow of these values."""
    settings = loaded().settings
    return settings.model_copy(update={"workflows": (settings.workflows[0].model_copy(update=workflow),)})


@pytest.mark.parametrize(("total", "workers", "parts"), [(64, 4, [16] * 4), (10, 4, [3, 3, 2, 2]), (2, 3, [1, 1, 1])])
def test_requests_in_flight_are_shared_out(total: int, workers: int, parts: list[int]) -> None:
    """The parts add up to the whole, but nobody has none."""
    settings = settings_of(max_in_flight=total, concurrency=total)
    shares = [own_part(settings, number, workers).workflows[0] for number in range(workers)]
    assert [share.max_in_flight for share in shares] == parts
    assert [share.fixed_concurrency for share in shares] == parts


def test_rates_are_shared_out() -> None:
    """An adaptive concurrency stays one, and no limit stays none."""
    share = own_part(settings_of(rate_limit=100.0), 1, 4).workflows[0]
    assert (share.rate_limit, share.concurrency) == (25.0, "adaptive")
    assert own_part(settings_of(), 1, 4).workflows[0].rate_limit is None


def test_each_worker_is_a_member_of_its_own() -> None:
    """With static membership under its own name."""
    settings = loaded().settings
    named = settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"group_instance_id": "a"})})
    assert [own_part(named, number, 2).kafka.group_instance_id for number in range(2)] == ["a-0", "a-1"]
    assert own_part(settings, 0, 2).kafka.group_instance_id is None


def test_limits_and_prefetch_are_shared_out() -> None:
    """Over the workers and their engines."""
    settings = loaded().settings
    twin = settings.workflows[0].model_copy(update={"name": "twin"})
    isolated = settings.model_copy(update={"isolation": "workflow", "workflows": (*settings.workflows, twin)})
    for given, engines in ((settings, 1), (isolated, 2)):
        layout = layouts(given, workers=4)[0]
        limits = engine_policy(given, layout).limits
        assert limits.max_open_events == 20_000 // (4 * engines)
        assert limits.max_open_bytes == 64 * 1024 * 1024 // (4 * engines)
        assert limits.max_lane_events == 1000
        assert kafka_policy(given, layout).prefetch_kbytes == PREFETCH_KBYTES // (4 * engines)


def test_commits_have_room_for_the_names_that_they_keep() -> None:
    """A group that began beside nine others keeps all of their names, also where it is the only one by now."""
    shared = loaded().settings
    alone = shared.model_copy(update={"isolation": "workflow"})
    most, (layout,) = shared.kafka.metadata_max_bytes, layouts(alone)
    kept = origin_of(f"tray.w{number}" for number in range(MAX_WORKFLOWS - 1))
    assert engine_policy(alone, layout).limits.metadata_max_bytes + len(kept) == most
    assert engine_policy(shared, layouts(shared)[0]).limits.metadata_max_bytes == most


def test_what_cannot_be_shared_out_is_said() -> None:
    """Fewer requests in flight than workers."""
    (warning,) = find_share_warnings(settings_of(name="orders", max_in_flight=2), 3)
    assert warning == ("max_in_flight of orders is 2, and each of the 3 workers may have one request in flight.")
    assert not list(find_share_warnings(settings_of(max_in_flight=3), 3))

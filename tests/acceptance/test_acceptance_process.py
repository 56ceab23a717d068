"""What no command line can bring about: a fault inside the program, and a scrape beside the event loop."""

from __future__ import annotations

import asyncio

import pytest
from support.topics import committed_offsets

from stream.demo.stage import GROUP, TOPIC, open_stage
from stream.model.errors import StreamError
from stream.model.statistics import EngineStats
from stream.runtime.loop_answer import MonotonicStats
from stream.runtime.processor import Processor, RunOptions
from stream.telemetry.logs import logger


def break_at_once(processor: Processor) -> None:
    """Let something raise within the event loop."""
    asyncio.get_running_loop().call_soon(lambda: 1 / 0)


def test_a_fault_of_ours_ends_the_run_without_a_commit() -> None:
    """The error is told, the group is left, and no offset is committed on the strength of a broken engine."""
    with open_stage("127.0.0.1:0") as stage:
        options = RunOptions(inspect_topics=False)
        processor = Processor(stage.settings, logger(), options, on_started=break_at_once)
        with pytest.raises(StreamError, match="The engine broke: ZeroDivisionError"):
            asyncio.run(processor.run())
        committed = committed_offsets(stage.bootstrap, GROUP, TOPIC)
    assert {offset or 0 for offset in committed.values()} == {0}


def test_a_scrape_sees_the_numbers_between_two_steps() -> None:
    """It gets copies made on the event loop, which later steps do not change."""
    stats = EngineStats("tray", ["events"], ["orders"])

    async def scrape_and_go_on() -> list[EngineStats]:
        stats.received["events", "track"] += 1
        copies = await asyncio.to_thread(list, MonotonicStats(asyncio.get_running_loop(), [stats]))
        stats.received["events", "track"] += 1
        return copies

    [copy] = asyncio.run(scrape_and_go_on())
    assert copy.received.total() == 1
    assert copy.group == "tray"
    assert copy.workflows["orders"].age.total == 0


def test_a_scrape_is_answered_without_the_event_loop() -> None:
    """While the loop is stuck, and once it is closed, the numbers are read as they stand."""
    stats = EngineStats("tray", ["events"], ["orders"])
    loop = asyncio.new_event_loop()
    steady = MonotonicStats(loop, [stats])
    assert list(steady) == [stats]
    loop.close()
    assert list(steady) == [stats]
    assert (len(steady), steady[0]) == (1, stats)

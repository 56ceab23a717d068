"""The bench's own parts: choosing, judging, telling. What it measures is measured by `make bench`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from bench_endpoint import OwnReceiver
from bench_events import event, filler
from bench_measure import Sample, judged
from bench_programs import AIOHTTP, PLAIN_LOOP, PRODUCT, SENDER_ALONE
from bench_readme import BEGIN, END, ROOT, kept, with_table
from bench_rows import Row, cells, median_of, verdicts
from bench_usage import Usage
from bench_variants import MAIN, VARIANTS, chosen


def test_variants_are_chosen_by_name() -> None:
    """Exactly, else by how they begin; without names the short bench, or all."""
    assert [variant.name for variant in chosen("none", False)] == ["none"]
    assert [variant.name for variant in chosen("memory-,200-b", False)] == [
        "memory-1000000",
        "memory-hanging",
        "200-b",
    ]
    assert len(chosen("", True)) == len(VARIANTS) > len(chosen("", False)) > 5
    assert len({variant.name for variant in VARIANTS}) == len(VARIANTS)
    with pytest.raises(SystemExit, match="There is no variant nonsense"):
        chosen("nonsense", False)


def test_rate_and_cost_are_those_between_the_tenths() -> None:
    """Start and end do not count, the peak is of the whole."""
    seen = (0, 0, 100, 500, 900, 1000)
    samples = [Sample(float(at), count, Usage(at * 0.5, 2048 * at)) for at, count in enumerate(seen)]
    found = judged(samples, 1000, None)
    assert (found.rate, found.cpu_us, found.peak_mib) == (400.0, 1250.0, 10.0)


def test_too_few_requests_are_no_rate() -> None:
    """A program that stops half way has none."""
    samples = [Sample(float(at), at * 100, Usage(0.1, 1024)) for at in range(9)]
    assert judged(samples, 1000, 3) == (800, 0.0, 0.0, 1.0, 3)
    assert judged([], 1000, 1).rate == 0


@pytest.mark.parametrize("script", ["bench_sender_alone.py", "bench_plain_loop.py"])
def test_a_program_beside_ours_needs_nothing_of_the_tests(script: str) -> None:
    """It runs in a clean environment, without the tests' own modules: started without arguments it asks for them."""
    path = ROOT / "tests/bench" / script
    done = subprocess.run([sys.executable, str(path)], env={}, capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError" not in done.stderr
    assert "not enough values to unpack" in done.stderr


ROWS = [
    Row(MAIN, "ordered by user", PRODUCT, 50_000, 18.0, 115),
    Row(MAIN, "ordered by user", SENDER_ALONE, 100_000, 8.0, 37),
    Row(MAIN, "ordered by user", PLAIN_LOOP, 2_500, 330.0, 59),
    Row("defaults", "default limits", PRODUCT, 50_000, 14.0, 110),
    Row("10-workflows", "10 workflows", PRODUCT, 65_000, 14.0, 110),
    Row("1-partition", "1 partition", PRODUCT, 50_000, 20.0, 110),
    Row("64-partitions", "64 partitions", PRODUCT, 50_000, 19.0, 110),
    Row("tls", "TLS", SENDER_ALONE, 45_000),
    Row("tls", "TLS", AIOHTTP, 9_000),
    Row("latency", "500 events/s", PRODUCT, p50_ms=2.41, p99_ms=7.3),
    Row("memory", "dead", PRODUCT, peak_mib=176),
    Row("none", "no order", PRODUCT, note="FAILED (0 requests)"),
    Row("none", "no order", PRODUCT, 50_000, 16.0, 110),
    Row("none-filters", "no order, where and two filters", PRODUCT, 46_000, 17.6, 110),
    Row("400-partitions", "400 partitions", PRODUCT, 50_000, 19.5, 110),
]


def test_rows_as_they_are_shown() -> None:
    """Rate, cost, share of a core, peak, ratio to the product's first row; or what happened instead."""
    assert cells(ROWS[1], ROWS) == ("ordered by user", SENDER_ALONE, "100,000", "8.0", "80%", "37", "2.00")
    assert cells(ROWS[9], ROWS)[2] == "p50 2.4 ms, p99 7.3 ms"
    assert cells(ROWS[11], ROWS)[2:] == ("FAILED (0 requests)", "", "", "", "")


def test_what_the_rows_say_of_the_aims() -> None:
    """A line for each aim that was measured, and only for those."""
    assert list(verdicts(ROWS)) == [
        f"{PRODUCT} / {SENDER_ALONE}: 0.50 (aim: at least 0.65)",
        f"{PRODUCT} / {PLAIN_LOOP}: 20.0",
        "10 workflows / 1, deliveries with the default limits: 1.30 (aim: at least 1.4)",
        "CPU µs an event by partitions: 18.0, 20.0, 19.0, 19.5; 10% apart (aim: at most 20 %)",
        "TLS, 64 connections: 5.00 times aiohttp (aim: at least 2.5)",
        "produced → request arrives: p50 2.4 ms, p99 7.3 ms (aim: 5 and 25)",
        "dead: 176 MiB (aim: at most 200)",
    ]
    assert list(verdicts(ROWS[11:12])) == []
    assert list(verdicts(ROWS[12:])) == ["where and two filters / none, CPU an event: 1.10 (aim: at most 1.10)"]


def test_the_middle_one_of_several_rounds() -> None:
    """By rate."""
    assert median_of([ROWS[1], ROWS[2], ROWS[0]]) == ROWS[0]


@pytest.mark.parametrize("size", [800, 8_000, 100_000])
def test_events_are_of_the_size_they_should_be(size: int) -> None:
    """Within two per cent."""
    made = event(100_000, "user-10000", filler(size))
    assert len(json.dumps(made, separators=(",", ":"))) == pytest.approx(size, rel=0.02)


@pytest.fixture
def receiver() -> Iterator[OwnReceiver]:
    """A receiver that remembers."""
    found = OwnReceiver(0.01, is_recording=True)
    yield found
    found.close()


def test_the_receiver_counts_and_remembers(receiver: OwnReceiver) -> None:
    """Events, not our questions; the first time of each message id."""
    for name in ("a", "b", "a"):
        assert httpx.post(receiver.url(), json={"messageId": name}, trust_env=False).status_code == 200
    assert receiver.requests() == 3
    arrivals = receiver.arrivals()
    assert set(arrivals) == {"a", "b"}
    assert arrivals["a"] < arrivals["b"]


def test_the_page_shows_the_results() -> None:
    """The table is what `tests/bench/bench_readme.py` makes of the results beside it."""
    document = (ROOT / "docs/about/performance.md").read_text()
    assert with_table(document, kept()) == document


def test_the_table_takes_the_place_between_its_marks() -> None:
    """Each row with its figures, what is around it untouched, and a second time the same."""
    results = {"date": "2026-01-05", "machine": "2 cores", "endpoint": "nginx", "events": 200_000, "rounds": 1}
    found = with_table(f"before\n{BEGIN}old\n{END}after\n", {**results, "rows": [row.as_json() for row in ROWS]})
    assert found.startswith(f"before\n{BEGIN}\nMeasured on 2026-01-05: 2 cores. Endpoint: nginx. 200,000 events")
    assert f"| ordered by user | {PRODUCT} | 50,000 | 18.0 | 90% | 115 | 1.00 |" in found
    assert found.endswith(f"\n{END}after\n")
    assert with_table(found, None) == f"before\n{BEGIN}{END}after\n"

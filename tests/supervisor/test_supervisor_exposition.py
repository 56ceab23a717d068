"""The workers' metrics in one text."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from stream.runtime.supervisor.exits import describe_exit
from stream.runtime.supervisor.exposed import merged


def exposition(value: int) -> str:
    """One of each kind, with odd labels and none."""
    registry = CollectorRegistry()
    Gauge("plain", "Without a label.", registry=registry).set(value)
    odd = Counter("odd", 'A text with "quotes" and # signs\nin two lines.', ["topic"], registry=registry)
    odd.labels('a{b} "c" d').inc(value)
    Histogram("seconds", "A histogram.", ["group"], registry=registry).labels("g").observe(value)
    return generate_latest(registry).decode()


def test_every_sample_is_there_with_its_worker() -> None:
    """As a parser reads it: the same samples as in the parts, with one label more."""
    parts = {2: exposition(7), 0: exposition(3)}
    wanted = {
        (s.name, frozenset({**s.labels, "worker": str(worker)}.items())): s.value
        for worker, text in parts.items()
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }
    found = [s for family in text_string_to_metric_families(merged(parts)) for s in family.samples]
    assert {(s.name, frozenset(s.labels.items())): s.value for s in found} == wanted
    assert len(found) == len(wanted)


def test_samples_of_one_metric_stand_together() -> None:
    """One line of help for each, the workers in their order below it."""
    lines = merged({1: exposition(7), 0: exposition(3)}).splitlines()
    assert [line for line in lines if "plain" in line] == [
        "# HELP plain Without a label.",
        "# TYPE plain gauge",
        'plain{worker="0"} 3.0',
        'plain{worker="1"} 7.0',
    ]
    assert len([line for line in lines if line.startswith("# HELP")]) == len(
        {line for line in lines if "# HELP" in line}
    )


def test_a_worker_without_metrics_yet() -> None:
    """Adds nothing."""
    assert merged({0: "", 1: ""}) == ""
    text = exposition(1)
    assert merged({0: "", 1: text}) == merged({1: text})


@pytest.mark.parametrize(("code", "words"), [(3, "exit code 3"), (-9, "signal SIGKILL"), (-60, "signal 60")])
def test_an_end_in_words(code: int, words: str) -> None:
    """As the log tells it."""
    assert describe_exit(code) == words

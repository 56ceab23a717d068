"""Settings of pace, holds and isolation."""

from __future__ import annotations

from pathlib import Path

import pytest
from settings_support import MINIMAL, URL, load, problems, workflow_problems

from stream.settings import redacted_settings
from stream.settings.places import parse_place

HOLD = f"""
[kafka]
topics = ["segment-events"]
[dead_letter]
enabled = false
[[workflow]]
url = "{URL}"
on_failure = "hold"
"""


@pytest.mark.parametrize(("text", "per_s"), [("100/s", 100.0), ("90/m", 1.5), ("36/h", 0.01), ("2.5/s", 2.5)])
def test_rates(tmp_path: Path, text: str, per_s: float) -> None:
    """A rate is a number and a unit of time."""
    workflow = load(tmp_path, MINIMAL + f'rate_limit = "{text}"\n').settings.workflows[0]
    assert workflow.rate_limit == pytest.approx(per_s)


@pytest.mark.parametrize("text", ['"100"', "100", '"0/s"', '"fast"', '"10/day"'])
def test_rates_that_are_none(tmp_path: Path, text: str) -> None:
    """Anything else is refused with the form that is accepted."""
    (problem,) = workflow_problems(tmp_path, f'url = "{URL}"\nrate_limit = {text}')
    assert problem == 'workflow[0].rate_limit: is not a rate. Write a number and a unit (/s, /m or /h): "100/s".'


def test_concurrency(tmp_path: Path) -> None:
    """Adaptive by default, or a number up to `max_in_flight`."""
    assert load(tmp_path).settings.workflows[0].fixed_concurrency is None
    assert load(tmp_path, MINIMAL + "concurrency = 7\n").settings.workflows[0].fixed_concurrency == 7
    (problem,) = workflow_problems(tmp_path, f'url = "{URL}"\nmax_in_flight = 5\nconcurrency = 7')
    assert problem.startswith("workflow[0].concurrency: is more than max_in_flight (5).")


def test_give_up_names_records(tmp_path: Path) -> None:
    """A record is named as the log line of a hold prints it; anything else is refused."""
    lines = f'url = "{URL}"\ngive_up = ["segment-events:3:41", "segment-events:41"]'
    (problem,) = workflow_problems(tmp_path, lines)
    assert problem.startswith("workflow[0].give_up[1]: does not name a record.")
    assert parse_place("a.b-c:3:41") == ("a.b-c", 3, 41)


def test_no_dead_letters_without_hold(tmp_path: Path) -> None:
    """Switching dead letters off needs every workflow to hold what ends badly."""
    assert load(tmp_path, HOLD).settings.dead_letter.enabled is False
    (problem,) = problems(tmp_path, HOLD.replace('"hold"', '"dead-letter"').replace("url", 'name = "orders"\nurl'))
    assert problem.startswith("dead_letter.enabled: is false, and events of orders that end badly")


def test_isolation_from_file_and_environment(tmp_path: Path) -> None:
    """The layout of the consumer groups is one word above all sections."""
    assert load(tmp_path, 'isolation = "workflow"\n' + MINIMAL).settings.isolation == "workflow"
    assert load(tmp_path, MINIMAL, {"TRAY_ISOLATION": "workflow"}).settings.isolation == "workflow"
    (problem,) = problems(tmp_path, 'isolation = "full"\n' + MINIMAL)
    assert problem == "isolation: must be 'shared' or 'workflow'."


def test_event_names(tmp_path: Path) -> None:
    """Patterns of track events' names are kept as written; an empty list is refused."""
    settings = load(tmp_path, MINIMAL + 'events = ["Order *", "Cart*"]\nrate_limit = "30/m"\n').settings
    assert settings.workflows[0].events == ("Order *", "Cart*")
    assert redacted_settings(settings)["workflow"][0]["rate_limit"] == "30/m"
    assert workflow_problems(tmp_path, f'url = "{URL}"\nevents = []')


def test_gate_bounds(tmp_path: Path) -> None:
    """The longest closing is not shorter than the first."""
    (problem,) = problems(tmp_path, MINIMAL + '[gate]\ninitial = "10s"\nmax = "5s"\n')
    assert problem.startswith("gate.max: is shorter than gate.initial (10s).")

"""The picture of the README is there, small, and can be drawn anew."""

from __future__ import annotations

from pathlib import Path

from assertions import every
from grafana_support import GRAFANA
from pictures import DEAD, PICTURE, WORKFLOWS, Story, draw

from stream.demo.prometheus import Series

LARGEST = 200 * 1024
START = 1_700_000_000.0
README = (GRAFANA.parent / "README.md").read_text()


def lines(healthy: float, dead: float) -> dict[str, Series]:
    """A value each second for a minute; the dead workflow has another from second 15 to 35."""
    return {
        name: Series(
            {"workflow": name},
            [(START + second, dead if name == DEAD and 15 <= second < 35 else healthy) for second in range(61)],
        )
        for name in WORKFLOWS
    }


def test_the_picture_is_shown_and_small() -> None:
    """README shows it; its words are text, so that they can be read and searched."""
    assert "(grafana/pictures/outage.svg)" in README
    drawn = PICTURE.read_text()
    assert len(drawn) < LARGEST
    assert f">{DEAD} answers 503</text>" in drawn


def test_a_story_is_drawn(tmp_path: Path) -> None:
    """The same numbers give the same file."""
    story = Story(
        delivered=lines(240, 0),
        lag=lines(0, 5000),
        gate=lines(1, 0),
        age=lines(1, 20),
        start=START,
        died=START + 15,
        healed=START + 35,
    )
    first, second = tmp_path / "first" / "outage.svg", tmp_path / "second" / "outage.svg"
    draw(story, first)
    draw(story, second)
    assert first.read_bytes() == second.read_bytes()
    assert len(first.read_bytes()) < LARGEST
    assert every(f">{name}</text>" in first.read_text() for name in WORKFLOWS)

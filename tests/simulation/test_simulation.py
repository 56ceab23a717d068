"""Thousands of broken worlds, in none of which anything may be lost; and planted bugs, each of which must be found."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from planted import BUGS
from support.builds import is_compiled
from support.simulate import failing, findings_of, main
from support.simulation import Simulation

SEEDS = 1000
SEEDS_PER_BUG = 200


def test_no_seed_has_a_finding() -> None:
    """Whatever a seed breaks, no event is lost, repeated without cause or out of order, and all comes to its end."""
    assert {seed: found for seed, found in failing(range(SEEDS)) if found} == {}


@pytest.mark.skipif(is_compiled(), reason="a method of a compiled class is called directly, so no bug can be planted")
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_a_planted_bug_is_found(bug: Callable[[], AbstractContextManager[None]]) -> None:
    """The same seeds have findings as soon as the engine is broken on purpose; the seed is printed."""
    with bug():
        found = next(((seed, findings) for seed in range(SEEDS_PER_BUG) if (findings := findings_of(seed))), None)
    assert found is not None
    print(f"{bug.__name__}: seed {found[0]}: {found[1][0]}")


def test_a_seed_is_always_the_same_run() -> None:
    """A failing seed can be replayed exactly."""
    runs = []
    for _ in range(2):
        simulation = Simulation(11)
        simulation.run()
        arrivals = {name: workflow.arrivals for name, workflow in simulation.workflows.items()}
        runs.append((simulation.log, arrivals, simulation.history))
    assert runs[0] == runs[1]


def test_the_command_tells_of_failing_seeds(capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m support.simulate` ends with 0 on clean seeds, and prints one seed's log."""
    assert main(["--seeds", "4"]) == 0
    assert "4 seeds, 0 with findings" in capsys.readouterr().out
    assert main(["--seed", "3"]) == 0
    assert "heal" in capsys.readouterr().out

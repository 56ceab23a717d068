"""The tools of these tests, as fixtures."""

from __future__ import annotations

import pytest
from tools import COMPOSE_SPEC, HELM, go_tool


@pytest.fixture(scope="session")
def helm() -> str:
    """Path of helm."""
    return go_tool(HELM)


@pytest.fixture(scope="session")
def compose_spec() -> str:
    """Path of the loader of Compose files."""
    return go_tool(COMPOSE_SPEC)

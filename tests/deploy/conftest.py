"""The tools of these tests and the built image, as fixtures."""

from __future__ import annotations

from pathlib import Path

import pytest
from deploy_image import build
from deploy_tools import COMPOSE_SPEC, HELM, go_tool


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment that the image holds."""
    return build(tmp_path_factory.mktemp("context"))


@pytest.fixture(scope="session")
def helm() -> str:
    """Path of helm."""
    return go_tool(HELM)


@pytest.fixture(scope="session")
def compose_spec() -> str:
    """Path of the loader of Compose files."""
    return go_tool(COMPOSE_SPEC)

"""Every test of the sender runs on either event loop."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from http_support import LOOPS, Run, make_certificate, run_on


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a test's coroutine on either loop."""
    return partial(run_on, request.param)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of `localhost` and its key."""
    return make_certificate(tmp_path_factory.mktemp("tls") / "localhost.pem")

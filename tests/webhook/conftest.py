"""Every test of a sender runs with either sender and on either event loop."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from webhook_support import LOOPS, SENDERS, MakeSender, Run, make_certificate, run_on


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a test's coroutine on either loop."""
    return partial(run_on, request.param)


@pytest.fixture(params=SENDERS)
def make(request: pytest.FixtureRequest) -> MakeSender:
    """Either sender's class."""
    return SENDERS[request.param]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of `localhost` and its key."""
    return make_certificate(tmp_path_factory.mktemp("tls") / "localhost.pem")

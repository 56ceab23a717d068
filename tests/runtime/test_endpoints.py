"""From settings to the ways that lead to workflows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.authority import Authority
from support.receiver import FaultReceiver
from support.scripted_workflow import SilentLogger

from stream.check.settings import probe_workflows
from stream.model.attempts import Answer, HttpRequest
from stream.model.errors import ConfigError
from stream.model.ports import AttemptResult
from stream.runtime.endpoints import WorkflowEndpoint, endpoints_of
from stream.settings import load_settings
from stream.settings.model import Settings

HEAD = '[kafka]\ntopics = ["events"]\n'
URL = "https://hooks.example.com/wf/1"


def settings_of(folder: Path, *workflows: str, more: str = "") -> Settings:
    """Settings with these workflows, each given by its lines."""
    path = folder / "stream.toml"
    path.write_text(HEAD + more + "".join(f"[[workflow]]\n{lines}\n" for lines in workflows))
    return load_settings(path, {}, {}).settings


def way(folder: Path, lines: str, more: str = "") -> WorkflowEndpoint:
    """The way to the only workflow."""
    settings = settings_of(folder, f'name = "orders"\n{lines}', more=more)
    return endpoints_of(settings, settings.workflows)[0]


def test_ways_are_equal_when_they_lead_alike(tmp_path: Path) -> None:
    """What is sent and how fast does not matter; URL, proxy, timeouts, egress and the files' contents do."""
    authority = Authority(tmp_path / "a")
    (tmp_path / "ca.pem").write_bytes(authority.certificate.read_bytes())
    lines = f'url = "{URL}"\nca_file = "ca.pem"\n'
    first = way(tmp_path, lines)
    assert way(tmp_path, f'{lines}types = ["track"]\nrate_limit = "5/s"\nshared_secret = "x"') == first
    for other in (
        f'{lines}timeout = "3s"',
        f'{lines}proxy = "http://proxy"',
        lines.replace("wf/1", "wf/2"),
    ):
        assert way(tmp_path, other) != first
    assert way(tmp_path, lines, '[http_client]\nmax_connection_age = "1m"\n') != first
    assert way(tmp_path, lines, '[http_client]\nmax_connection_age = "300s"\n') == first
    assert way(tmp_path, lines, "[egress]\npublic_only = true\n") != first
    (tmp_path / "ca.pem").write_bytes(Authority(tmp_path / "b").certificate.read_bytes())
    assert way(tmp_path, lines) != first


def test_every_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """With its workflow; nothing is started."""
    (tmp_path / "empty.pem").touch()
    settings = settings_of(
        tmp_path,
        f'name = "orders"\nurl = "{URL}"\nca_file = "missing.pem"\nclient_cert = "empty.pem"\n',
        'name = "octal"\nurl = "http://0251.0376.0251.0376/"\n',
    )
    with pytest.raises(ConfigError) as found:
        endpoints_of(settings, settings.workflows)
    assert [str(problem) for problem in found.value.problems] == [
        f"workflow[0].ca_file (orders): {tmp_path}/missing.pem cannot be read (No such file or directory). "
        "Correct the path, or the file.",
        f"workflow[0].client_cert (orders): {tmp_path}/empty.pem does not hold a certificate and its key, without a "
        "password, in PEM format. Correct the path, or the file.",
        "workflow[1].url (octal): cannot be used. Write its host as hosts are usually written.",
    ]


def tell(answered: Sequence[AttemptResult]) -> None:
    """Give each answer to the future that its attempt is."""
    for attempt, answer, _ in answered:
        attempt.set_result(answer)


def test_a_refused_address_is_told_once(tmp_path: Path) -> None:
    """However often it is tried; the line says what to do if the address is right."""
    logger = SilentLogger()

    async def main() -> None:
        sender = way(tmp_path, 'url = "http://169.254.169.254/latest"').open(logger)
        for _ in range(3):
            answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            sender.send(HttpRequest([], b"{}"), answered, tell)
            assert (await answered).code == "connect"
        await sender.close()

    asyncio.run(main())
    (sentence,) = logger.sentences
    assert "egress.allow" in sentence


def test_the_probe_goes_the_way_of_the_requests(tmp_path: Path, receiver: FaultReceiver) -> None:
    """With the same checks; a name in the log, never a path."""
    settings = settings_of(
        tmp_path,
        f'name = "well"\nurl = "{receiver.url("/secret-path")}"',
        'name = "metadata"\nurl = "http://169.254.169.254/secret-path"',
        'name = "closed"\nurl = "http://127.0.0.1:1/secret-path"',
        f'name = "proxied"\nurl = "{URL}"\nproxy = "{receiver.url("")}"',
    )
    found = asyncio.run(probe_workflows(settings))
    assert [(finding.verdict, finding.detail) for finding in found] == [
        ("ok", "connects, without TLS"),
        ("failed", "No connection: the address is link-local; it is not connected to."),
        ("failed", "No connection: connection refused."),
        ("ok", "the proxy connects; what lies behind it is not looked at"),
    ]
    assert "secret-path" not in str(found)
    assert receiver.arrivals("/secret-path") == []

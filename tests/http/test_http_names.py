"""Names: looked up without one host's silence delaying another, and kept while a name server is out of order."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from assertions import every
from http_support import Run

from stream.http.lookup import Address, system_lookup
from stream.http.resolver import Resolver

HERE = Path(__file__).parent
ALONE = ("unshare", "--map-root-user", "--mount", "--net")
FOUND = [Address(socket.AF_INET, ("127.0.0.1", 80))]
SILENT_HOSTS = 40


def may_have_namespaces() -> bool:
    """Whether this machine lets us have a network and a resolv.conf of our own."""
    try:
        return subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not may_have_namespaces(), reason="needs user namespaces")
def test_a_silent_name_server_delays_nobody_else(tmp_path: Path) -> None:
    """A real one, and the system's own resolver: the healthy workflow is answered before any lookup is given up."""
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    prepare = f"ip link set lo up && mount --bind {tmp_path}/resolv.conf /etc/resolv.conf"
    command = f"{prepare} && exec {sys.executable} {HERE / 'silent_names.py'}"
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path)), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    ended = subprocess.run(
        [*ALONE, "sh", "-c", command], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.stdout.strip() == "200 []", ended.stderr


def test_each_host_is_asked_for_at_once_and_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are unanswered, and however many wait for the same answer."""
    may_answer, asked, ask_system = threading.Event(), [], socket.getaddrinfo

    def partly_silent(host: str, *arguments: Any, **options: Any) -> Any:
        asked.append(host)
        if host.startswith("silent"):
            may_answer.wait(60)
        return ask_system("127.0.0.1", *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", partly_silent)

    async def main() -> None:
        names = [f"silent{number}.test" for number in range(SILENT_HOSTS)]
        silent = [asyncio.create_task(system_lookup(name, 80)) for name in names * 3]
        await asyncio.sleep(0)
        silent[0].cancel()
        assert await system_lookup("healthy.test", 80) == FOUND
        assert every(not lookup.done() for lookup in silent[1:])
        may_answer.set()
        assert await asyncio.gather(*silent[1:]) == [FOUND] * (3 * SILENT_HOSTS - 1)
        assert sorted(asked) == sorted(["healthy.test", *names])

    run(main())


class Server:
    """A name server that answers as a test says; None: not at all."""

    def __init__(self) -> None:
        self.answer: list[Address] | int | None = FOUND
        self.asked = 0

    async def lookup(self, _host: str, _port: int) -> list[Address]:
        """Ask it."""
        self.asked += 1
        if self.answer is None:
            await asyncio.Event().wait()
        if isinstance(self.answer, int):
            raise socket.gaierror(self.answer, "as the test says")
        return list(self.answer or [])


@pytest.mark.parametrize("fault", [None, socket.EAI_AGAIN, socket.EAI_FAIL])
def test_the_last_answer_serves_while_there_is_no_other(run: Run, fault: int | None) -> None:
    """Not for an attempt's whole time is a silent server waited for, and one lookup at a time is under way."""

    async def main() -> None:
        server = Server()
        resolver = Resolver("workflow.test", 80, server.lookup, fresh_s=0.0, patience_s=0.01)
        assert await resolver.addresses() == FOUND
        server.answer = fault
        for _ in range(5):
            assert await resolver.addresses() == FOUND
        assert server.asked == (2 if fault is None else 6)
        await resolver.close()
        server.answer = [Address(socket.AF_INET, ("127.0.0.2", 80))]
        assert await resolver.addresses() == server.answer
        await resolver.close()

    run(main())


def test_a_name_that_is_gone_is_gone(run: Run) -> None:
    """Its last answer is not used any longer, not even when the name server falls silent afterwards."""

    async def main() -> None:
        server = Server()
        resolver = Resolver("workflow.test", 80, server.lookup, fresh_s=0.0)
        await resolver.addresses()
        for server.answer in (socket.EAI_NONAME, socket.EAI_AGAIN):
            with pytest.raises(socket.gaierror):
                await resolver.addresses()

    run(main())


def test_an_old_answer_is_not_used(run: Run) -> None:
    """The address may be somebody else's by now."""

    async def main() -> None:
        server = Server()
        resolver = Resolver("workflow.test", 80, server.lookup, fresh_s=0.0, kept_s=0.0)
        await resolver.addresses()
        server.answer = socket.EAI_AGAIN
        with pytest.raises(socket.gaierror):
            await resolver.addresses()

    run(main())

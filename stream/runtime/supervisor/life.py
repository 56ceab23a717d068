"""One process of one worker, as the supervisor sees it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, Pipe
from threading import Thread
from typing import Protocol

from stream.runtime.supervisor.messages import Order, Outbox, WorkerReport

Post = Callable[..., None]
"""Runs a function with these arguments on the event loop, later and in order."""


class Life(Protocol):
    """A process that was started, until it has ended."""

    pid: int

    def tell(self, order: Order) -> None:
        """Give an order, without ever blocking; nothing happens when the process is gone."""

    def kill(self) -> None:
        """SIGKILL; nothing happens when the process is gone."""


class Spawn(Protocol):
    """Starts a process for a worker."""

    def __call__(self, number: int, on_report: Callable[[WorkerReport], None], on_end: Callable[[int], None]) -> Life:
        """Start it. Both are called on the event loop; `on_end` once, last, with the exit code (negative: signal)."""


class SpawnedLife:
    """`Life` of a child process at the other end of a socket, which only these two hold.

    So each of them sees by the socket's end that the other is gone, however it went. The child leads a process group
    of its own: a Ctrl-C in the terminal reaches the supervisor alone, which passes it on.
    """

    def __init__(
        self,
        command: Callable[[int], Sequence[str]],
        post: Post,
        on_report: Callable[[WorkerReport], None],
        on_end: Callable[[int], None],
    ) -> None:
        """`command` is given the number of the child's file descriptor."""
        self._connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own command line
                command(theirs.fileno()),
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                process_group=0,
            )
        self.pid = self._process.pid
        self._outbox = Outbox(self._connection, f"orders for worker {self.pid}")
        self._post = post
        self._on_report = on_report
        self._on_end = on_end
        Thread(target=self._follow, name=f"worker {self.pid}", daemon=True).start()

    def tell(self, order: Order) -> None:
        """Give an order, without ever blocking; nothing happens when the process is gone."""
        self._outbox.put(order)

    def kill(self) -> None:
        """SIGKILL; nothing happens when the process is gone."""
        self._process.kill()

    def _follow(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._post(self._on_report, self._connection.recv())
        code = self._process.wait()
        self._outbox.close()
        self._connection.close()
        self._post(self._on_end, code)


def worker_command(number: int, descriptor: int) -> list[str]:
    """This program's own command line, as a worker: found where this process was, with the interpreter's options."""
    return [sys.executable, *sys.orig_argv[1:], "--worker", f"{number}:{descriptor}"]


def open_connection(descriptor: int) -> Connection[WorkerReport, Order]:
    """The worker's end of the socket that it was started with."""
    return Connection(descriptor)

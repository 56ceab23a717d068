"""Tokens that a command of the user's prints."""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Sequence

from stream.kafka.token import BearerToken, TokenError, read_token

COMMAND_TIMEOUT_S = 10.0
MAX_PRINTED_BYTES = 256 * 1024
_FINAL = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ENOEXEC)
"""There is no such program, or it is none: unlike a lack of memory or processes."""


class CommandTokens:
    """Runs the command for each token. Its standard error is dropped: it may quote the token."""

    def __init__(self, command: Sequence[str], timeout_s: float = COMMAND_TIMEOUT_S) -> None:
        self._command = list(command)
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._running: subprocess.Popen[bytes] | None = None
        self._is_closed = False

    def __call__(self) -> BearerToken:
        """Run it once. Blocking, for COMMAND_TIMEOUT_S at most."""
        process = self._start()
        try:
            printed = _read(process, time.monotonic() + self._timeout_s)
        finally:
            self._end(process)
        if process.returncode != 0:
            raise TokenError(f"the command {_ending(process.returncode)}; run it by hand to see what it says")
        return read_token(printed, time.time())

    def close(self) -> None:
        """End a command that is running, and start no other."""
        with self._lock:
            self._is_closed = True
            if self._running is not None:
                _kill(self._running)

    def _start(self) -> subprocess.Popen[bytes]:
        quiet = subprocess.DEVNULL
        with self._lock:
            if self._is_closed:
                raise TokenError("the program is ending")
            try:
                self._running = subprocess.Popen(  # noqa: S603 - the command of the settings, without a shell
                    self._command, stdin=quiet, stdout=subprocess.PIPE, stderr=quiet, start_new_session=True
                )
            except (OSError, ValueError) as error:
                reason = (getattr(error, "strerror", None) or "it is not a command").lower()
                is_final = isinstance(error, ValueError) or error.errno in _FINAL
                raise TokenError(f"the command cannot be started: {reason}", is_final) from error
            return self._running

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            if process.poll() is None:
                _kill(process)
            process.wait()
            self._running = None
        if process.stdout is not None:
            process.stdout.close()


def _read(process: subprocess.Popen[bytes], give_up_at: float) -> bytes:
    """What it prints until it has ended. Raises TokenError where that is too much or takes too long."""
    if process.stdout is None:
        return b""
    printed = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while len(printed) <= MAX_PRINTED_BYTES:
            if not selector.select(max(0.0, give_up_at - time.monotonic())):
                raise TokenError(f"the command did not end within {COMMAND_TIMEOUT_S:.0f} s")
            if not (part := os.read(process.stdout.fileno(), 65_536)):
                _await_end(process, give_up_at)
                return bytes(printed)
            printed += part
    raise TokenError(f"the command printed more than {MAX_PRINTED_BYTES // 1024} KiB")


def _await_end(process: subprocess.Popen[bytes], give_up_at: float) -> None:
    try:
        process.wait(max(0.0, give_up_at - time.monotonic()))
    except subprocess.TimeoutExpired as error:
        raise TokenError(f"the command did not end within {COMMAND_TIMEOUT_S:.0f} s") from error


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _ending(code: int) -> str:
    return f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"

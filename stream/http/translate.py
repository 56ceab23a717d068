"""Names what went wrong below HTTP: the one place that knows the errors of ssl and sockets."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator


class HostUnreachableError(Exception):
    """No connection could be made; the cause says why."""


class HandshakeError(Exception):
    """The connection was made, the TLS handshake on it failed."""


class ProxyError(Exception):
    """The proxy opened no tunnel. `status` is what it answered; 0: nothing that could be read."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status


class UnreadableError(Exception):
    """An answer came that is not HTTP, or is too large."""


class ClosedError(Exception):
    """The server closed the connection before its answer was complete."""


class EgressError(OSError):
    """The address is not one that may be connected to. Its text is ours, and names no URL."""


def failure_word(error: BaseException) -> str:
    """The word of `Answer.failure` for an attempt that ended in `error`."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, HandshakeError):
        return "tls"
    if isinstance(error, UnreadableError):
        return "unreadable"
    if isinstance(error, ProxyError):
        return "connect"
    if not isinstance(error, HostUnreachableError):
        return "reset"
    return "dns" if any(isinstance(cause, socket.gaierror) for cause in _chain(error)) else "connect"


def failure_text(error: BaseException) -> str:
    """A short reason for a person: the system's own where there are some, never text with a URL."""
    if isinstance(error, TimeoutError):
        return "no complete answer in time"
    return next(filter(None, map(_system_text, _chain(error))), "") or _own_text(error)


def _system_text(error: BaseException) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            # Behind the comma the text continues with the host.
            return f"the certificate is not accepted: {_lowered(error.verify_message.partition(',')[0])}"
        case ssl.SSLError():
            return f"TLS failed: {error.reason.replace('_', ' ').lower()}" if error.reason else ""
        case socket.gaierror():
            return _lowered(error.strerror or "")
        case EgressError():
            return _lowered(str(error))
        case ProxyError():
            return f"the proxy answered {error.status}" if error.status else "the proxy gave no answer"
        case OSError(errno=int(number)):
            return _lowered(os.strerror(number))
        case _:
            return ""


def _own_text(error: BaseException) -> str:
    return next((text for kind, text in _OWN_TEXTS.items() if isinstance(error, kind)), "the request could not be sent")


def _lowered(text: str) -> str:
    """The system's text as part of a sentence; an abbreviation such as `IP` stays as it is."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


_OWN_TEXTS: dict[type[BaseException], str] = {
    HostUnreachableError: "no connection could be made",
    HandshakeError: "the TLS handshake failed",
    UnreadableError: "the answer is not HTTP, or its head is too large",
    ClosedError: "the connection was closed before the answer was complete",
}


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it, outermost first."""
    seen: set[int] = set()
    left: BaseException | None = error
    while left is not None and id(left) not in seen:
        seen.add(id(left))
        yield left
        # Some layers hide the cause with `from None`; the context is still there.
        left = left.__cause__ or left.__context__

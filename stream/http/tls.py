"""TLS as this program speaks it to workflows: always verified, 1.2 or newer; no setting turns that off."""

from __future__ import annotations

import asyncio
import ssl
from functools import cache
from pathlib import Path

from stream.http.httpx_parts import create_ssl_context

BUFFER_BYTES = 64 * 1024


class TlsFileError(Exception):
    """A file of the TLS settings cannot be used. Its text says why, and may be shown."""


@cache
def shared_tls() -> ssl.SSLContext:
    """The process's TLS settings: verified against the usual authorities. Costly, hence made once."""
    return _modern(create_ssl_context(trust_env=False))


def client_tls(ca_file: Path | None, client_cert: Path | None, client_key: Path | None = None) -> ssl.SSLContext:
    """TLS settings that trust the authorities of `ca_file` instead of the usual ones, and show `client_cert`.

    The key is in the certificate's own file unless `client_key` is given; a key with a password cannot be used.

    Raises:
        TlsFileError: one of the files cannot be used.
    """
    if ca_file is None and client_cert is None:
        return shared_tls()
    context = create_ssl_context(trust_env=False) if ca_file is None else _trusting(ca_file)
    if client_cert is not None:
        _load_certificate(context, client_cert, client_key)
    return _modern(context)


def proxy_tls(ca_file: Path | None) -> ssl.SSLContext:
    """TLS settings for a proxy: it may be vouched for by the usual authorities or by those of `ca_file`.

    Raises:
        TlsFileError: the file cannot be used.
    """
    if ca_file is None:
        return shared_tls()
    context = create_ssl_context(trust_env=False)
    _load_authorities(context, ca_file)
    return _modern(context)


def _trusting(ca_file: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies certificate and host from the start
    _load_authorities(context, ca_file)
    return context


def _modern(context: ssl.SSLContext) -> ssl.SSLContext:
    """Set what would otherwise differ by the version of Python or OpenSSL.

    A trusted certificate need not be a root: an issuing authority alone is enough. Certificates without the identifiers
    that RFC 5280 wants, as many companies' own authorities issue them, are taken.
    """
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_TRUSTED_FIRST
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _load_authorities(context: ssl.SSLContext, ca_file: Path) -> None:
    try:
        context.load_verify_locations(cafile=ca_file)
    except ssl.SSLError as error:
        raise TlsFileError("holds no certificate in PEM format") from error
    except OSError as error:
        raise TlsFileError(_unreadable(error)) from error


def _load_certificate(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    try:
        context.load_cert_chain(certificate, key, password=lambda: "")  # else OpenSSL would ask at the terminal
    except ssl.SSLError as error:
        raise TlsFileError(_faulty_certificate(error)) from error
    except OSError as error:
        raise TlsFileError(_unreadable(error)) from error


def _faulty_certificate(error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return "holds a key that is not the certificate's"
    return "does not hold a certificate and its key, without a password, in PEM format"


def _unreadable(error: OSError) -> str:
    return f"cannot be read ({error.strerror})"


class TlsReadAdapter(asyncio.BufferedProtocol):
    """Stands between TLS and `protocol`.

    For a plain protocol both asyncio and uvloop allocate 256 KiB at each read, which takes the kernel four times as
    long as the rest of a request. `buffer` is shared by all connections of a sender: it is empty again before the loop
    turns to the next one. What happens before `connection_made`, amid the handshake within a tunnel, is not passed on.
    """

    __slots__ = ("_buffer", "_is_made", "_protocol")

    def __init__(self, protocol: asyncio.Protocol, buffer: memoryview) -> None:
        self._protocol = protocol
        self._buffer = buffer
        self._is_made = False

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Where the next bytes are to be put."""
        return self._buffer

    def buffer_updated(self, count: int) -> None:
        """`count` decrypted bytes are in the buffer."""
        if self._is_made:
            self._protocol.data_received(bytes(self._buffer[:count]))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is over."""
        self._is_made = True
        self._protocol.connection_made(transport)

    def pause_writing(self) -> None:
        """More waits to be sent than the transport takes without complaint."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Nearly all of it was sent."""
        self._protocol.resume_writing()

    def eof_received(self) -> None:
        """The server has nothing more to say."""
        if self._is_made:
            self._protocol.eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is closed."""
        if self._is_made:
            self._protocol.connection_lost(error)

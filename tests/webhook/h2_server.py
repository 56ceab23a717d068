"""A server that speaks HTTP/2 and nothing else."""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict
from typing import Any, Self

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded


class H2Server:
    """Answers request number n as the n-th of `answers` says, the last one again and again: (status, headers).

    After `per_connection` requests it says goodbye and closes the connection.
    """

    def __init__(
        self, tls: ssl.SSLContext, *answers: tuple[int, dict[str, str]], per_connection: int | None = None
    ) -> None:
        tls.set_alpn_protocols(["h2"])
        self.requests: list[tuple[dict[str, str], bytes]] = []
        """Headers, pseudo ones included, and body of each."""
        self.accepts = 0
        self.port = 0
        self._tls = tls
        self._answers = answers
        self._per_connection = per_connection

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._server.close()

    @property
    def url(self) -> str:
        """A workflow's."""
        return f"https://localhost:{self.port}/hook?token=1"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepts += 1
        connection = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        connection.initiate_connection()
        heads: dict[int, dict[str, str]] = {}
        bodies: dict[int, bytes] = defaultdict(bytes)
        done = 0
        while not writer.is_closing():
            writer.write(connection.data_to_send())
            chunk = await reader.read(65536)
            if not chunk:
                break
            for event in connection.receive_data(chunk):
                if isinstance(event, RequestReceived):
                    headers: Any = event.headers
                    heads[event.stream_id] = dict(headers)
                elif isinstance(event, DataReceived):
                    bodies[event.stream_id] += event.data
                    connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, StreamEnded):
                    done += 1
                    self.requests.append((heads[event.stream_id], bodies[event.stream_id]))
                    self._answer(connection, event.stream_id)
            if done == self._per_connection:
                connection.close_connection()
                writer.write(connection.data_to_send())
                break
        writer.close()

    def _answer(self, connection: H2Connection, stream: int) -> None:
        status, headers = self._answers[min(len(self.requests), len(self._answers)) - 1]
        connection.send_headers(stream, [(":status", str(status)), *headers.items()])
        connection.send_data(stream, b"answer", end_stream=True)

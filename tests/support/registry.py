"""A real Schema Registry on the loopback, Apicurio's, with Confluent's API; and one that answers by a script."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import httpx

from stream.demo.child import Child, free_port, wait_until_it
from stream.demo.kafka_jars import require_program
from support.registry_jars import REGISTRY_VERSION, registry_jars


class ApicurioRegistry:
    """One registry, which may be closed and started again: its schemas are in a file. It ends with this object."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/apis/ccompat/v7"
        self._child: Child | None = None

    def start(self) -> None:
        """Start it and wait until it answers. Raises KafkaUnavailable where it cannot be run."""
        java, jars = require_program("java", "run a Schema Registry"), registry_jars()
        self.directory.mkdir(parents=True, exist_ok=True)
        options = ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", f"-Dquarkus.http.port={self.port}"]
        jar = jars / f"apicurio-registry-app-{REGISTRY_VERSION}-runner.jar"
        command = [java, *options, "-Dquarkus.http.host=127.0.0.1", "-jar", str(jar)]
        file = f"jdbc:h2:file:{self.directory / 'schemas'};WRITE_DELAY=0"
        env = {**os.environ, "REGISTRY_DATASOURCE_URL": file}
        self._child = Child(command, self.directory / "registry.log", env=env)
        wait_until_it(self._answers, self._child, "the Schema Registry")

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/subjects", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def register(
        self, subject: str, text: str, kind: str = "AVRO", references: list[dict[str, Any]] | None = None
    ) -> int:
        """Register a schema; its id."""
        body = {"schema": text, "schemaType": kind, "references": references or []}
        answer = httpx.post(f"{self.url}/subjects/{subject}/versions", json=body, timeout=30)
        answer.raise_for_status()
        found: int = answer.json()["id"]
        return found

    def pause(self) -> None:
        """Let it hang: connections are taken, and nothing is answered."""
        assert self._child is not None
        self._child.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it answer again."""
        assert self._child is not None
        self._child.signal(signal.SIGCONT)

    def close(self) -> None:
        """End it."""
        if self._child is not None:
            self._child.close()


Script = Callable[[str], tuple[int, Any]]
"""What is answered to a path: status, and what becomes JSON; bytes are answered as they are."""


class ScriptedRegistry:
    """A registry that answers what a test says, and may be taken away and brought back."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[str] = []
        self.credentials: list[str | None] = []
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.delay_s = 0.0
        self._server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen."""
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.asked.append(self.path)
                registry.credentials.append(self.headers.get("Authorization"))
                if registry.delay_s:
                    time.sleep(registry.delay_s)
                status, answer = registry.script(self.path)
                body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Be away: connections are refused."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

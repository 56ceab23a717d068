"""`make observe`: everything at once on this machine, and nothing left of it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading

import pytest

from stream.demo.kafka_jars import KafkaUnavailable, kafka_jars
from stream.demo.prometheus import prometheus_program

COMMAND = [sys.executable, "-m", "stream.demo.observe", "--rate", "50"]
WAIT_S = 120.0


@pytest.mark.kafka
def test_observe_tells_where_to_look_and_ends_with_everything() -> None:
    """Ctrl-C ends it with exit code 0 and a table; nobody listens any more where it said to look."""
    require_parts()
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True, bufsize=1) as run:
        limit = threading.Timer(WAIT_S, run.kill)
        limit.start()
        assert run.stdout is not None
        told = []
        for line in run.stdout:
            told.append(line)
            if "Ctrl-C ends it all." in line:
                run.send_signal(signal.SIGINT)
        code = run.wait()
        limit.cancel()
    text = "".join(told)
    assert code == 0, text
    ports = {int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", text)}
    assert len(ports) >= 3  # Prometheus, the metrics, Kafka
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
    assert re.search(r"everything +│ +\d+ │ +\d+ │ +0 │", text), text
    assert "The processor ended with exit code 0." in text


def require_parts() -> None:
    """Skip where there is no Kafka or no Prometheus; in CI there are both."""
    missing = "" if prometheus_program() else "Prometheus is not installed"
    try:
        kafka_jars()
    except KafkaUnavailable as error:
        missing = f"no Apache Kafka: {error}"
    if missing:
        assert os.environ.get("CI") != "true", missing
        pytest.skip(missing)

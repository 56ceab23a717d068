"""Logging in to a real Kafka with tokens: from a command, from an OpenID provider, and refreshed while events flow."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from acceptance_support import Program, Scene, call, ids_of, tracks
from assertions import every
from support.checker import id_of
from support.receiver import FaultReceiver
from support.secured_kafka import SecuredKafka
from support.unsigned_token import GARBAGE, calls, command, unsigned_token
from support.waiting import wait_until

RUN_S = float(os.environ.get("TRAY_TEST_TOKEN_RUN_S", "12"))
"""How long events flow while tokens are refreshed; `make tokens` takes three minutes."""
LIFETIME_S = 30 if RUN_S > 60 else 5
FAILURES = 2
SHOWN_FIRST = 40
"""So much of a token is its head and the same for all of them."""


def scene_of(
    kafka: SecuredKafka, topic: str, receiver: FaultReceiver, folder: Path, *plan: str, **options: object
) -> Scene:
    """A topic, its dead-letter topic, and settings with a command that follows `plan`."""
    for name in (topic, f"{topic}.dead-letters"):
        kafka.create_topic(name, 2)
    scene = Scene(kafka, topic, receiver, folder)
    token = {"provider": "command", "command": command(folder / "token", *plan)} if plan else None
    scene.configure(
        scene.workflow("orders"),
        kafka={"bootstrap_servers": kafka.sasl_bootstrap},
        **({"kafka.token": token} if token else {}),
        **{"kafka.options": {"security.protocol": "SASL_PLAINTEXT", **options}},
    )
    return scene


def tokens_of(folder: Path) -> list[str]:
    """The secret part of each token that the command printed."""
    return [line[SHOWN_FIRST:] for line in calls(folder / "token") if len(line) > SHOWN_FIRST]


def refreshes(program: Program, result: str) -> float:
    return program.metrics().total("tray_kafka_token_refreshes_total", result=result)


def test_tokens_are_refreshed_while_events_flow(
    secured_kafka: SecuredKafka, topic_name: str, receiver: FaultReceiver, tmp_path: Path
) -> None:
    """Across several lives of a token, a command that fails twice in between: each event once, and no interruption."""
    life = str(LIFETIME_S)
    scene = scene_of(secured_kafka, topic_name, receiver, tmp_path, life, life, *["fail"] * FAILURES, life)
    with scene.start("--trace", "run.trace") as program:
        began, number = time.monotonic(), 0
        while time.monotonic() - began < RUN_S or refreshes(program, "ok") < 4:
            scene.produce(tracks(range(number, number + 5)))
            number += 5
            wait_until(partial(_has_arrived, receiver, number), f"{number} events are delivered")
            assert program.metrics().total("tray_kafka_up") == 1
        assert refreshes(program, "failed") == FAILURES
        assert program.metrics().total("tray_kafka_token_failing") == 0
        counts = f"{refreshes(program, 'ok'):.0f} tokens of {life} s, {refreshes(program, 'failed'):.0f} failures"
        print(f"{number} events, {counts}, {longest_pause(receiver):.2f} s at most between two deliveries")
        assert program.stop() == 0
        assert "No new token for Kafka; retrying." in program.log
        assert "There is a new token for Kafka again." in program.log
        assert every(token not in program.log for token in tokens_of(tmp_path))
        assert GARBAGE not in program.log
    assert receiver.count("/orders") == number
    assert scene.committed() == scene.ends()


def longest_pause(receiver: FaultReceiver) -> float:
    """The longest time between a delivery and the next one."""
    return max(later.at - earlier.at for earlier, later in pairwise(receiver.arrivals("/orders")))


def _has_arrived(receiver: FaultReceiver, number: int) -> bool:
    return receiver.count("/orders") >= number


FIRST = ["run", "--until-end"]
TOGETHER = (
    ["check"],
    ["offsets", "show", "--json"],
    ["offsets", "reset", "--to-earliest"],
    ["replay", "--from", "earliest", "--name", "again", "--execute"],
    ["dead-letters", "list", "--json"],
    ["explain", "--topic", "{topic}", "--partition", "0", "--offset", "0"],
)


def test_every_command_logs_in_with_a_token(
    secured_kafka: SecuredKafka, topic_name: str, receiver: FaultReceiver, tmp_path: Path
) -> None:
    """Consumers, producers and admin clients alike; the token is in nothing that is printed, debugging included."""
    scene = scene_of(secured_kafka, topic_name, receiver, tmp_path, "600", debug="security,conf,protocol")
    scene.produce(tracks(range(5)))

    def run(words: list[str]) -> None:
        ended = call(tmp_path, *(word.format(topic=topic_name) for word in words))
        assert ended.returncode == 0, (words, ended.stderr[-300:])
        assert every(token not in ended.stdout + ended.stderr for token in tokens_of(tmp_path)), words

    run(FIRST)
    with ThreadPoolExecutor(len(TOGETHER)) as pool:
        list(pool.map(run, TOGETHER))
    assert receiver.count("/orders") == 10


@pytest.mark.parametrize("workers", [1, 2])
def test_a_command_that_is_missing_ends_the_start(
    secured_kafka: SecuredKafka, topic_name: str, receiver: FaultReceiver, tmp_path: Path, workers: int
) -> None:
    """Exit 3, with the reason and the place in the settings."""
    scene = scene_of(secured_kafka, topic_name, receiver, tmp_path)
    token = {"provider": "command", "command": ["/nowhere/token"]}
    scene.configure(scene.workflow("orders"), **{"kafka.token": token})
    ended = call(tmp_path, "run", "--workers", str(workers))
    assert ended.returncode == 3
    assert "Error: There is no token to log in to Kafka with: the command cannot be started" in ended.stderr
    assert "[kafka.token]" in ended.stderr


def test_a_command_that_fails_at_first_is_run_again_until_it_prints_a_token(
    secured_kafka: SecuredKafka, topic_name: str, receiver: FaultReceiver, tmp_path: Path
) -> None:
    """After garbage, no lifetime, and a failure: a line each, and then the events flow."""
    scene = scene_of(secured_kafka, topic_name, receiver, tmp_path, "garbage", "endless", "fail", "600")
    events = list(tracks(range(5)))
    scene.produce(events)
    ended = call(tmp_path, "run", "--until-end")
    assert ended.returncode == 0, ended.stderr
    assert "No token for Kafka yet; retrying." in ended.stderr
    assert GARBAGE not in ended.stderr
    assert sorted(map(id_of, receiver.arrivals("/orders"))) == sorted(ids_of(events))


def test_a_token_that_kafka_refuses_ends_the_start(
    secured_kafka: SecuredKafka, topic_name: str, receiver: FaultReceiver, tmp_path: Path
) -> None:
    """Exit 3: it ran out long ago, whatever the command says of it."""
    scene = scene_of(secured_kafka, topic_name, receiver, tmp_path)
    stale = f"print('{json.dumps({'token': unsigned_token('admin', -900), 'lifetime': 900})}')"
    token: dict[str, Any] = {"provider": "command", "command": [sys.executable, "-c", stale]}
    options = {"security.protocol": "SASL_PLAINTEXT"}
    scene.configure(
        scene.workflow("orders"),
        kafka={"bootstrap_servers": secured_kafka.sasl_bootstrap},
        **{"kafka.token": token, "kafka.options": options},
    )
    ended = call(tmp_path, "run")
    assert ended.returncode == 3
    assert "Error: Kafka" in ended.stderr
    assert unsigned_token("admin", -900)[:SHOWN_FIRST] not in ended.stderr


class OpenIdProvider(BaseHTTPRequestHandler):
    """Answers as the token endpoint of an OpenID provider does."""

    count = 0
    client = ""

    def do_POST(self) -> None:
        """One token for whoever asks."""
        type(self).count += 1
        type(self).client = self.headers.get("Authorization", "")
        answer = {"access_token": unsigned_token("admin", 5), "token_type": "Bearer", "expires_in": 5}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Nothing."""


@contextmanager
def open_id_provider() -> Iterator[str]:
    """The address of a token endpoint."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), OpenIdProvider)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/token"
    finally:
        server.shutdown()
        server.server_close()


def test_librdkafka_gets_tokens_from_an_openid_provider(
    secured_kafka: SecuredKafka, topic_name: str, receiver: FaultReceiver, tmp_path: Path
) -> None:
    """By its own options, without [kafka.token]; it refreshes them itself, and events keep flowing."""
    with open_id_provider() as url:
        oidc = {
            **secured_kafka.bearer(),
            "sasl.oauthbearer.method": "oidc",
            "sasl.oauthbearer.token.endpoint.url": url,
            "sasl.oauthbearer.client.id": "tray-stream",
            "sasl.oauthbearer.client.secret": "canary-s3cret",
        }
        scene = scene_of(secured_kafka, topic_name, receiver, tmp_path, **oidc)
        with scene.start() as program:
            scene.produce(tracks(range(5)))
            wait_until(lambda: receiver.count("/orders") == 5, "the first events are delivered")
            asked = OpenIdProvider.count
            wait_until(lambda: OpenIdProvider.count >= asked + 2, "tokens are refreshed")
            scene.produce(tracks(range(5, 10)))
            wait_until(lambda: receiver.count("/orders") == 10, "events are delivered with a later token")
            assert program.stop() == 0
            assert "canary-s3cret" not in program.log
    assert OpenIdProvider.client.startswith("Basic ")

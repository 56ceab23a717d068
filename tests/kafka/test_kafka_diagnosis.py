"""Why Kafka cannot be reached: each cause has a sentence of its own, with its fix."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from acceptance_support import Program, call
from assertions import every
from support.secured_kafka import SecuredKafka

from stream.demo.apache_kafka import free_ports
from stream.kafka.diagnosis import diagnose, diagnosed
from stream.model.errors import UnreachableError

COMMANDS = (
    ("check",),
    ("offsets", "show"),
    ("offsets", "reset", "--to-earliest"),
    ("dead-letters", "list"),
    ("dead-letters", "redrive"),
    ("replay",),
    ("explain", "--topic", "t", "--partition", "0", "--offset", "0"),
)
SASL = {"sasl.mechanism": "PLAIN", "sasl.username": "admin", "sasl.password": "any"}


@contextmanager
def silent_server() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(
    ("servers", "cause"),
    [
        ("no-such-host.invalid:9092", "the name no-such-host.invalid cannot be resolved."),
        ("no-such-host.invalid", "the name no-such-host.invalid cannot be resolved."),
        ("127.0.0.1:port", "127.0.0.1:port is not an address. Write host:port in kafka.bootstrap_servers."),
        ("[::1]:0", "[::1]:0 is not an address."),
        ("", ""),
    ],
)
def test_an_address_that_leads_nowhere_is_named(servers: str, cause: str) -> None:
    """The name and the form of the address are looked at first."""
    found = diagnose({"bootstrap.servers": servers})
    assert found.startswith(cause) if cause else found == ""


def test_a_closed_port_is_named() -> None:
    """With what it mostly means."""
    (port,) = free_ports(1)
    assert diagnose({"bootstrap.servers": f"127.0.0.1:{port}"}) == (
        f"nothing listens at 127.0.0.1:{port} (connection refused). Is the broker up, and is the port in "
        "kafka.bootstrap_servers right?"
    )


def test_a_server_that_says_nothing_is_no_broker() -> None:
    """It takes the connection, and answers in no protocol."""
    protocols = ("plaintext", "SSL", "SASL_SSL", "sasl_plaintext")
    with silent_server() as server, ThreadPoolExecutor(len(protocols)) as pool:
        found = list(pool.map(lambda one: diagnose({"bootstrap.servers": server, "security.protocol": one}), protocols))
    assert every(text.startswith(f"{server} takes connections, but ") for text in found)
    assert every(text.endswith("Is the port a Kafka broker's?") for text in found)


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("way", "options", "cause"),
    [
        ("plain", {}, ""),
        ("plain", {"security.protocol": "SSL"}, "does not speak TLS, which security.protocol asks for."),
        ("plain", {"security.protocol": "SASL_SSL", **SASL}, "does not speak TLS, which security.protocol asks for."),
        ("plain", {"security.protocol": "SASL_PLAINTEXT", **SASL}, "its listener takes no login."),
        ("PLAIN", {}, "asks for a login. Set security.protocol to SASL_PLAINTEXT"),
        ("PLAIN", {"security.protocol": "SSL"}, "does not speak TLS, which security.protocol asks for."),
        (
            "PLAIN",
            {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "OAUTHBEARER"},
            "there is no token to log in with.",
        ),
        ("SCRAM over TLS", {}, "speaks TLS. Set security.protocol to SSL or SASL_SSL"),
        ("SCRAM over TLS", {"security.protocol": "SASL_PLAINTEXT", **SASL}, "Set security.protocol to SASL_SSL"),
        ("mutual TLS", {}, "speaks TLS. Set security.protocol to SSL or SASL_SSL"),
    ],
)
def test_the_wrong_protocol_is_named(
    secured_kafka: SecuredKafka, way: str, options: Mapping[str, str], cause: str
) -> None:
    """Each listener is taken for another one than it is."""
    server = secured_kafka.bootstrap if way == "plain" else secured_kafka.ways_in()[way][0]
    found = diagnose({"bootstrap.servers": server, **options})
    assert cause in found
    assert bool(cause) is ("the brokers take connections" not in found and found != "")


@pytest.mark.kafka
def test_the_first_broker_that_answers_counts(secured_kafka: SecuredKafka) -> None:
    """A bootstrap server that is down beside one that works is no trouble."""
    (port,) = free_ports(1)
    servers = f"127.0.0.1:{port},{secured_kafka.bootstrap}"
    assert "nothing listens" not in diagnose({"bootstrap.servers": servers})


def test_only_an_unreachable_kafka_is_looked_into() -> None:
    """The cause replaces the general question of the error; what was asked of Kafka stays."""
    (port,) = free_ports(1)
    with (
        pytest.raises(UnreachableError, match=r"reached, asking for its topics: nothing listens at .* refused"),
        diagnosed({"bootstrap.servers": f"127.0.0.1:{port}"}),
    ):
        raise UnreachableError("asking for its topics")


def test_every_command_says_why(tmp_path: Path) -> None:
    """No name of code reaches the user, and the sentence has the address. All wait for Kafka, so they wait together."""
    (port,) = free_ports(1)
    (tmp_path / "stream.toml").write_text(
        f'[kafka]\nbootstrap_servers = "127.0.0.1:{port}"\ntopics = ["t"]\n'
        '[http]\nlisten = "127.0.0.1:0"\n'
        '[[workflow]]\nname = "a"\nurl = "https://workflow.example/"\n'
    )
    cause = f"nothing listens at 127.0.0.1:{port} (connection refused)."
    with (
        Program(tmp_path, "run", "--until-end", "--log-level", "debug") as run,
        ThreadPoolExecutor(len(COMMANDS)) as pool,
    ):
        ended = list(pool.map(lambda command: call(tmp_path, *command), COMMANDS))
        run.line(cause)
    assert [one.returncode for one in ended] == [1] * len(COMMANDS)
    assert every(cause in one.stdout + one.stderr for one in ended)
    assert every("_TRANSPORT" not in one.stdout + one.stderr for one in ended)

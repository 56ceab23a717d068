"""Why Kafka cannot be reached: looked into after a client failed, one sentence with the fix for each cause.

librdkafka says "Broker transport failure" for nearly all of them. So the brokers are connected to by hand, as far as
it takes to see which step fails: the address, the name, the connection, TLS, the protocol, the login.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from stream.kafka.client_config import Options, open_client
from stream.model.errors import StreamError, UnreachableError

TIMEOUT_S = 2.0
DEFAULT_PORT = 9092
MAX_BROKERS = 3
"""How many addresses are looked at: each may take the timeout a few times."""

_API_VERSIONS, _METADATA = 18, 3
_HEADER = ">hhih"
"""Key and version of the request, correlation id, length of the client's id (-1: none)."""
_ALL_TOPICS = struct.pack(">i", 0)
_MAX_ANSWER = 16 * 1024 * 1024


class _Found(Exception):  # noqa: N818 - the sentence that ends a search, not a failure
    """The cause."""


@contextmanager
def diagnosed(options: Mapping[str, object]) -> Iterator[None]:
    """Give an UnreachableError of the block its cause. `options`: as `diagnose` takes them."""
    try:
        yield
    except UnreachableError as error:
        raise UnreachableError(error.doing, diagnose(options)) from error


def diagnose(options: Mapping[str, object]) -> str:
    """The first cause that is found, as a sentence with its fix; empty when every step works.

    `options`: the client's own, as librdkafka takes them. Blocking: a few times TIMEOUT_S for each broker looked at.
    """
    servers = [server.strip() for server in str(options.get("bootstrap.servers", "")).split(",") if server.strip()]
    causes = [_cause_at(server, options) for server in servers[:MAX_BROKERS]]
    if all(causes):
        return causes[0] if causes else ""
    return _behind_the_bootstrap(servers, options) or _login_trouble(options)


def _cause_at(server: str, options: Mapping[str, object]) -> str:
    try:
        host, port = _address(server)
        _look(host, port, _protocol(options))
    except _Found as found:
        return str(found)
    return ""


def _address(server: str) -> tuple[str, int]:
    """Raises _Found when it is not an address."""
    plain = server.rpartition("://")[2]
    has_port = ":" in plain.rpartition("]")[2]
    host, _, port = plain.rpartition(":") if has_port else (plain, "", str(DEFAULT_PORT))
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise _Found(f"{server} is not an address. Write host:port in kafka.bootstrap_servers.")
    return host.strip("[]"), int(port)


def _look(host: str, port: int, protocol: str) -> None:
    """Raises _Found at the first step that fails."""
    where = f"{host}:{port}"
    _connect(host, port).close()
    if protocol.endswith("ssl"):
        _require_tls(where, lambda: _connect(host, port))
        return
    with _connect(host, port) as connection:
        is_kafka = _answers(connection, _API_VERSIONS)
    if not is_kafka:
        _explain_silence(where, protocol, _speaks_tls(_connect(host, port)))
    with _connect(host, port) as connection:
        is_open = _answers(connection, _METADATA, _ALL_TOPICS)
    if protocol == "plaintext" and not is_open:
        raise _Found(
            f"{where} is Kafka, but asks for a login. Set security.protocol to SASL_PLAINTEXT, and sasl.mechanism, "
            "sasl.username and sasl.password, in [kafka.options]."
        )
    if protocol == "sasl_plaintext" and is_open:
        raise _Found(
            f"{where} is Kafka, but its listener takes no login. Set security.protocol to PLAINTEXT in [kafka.options]."
        )


def _connect(host: str, port: int) -> socket.socket:
    where = f"{host}:{port}"
    try:
        return socket.create_connection((host, port), TIMEOUT_S)
    except socket.gaierror as error:
        raise _Found(
            f"the name {host} cannot be resolved. Check its spelling in kafka.bootstrap_servers, and this "
            "machine's DNS."
        ) from error
    except ConnectionRefusedError as error:
        raise _Found(
            f"nothing listens at {where} (connection refused). Is the broker up, and is the port in "
            "kafka.bootstrap_servers right?"
        ) from error
    except TimeoutError as error:
        raise _Found(
            f"{where} does not answer. Check the address in kafka.bootstrap_servers, and firewalls and routes to it."
        ) from error
    except (OSError, UnicodeError) as error:
        reason = (getattr(error, "strerror", None) or "the name is not valid").lower()
        raise _Found(f"{where} cannot be connected to: {reason}. Check kafka.bootstrap_servers.") from error


def _require_tls(where: str, connect: Callable[[], socket.socket]) -> None:
    if _speaks_tls(connect()):
        return
    with connect() as connection:
        is_kafka = _answers(connection, _API_VERSIONS)
    if is_kafka:
        raise _Found(
            f"{where} does not speak TLS, which security.protocol asks for. Set it to PLAINTEXT or SASL_PLAINTEXT in "
            "[kafka.options], or use the broker's TLS port."
        )
    raise _Found(
        f"{where} takes connections, but speaks neither TLS nor Kafka's protocol. Is the port a Kafka broker's?"
    )


def _explain_silence(where: str, protocol: str, is_tls: bool) -> None:
    if is_tls:
        wanted = "SASL_SSL" if protocol.startswith("sasl") else "SSL or SASL_SSL"
        raise _Found(f"{where} speaks TLS. Set security.protocol to {wanted} in [kafka.options].")
    raise _Found(f"{where} takes connections, but does not answer as Kafka does. Is the port a Kafka broker's?")


def _speaks_tls(connection: socket.socket) -> bool:
    """Whether a TLS server is there; whom it trusts and who it is are librdkafka's business."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with connection:
        try:
            with context.wrap_socket(connection):
                return True
        except ssl.SSLError as error:
            return "ALERT" in (error.reason or "")
        except OSError:
            return False


def _answers(connection: socket.socket, key: int, body: bytes = b"") -> bool:
    """Whether a request of this kind gets an answer that is Kafka's."""
    request = struct.pack(_HEADER, key, 0, 1, -1) + body
    with contextlib.suppress(OSError):
        connection.sendall(struct.pack(">i", len(request)) + request)
        head = connection.recv(8, socket.MSG_WAITALL)
        if len(head) == 8:
            size, correlation = struct.unpack(">ii", head)
            return bool(correlation == 1 and 4 <= size <= _MAX_ANSWER)
    return False


def _protocol(options: Mapping[str, object]) -> str:
    return str(options.get("security.protocol", "plaintext")).lower()


def _login_trouble(options: Mapping[str, object]) -> str:
    """Every step works up to the login, and a wrong password would have been refused."""
    mechanism = str(options.get("sasl.mechanism", options.get("sasl.mechanisms", "GSSAPI"))).upper()
    if "oauth_cb" in options:
        return "the brokers answer, but take no token. Look at [kafka.token], and at what the brokers' logs say of it."
    if _protocol(options).startswith("sasl") and mechanism == "OAUTHBEARER":
        return (
            "the brokers answer, but there is no token to log in with. Check the sasl.oauthbearer.* options in "
            "[kafka.options], and whether the token endpoint can be reached from here."
        )
    return "the brokers take connections, but do not answer in time. Are they overloaded, or still starting?"


def _behind_the_bootstrap(servers: list[str], options: Mapping[str, object]) -> str:
    """The brokers that the cluster names for itself may be others than those that were configured."""
    for server in _advertised(options):
        if server not in servers and (cause := _cause_at(server, options)):
            return (
                f"{servers[0]} answers and names {server} as a broker (its advertised.listeners), but {cause} Brokers "
                "must advertise addresses that can be reached from here."
            )
    return ""


def _advertised(options: Mapping[str, object]) -> Iterator[str]:
    with contextlib.suppress(KafkaException, StreamError):
        config: Options = {"log_level": 0, **options}
        cluster = open_client(AdminClient, config).list_topics(timeout=TIMEOUT_S)
        yield from (f"{broker.host}:{broker.port}" for broker in list(cluster.brokers.values())[:MAX_BROKERS])

"""The fault receiver does to requests what its scripts say, and keeps the log that checkers read."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from assertions import HANG_S
from support import behaviours as misdeeds
from support.receiver import FaultReceiver

from stream.demo import behaviours

BODY = b'{"type":"track"}'


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    """A client that gives up where something hangs."""
    with httpx.Client(timeout=HANG_S, trust_env=False) as opened:
        yield opened


def post(client: httpx.Client, receiver: FaultReceiver, path: str, body: bytes = BODY) -> int:
    return client.post(receiver.url(path), content=body).status_code


def test_a_path_without_a_script_answers_200_and_is_logged(receiver: FaultReceiver, client: httpx.Client) -> None:
    """An arrival holds the path, the headers in lower case, the body, the status and both times."""
    answer = client.post(receiver.url("/orders"), content=BODY, headers={"X-Signature": "abc"})
    assert (answer.status_code, answer.content) == (200, b"ok")
    [arrival] = receiver.arrivals("/orders")
    assert (arrival.method, arrival.path, arrival.body, arrival.status) == ("POST", "/orders", BODY, 200)
    assert arrival.headers["x-signature"] == "abc"
    assert 0 < arrival.at <= arrival.answered_at


def test_paths_have_logs_and_numbers_of_their_own(receiver: FaultReceiver, client: httpx.Client) -> None:
    """What one path gets does not move another path's script on."""
    receiver.script("/a", misdeeds.cycle(500, 200))
    receiver.script("/b", misdeeds.cycle(501, 201))
    answers = [post(client, receiver, path) for path in ("/a", "/b", "/a", "/b", "/c")]
    assert answers == [500, 501, 200, 201, 200]
    assert [receiver.count(path) for path in ("/a", "/b", "/c", None)] == [2, 2, 1, 5]
    assert [arrival.path for arrival in receiver.arrivals()] == ["/a", "/b", "/a", "/b", "/c"]
    assert [arrival.status for arrival in receiver.successes()] == [200, 201, 200]


@pytest.mark.parametrize(
    ("behaviour", "statuses"),
    [
        (behaviours.always(404), [404] * 6),
        (misdeeds.cycle(503, 200), [503, 200, 503, 200, 503, 200]),
        (misdeeds.first(500, 429), [500, 429, 200, 200, 200, 200]),
        (behaviours.flaky(3), [200, 200, 503, 200, 200, 503]),
        (behaviours.always(204), [204] * 6),
        (behaviours.always(599), [599] * 6),
    ],
    ids=["always", "cycle", "first", "flaky", "no content", "unknown status"],
)
def test_statuses_come_as_scripted(
    receiver: FaultReceiver, client: httpx.Client, behaviour: behaviours.Behaviour, statuses: list[int]
) -> None:
    """Each script answers the first six requests as it says, over one connection."""
    receiver.script("/w", behaviour)
    assert [post(client, receiver, "/w") for _ in statuses] == statuses
    assert receiver.connections_opened == 1


def test_a_body_can_decide(receiver: FaultReceiver, client: httpx.Client) -> None:
    """Requests whose body matches get another behaviour."""
    receiver.script("/w", behaviours.when(lambda body: b"poison" in body, 400, misdeeds.cycle(200, 202)))
    assert [post(client, receiver, "/w", body) for body in (b"a", b"poison", b"b", b"c")] == [200, 400, 200, 202]


def test_a_script_is_changed_while_the_server_runs(receiver: FaultReceiver, client: httpx.Client) -> None:
    """A new script, and its removal, count from the next request on."""
    receiver.script("/w", 503)
    assert post(client, receiver, "/w") == 503
    receiver.script("/w", misdeeds.retry_after("7", 429))
    assert client.post(receiver.url("/w")).headers["retry-after"] == "7"
    receiver.heal("/w")
    assert post(client, receiver, "/w") == 200


def test_an_outage_ends_when_it_is_healed_or_its_time_is_over(receiver: FaultReceiver, client: httpx.Client) -> None:
    """Two outages, one healed by hand and one that lasts no time at all."""
    outage = misdeeds.OutageBehaviour()
    receiver.script("/w", outage)
    assert post(client, receiver, "/w") == 503
    outage.heal()
    assert post(client, receiver, "/w") == 200
    receiver.script("/w", misdeeds.OutageBehaviour(for_s=0.0))
    assert post(client, receiver, "/w") == 200


def test_a_slow_answer_does_not_hold_up_other_connections(receiver: FaultReceiver, client: httpx.Client) -> None:
    """While one request waits for its answer others are served; the log has its status once it is answered."""
    receiver.script("/slow", behaviours.slow(0.3, 201))
    answers: list[int] = []
    waiting = threading.Thread(target=lambda: answers.append(post(client, receiver, "/slow")))
    waiting.start()
    assert receiver.wait_for_count("/slow", 1)
    with httpx.Client(trust_env=False) as other:
        assert post(other, receiver, "/fast") == 200
    assert receiver.arrivals("/slow")[0].status == 0
    waiting.join()
    [arrival] = receiver.arrivals("/slow")
    assert (answers, arrival.status) == ([201], 201)
    assert arrival.answered_at - arrival.at >= 0.29


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (misdeeds.hanging(), httpx.ReadTimeout),
        (misdeeds.hanging_in_body(), httpx.ReadTimeout),
        (misdeeds.resetting(), httpx.ReadError),
        (misdeeds.garbage(), httpx.RemoteProtocolError),
    ],
    ids=["hang", "hang in body", "reset", "garbage"],
)
def test_no_complete_answer_leaves_status_0(
    receiver: FaultReceiver, behaviour: behaviours.Behaviour, error: type[Exception]
) -> None:
    """The request is in the log, although nobody was told that it arrived."""
    receiver.script("/w", behaviour)
    with httpx.Client(timeout=0.2, trust_env=False) as client, pytest.raises(error):
        post(client, receiver, "/w")
    assert [(a.body, a.status, a.answered_at) for a in receiver.arrivals("/w")] == [(BODY, 0, 0.0)]


@pytest.mark.parametrize("interval_s", [0.001, 0.0], ids=["byte by byte", "as fast as it is read"])
def test_a_body_can_be_endless(receiver: FaultReceiver, client: httpx.Client, interval_s: float) -> None:
    """The client sees the head and as much of the body as it cares to read."""
    receiver.script("/w", misdeeds.trickling(interval_s))
    with client.stream("POST", receiver.url("/w"), content=BODY) as answer:
        assert answer.status_code == 200
        pieces = answer.iter_raw()
        assert [next(pieces)[:1] for _ in range(3)] == [b"."] * 3
    assert receiver.wait_for(lambda: receiver.open_connections == 0)


@pytest.mark.parametrize("behaviour", [misdeeds.closing(), misdeeds.closing_unannounced()])
def test_a_server_may_close_after_each_answer(
    receiver: FaultReceiver, client: httpx.Client, behaviour: behaviours.Behaviour
) -> None:
    """Every request is answered, each over a connection of its own."""
    receiver.script("/w", behaviour)
    for answered in range(1, 4):
        assert post(client, receiver, "/w") == 200
        assert receiver.wait_for(lambda: receiver.open_connections == 0)
        assert receiver.connections_opened == answered


def test_idle_connections_can_be_dropped(receiver: FaultReceiver, client: httpx.Client) -> None:
    """After the drop the client needs a new connection."""
    assert post(client, receiver, "/w") == 200
    receiver.drop_connections()
    assert receiver.wait_for(lambda: receiver.open_connections == 0)
    assert post(client, receiver, "/w") == 200
    assert receiver.connections_opened == 2


def test_pieces_and_pipelined_requests_are_read(receiver: FaultReceiver) -> None:
    """Two requests sent in odd pieces over one connection are answered in order."""
    receiver.script("/w", misdeeds.cycle(201, 202))
    request = b"POST /w HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
    with socket.create_connection(("127.0.0.1", receiver.port)) as raw:
        for piece in (request[:7], request[7:40], request[40:] + request[:11], request[11:]):
            raw.sendall(piece)
        assert receiver.wait_for(lambda: len(receiver.successes("/w")) == 2)
        received = b""
        while received.count(b"ok") < 2:
            received += raw.recv(4096)
    assert [received.find(b" 201 ") < received.find(b" 202 "), received.count(b"HTTP/1.1")] == [True, 2]
    assert [arrival.body for arrival in receiver.arrivals("/w")] == [b"hello", b"hello"]


def test_a_request_it_cannot_read_is_refused(receiver: FaultReceiver) -> None:
    """Nonsense gets a 400 and is no arrival."""
    with socket.create_connection(("127.0.0.1", receiver.port)) as raw:
        raw.sendall(b"nonsense\r\n\r\n")
        assert raw.recv(4096).startswith(b"HTTP/1.1 400 ")
    assert receiver.count() == 0


def test_waiting_ends_when_the_condition_never_comes(receiver: FaultReceiver) -> None:
    """False after the timeout, as with any condition."""
    assert not receiver.wait_for(lambda: receiver.count() > 0, timeout=0.05)


def test_a_closed_receiver_refuses_connections_and_its_port_can_be_taken_again(client: httpx.Client) -> None:
    """A workflow that is gone, and comes back at the same address."""
    first = FaultReceiver()
    assert post(client, first, "/w") == 200
    first.close()
    first.close()
    with pytest.raises(httpx.ConnectError):
        post(client, first, "/w")
    with FaultReceiver(port=first.port) as second:
        assert post(client, second, "/w") == 200


def test_a_port_in_use_is_an_error_that_leaves_nothing_behind(receiver: FaultReceiver) -> None:
    """The second server on a port says so."""
    before = threading.active_count()
    with pytest.raises(OSError, match="in use"):
        FaultReceiver(port=receiver.port)
    assert threading.active_count() == before


def test_it_speaks_tls(tmp_path: Path) -> None:
    """With a certificate it serves https, and can reset there, too."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *names]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(certificate, key)
    trusting = ssl.create_default_context(cafile=str(certificate))
    with FaultReceiver(tls=server_side) as receiver, httpx.Client(verify=trusting, trust_env=False) as client:
        assert receiver.url("/w").startswith("https://")
        assert post(client, receiver, "/w") == 200
        receiver.script("/w", misdeeds.resetting())
        with pytest.raises(httpx.HTTPError):
            post(client, receiver, "/w")

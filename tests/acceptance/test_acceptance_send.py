"""`tray-stream send`: one real request, and its answer."""

from __future__ import annotations

import hmac
import json
import signal
from pathlib import Path
from typing import Any

import pytest
from acceptance_support import Event, Program, as_toml, call_here
from assertions import every
from support.receiver import FaultReceiver
from support.waiting import wait_until

from stream.demo.behaviours import Reply, slow

SECRET = "hush-hush-hush"
PATH = "/orders/secret-path-123"
LONG_S = 300.0
"""An answer that no test waits for."""


def configure(folder: Path, receiver: FaultReceiver, *others: Event, **orders: Any) -> None:
    """Settings with the workflows orders and crm, and no Kafka behind them."""
    first = {"name": "orders", "url": receiver.url(PATH), "headers": {"X-Team": "growth-team-9"}, **orders}
    workflows = [first, {"name": "crm", "url": receiver.url("/crm")}, *others]
    sections: dict[str, Event] = {"kafka": {"topics": ["events"]}, "destination": {"shared_secret": SECRET}}
    (folder / "stream.toml").write_text(as_toml(sections, workflows))


def test_a_made_event_is_sent_as_run_would(receiver: FaultReceiver, tmp_path: Path) -> None:
    """Signed, with the workflow's headers, the test header and a messageId of its own; the answer is shown."""
    configure(tmp_path, receiver)
    receiver.script(PATH, lambda _body, _number: Reply(200, b'{"id": 17}'))
    words = ("send", "--workflow", "orders", "--type", "track", "--event", "Order Completed", "--user", "u1")
    done = call_here(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    (arrival,) = receiver.arrivals()
    headers = {name.lower(): value for name, value in arrival.headers.items()}
    event = json.loads(arrival.body)
    assert (event["type"], event["event"], event["userId"]) == ("track", "Order Completed", "u1")
    assert event["messageId"] == headers["idempotency-key"]
    assert (headers["x-tray-test"], headers["x-team"]) == ("true", "growth-team-9")
    assert headers["x-signature"] == hmac.new(SECRET.encode(), arrival.body, "sha1").hexdigest()
    assert "orders: 200 in " in done.stdout
    assert 'answer          {"id": 17}' in done.stdout
    assert "X-Tray-Test: true" in done.stdout
    assert not [secret for secret in (SECRET, "secret-path", "growth-team-9") if secret in done.stdout + done.stderr]


@pytest.mark.parametrize("type_", ["track", "identify", "page", "screen", "group", "alias", "delete", "custom"])
def test_an_event_of_each_type_can_be_made(receiver: FaultReceiver, tmp_path: Path, type_: str) -> None:
    """Valid, with ids that no two of them share."""
    configure(tmp_path, receiver)
    for _ in range(2):
        assert call_here(tmp_path, "send", "--workflow", "crm", "--type", type_).returncode == 0
    first, second = (json.loads(arrival.body) for arrival in receiver.arrivals("/crm"))
    assert first["type"] == second["type"] == type_
    assert first["messageId"] != second["messageId"]


def test_an_event_of_a_file_keeps_its_bytes_but_for_the_id(receiver: FaultReceiver, tmp_path: Path) -> None:
    """Nothing of it is printed without --body, not even what the answer quotes."""
    configure(tmp_path, receiver)
    receiver.script("/crm", lambda body, _number: Reply(422, b"cannot take " + body))
    given = (
        '{"userId": "person-77",\t"type":"identify", "messageId":"m-1","traits":{"email":"ada@example.com", "n":1.0}}'
    )
    (tmp_path / "event.json").write_text(given)
    done = call_here(tmp_path, "send", "--workflow", "crm", "event.json")
    (arrival,) = receiver.arrivals("/crm")
    fresh = json.loads(arrival.body)["messageId"]
    assert fresh.startswith("tray-test-")
    assert arrival.body.decode() == given.replace("m-1", fresh)
    assert done.returncode == 1
    assert "crm: 422 in " in done.stdout
    assert "dead letter" in done.stdout
    assert not [text for text in ("person-77", "ada@example.com") if text in done.stdout]
    shown = call_here(tmp_path, "send", "--workflow", "crm", "event.json", "--body")
    assert shown.stdout.count("person-77") == 2  # the body, and the answer


def test_all_workflows_at_once(receiver: FaultReceiver, tmp_path: Path) -> None:
    """Each with its result; one that does not want the event is sent nothing, with the rule that decided."""
    configure(tmp_path, receiver, {"name": "privacy", "url": receiver.url("/privacy"), "types": ["delete"]})
    done = call_here(tmp_path, "send", "--all")
    assert done.returncode == 0
    assert [(arrival.path) for arrival in receiver.arrivals()] in ([PATH, "/crm"], ["/crm", PATH])
    assert "privacy: not sent" in done.stdout
    assert 'workflow[2].types = ["delete"]' in done.stdout
    receiver.script("/crm", 500)
    found = json.loads(call_here(tmp_path, "send", "--all", "--json").stdout)["workflows"]
    assert [(one["workflow"], one["status"], one["outcome"]) for one in found] == [
        ("orders", 200, "delivered"),
        ("crm", 500, "retry"),
        ("privacy", None, None),
    ]


def test_an_event_that_is_filtered_is_not_sent(receiver: FaultReceiver, tmp_path: Path) -> None:
    """The exit code is 1: there is no 2xx."""
    configure(tmp_path, receiver, events=["Order *"])
    done = call_here(tmp_path, "send", "--workflow", "orders", "--event", "Sign Up")
    assert done.returncode == 1
    assert 'workflow[0].events = ["Order *"]' in done.stdout
    assert receiver.count() == 0


def test_a_paused_workflow_is_tried_on_purpose(receiver: FaultReceiver, tmp_path: Path) -> None:
    """That is how one finds out whether the maintenance is over."""
    configure(tmp_path, receiver, paused=True)
    done = call_here(tmp_path, "send", "--workflow", "orders")
    assert done.returncode == 0
    assert "the settings pause this workflow" in done.stdout


def test_a_workflow_that_never_answers_ends_by_its_timeout(receiver: FaultReceiver, tmp_path: Path) -> None:
    """And one that cannot be connected to, or may not be, says why."""
    metadata = {"name": "metadata", "url": "http://169.254.169.254/latest"}
    configure(tmp_path, receiver, metadata, timeout="500ms")
    receiver.script(PATH, slow(LONG_S))
    done = call_here(tmp_path, "send", "--workflow", "orders", "--workflow", "metadata")
    assert done.returncode == 1
    assert "orders: no answer (timeout) after" in done.stdout
    assert "metadata: no answer (connect) after" in done.stdout
    assert "egress.allow" in done.stdout + done.stderr


def test_ctrl_c_ends_it(receiver: FaultReceiver, tmp_path: Path) -> None:
    """At once, and it says that the request may have arrived."""
    configure(tmp_path, receiver, timeout="10m")
    receiver.script(PATH, slow(LONG_S))
    with Program(tmp_path, "send", "--workflow", "orders") as program:
        wait_until(lambda: receiver.count(PATH) == 1, "the request has arrived")
        program.signal(signal.SIGINT)
        assert program.wait() == 130
        assert "may have received the request" in program.log


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--workflow", "order"], "Did you mean orders?"),
        ([], "There are: orders, crm"),
        (["--workflow", "orders", "--all"], "together"),
        (["--workflow", "orders", "missing.json"], "missing.json: cannot be read"),
        (["--workflow", "orders", "broken.json"], "broken.json: is no event"),
        (["--workflow", "orders", "list.json"], "not a JSON object"),
        (["--workflow", "orders", "nameless.json"], "event is missing"),
        (["--workflow", "orders", "event.json", "--user", "u1"], "together"),
    ],
)
def test_what_makes_no_sense_is_refused(receiver: FaultReceiver, tmp_path: Path, words: list[str], said: str) -> None:
    """With exit 2 and a sentence; nothing is sent."""
    configure(tmp_path, receiver)
    files = {
        "broken": '{"type": "track"',
        "list": "[1]",
        "nameless": '{"type": "track", "userId": "u"}',
        "event": '{"type": "identify", "userId": "u"}',
    }
    for name, text in files.items():
        (tmp_path / f"{name}.json").write_text(text)
    done = call_here(tmp_path, "send", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert receiver.count() == 0


def test_foreign_text_in_an_answer_is_harmless(receiver: FaultReceiver, tmp_path: Path) -> None:
    """It speaks neither to the terminal nor to a reader of JSON."""
    configure(tmp_path, receiver)
    receiver.script("/crm", lambda _body, _number: Reply(500, "\x1b[2J[bold]\x07\u202e<script>".encode()))
    done = call_here(tmp_path, "send", "--workflow", "crm")
    assert "[bold]" in done.stdout
    assert every(char.isprintable() or char == "\n" for char in done.stdout)
    json.loads(call_here(tmp_path, "send", "--workflow", "crm", "--json").stdout)

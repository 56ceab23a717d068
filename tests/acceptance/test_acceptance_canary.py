"""Nothing leaks: unique texts are planted wherever something is secret or personal, and looked for in all that is
written by every command, through success, retries, rejections, bad TLS, reloads and librdkafka's debugging."""

from __future__ import annotations

import base64
import html
import json
import re
import signal
import ssl
import sys
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import orjson
import pytest
import typer.main
from acceptance_support import Event, Program, Scene, as_toml, call, header_texts
from assertions import every
from support.authority import Authority
from support.behaviours import first
from support.receiver import FaultReceiver
from support.secured_kafka import SecuredKafka
from support.topics import Given, produce_events, read_topic
from support.unsigned_token import unsigned_token
from support.waiting import wait_until

from stream.cli.app import app
from stream.demo.behaviours import Reply

SECRETS = (
    "shared",
    "older",
    "own",
    "host",
    "path",
    "query",
    "moved",
    "header",
    "proxy",
    "password",
    "schemas",
    "environ",
    "token",
)
"""What the settings hold and nobody may see."""
PERSONAL = ("user", "anonymous", "email", "note", "event", "group", "previous", "message", "member", "trait", "broken")
"""What events hold, and files of members and values."""
SHOWN: dict[str, tuple[str, ...]] = {
    "dead-letters show": PERSONAL,
    "explain --body": PERSONAL,
    "send --body": PERSONAL,
    "test": ("event",),
    "tap --body": PERSONAL,
    "tap": ("event", "broken"),  # which is in a type as well
    "explain": ("event", "message"),
}
"""What of an event a command shows because it was asked to: the first whose words are all given."""


FORMS: dict[str, Callable[[str], str]] = {
    "as it stands": lambda text: text,
    "HTML": html.unescape,
    "percent": unquote_plus,
    "backslash": lambda text: re.sub(r"\\+u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text),
}
"""How a text is read before it is searched; in base64 it is searched as well."""
QUOTED: list[Callable[[str], str]] = [
    lambda text: text,
    str.upper,
    lambda text: "".join(f"&#{ord(char)};" for char in text),
    lambda text: "".join(f"&#x{ord(char):x};" for char in text),
    lambda text: "".join(f"\\u{ord(char):04x}" for char in text),
    lambda text: "".join(f"%{ord(char):02x}" for char in text),
    lambda text: f"{text[:-4]}...",
    lambda text: text[:-4],
]
"""How a workflow may spell what it quotes: as it stands, escaped in several ways, cut."""


@dataclass
class Canaries:
    """One unique text for each place; found by its own text in any spelling of it."""

    run: str = field(default_factory=lambda: uuid.uuid4().hex[:10])

    def __getitem__(self, name: str) -> str:
        return f"c4nary{name}{self.run}"

    def found(self, text: str, names: tuple[str, ...]) -> list[str]:
        """Names of those that are in a text, in any case, whole or cut, in an escape or in base64."""
        forms = [read(text).lower() for read in FORMS.values()]
        return [
            name
            for name in names
            if any(f"c4nary{name}" in form for form in forms) or any(each in text for each in _in_base64(self[name]))
        ]


@dataclass
class Search:
    """What was written, command by command, and what was found in it."""

    canaries: Canaries
    commands: list[str] = field(default_factory=list)
    searched: int = 0
    leaks: list[str] = field(default_factory=list)

    def look(self, what: str, text: str, names: tuple[str, ...] = SECRETS + PERSONAL) -> None:
        """Search one output."""
        self.commands.append(what)
        self.searched += len(text.encode())
        self.leaks += [
            f"{name} in {what}: {_around(text, self.canaries[name])}" for name in self.canaries.found(text, names)
        ]


def _in_base64(text: str) -> list[str]:
    """The middle of a text in base64, for each place of its first byte in a group of three."""
    return [base64.b64encode(bytes(skipped) + text.encode()).decode()[4:-4] for skipped in range(3)]


def _around(text: str, canary: str) -> str:
    at = max(text.lower().find(canary), *(text.find(each) for each in _in_base64(canary)))
    return repr(text[max(0, at - 80) : at + 60])


def event(canaries: Canaries, number: int, type_: str = "track", **more: object) -> Event:
    """An event with a canary in every field that may be personal."""
    return {
        "userId": f"{canaries['user']}{number}",
        "messageId": f"{canaries['message']}{number}",
        "type": type_,
        "event": f"{canaries['event']} Completed",
        "anonymousId": canaries["anonymous"],
        "groupId": canaries["group"],
        "previousId": canaries["previous"],
        "traits": {"email": f"{canaries['email']}@example.com"},
        "properties": {canaries["note"]: canaries["note"], "n": number},
        **more,
    }


@dataclass
class Place:
    """A topic, a receiver that echoes, and settings full of secrets."""

    kafka: SecuredKafka
    scene: Scene
    canaries: Canaries
    options: dict[str, str]
    folder: Path
    encrypted: FaultReceiver
    token: dict[str, object] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        """What the settings refer to."""
        return {"CANARY": self.canaries["environ"]}

    def configure(self, path: str = "path", debug: str = "all", count: int = 7) -> Path:
        """The settings file. Its workflows succeed, fail first, reject, and cannot be reached in three ways."""
        canaries, receiver = self.canaries, self.scene.receiver
        more = {"headers": {"Authorization": f"Bearer {canaries['header']}", "X-Env": "${env:CANARY}"}}

        def url(name: str) -> str:
            return receiver.url(f"/{name}/{canaries[path]}?key={canaries['query']}")

        strange = self.encrypted.url(f"/strange/{canaries['path']}").replace("127.0.0.1", "localhost")
        workflows: list[Event] = [
            {"name": "good", "url": url("good"), "signing": "both", **more},
            {"name": "flaky", "url": url("flaky"), "shared_secret": canaries["own"], **more},
            {"name": "picky", "url": url("picky"), "types": ["track"], **more},
            {"name": "strange", "url": strange, "types": ["screen"], **more},
            {"name": "metadata", "url": f"http://169.254.169.254/{canaries['path']}", "types": ["screen"]},
            {
                "name": "proxied",
                "url": f"https://nowhere.test/{canaries['path']}",
                "types": ["screen"],
                "proxy": f"http://ann:{canaries['proxy']}@127.0.0.1:{receiver.port}",
                "timeout": "1s",
            },
            {"name": "opaque", "url": f"https://{canaries['host']}.trayapp.io", "types": ["screen"], "timeout": "1s"},
        ]
        options: dict[str, Any] = {**self.options, "debug": debug} if debug else {**self.options}
        return self.scene.configure(
            *workflows[:count],
            kafka={"bootstrap_servers": self.kafka.sasl_bootstrap},
            **{
                **({"kafka.token": self.token} if self.token else {}),
                "kafka.options": options,
                "schema_registry": {"url": receiver.url("/ids"), "username": "ann", "password": canaries["schemas"]},
                "destination": {"shared_secrets": [canaries["shared"], canaries["older"]]},
                "log": {"level": "debug"},
                "retry": {"initial": "50ms", "max": "200ms"},
            },
        )


@pytest.fixture
def place(secured_kafka: SecuredKafka, receiver: FaultReceiver, tmp_path: Path, topic_name: str) -> Iterator[Place]:
    """Ready to run."""
    canaries = Canaries()
    secured_kafka.create_topic(topic_name, 2)
    options = secured_kafka.add_user(f"u-{canaries.run}", canaries["password"], topic_name)
    certificate = Authority(tmp_path / "authority").issue("localhost")
    for name in ("path", "moved"):
        target = f"/{canaries[name]}?key={canaries['query']}"
        receiver.script(f"/flaky{target}", first(503, 500, 429))
        receiver.script(f"/picky{target}", partial(_refusal, canaries))
    with FaultReceiver(tls=_server_side(certificate)) as encrypted:
        yield Place(
            secured_kafka, Scene(secured_kafka, topic_name, receiver, tmp_path), canaries, options, tmp_path, encrypted
        )


def test_what_is_planted_would_be_found() -> None:
    """In any case, within a word, and in the base64 of a login."""
    search = Search(Canaries())
    secret = search.canaries["shared"]
    logins = [base64.b64encode(f"{'u' * length}:{secret}".encode()).decode() for length in range(1, 4)]
    for text in (secret, f"a{secret.upper()}b", *logins, *(spell(secret) for spell in QUOTED), "c4nary"):
        search.look(text, text, ("shared",))
    assert [leak.split(" in ")[1].split(":")[0] for leak in search.leaks] == search.commands[:-1]


def test_nothing_that_is_secret_or_personal_is_written(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither in output nor in logs, metrics, traces and letters' headers: events are in dead letters' values alone."""
    search = Search(place.canaries)
    put_events(place)
    run_it(place, search)
    look_at_dead_letters(place, search)
    run_the_others(place, search)
    with capsys.disabled():
        print(f"\nThe canary test searched {search.searched:,} bytes of:")
        print("\n".join(f"  {command}" for command in search.commands))
    assert not search.leaks, "\n".join(search.leaks)
    assert commands_of(typer.main.get_command(app)) <= {_name(command) for command in search.commands}


def put_events(place: Place) -> None:
    """Good ones of every type, and what is no event."""
    canaries = place.canaries
    types = ["track", "identify", "page", "screen", "group", "alias", "delete"]
    values = [orjson.dumps(event(canaries, n, type_)) for n, type_ in enumerate(types)]
    values += [
        f'{{"{canaries["broken"]}": '.encode(),
        orjson.dumps({"type": canaries["broken"], "userId": canaries["user"]}),
    ]
    values += [orjson.dumps(event(canaries, 90, "track", userId=None, anonymousId={"a": canaries["broken"]}))]
    given: list[Given] = [(canaries["user"], value, n % 2, None) for n, value in enumerate(values)]
    produce_events(place.scene.broker.bootstrap, place.scene.topic, given)


def run_it(place: Place, search: Search) -> None:
    """The processor through success, retry, rejection, workflows that cannot be reached, and reloads."""
    place.configure()
    with Program(place.folder, "run", "--trace", "run.trace", env=place.env) as program:
        _wait_attempts(program, good="200", flaky="429", picky="400")
        _wait_attempts(program, strange="tls", metadata="connect", proxied="")
        place.configure(path="moved")
        program.signal(signal.SIGHUP)
        wait_until(lambda: program.metrics().total("tray_config_reloads_total", result="ok") == 1, "a reload")
        (place.folder / "stream.toml").write_text(_broken(place.canaries))
        program.signal(signal.SIGHUP)
        wait_until(lambda: program.metrics().total("tray_config_reloads_total", result="failed") == 1, "a broken file")
        place.configure(path="moved")
        _put_more(place)
        _wait_attempts(program, flaky="200")
        wait_until(lambda: program.metrics().total("tray_dead_letters_total", reason="rejected") >= 2, "dead letters")
        search.look("/metrics", program.get("/metrics")[1])
        settings = {"TRAY_HTTP__LISTEN": f"127.0.0.1:{program.port}", **place.env}
        for words in (["top", "--once", "--interval", "100ms"], ["healthcheck"]):
            _call(place, search, words, env=settings)
        program.stop()
        search.look("run", program.log)
        assert "rdkafka" in program.log or "facility=CONF" in program.log
    search.look("the trace", (place.folder / "run.trace").read_text())


def look_at_dead_letters(place: Place, search: Search) -> None:
    """Key and value are the event's own; what is added may say nothing of it."""
    letters = read_topic(place.scene.broker.bootstrap, place.scene.dead_letters)
    headers = [header_texts(letter.headers) for letter in letters]
    assert {found["tray.reason"] for found in headers} >= {"rejected", "invalid_json", "invalid_event"}
    assert any("***" in found["tray.detail"] for found in headers)
    assert every(place.canaries.run in (letter.value or b"").decode() for letter in letters)
    search.look("headers of dead letters", json.dumps(headers))


def run_the_others(place: Place, search: Search) -> None:
    """Every other command, and run where it cannot start."""
    canaries = place.canaries
    place.configure(debug="")
    (place.folder / "event.json").write_bytes(orjson.dumps(event(canaries, 1)))
    (place.folder / "cases.toml").write_text("[[case]]\nevent_file = 'event.json'\nexpect = ['strange']\n")
    (place.folder / "members.csv").write_text(f"user_id\n{canaries['member']}1\n{canaries['member']}2\n")
    (place.folder / "values.csv").write_text(f"user_id,value\n{canaries['member']}1,{canaries['trait']}\n")
    letter = f"{place.scene.topic}:0:0"
    together = [
        ["--version"],
        ["--help"],
        ["check"],
        ["check", "--print"],
        ["check", "--probe", "--json"],
        ["explain", "event.json"],
        ["explain", "event.json", "--body"],
        ["explain", "--topic", place.scene.topic, "--partition", "0", "--offset", "0", "--json"],
        ["send", "--all", "event.json"],
        ["send", "--workflow", "good", "event.json", "--body"],
        ["test", "cases.toml"],
        ["tap", "--from", "earliest", "--limit", "8"],
        ["tap", "--from", "earliest", "--limit", "8", "--json"],
        ["tap", "--from", "earliest", "--limit", "2", "--body"],
        ["offsets", "show"],
        ["offsets", "reset", "--to-earliest"],
        ["offsets", "migrate", "--to", "workflow"],
        ["dead-letters", "list", "--by", "event,workflow"],
        ["dead-letters", "show", letter],
        ["dead-letters", "discard", "--reason", "invalid_json", "--execute"],
        ["audience", "sync", "Best buyers", "--members", "members.csv"],
        ["trait", "sync", "Total revenue", "--values", "values.csv"],
        ["replay", "--from", "earliest"],
        ["held", "list"],
        ["demo"],
    ]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda words: _call(place, search, words), together))
    one_by_one = [
        ["dead-letters", "redrive", "--execute"],
        ["replay", "--from", "earliest", "--workflow", "good", "--name", "again", "--execute"],
    ]
    for words in one_by_one:
        _call(place, search, words)
    place.configure(count=1)
    assert _call(place, search, ["run", "--workers", "2", "--until-end"]) == 0
    place.options |= {"sasl.password": f"{canaries['password']}x"}
    place.configure()
    assert _call(place, search, ["run", "--until-end"], note="with a wrong password") == 3
    log_in_with_tokens(place, search)
    (place.folder / "stream.toml").write_text(_broken(canaries))
    assert _call(place, search, ["run"], note="with broken settings") == 2
    assert _call(place, search, ["check", "--print"], note="with broken settings") == 2


def log_in_with_tokens(place: Place, search: Search) -> None:
    """One that Kafka takes, of a user without rights; one that it does not; and a command that fails and quotes it."""
    place.options = {"security.protocol": "SASL_PLAINTEXT"}
    token = place.canaries["token"]
    printed = f"print('{json.dumps({'token': unsigned_token(token, 600), 'lifetime': 600})}')"
    refused = f"print('{json.dumps({'token': token, 'lifetime': 600})}')"
    for script in (printed, refused):
        place.token = {"provider": "command", "command": [sys.executable, "-c", script]}
        place.configure()
        assert _call(place, search, ["run", "--until-end"], note="with a token") == 3
        _call(place, search, ["check"], note="with a token")
        assert _call(place, search, ["check", "--print"], note="with a token") == 0
    place.token = {"provider": "command", "command": ["/nowhere/token", token]}
    place.configure()
    assert _call(place, search, ["offsets", "show"], note="without a token") == 3


def commands_of(group: object, prefix: str = "") -> set[str]:
    """The names of all commands that there are."""
    commands = getattr(group, "commands", None)
    if commands is None:
        return {prefix.strip()}
    return {name for key, command in commands.items() for name in commands_of(command, f"{prefix} {key}")}


def _call(place: Place, search: Search, words: list[str], env: dict[str, str] | None = None, note: str = "") -> int:
    ended = call(place.folder, *words, env=env or place.env)
    shown = next((shown for command, shown in SHOWN.items() if set(command.split()) <= set(words)), ())
    what = " ".join(words) + (f" ({note})" if note else "")
    search.look(what, ended.stdout + ended.stderr, (*SECRETS, *(name for name in PERSONAL if name not in shown)))
    assert ended.returncode in (0, 1, 2, 3), what
    assert "Traceback" not in ended.stderr
    return ended.returncode


def _name(command: str) -> str:
    """`dead-letters show` of a whole command line."""
    return " ".join(re.match(r"(?:(?:dead-letters|offsets|audience|trait|held) )?[a-z-]*", command)[0].split())  # type: ignore[index]  # it matches anything


def _wait_attempts(program: Program, **codes: str) -> None:
    for workflow, code in codes.items():
        wait_until(partial(_has_answered, program, workflow, code), f"{code} of {workflow}")


def _has_answered(program: Program, workflow: str, code: str) -> bool:
    labels = {"workflow": workflow, "code": code} if code else {"workflow": workflow}
    return program.metrics().total("tray_attempts_total", **labels) > 0


def _refusal(canaries: Canaries, body: bytes, number: int) -> Reply:
    """Quotes a secret of the settings and a value of the event, each time in another spelling."""
    spell = QUOTED[number % len(QUOTED)]
    secret = canaries[("header", "query", "shared")[number % 3]] if number % 2 else ""
    value = canaries[("user", "note", "email", "anonymous")[number % 4]]
    return Reply(400, b"cannot take " + spell(value).encode() + b" " + spell(secret).encode() + b": " + body)


def _put_more(place: Place) -> None:
    given: list[Given] = [("k", orjson.dumps(event(place.canaries, n)), 0, None) for n in range(20, 40)]
    produce_events(place.scene.broker.bootstrap, place.scene.topic, given)


def _broken(canaries: Canaries) -> str:
    """Settings with a mistake wherever a secret is."""
    workflow = {
        "name": "good",
        "url": f"https://ann:{canaries['path']}@h/",
        "headers": {"X-A": f"{canaries['header']}\n"},
        "shared_secrets": [f"whsec_{canaries['shared']}!"],
        "signing": "both",
        "proxy": f"socks5://{canaries['proxy']}@h",
    }
    kafka = {"topics": ["a"], "options": {"sasl.password": {"a": canaries["password"]}}}
    return as_toml({"kafka": kafka}, [workflow, {"url": f"{canaries['moved']}.example.com/x"}])


def _server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context

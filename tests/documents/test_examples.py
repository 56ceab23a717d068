"""Programs, files and outputs on the pages: executed, or held against what the program really does."""

from __future__ import annotations

import configparser
import hashlib
import hmac
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
import yaml
from acceptance_support import Scene, call, call_here, make_event
from assertions import every, filled
from pages import ALL_BLOCKS, DOCS, Block, blocks, marked
from reference_logs import messages
from support.receiver import FaultReceiver
from support.topics import Broker, create_topic

from stream.demo.child import Child, free_port, wait_until_it

SECRET = "s3cret"
EVENT = b'{"type":"track","event":"Order Completed","userId":"u","messageId":"m-1"}'
RECEIVERS = DOCS / "guides/receivers"
OUTPUTS = (DOCS / "reference/json-outputs.md").read_text()


def receiver_command(language: str, folder: Path) -> list[str]:
    """How to run the receiver that is written in a language."""
    if language == "python":
        return [sys.executable, str(RECEIVERS / "receiver.py")]
    if language == "javascript":
        return [found("node"), str(RECEIVERS / "receiver.mjs")]
    program = folder / "receiver"
    env = {**os.environ, "GOFLAGS": "-mod=mod", "GO111MODULE": "off"}
    subprocess.run([found("go"), "build", "-o", program, RECEIVERS / "receiver.go"], env=env, check=True, timeout=300)
    return [str(program)]


def found(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


def is_listening(port: int) -> bool:
    try:
        httpx.post(f"http://127.0.0.1:{port}", content=b"{}", trust_env=False)
    except httpx.TransportError:
        return False
    return True


@pytest.mark.parametrize("language", ["python", "javascript", "go"])
def test_a_receiver_verifies_and_drops_repetitions(language: str, tmp_path: Path) -> None:
    """A wrong signature is refused; the same key twice is handled once."""
    command, port = receiver_command(language, tmp_path), free_port()
    env = {**os.environ, "TRAY_SHARED_SECRET": SECRET, "PORT": str(port), "SEEN_FILE": str(tmp_path / "seen")}
    with Child(command, tmp_path / "receiver.log", cwd=tmp_path, env=env) as child:
        wait_until_it(lambda: is_listening(port), child, "The receiver")
        right = hmac.new(SECRET.encode(), EVENT, hashlib.sha1).hexdigest()
        answers = [
            httpx.post(
                f"http://127.0.0.1:{port}/",
                content=EVENT,
                headers={"X-Signature": signature, "Idempotency-Key": "m-1"},
                trust_env=False,
            ).status_code
            for signature in ("0" * 40, right, right)
        ]
        assert answers == [401, 200, 200]
        assert child.log.count("event track") == 1


@pytest.mark.parametrize("name", ["receiver.py", "receiver.mjs", "receiver.go"])
def test_the_page_shows_the_receivers_that_run(name: str) -> None:
    """As they are in the files."""
    shown = [block.text.strip() for block in blocks(DOCS / "guides/receiver.md")]
    assert (RECEIVERS / name).read_text().strip() in shown


def test_the_script_for_tray_verifies(tmp_path: Path) -> None:
    """With the raw body, and with the parsed body of a compact event."""
    script = marked(DOCS / "guides/tray-workflow.md", "javascript: executed")
    right = hmac.new(SECRET.encode(), EVENT, hashlib.sha1).hexdigest()
    cases = [(EVENT.decode(), right), (json.loads(EVENT), right), (EVENT.decode(), "0" * 40)]
    asked = [{"body": body, "signature": signature, "secret": SECRET} for body, signature in cases]
    tail = f"console.log(JSON.stringify({json.dumps(asked)}.map((each) => exports.step(each).valid)));"
    path = tmp_path / "script.cjs"
    path.write_text(f"{script}\n{tail}\n")
    done = subprocess.run([found("node"), path], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout) == [True, True, False]


@pytest.mark.parametrize("block", [block for block in ALL_BLOCKS if block.language in ("json", "yaml", "ini")], ids=str)
def test_files_of_other_programs_can_be_read(block: Block) -> None:
    """JSON, YAML and unit files are well-formed."""
    if block.language == "json":
        assert json.loads(block.text)
    elif block.language == "yaml":
        assert yaml.safe_load(block.text)
    else:
        parser = configparser.ConfigParser(strict=False, interpolation=None)
        parser.optionxform = str  # type: ignore[assignment,method-assign]  # keeps the case of keys, as documented
        parser.read_string(block.text)
        assert {"Unit", "Service"} <= set(parser.sections())


@pytest.mark.parametrize("block", [block for block in ALL_BLOCKS if block.language == "python"], ids=str)
def test_python_on_the_pages_compiles(block: Block) -> None:
    """What it does is tested where it stands in a file, or with the library that it shows."""
    assert compile(block.text, str(block), "exec")


def logged() -> list[str]:
    """The sentences of the lines that the pages show."""
    lines = [line for block in ALL_BLOCKS if block.mark == "log" for line in block.text.splitlines()]
    sentences = [re.match(r"\S+Z \w+ (.+?[.])(?= \w+=|$)", line) for line in lines]
    return [sentence[1] for sentence in sentences if sentence]


def test_lines_of_the_log_on_the_pages_are_written() -> None:
    """Each sentence is one that the program logs, apart from what is put in."""
    known = [re.compile(re.escape(message.text).replace("…", ".+")) for message in messages()]
    made = ("Kafka is unreachable: no broker answers. Retrying; events wait on the topic.",)
    for sentence in filled(sorted(set(logged()))):
        assert sentence in made or any(pattern.fullmatch(sentence) for pattern in known), sentence


def keys(tree: object, path: str = "") -> Iterator[str]:
    """The path of every value: a.b, a[].b."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from keys(value, f"{path}.{key}" if path else str(key))
    elif isinstance(tree, list):
        yield from (found for each in tree for found in keys(each, f"{path}[]"))
    else:
        yield path


def documented(command: str) -> list[re.Pattern[str]]:
    """The keys of a command's section; `*` is one or more names."""
    section = OUTPUTS.partition(f"## {command}")[2].partition("\n## ")[0]
    cells = [row.split(" | ")[0] for row in section.splitlines() if row.startswith("| `")]
    named = [key for cell in cells for key in re.findall(r"`([^`]+)`", cell)]
    return [re.compile(re.escape(key).replace(r"\*", ".+") + r"(\[\].*)?") for key in ["schema_version", *named]]


@pytest.fixture
def scene(apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path) -> Scene:
    """A topic of which some events were delivered and some are dead letters."""
    for topic in (topic_name, f"{topic_name}.dead-letters"):
        create_topic(apache_kafka.bootstrap, topic, 2)
    found = Scene(apache_kafka, topic_name, receiver, tmp_path)
    receiver.script("/orders", 422)
    found.configure(found.workflow("orders", types=["track"]), found.workflow("all"))
    found.produce([make_event(number) for number in range(4)])
    (tmp_path / "members.csv").write_text("user_id\na\nb\n")
    (tmp_path / "values.csv").write_text("user_id,value\na,1\n")
    body = '[case.body.all]\nuserId = "v"\n'
    (tmp_path / "cases.toml").write_text(
        f"[[case]]\nevent = {{ type = 'page', userId = 'u' }}\nexpect = ['all']\n{body}"
    )
    assert call(tmp_path, "run", "--until-end").returncode == 0
    return found


def commands(topic: str) -> dict[str, list[list[str]]]:
    """How to get each output, by the heading of its section."""
    letters = "dead-letters"
    audience = [["audience", "sync", "VIP", "--members", "members.csv", "--dry-run", "--json"]]
    trait = [["trait", "sync", "LTV", "--values", "values.csv", "--dry-run", "--json"]]
    place = ["--topic", topic, "--partition", "0", "--offset", "0"]
    return {
        "check --json": [["check", "--json"]],
        "explain --json": [["explain", *place, "--json"]],
        "send --json": [["send", "--all", "--json"]],
        "test --json": [["test", "cases.toml", "--json"]],
        "tap --json": [["tap", "--from", "earliest", "--limit", "1", "--json"]],
        "offsets show --json": [["offsets", "show", "--json"]],
        "offsets reset --json": [["offsets", "reset", "--to-earliest", "--json"]],
        "offsets migrate --json": [["offsets", "migrate", "--to", "workflow", "--json"]],
        "dead-letters list --json": [[letters, "list", "--json"]],
        "dead-letters show --json": [[letters, "show", f"{topic}:{partition}:0", "--json"] for partition in (0, 1)],
        "dead-letters redrive --json": [[letters, "redrive", "--json"], [letters, "redrive", "--json", "--execute"]],
        "dead-letters discard --json": [[letters, "discard", "--json"]],
        "replay --json": [["replay", "--json"], ["replay", "--from", "earliest", "--json", "--execute"]],
        "audience sync --json, trait sync --json": [*audience, *trait],
    }


@pytest.mark.kafka
def test_json_outputs_have_the_documented_keys(scene: Scene, tmp_path: Path) -> None:
    """Each key that is printed is in the reference."""
    undocumented = {}
    for heading, ways in commands(scene.topic).items():
        known = documented(heading)
        for way in ways:
            done = (call if "--execute" in way else call_here)(tmp_path, *way)
            text = done.stdout.strip()
            if way[1:2] == ["show"] and way[0] == "dead-letters" and not text:
                continue  # of two partitions, the one without an event
            printed = sorted(set(keys(json.loads(text))))
            assert printed, way
            if unknown := [key for key in printed if not any(pattern.fullmatch(key) for pattern in known)]:
                undocumented[heading] = unknown
    assert undocumented == {}


@pytest.mark.kafka
def test_outputs_of_a_running_processor_have_the_documented_keys(scene: Scene, tmp_path: Path) -> None:
    """`top`, and what is held where nothing is given up."""
    scene.configure(scene.workflow("orders", types=["track"], on_failure="hold"), validation={"mode": "off"})
    scene.produce([make_event(number) for number in range(4, 8)])
    with scene.start() as program:
        program.line("held")
        for heading, way in RUNNING.items():
            done = call_here(tmp_path, *way, "--url", f"127.0.0.1:{program.port}", "--json")
            known = documented(heading)
            printed = sorted(set(keys(json.loads(done.stdout))))
            assert printed, done.stderr
            assert [key for key in printed if not any(pattern.fullmatch(key) for pattern in known)] == []
        served, known = set(keys(json.loads(program.get("/status.json")[1]))), documented("/status.json")
        assert [key for key in served if not any(pattern.fullmatch(key) for pattern in known)] == []
        assert program.stop() == 0


RUNNING = {"held list --json": ["held", "list"], "top --once --json": ["top", "--once"]}


def test_every_output_is_tried() -> None:
    """Each section of the reference, and each section says something."""
    sections = set(re.findall(r"^## (.+--json)$", OUTPUTS, re.MULTILINE))
    assert sections == set(commands("t")) | set(RUNNING)
    assert every(documented(heading) for heading in sections)

"""README's commands do what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from stream.settings import load_settings
from stream.testing.receiver import FaultReceiver
from stream.testing.topics import Broker, create_topic, produce_events

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def block(mark: str) -> str:
    """The code block behind a mark."""
    found = re.search(rf"<!-- {mark} -->\n```\w+\n(.*?)```", README, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_quick_start_delivers(
    apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path
) -> None:
    """The five-minute commands, as printed but for the addresses, deliver an event that is on the topic."""
    create_topic(apache_kafka.bootstrap, topic_name, 2)
    produce_events(apache_kafka.bootstrap, topic_name, [(b"u", b'{"type":"identify","userId":"u"}', None, None)])
    commands = (
        block("executed")
        .replace("localhost:9092", apache_kafka.bootstrap)
        .replace("segment-events", topic_name)
        .replace("https://507f1352.trayapp.io", receiver.url("/workflow"))
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRAY_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    env = {**kept, "PATH": path, "TRAY_HTTP__LISTEN": "127.0.0.1:0", "TRAY_KAFKA__GROUP_ID": topic_name}
    done = subprocess.run(
        ["bash", "-e", "-c", commands], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "delivered=1 filtered=0 dead_letters=0" in done.stderr
    (arrival,) = receiver.arrivals("/workflow")
    assert arrival.body == b'{"type":"identify","userId":"u"}'
    assert len(arrival.headers["x-signature"]) == 40


def test_the_tests_it_names_exist() -> None:
    """What the table of threats gives as a proof is there."""
    named = set(re.findall(r"`(tests/[\w/]+\.\w+)`", README))
    assert named
    assert [each for each in sorted(named) if not (ROOT / each).exists()] == []


def test_the_settings_file_can_be_loaded(tmp_path: Path) -> None:
    """The example is a valid settings file."""
    secret = tmp_path / "privacy_url"
    secret.write_text("https://hooks.example.com/privacy\n")
    path = tmp_path / "stream.toml"
    path.write_text(block("settings").replace("/run/secrets/privacy_url", str(secret)))
    environ = {"TRAY_SECRET": "s", "ORDERS_WORKFLOW_URL": "https://hooks.example.com/orders"}
    names = [workflow.name for workflow in load_settings(path, environ, {}).settings.workflows]
    assert names == ["orders", "privacy"]


@pytest.mark.parametrize("target", sorted(set(re.findall(r"make ([a-z]+)", README))))
def test_make_targets_exist(target: str) -> None:
    """What README tells to make can be made."""
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:tests|stream|schemas)/[\w./]+)`", README))))
def test_named_files_exist(path: str) -> None:
    """What README points at is there."""
    assert (ROOT / path).exists()


def anchor(heading: str) -> str:
    """What a heading is linked by: lower case, no punctuation, blanks as hyphens."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def headings(level: str) -> list[str]:
    """The headings of a level, code blocks left out."""
    prose = re.sub(r"^```.*?^```", "", README, flags=re.DOTALL | re.MULTILINE)
    return re.findall(rf"^{level} (.+)$", prose, re.MULTILINE)


def test_the_contents_list_every_section_in_order() -> None:
    """A reader finds each section at the top of the page."""
    contents = README[README.index("Contents:") : README.index("\n## ")]
    assert re.findall(r"\(#([\w-]+)\)", contents) == [anchor(heading) for heading in headings("##")]


def test_links_within_the_page_lead_somewhere() -> None:
    """No link names a section that is not there."""
    there = {anchor(heading) for level in ("##", "###", "####") for heading in headings(level)}
    assert set(re.findall(r"\(#([\w-]+)\)", README)) - there == set()

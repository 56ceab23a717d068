"""Every page says what is true: its links lead somewhere, its commands exist, its settings load."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from assertions import every, filled
from pages import ALL_BLOCKS, DOCS, PAGES, ROOT, SITE, Block, anchor, headings, links, name

from stream.settings import load_settings

EVERYTHING = {page: page.read_text() for page in PAGES}
PLACES = ("tests", "stream", "schemas", "grafana", "deploy", "docs")


def named(pattern: str) -> list[str]:
    """What the pages name, once each."""
    return sorted({found for text in EVERYTHING.values() for found in re.findall(pattern, text, re.MULTILINE)})


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    """To a file that is there, and to a heading of it."""
    dead = []
    for target in links(page):
        if re.match(r"https?://|mailto:", target):
            continue
        path, _, section = target.partition("#")
        there = page.parent / path if path else page
        if not there.exists() or (section and section not in map(anchor, headings(there))):
            dead.append(target)
    assert dead == []


@pytest.mark.parametrize("target", named(r"(?:^|`)make ([a-z-]+)"))
def test_make_targets_exist(target: str) -> None:
    """What a page tells to make can be made."""
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", named(rf"`((?:{'|'.join(PLACES)})/[\w./-]+)`"))
def test_named_files_exist(path: str) -> None:
    """What a page points at is there."""
    assert (ROOT / path).exists()


def test_the_table_of_threats_names_its_proofs() -> None:
    """Each row has a test, or says how to run one."""
    rows = [line for line in (DOCS / "security/threat-model.md").read_text().splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 10
    assert every("`tests/" in row.rsplit("|", 2)[1] for row in rows)


SETTINGS = [block for block in ALL_BLOCKS if block.language == "toml" and block.mark not in ("not settings", "cases")]


@pytest.mark.parametrize("block", SETTINGS, ids=str)
def test_settings_can_be_loaded(block: Block, tmp_path: Path) -> None:
    """A whole file as it is, a part of one together with a topic and a workflow."""
    text, environ = block.text, {}
    for path in set(re.findall(r"\$\{file:([^}]+)\}", text)):
        secret = tmp_path / Path(path).name
        secret.write_text("https://hooks.example.com/secret\n")
        text = text.replace(path, str(secret))
    for variable in set(re.findall(r"\$\{env:([^}]+)\}", text)):
        environ[variable] = f"https://hooks.example.com/{variable.lower()}"
    shown = tomllib.loads(text)
    if "workflow" not in shown:
        text += '\n[[workflow]]\nurl = "https://hooks.example.com/first"\n'
    if "topics" not in shown.get("kafka", {}):
        environ["TRAY_KAFKA__TOPICS"] = "segment-events"
    head, *tables = text.split("[[workflow]]\n")
    urls = [
        f'url = "https://hooks.example.com/{at}"\n' * ("\nurl =" not in f"\n{each}") for at, each in enumerate(tables)
    ]
    text = head + "".join(f"[[workflow]]\n{url}{each}" for url, each in zip(urls, tables, strict=True))
    path = tmp_path / "stream.toml"
    path.write_text(text)
    assert load_settings(path, environ, {}).settings.workflows


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; a warning, such as a link to a missing page or heading, is an error."""
    place = tmp_path_factory.mktemp("site")
    shutil.copytree(DOCS, place / "docs")
    shutil.copy(ROOT / "zensical.toml", place)
    program = Path(sys.executable).with_name("zensical")
    done = subprocess.run([program, "build", "--strict"], cwd=place, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return place / "site"


def test_the_site_builds(site: Path) -> None:
    """Each page is there, and can be searched."""
    for page in filled(SITE):
        path = page.relative_to(DOCS).with_suffix("")
        assert (site / (path.parent if path.name == "index" else path) / "index.html").exists()
    assert (site / "search.json").exists()


def test_every_page_is_in_the_navigation() -> None:
    """And nothing else is."""
    listed = re.findall(r'"([\w/-]+\.md)"', (ROOT / "zensical.toml").read_text())
    assert sorted(listed) == [page.relative_to(DOCS).as_posix() for page in SITE]


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    """No font, script or style of another host."""
    built = sorted(site.rglob("*.html"))
    assert len(built) > len(SITE)
    loaded = re.compile(
        r'<(?:script|img|iframe)[^>]+src="?https?:|<link[^>]+rel="?(?:stylesheet|preconnect)[^>]+https?:'
    )
    assert [page for page in built if loaded.search(page.read_text())] == []

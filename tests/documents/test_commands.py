"""Every command on every page exists, with the options that it is given."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec

import pytest
import yaml
from assertions import filled
from pages import ALL_BLOCKS, DOCS, PAGES, ROOT, name
from reference_cli import commands
from reference_settings import paths
from typer.main import get_command

from stream.cli.app import app
from stream.settings.variables import OPTION_TABLES, known_variables

COMMANDS = dict(commands(get_command(app)))
GROUPS = {path[0] for path in COMMANDS if len(path) > 1}
OF_ALL = {"--help", "-h", "--version", "--install-completion", "--show-completion"}
AT_A_COMMAND = re.compile(r"(?:^|[|;&(] *|^[A-Z_]+=\S+ |run: |=/\S+/)(tray-stream [^\n]*)", re.MULTILINE)
ENDS = {"|", "||", "&&", ";", ">", ">>", "&", "2>"}


def shown() -> Iterator[tuple[str, str]]:
    """(where, command) of each `tray-stream …` in a block or in the text."""
    for block in ALL_BLOCKS:
        text = block.text.replace("\\\n", " ")
        if block.language in ("sh", "yaml", "ini"):
            yield from ((str(block), found) for found in AT_A_COMMAND.findall(text))
    for page in PAGES:
        for found in re.findall(r"`tray-stream ([^`]+)`", page.read_text()):
            yield name(page), f"tray-stream {' '.join(found.split())}"


def words_of(command: str) -> list[str]:
    """The words of one command, up to what ends it in a shell."""
    lexer = shlex.shlex(re.sub(r"\s#\s.*", "", command), posix=True, punctuation_chars="|&;>")
    lexer.whitespace_split = True
    words = []
    for word in lexer:
        if word in ENDS:
            break
        words.append(word)
    return words[1:]


def fault(command: str) -> str:
    """What is wrong with a command; empty when nothing is."""
    words = words_of(command)
    if words and words[0] in OF_ALL:
        return ""
    depth = 2 if words and words[0] in GROUPS else 1
    if len(words) == 1 and depth == 2:
        return ""  # the name of the group alone, in a sentence
    found = COMMANDS.get(tuple(words[:depth]))
    if found is None:
        return f"there is no command {' '.join(words[:depth])}"
    known = OF_ALL.union(*(param.opts for param in found.params))
    unknown = [word for word in words[depth:] if word.startswith("--") and word.split("=")[0] not in known]
    return f"{' '.join(words[:depth])} has no {unknown}" if unknown else ""


SHOWN = sorted(set(shown()))


@pytest.mark.parametrize(("where", "command"), SHOWN, ids=[f"{where} {command[:60]}" for where, command in SHOWN])
def test_commands_on_the_pages_exist(where: str, command: str) -> None:
    """With every option."""
    assert fault(command) == "", where


def test_there_are_commands() -> None:
    """On most pages; the test would find what is wrong with one."""
    assert len(SHOWN) > 100
    assert fault("tray-stream offsets rewind") == "there is no command offsets rewind"
    assert fault("tray-stream run --topic a --fast | jq .") == "run has no ['--fast']"


def values(tree: object, path: str = "") -> Iterator[str]:
    """The path of each value of the chart, tables included."""
    if path:
        yield path
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from values(value, f"{path}.{key}" if path else key)


def test_values_of_the_chart_on_the_pages_exist() -> None:
    """Those that `helm` is given, and those that the text names."""
    known = set(values(yaml.safe_load((ROOT / "deploy/chart/values.yaml").read_text())))
    text = (DOCS / "start/kubernetes.md").read_text()
    given = set(re.findall(r"--set(?:-file)? (\w[\w.]*)=", text)) | set(re.findall(r"`(\w+\.enabled|keda\.\w+)`", text))
    assert len(given) > 5
    assert given - known == set()


def test_filters_of_jq_read_documented_keys() -> None:
    """Each key that a page's `jq` reads is in the reference of the command's JSON."""
    outputs = (DOCS / "reference/json-outputs.md").read_text()
    found = [
        (words_of(command), re.findall(r"\.(\w+)", command.partition("| jq")[2]))
        for _, command in SHOWN
        if "| jq" in command
    ]
    for words, keys in filled(found):
        heading = " ".join(word for word in words if re.fullmatch(r"[a-z]+|--once|--json", word))
        section = outputs.partition(f"## {heading}")[2].partition("\n## ")[0]
        assert [key for key in keys if not re.search(rf"\b{key}\b", section)] == [], heading


def test_variables_on_the_pages_are_settings() -> None:
    """Each TRAY_ variable of a block is known."""
    named = {found for block in ALL_BLOCKS for found in re.findall(r"\bTRAY_[A-Z_]+\b", block.text)}
    examples = {"TRAY_SECRET", "TRAY_TEST_BOOTSTRAP"}
    unknown = {
        variable
        for variable in named - examples
        if variable not in known_variables().values() and not variable.startswith(tuple(OPTION_TABLES))
    }
    assert len(named) > 5
    assert unknown == set()


def test_tables_of_settings_named_in_the_text_exist() -> None:
    """`section.key` in a sentence is a setting, where the section is one."""
    known = {path for path, _ in paths()}
    sections = {path.split(".")[0] for path in known if "." in path} - {"http", "log", "workflow"}
    pattern = re.compile(rf"`((?:{'|'.join(sections)})\.[a-z_]+)\b[^`.]*`")
    named = {found for page in PAGES if page.name != "CHANGELOG.md" for found in pattern.findall(page.read_text())}
    assert len(named) > 20
    assert {path for path in named if path not in known} == set()


def test_programs_of_modules_exist() -> None:
    """`python -m stream.…` on a page, in the stack, the image and the Makefile."""
    files = [*PAGES, *(ROOT / each for each in ("docker-compose.yml", "Dockerfile", "Makefile"))]
    named = {found for file in files for found in re.findall(r"-m,? (stream[.a-z_]*[a-z])", file.read_text())}
    assert "stream.demo.load" in named
    assert {module for module in named if find_spec(module) is None} == set()

"""`tray-stream test`: cases held against the settings, without Kafka and without secrets."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream.__main__ import main
from stream.cli.app import app
from stream.fixtures.judge import value_at

PAGE = (Path(__file__).resolve().parents[2] / "docs/guides/ci.md").read_text()
SETTINGS, CASES = re.findall(r"<!-- (?:settings of the )?cases -->\n```toml\n(.*?)```", PAGE, re.DOTALL)
ORDER = """{"type": "track", "event": "Order Paid", "userId": "u",
 "properties": {"total": 12, "list": [{"a": 1}], "b": true}}"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the page's settings, whose secrets are nowhere."""
    (tmp_path / "stream.toml").write_text(SETTINGS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """(exit code, output and errors) of the command."""
    with pytest.raises(SystemExit) as ended:
        main(["test", *words])
    shown = capsys.readouterr()
    return int(ended.value.code or 0), shown.out + shown.err


def case(folder: Path, text: str, event: str = ORDER) -> str:
    """A file with one case of this event."""
    (folder / "cases.toml").write_text(f"[[case]]\nname = 'the case'\nevent = '''{event}'''\n{text}\n")
    return "cases.toml"


def test_the_pages_cases_hold(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those of the guide, with its settings."""
    (folder / "cases.toml").write_text(CASES)
    code, shown = run(capsys, "cases.toml")
    assert (code, shown.count("  ok    ")) == (0, 4), shown
    assert "4 cases: all hold." in shown


@pytest.mark.parametrize(
    ("event", "expect", "said"),
    [
        ('{"type": "page", "userId": "u"}', '["orders", "crm"]', "orders is expected to receive it, and does not"),
        ('{"type": "page", "userId": "u"}', '["orders", "crm"]', 'workflow[0].types = ["track"]'),
        ('{"type": "page", "userId": "u"}', "[]", "crm receives it, and is not expected to"),
        ('{"type": "track", "event": "Sign Up", "userId": "u"}', '["orders"]', 'workflow[0].events = ["Order *"]'),
        ('{"type": "track", "userId": "u"}', "[]", "is not valid (invalid_event: event is missing)"),
        ('{"type": ', "[]", "is not valid (invalid_json"),
    ],
)
def test_what_differs_is_told_with_the_rule(
    folder: Path, capsys: pytest.CaptureFixture[str], event: str, expect: str, said: str
) -> None:
    """And the setting; the exit code is 1."""
    code, shown = run(capsys, case(folder, f"expect = {expect}", event))
    assert (code, said in shown) == (1, True), shown
    assert "1 case: 1 failed." in shown


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("properties.total = 12", ""),
        ("properties.total = 12.0", ""),
        ('"properties.total" = 12', ""),
        ('"properties.list.0.a" = 1', ""),
        ("properties.list = [{ a = 1 }]", ""),
        ("properties.total = 13", "has properties.total = 12, expected 13"),
        ('properties.total = "12"', 'has properties.total = 12, expected "12"'),
        ("properties.b = 1", "has properties.b = true, expected 1"),
        ("properties.gone = 1", "has no properties.gone, expected 1"),
        ('"properties.list.1.a" = 1', "has no properties.list.1.a"),
    ],
)
def test_fields_of_the_body_are_compared(
    folder: Path, capsys: pytest.CaptureFixture[str], body: str, said: str
) -> None:
    """By dotted path, as JSON compares."""
    code, shown = run(capsys, case(folder, f'expect = ["orders", "crm"]\n[case.body.orders]\n{body}'))
    assert (code, said in shown) == (1 if said else 0, True), shown


def test_the_body_is_that_after_the_filters(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a filter drops is absent for its workflow alone."""
    event = '{"type": "identify", "userId": "u", "context": {"ip": "203.0.113.7"}}'
    assert run(capsys, case(folder, 'expect = ["crm"]\n[case.absent]\ncrm = ["context.ip"]', event))[0] == 0
    code, shown = run(capsys, case(folder, 'expect = ["crm"]\n[case.absent]\ncrm = ["userId"]', event))
    assert code == 1
    assert "the body for crm has userId, and is expected not to" in shown


def test_an_event_of_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside the file of cases, wherever the command runs."""
    (folder / "cases").mkdir()
    (folder / "cases/order.json").write_text(ORDER)
    (folder / "cases/a.toml").write_text('[[case]]\nevent_file = "order.json"\nexpect = ["orders", "crm"]\n')
    code, shown = run(capsys, "cases/a.toml")
    assert (code, "case 1" in shown) == (0, True)


MISTAKES = {
    'expect = ["order"]': "Did you mean orders?",
    'expect = ["orders", "crm"]\n[case.body.order]\na = 1': "Did you mean orders?",
    'expect = ["crm"]\n[case.body.orders]\na = 1': "is not in expect",
    'expct = ["orders"]': "Did you mean expect?",
    "": "expect: is missing",
    'expect = "orders"': "must be a list of workflows",
    'expect = []\nevent_file = "a.json"': "needs either event or event_file",
    'expect = ["crm"]\n[case.body]\ncrm = 1': "must be a table",
    'expect = ["crm"]\n[case.body.crm]\ntimestamp = 2026-01-01T00:00:00Z': "Put it in quotes",
    'expect = ["crm"]\n[case.absent]\ncrm = "userId"': "must be a list of paths",
    "expect = []\ninvalid = 1": "must be true or false",
    "expect = []\nname = 1": "must be text",
}


@pytest.mark.parametrize(("text", "said"), MISTAKES.items(), ids=ascii)
def test_mistakes_in_a_file_are_told(folder: Path, capsys: pytest.CaptureFixture[str], text: str, said: str) -> None:
    """With their place and a fix; the exit code is 2."""
    content = f"[[case]]\n{text}" if "name" in text else f"[[case]]\nname = 'n'\n{text}"
    (folder / "cases.toml").write_text(content.replace("[[case]]\n", f"[[case]]\nevent = '''{ORDER}'''\n"))
    code, shown = run(capsys, "cases.toml")
    assert (code, said in shown) == (2, True), shown
    assert "cases.toml: case[0]" in shown


def test_every_mistake_of_every_file_is_told_at_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files that are missing, empty, or no TOML among them."""
    case(folder, 'expect = ["order"]')
    (folder / "empty.toml").write_text("")
    (folder / "broken.toml").write_text("[[case]")
    (folder / "nowhere.toml").write_text('[[case]]\nexpect = []\nevent_file = "missing.json"\n')
    code, shown = run(capsys, "cases.toml", "empty.toml", "broken.toml", "missing.toml", "nowhere.toml")
    assert code == 2
    for said in ("Did you mean orders?", "has no case", "not valid TOML", "missing.toml", "missing.json"):
        assert said in shown


def test_json_is_for_scripts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each case with what differs."""
    code, shown = run(capsys, case(folder, 'expect = ["orders"]\n[case.body.orders]\nproperties.total = 13'), "--json")
    (found,) = json.loads(shown)["cases"]
    assert (code, found["passed"], found["received"]) == (1, False, ["orders", "crm"])
    assert [(one["kind"], one["workflow"], one["path"]) for one in found["differences"]] == [
        ("received", "crm", None),
        ("body", "orders", "properties.total"),
    ]


def test_a_key_may_hold_dots() -> None:
    """The longest way that leads somewhere."""
    assert value_at({"a.b": {"c": 1}, "a": {"b": {"d": 2}}}, "a.b.c") == 1
    assert value_at({"a.b": {"c": 1}, "a": {"b": {"d": 2}}}, "a.b.d") == 2


def test_help_shows_a_case() -> None:
    """With its brackets."""
    shown = CliRunner().invoke(app, ["test", "--help"]).output
    assert "[[case]]" in shown
    assert "[case.body.orders]" in shown

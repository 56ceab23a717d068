"""The settings of statements and filters."""

from __future__ import annotations

from pathlib import Path

import pytest
from assertions import filled
from settings_support import MINIMAL, URL, load, problems, workflow_problems

from stream.fql.rules import Filter, FilterSet
from stream.runtime.policies import filter_set
from stream.settings.hidden import hidden_texts
from stream.settings.redact import redacted_settings

FULL = f"""
[kafka]
topics = ["segment-events"]

[destination]
hash_salt = "${{env:SALT}}"

[[destination.filters]]
action = "drop"
if = "match(traits.email, '*@company.com')"

[[destination.filters]]
action = "sample"
percent = 10
path = "context.ip"

[[workflow]]
name = "orders"
url = "{URL}"
where = "type = 'track'"

[[workflow.filters]]
action = "hash_properties"
fields = ["traits.email"]

[[workflow]]
name = "rest"
url = "{URL}/2"
"""


def warnings(folder: Path, workflow: str, destination: str = "") -> list[str]:
    """What is said of a settings file that can be used."""
    toml = f'[kafka]\ntopics = ["t"]\n[destination]\n{destination}\n[[workflow]]\nname = "w"\nurl = "{URL}"\n{workflow}'
    return list(load(folder, toml).warnings)


def test_filters_of_a_workflow(tmp_path: Path) -> None:
    """The destination's come first; the salt is resolved, and shown nowhere."""
    loaded = load(tmp_path, FULL, {"SALT": "pepper-and-salt"})
    orders, rest = loaded.settings.workflows
    dropping = Filter("drop", "match(traits.email, '*@company.com')")
    sampling = Filter("sample", percent=10, path="context.ip")
    hashing = Filter("hash_properties", fields=("traits.email",))
    assert filter_set(loaded.settings, orders) == FilterSet(
        "type = 'track'", (dropping, sampling, hashing), "pepper-and-salt"
    )
    assert filter_set(loaded.settings, rest) == FilterSet("", (dropping, sampling), "pepper-and-salt")
    assert "pepper-and-salt" in hidden_texts(loaded.settings)
    assert "pepper-and-salt" not in repr(filter_set(loaded.settings, rest)) + str(redacted_settings(loaded.settings))
    assert loaded.warnings == ()


def test_a_salt_that_is_empty_stops_the_start(tmp_path: Path) -> None:
    """Else e-mails would be hashed without it, and could be guessed."""
    (problem,) = problems(tmp_path, FULL, {"SALT": ""})
    assert "destination.hash_salt" in problem
    assert "SALT, which is empty" in problem


def test_a_statement_that_does_not_parse_has_a_caret(tmp_path: Path) -> None:
    """The place, the line and a fix."""
    where = "type = 'track' and contain(a, 'b')"
    (problem,) = workflow_problems(tmp_path, f"url = '{URL}'\nname = 'w'\nwhere = \"{where}\"")
    assert problem == (
        "workflow[0].where (w): has a function that FQL does not know: contain. At character 20:\n"
        "    type = 'track' and contain(a, 'b')\n"
        "                       ^\n"
        "  Did you mean contains?"
    )


@pytest.mark.parametrize(
    ("lines", "place", "what"),
    [
        ('action = "drop"\nif = "a..b"', "if", "dot without a name"),
        ('action = "drop"\nif = "(a"', "if", "not closed"),
        ('action = "drop"\nif = "event.name = 1"', "if", "looks into event, which holds no fields"),
        ('action = "drop"\nif = ""', "if", "is empty"),
        ('if = "a"', "action", "is missing"),
        ('action = "hash"', "action", "must be"),
        ('action = "drop"\niff = "a"', "iff", "Did you mean if?"),
        ('action = "sample"', "percent", "is missing"),
        ('action = "sample"\npercent = 101', "percent", "100.0 or less"),
        ('action = "sample"\npercent = -1', "percent", "0.0 or more"),
        ('action = "sample"\npercent = "10"', "percent", "must be a number"),
        ('action = "sample"\npercent = nan', "percent", ""),
        ('action = "sample"\npercent = 10\npath = "a..b"', "path", "empty name"),
        ('action = "sample"\npercent = 10\nfields = ["a"]', "fields", "not used"),
        ('action = "drop"\npercent = 10', "percent", "not used"),
        ('action = "drop"\nfields = ["a"]', "fields", "not used"),
        ('action = "drop"\npath = "a"', "path", "not used"),
        ('action = "drop_properties"', "fields", "is missing"),
        ('action = "drop_properties"\nfields = []', "fields", "is missing"),
        ('action = "hash_properties"\nfields = "traits.email"', "fields", "must be a list"),
        ('action = "allow_properties"\nfields = ["a.x", "b..c"]', "fields[1]", "empty name"),
        ('action = "drop_properties"\nfields = ["a.b", "messageId"]', "fields[1]", "receivers need"),
        ('action = "drop_properties"\nfields = ["type"]', "fields[0]", "receivers need"),
        ('action = "drop_properties"\nfields = ["timestamp"]', "fields[0]", "receivers need"),
        ('action = "allow_properties"\nfields = ["userId"]', "fields", "so drops type, messageId, timestamp"),
        ('action = "drop_properties"\nfields = ["properties[0].price"]', "fields[0]", "no path can have"),
        ('action = "drop_properties"\nfields = ["userId.name"]', "fields[0]", "holds no fields"),
    ],
)
@pytest.mark.parametrize("where", ["destination", "workflow"])
def test_filters_that_cannot_be_used(tmp_path: Path, where: str, lines: str, place: str, what: str) -> None:
    """Each is a problem of its own, with its place."""
    table = f"[[{where}.filters]]\n{lines}\n"
    (problem,) = problems(tmp_path, MINIMAL + table)
    at = f"{where}[0].filters[0].{place}" if where == "workflow" else f"{where}.filters[0].{place}"
    assert problem.startswith((f"{at}:", f"{at} ("))
    assert what in problem


def test_ids_may_be_dropped_and_anything_hashed(tmp_path: Path) -> None:
    """Where the receiver shall not know them."""
    fields = '["userId", "anonymousId", "groupId", "properties.email"]'
    toml = f'{MINIMAL}[[workflow.filters]]\naction = "drop_properties"\nfields = {fields}\n'
    toml += '[[workflow.filters]]\naction = "hash_properties"\nfields = ["type", "messageId", "userId", "timestamp"]\n'
    assert len(load(tmp_path, toml).settings.workflows[0].filters) == 2


def test_filters_cannot_be_set_in_the_environment(tmp_path: Path) -> None:
    """They are tables; the variable is refused with a fix."""
    (problem,) = problems(tmp_path, MINIMAL, {"TRAY_DESTINATION__FILTERS": "drop"})
    assert "TRAY_DESTINATION__FILTERS" in problem
    assert "[[destination.filters]]" in problem


@pytest.mark.parametrize(
    ("workflow", "said"),
    [
        ("types = ['track']\nwhere = \"type = 'page'\"", "can never be true"),
        ("types = ['track']\nwhere = \"type in ['page', 'identify'] and event = 'A'\"", "can never be true"),
        ("exclude_types = ['delete']\nwhere = \"type = 'delete'\"", "can never be true"),
        ("where = \"type = 'track' and type = 'page'\"", "can never be true"),
        ("where = \"event = 'A' and event = 'B'\"", "can never be true"),
        ("where = 'false'", "can never be true"),
        ("where = \"!(type = 'track' or type != 'track')\"", "can never be true"),
        ("where = \"properties.total > '50'\"", "can never be true"),
        ("where = \"contains(lowercase(event), 'a') and type = 'track'\"", "can never be true"),
        ("where = \"typeof(properties.a) = 'integer'\"", "can never be true"),
        ("where = \"match(event, '[a')\"", "matches nothing"),
        ("where = \"contains(lowercase(event), 'a') or type = 'track'\"", "not evaluated inside contains"),
        ('where = "properties.a\\\\.b = 1"', ""),
        ('where = "propertis.total = 1"', "Did you mean properties?"),
        ("where = \"userid = 'x'\"", "Did you mean userId?"),
        ("[[workflow.filters]]\naction = 'drop'", "leaves it no event"),
        ("[[workflow.filters]]\naction = 'drop'\nif = \"type = 'a' or true\"", "leaves it no event"),
        ("[[workflow.filters]]\naction = 'sample'\npercent = 0", "leaves it no event"),
        ("[[workflow.filters]]\naction = 'drop'\nif = \"type = 'a' and type = 'b'\"", "never applies"),
        ("[[workflow.filters]]\naction = 'hash_properties'\nfields = ['trait.email']", "Did you mean traits?"),
    ],
)
def test_what_hardly_is_meant_is_a_warning(tmp_path: Path, workflow: str, said: str) -> None:
    """At start and in check."""
    assert any(said in warning for warning in warnings(tmp_path, workflow))


@pytest.mark.parametrize(
    "where",
    [
        "type = 'track'",
        "type = 'Track' and event = 'A'",
        "type = 'track' and (event = 'A' or match(event, 'B *'))",
        "properties.total >= 50 and !match(traits.email, '*@company.com')",
        "event.length > 3",
        "length(userId) > 0 and typeof(properties.a) = 'number'",
        "'vip' in properties.tags and context.app.version != null",
        "semver(context.app.version, '>=', '1.2.0')",
        "event in ['A', 'B'] or properties.vip",
        "lowercase(event) = 'order completed'",
    ],
)
def test_what_may_be_meant_is_none(tmp_path: Path, where: str) -> None:
    """No warning of a statement that can be true."""
    assert warnings(tmp_path, f"types = ['track']\nwhere = {where!r}".replace("\\'", "'")) == []


def test_bad_statements_are_refused_in_no_time(tmp_path: Path) -> None:
    """100 kB, 1,000 levels and a bomb of stars: all at once, each with its place."""
    statements = ["a = 1 or " * 12_000 + "b", "(" * 1_000 + "a" + ")" * 1_000, f"match(event, '{'*a' * 500}b')"]
    toml = '[kafka]\ntopics = ["t"]\n'
    for number, statement in enumerate(statements):
        toml += f'[[workflow]]\nname = "w{number}"\nurl = "{URL}/{number}"\nwhere = "{statement}"\n'
    found = problems(tmp_path, toml)
    assert len(found) == 3
    for number, problem in filled(enumerate(found)):
        assert problem.startswith(f"workflow[{number}].where (w{number}): has ")
        assert len(problem) < 500

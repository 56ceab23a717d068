"""Files of members and values: their forms, their columns, and what is wrong with them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.audience.columns import ColumnLayout
from stream.audience.intake import RowIntake
from stream.audience.members import MAX_LINE_BYTES, Entry, read_entries
from stream.model.errors import ConfigError

MEMBERS = ColumnLayout("--members")
VALUES = ColumnLayout("--values", has_values=True, key="total_revenue_180_days")


def rows(text: str | bytes, layout: ColumnLayout = MEMBERS, file_name: str = "") -> list[Entry]:
    """Every row of a file with this text."""
    raw = text.encode() if isinstance(text, str) else text
    return list(read_entries(raw.splitlines(keepends=True), layout, file_name))


def users(text: str | bytes, layout: ColumnLayout = MEMBERS, file_name: str = "") -> list[str | None]:
    """The id of every row."""
    return [entry.user for entry in rows(text, layout, file_name)]


def fault(text: str | bytes, layout: ColumnLayout = MEMBERS, file_name: str = "") -> str:
    """What the file is refused for."""
    with pytest.raises(ConfigError) as refused:
        rows(text, layout, file_name)
    return str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "user_id\na\nb\n",
        "user_id\r\na\r\nb\r\n",
        "user_id\na\nb",
        "\ufeffuser_id\na\nb\n",
        "\n\nuser_id\na\nb\n",
        "name,user_id\nAnn,a\nBob,b\n",
        "name;userId\nAnn;a\nBob;b\n",
        "USER_ID\tname\na\tAnn\nb\tBob\n",
        '"User ID","x"\n"a","1, 2"\n"b","line\nend"\n',
        '{"user_id": "a"}\n{"user_id": "b", "more": [1]}\n',
        '\n{"userId": "a"}\n\n{"userId": "b"}\n',
        "a\nb\n",
        " a \r\nb\r\n",
    ],
)
def test_the_form_is_found_out(text: str) -> None:
    """CSV with comma, tab or semicolon, JSON Lines and lists need no --format."""
    assert users(text) == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "layout", "file_name", "found"),
    [
        ("a,b\nc,d\n", ColumnLayout("--members", form="list"), "", ["a,b", "c,d"]),
        ("id\na\n", ColumnLayout("--members", user_column="id"), "", ["a"]),
        ("id,user_id\n1,a\n", ColumnLayout("--members", user_column="id"), "", ["1"]),
        ("user_id\n", MEMBERS, "members.csv", []),
        ('{"user_id": 42}\n', MEMBERS, "members.ndjson", ["42"]),
        ("", MEMBERS, "members.csv", []),
        ("", MEMBERS, "members.jsonl", []),
        ("", MEMBERS, "", []),
    ],
)
def test_form_and_column_can_be_told(text: str, layout: ColumnLayout, file_name: str, found: list[str]) -> None:
    """--format, --user-column and the ending of the file's name decide before its first line does."""
    assert users(text, layout, file_name) == found


@pytest.mark.parametrize(
    ("text", "layout", "file_name", "told"),
    [
        ("id,name\n1,a\n", MEMBERS, "", "has no column user_id; it has id, name. Name the column"),
        ("a\nb\n", MEMBERS, "members.csv", "has no column user_id; it has a."),
        ("user_id\na\n", ColumnLayout("--members", user_column="uid"), "", "has no column uid; it has user_id."),
        ("user_id,userId\na,b\n", MEMBERS, "", "has the columns user_id, userId. Choose one"),
        ('{"id": 1}\n', MEMBERS, "", "has no column user_id; it has id."),
        ("{}\n", MEMBERS, "", "has no column user_id; it has none."),
        ('[{"user_id": 1}]\n', MEMBERS, "", "begins with [, so it is one JSON array."),
        ('{"user_id": "a"}\n{"user_id"\n', MEMBERS, "", "line 2 is not JSON."),
        ('{"user_id": "a"}\n"b"\n', MEMBERS, "", "line 2 is not a JSON object."),
        ('{"user_id": "\\ud83d"}\n', MEMBERS, "", "line 1 is not JSON."),
        (b"user_id\na\nM\xfcller\n", MEMBERS, "", "line 3 is not UTF-8."),
        (b"\xff\xfeu\x00s\x00", MEMBERS, "", "line 1 is not UTF-8."),
        ('user_id\na\n"b\nc\n', MEMBERS, "", "line 4 is not CSV: unexpected end of data."),
        ('user_id\n"a"b\n', MEMBERS, "", "line 2 is not CSV"),
        ("a\n" + "b" * (MAX_LINE_BYTES + 1), MEMBERS, "", "line 2 is longer than 1 MiB."),
        ("a\nb\n", ColumnLayout("--values", form="list", has_values=True), "", "is a list, which has no values."),
        ("user_id\na\n", VALUES, "", "has no column value; it has user_id."),
        ("user_id,a,b\n1,2,3\n", VALUES, "", "has no column value; it has user_id, a, b."),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(
    text: str | bytes, layout: ColumnLayout, file_name: str, told: str
) -> None:
    """The text names the option, the line or the columns, and no content of a line."""
    found = fault(text, layout, file_name)
    assert found.startswith(layout.option)
    assert told in found


@pytest.mark.parametrize(
    "header",
    ["user_id,value", "user_id,Value", "user_id,revenue", "user_id,total_revenue_180_days"],
)
def test_the_column_of_the_value_is_found(header: str) -> None:
    """`value`, the trait's own name, or the only other one."""
    assert rows(f"{header}\na,450.00\nb,\n", VALUES) == [Entry(2, "a", b"450"), Entry(3, "b", b"null")]


def test_the_column_of_the_value_can_be_told() -> None:
    """--value-column; JSON Lines keep the types that they have."""
    layout = ColumnLayout("--values", has_values=True, value_column="b")
    assert rows("user_id,a,b\nu,1,x\n", layout) == [Entry(2, "u", b'"x"')]
    assert rows('{"user_id": 7, "a": 1, "b": "2"}\n', layout) == [Entry(1, "7", b'"2"')]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("user_id,value\na,1\nb\n", "line 3 has 1 cells where the header has 2."),
        ("user_id,value\na,1,2\n", "line 2 has 3 cells where the header has 2."),
        ('{"user_id":"a","value":1}\n{"user_id":"b"}\n', "line 2 has no value."),
        ('{"user_id":"a","value":[1]}\n', "line 1 has a value that is neither"),
        ('{"user_id":"a","value":{}}\n', "line 1 has a value that is neither"),
        ("user_id,value\na,1e999\n", "line 2 has a value that is neither"),
        ('{"user_id":1.5,"value":1}\n', "line 1 has an id that is neither"),
        ('{"user_id":true,"value":1}\n', "line 1 has an id that is neither"),
        ('{"user_id":["a"],"value":1}\n', "line 1 has an id that is neither"),
    ],
)
def test_a_bad_row_is_refused_or_skipped_and_counted(text: str, told: str) -> None:
    """By default the first one ends the sync, naming its line; with --skip-bad they are counted."""
    with pytest.raises(ConfigError) as refused:
        list(RowIntake("--values").take(rows(text, VALUES)))
    assert told in str(refused.value)
    skipping = RowIntake("--values", skip_bad=True)
    kept = list(skipping.take(rows(text, VALUES)))
    assert (skipping.bad, skipping.read) == (1, len(kept) + 1)


def taken(text: str, skip_bad: bool = False) -> RowIntake:
    """The counts after a whole file."""
    intake = RowIntake("--members", skip_bad)
    list(intake.take(rows(text)))
    return intake


@pytest.mark.parametrize("text", ["a\nb\n\n\n", "user_id\na\nb\n\n", '{"user_id":"a"}\n\n{"user_id":"b"}\n'])
def test_empty_lines_at_the_end_are_no_rows(text: str) -> None:
    """Nor are those between lines of JSON."""
    intake = taken(text)
    assert (intake.read, intake.blank) == (2, 0)


@pytest.mark.parametrize(
    ("text", "line"),
    [("a\n\n\nb\n", 2), ("user_id,x\n,1\n  ,2\na,3\n", 2), ('{"user_id":"a"}\n{"user_id":null}\n{"user_id":" "}\n', 2)],
)
def test_blank_ids_are_counted_and_many_are_refused(text: str, line: int) -> None:
    """Above 1 % the file is probably not what was meant; --skip-bad takes it all the same."""
    intake = taken(text)
    assert (intake.blank, intake.first_blank) == (2, line)
    with pytest.raises(ConfigError, match=f"2 of {intake.read} ids are blank, the first on line {line}"):
        intake.refuse_blanks()
    taken(text, skip_bad=True).refuse_blanks()


def test_a_long_cell_is_read() -> None:
    """The csv module's own limit is 128 KiB, far below that of a line."""
    text = f'user_id,note\n"{"u" * 200_000}",x\nv,"{"n" * 1_000_000}"\n'
    assert [len(entry.user or "") for entry in rows(text)] == [200_000, 1]


def test_a_cell_without_an_end_is_told() -> None:
    """The cell grows over the lines that follow, and the error says what it probably is."""
    text = 'user_id,note\nu,"' + f"{'n' * 1000}\n" * 1_100
    with pytest.raises(ConfigError, match=r"line 10\d\d ends in a cell of more than 1 MiB. Is a quote left open"):
        rows(text)


@pytest.mark.parametrize(("blanks", "refused"), [(1, False), (2, True)])
def test_one_blank_id_in_a_hundred_is_let_pass(blanks: int, refused: bool) -> None:
    """Exactly 1 % is not above 1 %."""
    intake = taken("x\n" + "\n" * blanks + "x\n" * (99 - blanks))
    assert (intake.read, intake.blank) == (100, blanks)
    with pytest.raises(ConfigError) if refused else nullcontext():
        intake.refuse_blanks()


IDS = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1)


@given(st.lists(IDS, min_size=1))
def test_any_ids_survive_each_form(ids: list[str]) -> None:
    """CSV as Python writes it, JSON Lines and a list give the same ids."""
    table = io.StringIO()
    csv.writer(table).writerows([["user_id", "n"], *([user, n] for n, user in enumerate(ids))])
    as_csv = table.getvalue().encode().splitlines(keepends=True)
    as_jsonl = [json.dumps({"user_id": user}).encode() + b"\n" for user in ids]
    as_list = [user.encode() + b"\n" for user in ids]
    wanted = [user.strip() for user in ids]

    def read(lines: list[bytes], file_name: str, layout: ColumnLayout = MEMBERS) -> Iterator[str | None]:
        return (entry.user for entry in read_entries(lines, layout, file_name))

    assert list(read(as_csv, "m.csv")) == wanted
    assert list(read(as_jsonl, "m.jsonl")) == wanted
    assert list(read(as_list, "m.txt", ColumnLayout("--members", form="list"))) == wanted

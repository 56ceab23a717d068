"""References to environment variables and files in the settings file."""

from __future__ import annotations

from pathlib import Path

import pytest
from settings_support import MINIMAL, URL, load, problems
from support.access import without_access

from stream.model.errors import ConfigError
from stream.settings import load_settings


def test_a_variable_stands_for_the_whole_or_a_part(tmp_path: Path) -> None:
    """In a text, in a list, and in a table of options."""
    toml = """
    [kafka]
    topics = ["${env:STAGE}-events"]
    options = { "sasl.password" = "${env:PASSWORD}" }
    [[workflow]]
    url = "https://${env:HOST}/wf/${env:ID}"
    """
    environ = {"STAGE": "test", "PASSWORD": "s3cret", "HOST": "hooks.example.com", "ID": "1"}
    settings = load(tmp_path, toml, environ).settings
    assert settings.kafka.topics == ("test-events",)
    assert settings.kafka.options == {"sasl.password": "s3cret"}
    assert settings.workflows[0].url.reveal() == URL


@pytest.mark.parametrize(
    ("content", "secret"), [("s3cret", "s3cret"), ("s3cret\n", "s3cret"), ("s3cret\n\n", "s3cret\n"), ("a\r\n", "a")]
)
def test_one_trailing_newline_of_a_file_is_stripped(tmp_path: Path, content: str, secret: str) -> None:
    """Editors end a file with one; what else is in the file belongs to the secret."""
    (tmp_path / "secret").write_bytes(content.encode())
    toml = f'{MINIMAL}[destination]\nshared_secret = "${{file:{tmp_path}/secret}}"'
    assert load(tmp_path, toml).settings.destination.shared_secret.reveal() == secret


def test_a_relative_path_starts_at_the_settings_file(tmp_path: Path) -> None:
    """The directory the program is started in does not matter."""
    (tmp_path / "secret").write_text("s3cret")
    toml = f'{MINIMAL}[destination]\nshared_secret = "${{file:secret}}"'
    assert load(tmp_path, toml).settings.destination.shared_secret.reveal() == "s3cret"


def test_what_a_reference_stands_for_is_not_read_again(tmp_path: Path) -> None:
    """A secret may hold the characters of a reference."""
    toml = f'{MINIMAL}[destination]\nshared_secret = "${{env:A}}"'
    secret = load(tmp_path, toml, {"A": "${env:B}", "B": "no"}).settings.destination.shared_secret
    assert secret.reveal() == "${env:B}"


def test_flags_are_taken_literally(tmp_path: Path) -> None:
    """References belong to the file and to variables."""
    loaded = load(tmp_path, environ={"B": "x"}, flags={"kafka.bootstrap_servers": "${env:B}"})
    assert loaded.settings.kafka.bootstrap_servers == "${env:B}"


def test_references_in_variables_are_resolved(tmp_path: Path) -> None:
    """As those of the file are; a dollar sign that begins none is a part of the secret."""
    (tmp_path / "secret").write_text("from-file\n")
    for text, secret in (("${file:secret}", "from-file"), ("${env:B}", "b"), ("pa${ss", "pa${ss"), ("${B}", "${B}")):
        settings = load(tmp_path, environ={"TRAY_SHARED_SECRET": text, "B": "b\n"}).settings
        assert settings.destination.shared_secret.reveal() == secret
    environ = {"TRAY_WORKFLOW_URLS": "${file:one},${env:TWO}", "TRAY_KAFKA_OPTION_SASL_PASSWORD": "${file:secret}"}
    (tmp_path / "one").write_text("https://one.example.com/\r\n")
    toml = '[kafka]\ntopics = ["events"]'
    settings = load(tmp_path, toml, environ | {"TWO": "https://two.example.com/"}).settings
    assert [workflow.url.reveal() for workflow in settings.workflows] == [
        "https://one.example.com/",
        "https://two.example.com/",
    ]
    assert settings.kafka.options["sasl.password"] == "from-file"
    assert problems(tmp_path, MINIMAL, {"TRAY_SHARED_SECRET": "${file:none}"}) == [
        "destination.shared_secret (TRAY_SHARED_SECRET): refers to the file none, which cannot be read: No such file "
        "or directory. Create it, or correct the path."
    ]


@pytest.mark.parametrize("nothing", ["", "\n", " \r\n"])
@pytest.mark.parametrize(
    ("toml", "where"),
    [
        (f'{MINIMAL}[destination]\nshared_secret = "REF"', "destination.shared_secret"),
        (f'{MINIMAL}[destination]\nshared_secrets = ["REF", "old"]', "destination.shared_secrets[0]"),
        (f'{MINIMAL}headers = {{ Authorization = "Bearer REF" }}', "workflow[0].headers.Authorization"),
        (f'{MINIMAL}proxy = "REF"', "workflow[0].proxy"),
        (f'{MINIMAL}[kafka.options]\n"sasl.password" = "REF"', 'kafka.options."sasl.password"'),
    ],
)
def test_a_secret_that_resolves_to_nothing_is_a_problem(tmp_path: Path, toml: str, where: str, nothing: str) -> None:
    """Requests would go out unsigned, or be refused, for no reason that anybody sees."""
    (tmp_path / "empty").write_text(nothing)
    for reference, noun in (("${file:empty}", "file empty"), ("${env:EMPTY}", "environment variable EMPTY")):
        found = problems(tmp_path, toml.replace("REF", reference), {"EMPTY": nothing})
        assert found == [f"{where}: refers to the {noun}, which is empty. Fill it, or remove the reference."]


def test_one_line_break_at_the_end_is_not_part_of_a_value(tmp_path: Path) -> None:
    """Of a variable as of a file; a second one is, and one with nothing before it is a problem."""
    toml = f'{MINIMAL}[destination]\nshared_secret = "${{env:S}}"'
    for text, secret in (("s\n", "s"), ("s\r\n", "s"), ("s\n\n", "s\n"), (" s ", " s ")):
        assert load(tmp_path, toml, {"S": text}).settings.destination.shared_secret.reveal() == secret
        found = load(tmp_path, environ={"TRAY_SHARED_SECRET": text}).settings
        assert found.destination.shared_secret.reveal() == secret
    assert problems(tmp_path, MINIMAL, {"TRAY_SHARED_SECRET": "\n"}) == [
        "TRAY_SHARED_SECRET: holds nothing but a line break. Set it, or remove it."
    ]


def test_surrounding_quotes_are_warned_of(tmp_path: Path) -> None:
    """Docker's env-files keep them; they may be meant."""
    for quoted in ('"s3cret"', "'s3cret'"):
        loaded = load(tmp_path, environ={"TRAY_SHARED_SECRET": quoted})
        assert loaded.settings.destination.shared_secret.reveal() == quoted
        assert "TRAY_SHARED_SECRET begins and ends with a quotation mark" in loaded.warnings[0]
        loaded = load(tmp_path, f'{MINIMAL}[destination]\nshared_secret = "${{env:S}}"', {"S": quoted})
        assert "${env:S} stands for begins and ends with a quotation mark" in loaded.warnings[0]
        assert "s3cret" not in "".join(loaded.warnings)


@pytest.mark.parametrize("name", ["TRAY_SHARED_SECRET", "TRAY_KAFKA__GROUP_ID", "TRAY_KAFKA_OPTION_CLIENT_ID"])
def test_a_variable_that_is_not_utf8_is_a_problem(tmp_path: Path, name: str) -> None:
    """It is named, whether it is a setting or referred to."""
    raw = b"s3cret-\xff".decode("utf-8", "surrogateescape")
    assert problems(tmp_path, MINIMAL, {name: raw}) == [f"{name}: is not UTF-8 text. Set it as UTF-8."]
    toml = f'{MINIMAL}[destination]\nshared_secret = "${{env:S}}"'
    assert problems(tmp_path, toml, {"S": raw}) == [
        "destination.shared_secret: refers to the environment variable S, which is not UTF-8 text. Set it as UTF-8."
    ]


def test_a_missing_variable_is_named_and_is_one_problem(tmp_path: Path) -> None:
    """What validation would say of the text in its place is not told."""
    toml = '[kafka]\ntopics = ["${env:TOPIC}"]\n[[workflow]]\nurl = "${env:ORDERS_URL}"\nname = "orders"'
    assert problems(tmp_path, toml) == [
        "kafka.topics[0]: refers to the environment variable TOPIC, which is not set. Set TOPIC.",
        "workflow[0].url (orders): refers to the environment variable ORDERS_URL, which is not set. Set ORDERS_URL.",
    ]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """With the reason of the operating system, a directory in its place included."""
    lines = 'url = "${file:none}"\nname = "a"\n[destination]\nshared_secret = "${file:.}"'
    toml = f'[kafka]\ntopics = ["t"]\n[[workflow]]\n{lines}'
    fix = "Create it, or correct the path."
    assert problems(tmp_path, toml) == [
        f"workflow[0].url (a): refers to the file none, which cannot be read: No such file or directory. {fix}",
        f"destination.shared_secret: refers to the file ., which cannot be read: Is a directory. {fix}",
    ]


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    """It is there: who has to be let in is named."""
    path = tmp_path / "secret"
    path.write_text("s")
    environ = {
        "TRAY_KAFKA__TOPICS": "events",
        "TRAY_WORKFLOW_URLS": URL,
        "TRAY_SHARED_SECRET": f"${{file:{path}}}",
    }
    with without_access(path) as user, pytest.raises(ConfigError) as caught:
        load_settings(None, environ, {}, default_path=Path("/none.toml"))
    assert str(caught.value) == (
        f"destination.shared_secret (TRAY_SHARED_SECRET): refers to the file {path}, which cannot be read: Permission "
        f"denied. Let user {user}, as whom tray-stream runs here, read it and enter its folder."
    )


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    """Without showing what is in it."""
    (tmp_path / "secret").write_bytes(b"\xff\xfe")
    toml = f'{MINIMAL}[destination]\nshared_secret = "${{file:secret}}"'
    assert problems(tmp_path, toml) == [
        "destination.shared_secret: refers to the file secret, which is not UTF-8 text. Save it as UTF-8."
    ]


@pytest.mark.parametrize(
    ("text", "fix"),
    [("${SECRET}", "${env:SECRET}"), ("${vault:x}", "${env:NAME}"), ("${env:}", "${env:NAME}"), ("${", "${env:NAME}")],
)
def test_other_placeholders_are_refused(tmp_path: Path, text: str, fix: str) -> None:
    """A secret would otherwise silently be the placeholder's own characters."""
    toml = f'{MINIMAL}[destination]\nshared_secret = "{text}"'
    assert problems(tmp_path, toml) == [
        "destination.shared_secret: holds ${…} that is neither ${env:NAME} nor ${file:PATH}. "
        f"Write {fix} for an environment variable, ${{file:PATH}} for a file."
    ]


def test_a_reference_that_is_overridden_is_not_needed(tmp_path: Path) -> None:
    """The environment comes before the file, so the file's value does not matter."""
    toml = f'{MINIMAL}[destination]\nshared_secret = "${{env:NONE}}"'
    settings = load(tmp_path, toml, {"TRAY_SHARED_SECRET": "s3cret"}).settings
    assert settings.destination.shared_secret.reveal() == "s3cret"


def test_an_empty_variable_is_warned_of(tmp_path: Path) -> None:
    """Where no secret is meant it is used as it is, which hardly is what was meant."""
    loaded = load(tmp_path, f'{MINIMAL}[kafka.options]\n"client.rack" = "${{env:EMPTY}}"', {"EMPTY": ""})
    assert loaded.warnings == ('kafka.options."client.rack": ${env:EMPTY} is empty, so this setting is empty, too.',)

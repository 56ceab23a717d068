"""References to environment variables and files in the settings file."""

from __future__ import annotations

from pathlib import Path

import pytest
from settings_support import MINIMAL, URL, load, problems


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


def test_environment_and_flags_are_taken_literally(tmp_path: Path) -> None:
    """References belong to the file: a variable can hold its secret itself."""
    settings = load(tmp_path, environ={"TRAY_SHARED_SECRET": "${env:B}"}).settings
    assert settings.destination.shared_secret.reveal() == "${env:B}"


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
    """It is set, so it is used; but requests would go out unsigned, which hardly is what was meant."""
    loaded = load(tmp_path, f'{MINIMAL}[destination]\nshared_secret = "${{env:EMPTY}}"', {"EMPTY": ""})
    assert loaded.warnings == ("destination.shared_secret: ${env:EMPTY} is empty, so this setting is empty, too.",)

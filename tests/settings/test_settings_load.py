"""The file, the order of the sources, and every problem at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError
from settings_support import MINIMAL, URL, load, problems
from support.access import without_access

from stream.model.errors import ConfigError
from stream.settings import Settings, load_settings


def test_flags_override_the_environment_which_overrides_the_file(tmp_path: Path) -> None:
    """Each source is for what is nearer to the run."""
    toml = MINIMAL.replace("[kafka]", '[kafka]\ngroup_id = "file"\nstart = "latest"\ncommit_interval = "2s"')
    environ = {"TRAY_KAFKA__GROUP_ID": "environment", "TRAY_KAFKA__START": "earliest"}
    kafka = load(tmp_path, toml, environ, {"kafka.group_id": "flag"}).settings.kafka
    assert (kafka.group_id, kafka.start, kafka.commit_interval) == ("flag", "earliest", 2.0)


def test_a_flag_that_is_not_given_changes_nothing(tmp_path: Path) -> None:
    """Neither None nor an empty list does."""
    flags: dict[str, object] = {"kafka.group_id": None, "kafka.topics": []}
    assert load(tmp_path, flags=flags) == load(tmp_path)


def test_flags_take_values_and_text(tmp_path: Path) -> None:
    """A list may be given as it is, a number as the user wrote it."""
    flags = {"kafka.topics": ["a", "b"], "limits.max_open_events": "10", "http.listen": "0.0.0.0:80"}
    settings = load(tmp_path, flags=flags).settings
    assert (settings.kafka.topics, settings.limits.max_open_events) == (("a", "b"), 10)
    assert (settings.http.host, settings.http.port) == ("0.0.0.0", 80)  # noqa: S104 - a value, nothing listens


def test_a_problem_of_a_flag_says_so(tmp_path: Path) -> None:
    """The file is not where to look for it."""
    assert problems(tmp_path, flags={"kafka.start": "now"}) == [
        "kafka.start (command line): must be 'earliest' or 'latest'."
    ]


def test_the_default_file_is_read_if_it_is_there(tmp_path: Path) -> None:
    """It is named in the result, so that a command can say what it read."""
    path = tmp_path / "stream.toml"
    path.write_text(MINIMAL)
    loaded = load_settings(None, {}, {}, default_path=path)
    assert (loaded.path, loaded.settings.kafka.topics) == (path, ("segment-events",))


def test_a_file_that_is_told_must_exist(tmp_path: Path) -> None:
    """Going on without it would run with other settings than meant."""
    path = tmp_path / "none.toml"
    with pytest.raises(ConfigError) as caught:
        load_settings(path, {}, {})
    assert str(caught.value) == (
        f"{path}: cannot be read: No such file or directory. Create it, or correct the path given as --config."
    )
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("closed", ["the file", "its folder"])
@pytest.mark.parametrize("is_given", [True, False], ids=["given", "default"])
def test_a_file_that_may_not_be_read_is_no_missing_one(tmp_path: Path, closed: str, is_given: bool) -> None:
    """Running with the defaults instead would ignore the user's settings; who has to be let in is named."""
    folder = tmp_path / "etc"
    folder.mkdir()
    path = folder / "stream.toml"
    path.write_text(MINIMAL)
    with without_access(path if closed == "the file" else folder) as user, pytest.raises(ConfigError) as caught:
        load_settings(path if is_given else None, {}, {}, default_path=path)
    fix = f"Let user {user}, as whom tray-stream runs here, read it and enter its folder."
    assert str(caught.value) == f"{path}: cannot be read: Permission denied. {fix}"


def test_a_default_file_that_leads_nowhere_is_no_missing_one(tmp_path: Path) -> None:
    """A link whose target is gone was meant."""
    path = tmp_path / "stream.toml"
    path.symlink_to(tmp_path / "gone")
    with pytest.raises(ConfigError, match="cannot be read: No such file or directory"):
        load_settings(None, {}, {}, default_path=path)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"[kafka]\ntopics = [a]\n", "is not valid TOML at line 2, column 11: Invalid value."),
        (b"[kafka]\ntopics = [", "is not valid TOML at line 2, column 11, its end: Invalid value."),
        (b"a = '\xff'", "is not UTF-8 text at byte 5. Save it as UTF-8."),
    ],
)
def test_a_file_that_cannot_be_parsed_names_the_place(tmp_path: Path, content: bytes, what: str) -> None:
    """File, line and column, as editors show them."""
    path = tmp_path / "stream.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_settings(path, {}, {})
    assert str(caught.value) == f"{path}: {what}"


def test_a_byte_order_mark_and_windows_line_ends_are_no_matter(tmp_path: Path) -> None:
    """Some editors write them."""
    path = tmp_path / "stream.toml"
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert load_settings(path, {}, {}).settings.kafka.topics == ("segment-events",)


def test_nothing_at_all_shows_two_ways_to_start(tmp_path: Path) -> None:
    """The first contact with the program is one problem with a way out, not a list of them."""
    with pytest.raises(ConfigError) as caught:
        load_settings(None, {"PATH": "/bin"}, {}, default_path=tmp_path / "stream.toml")
    (problem,) = caught.value.problems
    assert str(problem).startswith("settings: there are none: no settings file, and no TRAY_ variable")
    assert "export TRAY_WORKFLOW_URLS=https://…" in problem.fix
    assert '[[workflow]]\n       url = "https://…"' in problem.fix


def test_the_ways_to_start_do_start(tmp_path: Path) -> None:
    """What is shown to a newcomer can be pasted."""
    with pytest.raises(ConfigError) as caught:
        load_settings(None, {}, {}, default_path=tmp_path / "stream.toml")
    fix = caught.value.problems[0].fix.replace("https://…", URL)
    toml = fix.partition("stream.toml:\n")[2]
    exports = [line.strip().removeprefix("export ") for line in fix.splitlines() if "export" in line]
    environ = dict(line.split("=", 1) for line in exports)
    by_environment = load_settings(None, environ, {}, default_path=tmp_path / "none.toml")
    assert load(tmp_path, toml).settings == by_environment.settings


def test_topics_and_workflows_are_required(tmp_path: Path) -> None:
    """Each with the two ways to give one."""
    assert problems(tmp_path, "[log]\nlevel = 'debug'") == [
        "kafka.topics: no topic is given. "
        'Set TRAY_KAFKA__TOPICS=segment-events, or write topics = ["segment-events"] below [kafka].',
        "workflow: there is none. "
        'Set TRAY_WORKFLOW_URLS=https://…, or add [[workflow]] with url = "https://…" to the settings file.',
    ]


def test_commands_that_need_neither_go_without(tmp_path: Path) -> None:
    """`check` and a dry run work with defaults alone."""
    default_path = tmp_path / "stream.toml"
    loaded = load_settings(None, {}, {}, default_path=default_path, workflows_required=False, topics_required=False)
    assert loaded.settings == Settings()
    assert loaded.path is None


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    """Across sections, sources and kinds, so that one look is enough."""
    toml = """
    [kafka]
    topics = "segment-events"
    group-id = "x"
    drain_timeout = "290s"
    [retry]
    initial = "2m"
    retry_on = [404, 200]
    [kafak]
    [[workflow]]
    url = "hooks.example.com"
    urll = "x"
    [[workflow]]
    url = "${env:NONE}"
    [log]
    level = "loud"
    """
    assert problems(tmp_path, toml, {"TRAY_HTTP__LISTEN": ":9464", "TRAY_LOG__LEVELS": "info"}) == [
        "TRAY_LOG__LEVELS: is not a setting. Did you mean TRAY_LOG__LEVEL?",
        "workflow[1].url: refers to the environment variable NONE, which is not set. Set NONE.",
        'kafka.topics: must be a list. Write it in brackets: ["…"].',
        "kafka.drain_timeout: plus 10s is not shorter than kafka.max_poll_interval (5m). "
        "Shorten it, or set kafka.max_poll_interval to more than 5m.",
        "kafka.group-id: is not a setting. Did you mean group_id?",
        "workflow[0].url: has no scheme. Write https://… in front of it.",
        "workflow[0].urll: is not a setting. Did you mean url?",
        "retry.max: is shorter than retry.initial (2m). Lengthen it, or shorten retry.initial.",
        "retry.retry_on[1]: must be 300 or more.",
        'http.listen (TRAY_HTTP__LISTEN): is not an address. Write host:port, such as "127.0.0.1:9464".',
        "log.level: must be 'debug', 'info', 'warning' or 'error'.",
        "kafak: is not a setting. Did you mean kafka?",
    ]


@pytest.mark.parametrize("value", ["true", "false"])
def test_a_setting_that_was_removed_says_so(tmp_path: Path, value: str) -> None:
    """With the reason, not as if it had been misspelled."""
    toml = f'{MINIMAL}[[workflow]]\nname = "orders"\nurl = "https://a.example/"\nhttp2 = {value}'
    assert problems(tmp_path, toml) == [
        "workflow[1].http2 (orders): was removed: over HTTP/2 events could be delivered twice when a server ended a "
        "connection. Remove the line; requests are sent over HTTP/1.1."
    ]


def test_an_unknown_key_without_a_near_one_lists_what_is_known(tmp_path: Path) -> None:
    """A user need not look the section up."""
    assert problems(tmp_path, f"{MINIMAL}[log]\nzzz = 1") == ["log.zzz: is not a setting. Known here: level, format."]


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        ("kafka = 1", "kafka: must be a table. Write [kafka], and its settings below it."),
        ("workflow = [1]", "workflow[0]: must be a table. Write [[workflow]], and its settings below it."),
        ("[kafka]\noptions = 1", "kafka.options: must be a table. Write [kafka.options], and its settings below it."),
        ("[kafka]\ngroup_instance_id = ''", "kafka.group_instance_id: is empty. Write it, or leave the setting out."),
        ("[http]\nlisten = 9464", "http.listen: must be text. Put it in quotes."),
    ],
)
def test_a_value_of_another_kind_is_told_what_it_must_be(tmp_path: Path, toml: str, problem: str) -> None:
    """In the words of TOML."""
    assert problem in problems(tmp_path, toml)


def test_an_override_into_something_that_is_no_table_is_left_out(tmp_path: Path) -> None:
    """The file's slip is what is told."""
    assert problems(tmp_path, f'kafka = "x"\n[[workflow]]\nurl = "{URL}"', {"TRAY_KAFKA__TOPICS": "t"}) == [
        "kafka: must be a table. Write [kafka], and its settings below it."
    ]


def test_settings_do_not_change(tmp_path: Path) -> None:
    """A reload makes new ones."""
    settings = load(tmp_path).settings
    with pytest.raises(ValidationError, match="frozen"):
        settings.kafka.group_id = "x"

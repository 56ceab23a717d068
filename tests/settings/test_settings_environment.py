"""Settings from environment variables."""

from __future__ import annotations

from pathlib import Path

import pytest
from assertions import filled
from settings_support import MINIMAL, URL, load, problems

from stream.model.errors import ConfigError
from stream.settings import Settings, load_settings
from stream.settings.variables import known_variables, meant

QUICK_START = {"TRAY_WORKFLOW_URLS": URL, "TRAY_KAFKA__TOPICS": "segment-events"}


def from_environment(folder: Path, **more: str) -> Settings:
    """The settings of the quick start and further variables, without a file."""
    return load_settings(None, QUICK_START | more, {}, default_path=folder / "stream.toml").settings


def test_two_variables_are_enough(tmp_path: Path) -> None:
    """Workflow and topic: everything else has a default."""
    settings = from_environment(tmp_path)
    assert settings.kafka.topics == ("segment-events",)
    assert [workflow.url.reveal() for workflow in settings.workflows] == [URL]


@pytest.mark.parametrize("text", [f"{URL}1,{URL}2", f"{URL}1\n{URL}2\n", f" {URL}1 ,\n,{URL}2, "])
def test_lists_are_separated_by_commas_or_line_ends(tmp_path: Path, text: str) -> None:
    """Spaces around and empty parts do not count."""
    workflows = from_environment(tmp_path, TRAY_WORKFLOW_URLS=text).workflows
    assert [workflow.url.reveal() for workflow in workflows] == [f"{URL}1", f"{URL}2"]


def test_each_kind_of_value_is_read(tmp_path: Path) -> None:
    """Text, lists of text and of numbers, numbers, sizes, durations and booleans."""
    settings = from_environment(
        tmp_path,
        TRAY_KAFKA__BOOTSTRAP_SERVERS="a:9092,b:9092",
        TRAY_KAFKA__TOPICS="one,two",
        TRAY_RETRY__RETRY_ON="404,410",
        TRAY_LIMITS__MAX_OPEN_EVENTS="500",
        TRAY_LIMITS__MAX_OPEN_BYTES="2MiB",
        TRAY_RETRY__FOR="2h",
        TRAY_DEAD_LETTER__CREATE="false",
        TRAY_SHARED_SECRET="s3cret",
        TRAY_KAFKA__GROUP_INSTANCE_ID="7",
    )
    assert settings.kafka.bootstrap_servers == "a:9092,b:9092"
    assert settings.kafka.topics == ("one", "two")
    assert settings.retry.retry_on == (404, 410)
    assert (settings.limits.max_open_events, settings.limits.max_open_bytes) == (500, 2**21)
    assert (settings.retry.for_, settings.dead_letter.create) == (7200.0, False)
    assert settings.destination.shared_secret.reveal() == "s3cret"
    assert settings.kafka.group_instance_id == "7"


def test_librdkafka_options_have_dots_for_underscores(tmp_path: Path) -> None:
    """There is a prefix for each of the three tables; they are added to the file's options."""
    environ = {
        "TRAY_KAFKA_OPTION_SASL_PASSWORD": "s3cret",
        "TRAY_KAFKA_CONSUMER_OPTION_FETCH_MIN_BYTES": "9",
        "TRAY_KAFKA_PRODUCER_OPTION_LINGER_MS": "5",
    }
    toml = MINIMAL.replace("[kafka]", '[kafka]\noptions = { "client.id" = "x", "sasl.password" = "old" }')
    kafka = load(tmp_path, toml, environ).settings.kafka
    assert kafka.options == {"client.id": "x", "sasl.password": "s3cret"}
    assert (kafka.consumer_options, kafka.producer_options) == ({"fetch.min.bytes": "9"}, {"linger.ms": "5"})


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    """Compose files and charts set variables to nothing when there is nothing to say."""
    assert from_environment(tmp_path, TRAY_KAFKA__GROUP_ID="").kafka.group_id == "tray"


@pytest.mark.parametrize(
    "name",
    [
        "TRAY_STREAM_SERVICE_HOST",
        "TRAY_STREAM_SERVICE_PORT_METRICS",
        "TRAY_STREAM_PORT",
        "TRAY_STREAM_PORT_9464_TCP_ADDR",
        "TRAY_KAFKA_SERVICE_PORT",
        "TRAY_HTTP_PORT_80_TCP_PROTO",
        "TRAY_OTHER__KEY",
        "TRAY_KAFKA",
        "TRAY_REGION",
    ],
)
def test_variables_of_others_are_left_alone(tmp_path: Path, name: str) -> None:
    """Kubernetes sets variables for each service, and a service may be called tray-stream or tray-kafka."""
    loaded = load_settings(None, QUICK_START | {name: "tcp://10.0.0.1:80"}, {}, default_path=tmp_path / "stream.toml")
    assert loaded.settings == from_environment(tmp_path)
    assert [warning for warning in loaded.warnings if name in warning] == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("TRAY_KAFKA_GROUP_ID", "TRAY_KAFKA__GROUP_ID"),
        ("TRAY_KAFKA___GROUP_ID", "TRAY_KAFKA__GROUP_ID"),
        ("TRAY_KAFKA_GROUPID", "TRAY_KAFKA__GROUP_ID"),
        ("TRAY_GROUP_ID", "TRAY_KAFKA__GROUP_ID"),
        ("tray_kafka__group_id", "TRAY_KAFKA__GROUP_ID"),
        ("TRAY_KAFKA_TOPIC", "TRAY_KAFKA__TOPICS"),
        ("TRAY_BOOTSTRAP_SERVERS", "TRAY_KAFKA__BOOTSTRAP_SERVERS"),
        ("TRAY_DEAD_LETTER_TOPIC", "TRAY_DEAD_LETTER__TOPIC"),
        ("TRAY_DEADLETTER__TOPIC", "TRAY_DEAD_LETTER__TOPIC"),
        ("TRAY_HTTP_LISTEN", "TRAY_HTTP__LISTEN"),
        ("TRAY_SHARED_SECRE", "TRAY_SHARED_SECRET"),
        ("TRAY_SHAREDSECRET", "TRAY_SHARED_SECRET"),
        ("TRAY_SHARED__SECRET", "TRAY_SHARED_SECRET"),
        ("TRAY_SHARED_SECRETS", "TRAY_DESTINATION__SHARED_SECRETS"),
        ("TRAY_WORKFLOW_URL", "TRAY_WORKFLOW_URLS"),
        ("TRAY_WORKFLOWS_URLS", "TRAY_WORKFLOW_URLS"),
        ("TRAY_ISOLATON", "TRAY_ISOLATION"),
        ("TRAY_KAFKA__OPTION_SASL_PASSWORD", "TRAY_KAFKA_OPTION_SASL_PASSWORD"),
        ("TRAY_KAFKA_OPTIONS_SASL_PASSWORD", "TRAY_KAFKA_OPTION_SASL_PASSWORD"),
        ("TRAY_KAFKA_CONSUMER__OPTION_CLIENT_ID", "TRAY_KAFKA_CONSUMER_OPTION_CLIENT_ID"),
        ("TRAY_LOG_LVL", "TRAY_LOG__LEVEL"),
    ],
)
def test_a_misspelled_variable_is_refused_with_the_right_name(tmp_path: Path, name: str, meant: str) -> None:
    """Passed over, it would leave requests unsigned, or the default group reading."""
    with pytest.raises(ConfigError) as refused:
        from_environment(tmp_path, **{name: "x"})
    assert [str(problem) for problem in refused.value.problems] == [f"{name}: is not a setting. Did you mean {meant}?"]


def test_every_variable_is_found_again_when_an_underscore_is_missing() -> None:
    """Each name has a spelling of its own with single underscores."""
    for name in filled(known_variables().values()):
        assert meant(name.replace("__", "_", 1)) == name


def test_a_name_that_the_file_refers_to_is_the_users_own(tmp_path: Path) -> None:
    """It may look like a setting: whoever writes ${env:TRAY_WORKFLOW_URL} gave it that name."""
    toml = MINIMAL.replace(URL, "${env:TRAY_WORKFLOW_URL}")
    assert load(tmp_path, toml, {"TRAY_WORKFLOW_URL": URL}).settings.workflows[0].url.reveal() == URL


def test_an_unlike_name_below_a_section_is_a_warning(tmp_path: Path) -> None:
    """It may belong to somebody else, or be a setting that was guessed."""
    loaded = load(tmp_path, MINIMAL, {"TRAY_KAFKA_ACME": "x"})
    assert [warning for warning in loaded.warnings if "TRAY_KAFKA_ACME" in warning] == [
        "The variable TRAY_KAFKA_ACME is not a setting, and no setting has a name like it."
    ]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("TRAY_KAFKA__BOOTSTRAP", "is not a setting. Did you mean TRAY_KAFKA__BOOTSTRAP_SERVERS?"),
        ("TRAY_LOG__X", "is not a setting. Known: TRAY_LOG__LEVEL, TRAY_LOG__FORMAT."),
        ("TRAY_KAFKA__OPTIONS", "is a table. Write one variable for each option: TRAY_KAFKA_OPTION_CLIENT_ID."),
        (
            "TRAY_WORKFLOW__URL",
            "is not a setting: workflows are not set one by one in the environment. "
            "Use TRAY_WORKFLOW_URLS, or [[workflow]] in the settings file.",
        ),
    ],
)
def test_an_unknown_variable_of_a_known_section_is_reported(tmp_path: Path, name: str, problem: str) -> None:
    """It is a slip, and the nearest name is told."""
    assert problems(tmp_path, environ={name: "x"}) == [f"{name}: {problem}"]


def test_a_problem_names_the_variable_it_came_from(tmp_path: Path) -> None:
    """The file is not where to look for it."""
    environ = {
        "TRAY_KAFKA__COMMIT_INTERVAL": "5",
        "TRAY_DEAD_LETTER__CREATE": "perhaps",
        "TRAY_RETRY__RETRY_ON": "404,gone",
        "TRAY_LIMITS__MAX_OPEN_EVENTS": "many",
    }
    fix = 'Write "5s" for seconds; units are ms, s, m, h and d.'
    assert problems(tmp_path, environ=environ) == [
        f"kafka.commit_interval (TRAY_KAFKA__COMMIT_INTERVAL): has no unit. {fix}",
        "retry.retry_on[1] (TRAY_RETRY__RETRY_ON): must be a whole number.",
        "dead_letter.create (TRAY_DEAD_LETTER__CREATE): must be true or false.",
        "limits.max_open_events (TRAY_LIMITS__MAX_OPEN_EVENTS): must be a whole number.",
    ]


def test_urls_of_the_environment_are_checked_each(tmp_path: Path) -> None:
    """The position in the list tells which one is meant."""
    toml = '[kafka]\ntopics = ["t"]'
    assert problems(tmp_path, toml, {"TRAY_WORKFLOW_URLS": f"{URL},hooks.example.com"}) == [
        "workflow[1].url (TRAY_WORKFLOW_URLS): has no scheme. Write https://… in front of it."
    ]


def test_workflows_come_from_one_place(tmp_path: Path) -> None:
    """Which of file and environment would win is not guessed."""
    assert problems(tmp_path, environ={"TRAY_WORKFLOW_URLS": URL}) == [
        "TRAY_WORKFLOW_URLS: is set, and the settings file has [[workflow]], too. Keep one of the two."
    ]


def test_the_secret_has_one_variable(tmp_path: Path) -> None:
    """Its short and its long name are not used side by side."""
    environ = {"TRAY_SHARED_SECRET": "a", "TRAY_DESTINATION__SHARED_SECRET": "b"}
    assert problems(tmp_path, environ=environ) == [
        "TRAY_SHARED_SECRET: is set, and TRAY_DESTINATION__SHARED_SECRET, too, which means the same. "
        "Keep one of the two."
    ]

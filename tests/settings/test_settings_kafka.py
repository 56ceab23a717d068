"""The Kafka section: topics, options of librdkafka, and what must fit together."""

from __future__ import annotations

from pathlib import Path

import pytest
from settings_support import MINIMAL, URL, load, problems

CERTIFICATE = "enable.ssl.certificate.verification"
HOST = "ssl.endpoint.identification.algorithm"


def kafka_problems(folder: Path, lines: str) -> list[str]:
    """Each problem of these lines of the Kafka section."""
    return problems(folder, MINIMAL.replace("[kafka]", f"[kafka]\n{lines}"))


def test_options_are_passed_on_as_text(tmp_path: Path) -> None:
    """Numbers and booleans are written as librdkafka reads them."""
    lines = '[kafka.options]\n"a.b" = "x"\n"c" = 5\n"d" = 0.5\n"e" = true\n"f" = false'
    options = load(tmp_path, MINIMAL + lines).settings.kafka.options
    assert options == {"a.b": "x", "c": "5", "d": "0.5", "e": "true", "f": "false"}


@pytest.mark.parametrize(
    ("option", "instead"),
    [
        ("bootstrap.servers", "kafka.bootstrap_servers"),
        ("metadata.broker.list", "kafka.bootstrap_servers"),
        ("group.id", "kafka.group_id"),
        ("group.instance.id", "kafka.group_instance_id"),
        ("group.protocol", "kafka.group_protocol"),
        ("group.remote.assignor", "kafka.group_protocol"),
        ("auto.offset.reset", "kafka.start"),
        ("auto.commit.interval.ms", "kafka.commit_interval"),
        ("max.poll.interval.ms", "kafka.max_poll_interval"),
    ],
)
@pytest.mark.parametrize("table", ["options", "consumer_options", "producer_options"])
def test_an_option_with_a_setting_of_its_own_names_it(tmp_path: Path, table: str, option: str, instead: str) -> None:
    """There is one place for it, in whichever table it is written."""
    (found,) = kafka_problems(tmp_path, f'{table} = {{ "{option}" = "x" }}')
    assert found.startswith(f'kafka.{table}."{option}": ')
    assert found.endswith(f" Use {instead}.")


@pytest.mark.parametrize(
    "option",
    [
        "enable.auto.commit", "enable.auto.offset.store", "auto.commit.enable", "offset.store.method",
        "enable.partition.eof", "isolation.level", "acks", "request.required.acks", "enable.idempotence",
        "transactional.id", "transaction.timeout.ms", "stats_cb", "on_delivery", "logger",
    ],
)  # fmt: skip
def test_an_option_that_carries_a_guarantee_is_refused(tmp_path: Path, option: str) -> None:
    """No event is lost by an option."""
    (found,) = kafka_problems(tmp_path, f'options = {{ "{option}" = "x" }}')
    assert found.startswith(f"kafka.options.{option}: " if "." not in option else f'kafka.options."{option}": ')
    assert found.endswith(" Remove it.")


@pytest.mark.parametrize("option", ["partition.assignment.strategy", "session.timeout.ms", "heartbeat.interval.ms"])
def test_the_consumer_protocol_forbids_options_of_the_classic_one(tmp_path: Path, option: str) -> None:
    """KIP-848 leaves them to the broker; the classic protocol takes them."""
    lines = f'options = {{ "{option}" = "cooperative-sticky" }}'
    assert load(tmp_path, MINIMAL.replace("[kafka]", f"[kafka]\n{lines}")).settings.kafka.options
    assert kafka_problems(tmp_path, f'group_protocol = "consumer"\n{lines}') == [
        f'kafka.options."{option}": is decided by the broker with group_protocol = "consumer". '
        'Remove it, or use kafka.group_protocol = "classic".'
    ]


@pytest.mark.parametrize("strategy", ["range", "roundrobin", "range,cooperative-sticky"])
@pytest.mark.parametrize("table", ["options", "consumer_options"])
def test_an_eager_strategy_is_refused(tmp_path: Path, strategy: str, table: str) -> None:
    """It takes every partition away at each rebalance; epochs, drains and the skip of lost records move single ones."""
    assert kafka_problems(tmp_path, f'{table} = {{ "partition.assignment.strategy" = "{strategy}" }}') == [
        f'kafka.{table}."partition.assignment.strategy": {strategy} moves every partition at each rebalance. '
        'Remove it (cooperative-sticky is used), or set kafka.group_protocol = "consumer".'
    ]


def test_options_of_the_environment_are_refused_alike(tmp_path: Path) -> None:
    """The variable is named."""
    assert problems(tmp_path, environ={"TRAY_KAFKA_OPTION_GROUP_ID": "x"}) == [
        'kafka.options."group.id" (TRAY_KAFKA_OPTION_GROUP_ID): has a setting of its own. Use kafka.group_id.'
    ]


def test_an_options_name_without_quotes_is_explained(tmp_path: Path) -> None:
    """TOML reads the dots as tables."""
    assert kafka_problems(tmp_path, 'options.security.protocol = "SSL"\noptions.x = [1]') == [
        'kafka.options.security: is a table. Put the whole name in quotes: "security.…" = "…".',
        'kafka.options.x: must be text, a number, true or false. Write "x" = "…", in quotes.',
    ]


def test_topics_are_names_or_patterns(tmp_path: Path) -> None:
    """Each fault has its position."""
    toml = f'[kafka]\ntopics = ["^seg.*", "a b", "ok", "ok", ".."]\n[[workflow]]\nurl = "{URL}"'
    what = "is neither a topic's name nor a pattern that starts with ^. Names have letters, digits, dots, - and _."
    assert problems(tmp_path, toml) == [
        f"kafka.topics[1]: {what}",
        "kafka.topics[3]: is listed twice. Remove one.",
        f"kafka.topics[4]: {what}",
    ]


def test_the_dead_letter_topic_follows_the_group(tmp_path: Path) -> None:
    """Unless it is told."""
    assert load(tmp_path).settings.dead_letter_topic == "tray.dead-letters"
    toml = f'{MINIMAL}[dead_letter]\ntopic = "dead"'
    assert load(tmp_path, toml).settings.dead_letter_topic == "dead"


@pytest.mark.parametrize(
    ("group", "topic", "problem"),
    [
        ("tray", "segment-events", "is one of kafka.topics, too. Give dead letters another topic."),
        ("tray", "a b", "is not a topic's name. Use letters, digits, dots, - and _."),
        (
            "tray:1",
            None,
            'cannot be made from kafka.group_id: it would not be a topic\'s name. Set it: dead_letter.topic = "…".',
        ),
    ],
)
def test_dead_letters_need_a_topic_of_their_own(tmp_path: Path, group: str, topic: str | None, problem: str) -> None:
    """Read again as events they would go round for ever."""
    told = f'topic = "{topic}"' if topic else ""
    toml = MINIMAL.replace("[kafka]", f'[kafka]\ngroup_id = "{group}"') + f"[dead_letter]\n{told}"
    assert problems(tmp_path, toml) == [f"dead_letter.topic: {problem}"]


def test_a_default_dead_letter_topic_is_no_source_either(tmp_path: Path) -> None:
    """Also when the section is not written at all."""
    toml = MINIMAL.replace("segment-events", "tray.dead-letters")
    assert problems(tmp_path, toml) == [
        "dead_letter.topic: is one of kafka.topics, too. Give dead letters another topic."
    ]


@pytest.mark.parametrize(
    ("lines", "is_refused"),
    [
        ('drain_timeout = "289s"', False),
        ('drain_timeout = "290s"', True),
        ('max_poll_interval = "25s"', True),
        ('max_poll_interval = "26s"', False),
    ],
)
def test_a_drain_ends_before_the_group_loses_patience(tmp_path: Path, lines: str, is_refused: bool) -> None:
    """The last commit would come too late, whichever of the two is set."""
    toml = MINIMAL.replace("[kafka]", f"[kafka]\n{lines}")
    if is_refused:
        (found,) = problems(tmp_path, toml)
        assert found.startswith("kafka.drain_timeout: plus 10s is not shorter than kafka.max_poll_interval")
    else:
        assert load(tmp_path, toml).settings.kafka.drain_timeout > 0


def test_a_drain_shorter_than_an_attempt_is_warned_of(tmp_path: Path) -> None:
    """The slowest workflow is named, with what to set."""
    toml = MINIMAL + f'[[workflow]]\nname = "slow"\nurl = "{URL}2"\ntimeout = "14s"'
    assert load(tmp_path, toml).warnings == (
        "kafka.drain_timeout: 15s is shorter than the timeout of slow (14s) plus 2s, so an event may be "
        "delivered twice at a rebalance. Set it to 16s or more.",
    )
    assert load(tmp_path).warnings == ()


def test_a_misspelt_type_is_warned_of(tmp_path: Path) -> None:
    """It is legal, as a custom type, but hardly meant."""
    toml = MINIMAL + 'name = "a"\ntypes = ["tracks", "group", "order"]'
    assert load(tmp_path, toml).warnings == ("workflow[0] (a): tracks is a custom type. Did you mean track?",)


@pytest.mark.parametrize(
    ("more", "warning"),
    [
        ('events = ["Order *", "[Oo]rder [0-9]*", "[[]Amplitude] *", "a]", "[!ab]"]', None),
        (
            'events = ["Order *", "[Amplitude] *"]',
            'events: "[Amplitude] *" matches one character of [Amplitude], not the text. '
            'For the text write "[[]Amplitude] *".',
        ),
        (
            'events = ["Order [Web"]',
            'events: "Order [Web" has a [ without its ], which stands for itself. If so write "Order [[]Web".',
        ),
        (
            'events = ["Order *"]\ntypes = ["identify"]',
            "events is not looked at, since types leaves track events out. Remove it, or add track.",
        ),
        (
            'events = ["Order *"]\nexclude_types = ["track"]',
            "events is not looked at, since types leaves track events out. Remove it, or add track.",
        ),
    ],
)
def test_event_names_that_match_nothing_are_warned_of(tmp_path: Path, more: str, warning: str | None) -> None:
    """They are legal, and the workflow would wait for ever for its events."""
    expected = () if warning is None else (f"workflow[0] (a): {warning}",)
    assert load(tmp_path, f'{MINIMAL}name = "a"\n{more}').warnings == expected


def test_a_code_is_either_retried_or_rejected(tmp_path: Path) -> None:
    """A code in both lists is a contradiction."""
    toml = f"{MINIMAL}[retry]\nretry_on = [404, 410]\nreject_on = [410, 422, 404]"
    assert problems(tmp_path, toml) == [
        "retry.reject_on: holds 404, 410, as retry.retry_on does. Remove it from one of them."
    ]


@pytest.mark.parametrize("group", ["", "a b", "a\\n"])
def test_a_group_id_has_no_whitespace(tmp_path: Path, group: str) -> None:
    """It is typed on command lines."""
    assert kafka_problems(tmp_path, f'group_id = "{group}"') == [
        "kafka.group_id: is empty or holds whitespace. Use letters, digits, dots, - and _."
    ]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *[(CERTIFICATE, word) for word in ("false", '"False"', '"FALSE"', '"f"', '"F"', '"0"', "0", '" false"')],
        *[(HOST, word) for word in ('"none"', '"None"', '"NONE"', '" none"')],
    ],
)
@pytest.mark.parametrize("table", ["options", "consumer_options", "producer_options"])
def test_brokers_that_are_not_verified_are_warned_of(tmp_path: Path, option: str, value: str, table: str) -> None:
    """Whoever answers at their address gets the password. What librdkafka takes counts, in each table by itself."""
    others = {"consumer_options", "producer_options"} - {table}
    verified = "".join(f'{other} = {{ "{CERTIFICATE}" = true, "{HOST}" = "https" }}\n' for other in sorted(others))
    toml = MINIMAL.replace("[kafka]", f'[kafka]\n{verified}{table} = {{ "{option}" = {value} }}')
    assert load(tmp_path, toml).warnings == (
        f"kafka.{table}: {option} turns off the check that a broker is who it says. Remove it.",
    )


@pytest.mark.parametrize("value", ["true", '"True"', '"T"', "1"])
def test_brokers_that_are_verified_are_not_warned_of(tmp_path: Path, value: str) -> None:
    """In each of librdkafka's words for it."""
    toml = MINIMAL.replace("[kafka]", f'[kafka]\noptions = {{ "{CERTIFICATE}" = {value}, "{HOST}" = "HTTPS" }}')
    assert load(tmp_path, toml).warnings == ()


def test_an_unverified_broker_in_the_environment_is_warned_of(tmp_path: Path) -> None:
    """A variable is an option like any other."""
    environ = {"TRAY_KAFKA_CONSUMER_OPTION_ENABLE_SSL_CERTIFICATE_VERIFICATION": "False"}
    assert CERTIFICATE in load(tmp_path, environ=environ).warnings[0]


def test_two_workflows_with_one_url_are_a_warning(tmp_path: Path) -> None:
    """Each of them would send what both want."""
    toml = (
        f'[kafka]\ntopics = ["t"]\n[[workflow]]\nname = "a"\nurl = "{URL}"\n[[workflow]]\nname = "b"\nurl = "{URL}"\n'
    )
    assert load(tmp_path, toml).warnings == (
        "workflow[1] (b): its URL is that of a, too, so this workflow receives an event twice where both want it.",
    )


@pytest.mark.parametrize(
    ("servers", "without"), [("a:9092,b", ["b"]), ("a", ["a"]), ("a:9092, b:9093", []), ("[::1]", ["[::1]"])]
)
def test_a_broker_without_a_port_is_a_warning(tmp_path: Path, servers: str, without: list[str]) -> None:
    """It works where the port is the usual one, and fails without a hint elsewhere."""
    toml = f'[kafka]\ntopics = ["t"]\nbootstrap_servers = "{servers}"\n[[workflow]]\nname = "a"\nurl = "{URL}"\n'
    assert list(load(tmp_path, toml).warnings) == [
        f"kafka.bootstrap_servers: {server} has no port, so 9092 is used. Write {server}:9092." for server in without
    ]


@pytest.mark.parametrize(
    ("topics", "letters", "is_refused"),
    [
        ('"^tray"', "", True),
        ('"^.*"', "", True),
        ('"events", "^tray[.].*"', "", True),
        ('"^tray.(events|dead)"', "", True),
        ('"^events"', "[dead_letter]\ntopic = 'events.failed'", True),
        ('"^tray[.]events"', "", False),
        ('"^tray"', "[dead_letter]\ntopic = 'letters'", False),
        ('"tray"', "", False),
        ('"^[[:digit:]]+(?P<n>tray"', "", False),
    ],
)
@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_pattern_that_the_broker_would_assign_dead_letters_by(
    tmp_path: Path, topics: str, letters: str, is_refused: bool, protocol: str
) -> None:
    """With KIP-848 the broker compares patterns, and knows nothing of the topics that we leave out."""
    lines = f'[kafka]\ntopics = [{topics}]\ngroup_protocol = "{protocol}"\n[[workflow]]\nurl = "{URL}"\n{letters}\n'
    if not is_refused or protocol == "classic":
        load(tmp_path, lines)
        return
    (found,) = problems(tmp_path, lines)
    assert found.startswith("dead_letter.topic: ")
    assert "is matched by ^" in found
    assert found.endswith('or use kafka.group_protocol = "classic".')

"""What `check` calls ok lets `run` start; what ends a start with exit 2 is found by `check`, in words with a place."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from assertions import filled
from support.authority import Authority
from support.mock_cluster import MockCluster

from stream.check.finding import exit_code
from stream.check.settings import check_listen, rehearse_start
from stream.model.errors import ConfigError, Problem
from stream.runtime.processor import Processor
from stream.runtime.start import StartFacts
from stream.settings import load_settings
from stream.settings.model import Settings
from stream.telemetry.logs import LineLogger, configure_logs, logger

Table = dict[str, Any]

PROXIES = (
    "http://us%C3%A9r:p%C3%A4ss@127.0.0.1:3128",
    "http://usér:päss@127.0.0.1:3128",
    "http://user:p%0Ass@127.0.0.1:3128",
    "http://%ff:%fe@127.0.0.1:3128",
    "http://:@127.0.0.1:3128",
    "http://user:pa@ss@127.0.0.1:3128",
    "http://us%er:pass@127.0.0.1:3128",
    "https://user:pass@[::1]:3128/",
    "http://xn--.example:3128",
    "http://a..b:3128",
    "http://-a_b.example:3128",
    "socks5://127.0.0.1:1080",
    "http://user\0:pass@127.0.0.1:3128",
    "http://user\t:pass@127.0.0.1:3128",
    "http://user\n:pass@127.0.0.1:3128",
    "http://user\x7f:pass@127.0.0.1:3128",
    "http://user#1:pass@127.0.0.1:3128",
    f"http://user:{'p' * 70_000}@127.0.0.1:3128",
)
FILES = (
    *({key: f"{name}.pem"} for key in ("ca_file", "client_cert") for name in ("empty", "folder", "garbage", "missing")),
    {"ca_file": "authority/authority.crt", "client_cert": "authority/client.pem"},
    {"client_cert": "authority/client.crt"},
    {"client_cert": "authority/client.crt", "client_key": "authority/client.key"},
    {"client_cert": "authority/client.crt", "client_key": "authority/authority.key"},
    {"client_key": "authority/client.key"},
    {"ca_file": "nul\0.pem"},
    {"client_cert": "nul\0.pem"},
    {"client_cert": "authority/client.crt", "client_key": "nul\0.pem"},
    {"ca_file": ""},
    {"ca_file": "x" * 5000},
)
HEADERS = tuple(
    {"headers": headers}
    for headers in (
        {"x-team": "é"},
        {"x-team": " padded "},
        {"x-team": "日本"},
        {"x-team": "a\r\nb"},
        {"x-team": "\0"},
        {"x team": "x"},
        {"x-large": "x" * 100_000},
    )
)
URLS = (
    "http://xn--.example/x",
    "http://a..b/x",
    "http://example.com:65535/%zz",
    "http://example.com/{}|^`",
    "http://[fe80::1%25eth0]/x",
    "http://0x7f.1/x",
    f"http://{'a' * 64}.example/x",
    "http://example.com./x",
    "HTTP://EXAMPLE.com/x",
    f"http://example.com/{'x' * 100_000}",
    "http://example.com?x",
)
LISTENS = ("[::1]:0", "a..b:0", f"{'a' * 64}:0", "[1.2.3.4]:0", "[:]:0", "192.0.2.1:0", "0:0", "127.0.0.1\0:0")
KAFKA: Sequence[Table] = (
    {"group_id": "grüppe"},
    {"group_id": "g" * 240},
    {"group_instance_id": "ä/b c"},
    {"group_instance_id": "a\0b"},
    {"topics": ["^["]},
    {"topics": ["^a{1,2}"]},
    {"topics": ["^a{2,1}"]},
    {"topics": ["^a\\"]},
    {"topics": ["^a**"]},
    {"topics": ["^(?:a)"]},
    {"topics": ["^(?:a)"], "group_protocol": "consumer"},
    {"topics": ["^a{x"]},
    {"topics": ["^a\0("]},
    {"topics": ["events", "^seg.*", "^seg.+"]},
    {"bootstrap_servers": "a..b:9092"},
    {"bootstrap_servers": " , "},
    {"bootstrap_servers": "a:9092\0"},
    {"max_poll_interval": "1d"},
)
OPTIONS: Mapping[str, Sequence[Table]] = {
    "options": (
        {"debug": "nonsense"},
        {"no.such.option": 1},
        {"security.protocol": "ssl", "ssl.ca.location": "missing.pem"},
        {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanisms": "SCRAM-SHA-256"},
        {"socket.timeout.ms": 10**12},
        {"client.id": "ä b"},
        {"client.id": "a\0b"},
        {"plugin.library.paths": "nothing.so"},
    ),
    "consumer_options": (
        {"session.timeout.ms": 10_000_000},
        {"fetch.max.bytes": 10, "message.max.bytes": 1000},
        {"fetch.min.bytes": 0},
        {"queued.max.messages.kbytes": 0},
    ),
    "producer_options": ({"compression.type": "nonsense"}, {"retries": 0}, {"message.timeout.ms": 1}),
}
CASES: Mapping[str, Sequence[tuple[Table, Table]]] = {
    "proxy": [({"proxy": proxy}, {}) for proxy in PROXIES],
    "files": [(files, {}) for files in FILES],
    "headers": [(headers, {}) for headers in HEADERS],
    "url": [({"url": url}, {}) for url in URLS],
    "listen": [({}, {"http": {"listen": listen}}) for listen in LISTENS],
    "kafka": [({}, {"kafka": kafka}) for kafka in KAFKA],
    **{name: [({}, {"kafka": {name: options}}) for options in many] for name, many in OPTIONS.items()},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where TLS files lie, good ones and others."""
    made = tmp_path_factory.mktemp("settings")
    Authority(made / "authority").issue("client")
    (made / "empty.pem").touch()
    (made / "folder.pem").mkdir()
    (made / "garbage.pem").write_bytes(bytes(range(256)))
    return made


@pytest.fixture(scope="module")
def brokers() -> Iterator[str]:
    """A Kafka that answers at once."""
    with MockCluster() as cluster:
        cluster.create_topic("events")
        yield cluster.bootstrap


@pytest.mark.parametrize("kind", CASES)
def test_check_and_run_agree(folder: Path, brokers: str, kind: str) -> None:
    """Of each setting, either both say that it cannot be used, or neither does."""
    configure_logs("error", "text", io.StringIO())
    vague: list[Problem] = []
    for workflow, sections in filled(CASES[kind]):
        try:
            settings = read(folder, brokers, workflow, sections)
        except ConfigError as error:
            vague += [problem for problem in error.problems if not (problem.path and problem.fix)]
            continue
        assert verdict_of_check(settings) == asyncio.run(verdict_of_run(settings, logger())), (workflow, sections)
    assert vague == []


@pytest.mark.parametrize("pattern", ["^a{x", "^(?:a)", "^a**", "^["])
def test_a_pattern_that_either_side_does_not_read_is_refused(folder: Path, brokers: str, pattern: str) -> None:
    """Python looks for the topics at a start, librdkafka subscribes to them: each has to take the pattern."""
    with pytest.raises(ConfigError) as caught:
        rehearse_start(read(folder, brokers, {}, {"kafka": {"topics": ["events", pattern]}}))
    assert [problem.path for problem in caught.value.problems] == ["kafka.topics[1]"]


def test_a_pattern_with_a_comma_is_taken(folder: Path, brokers: str) -> None:
    """A count of two numbers is a legal pattern, also where topics of ours are kept out of it."""
    assert verdict_of_check(read(folder, brokers, {}, {"kafka": {"topics": ["^a{1,2}"]}}))


def read(folder: Path, brokers: str, workflow: Table, sections: Table) -> Settings:
    """Settings with these in place of usable ones."""
    kafka = {"bootstrap_servers": brokers, "topics": ["events"], **sections.get("kafka", {})}
    tree = {"http": {"listen": "127.0.0.1:0"}, **sections, "kafka": kafka}
    tree["workflow"] = [{"name": "orders", "url": "https://127.0.0.1:1/x", **workflow}]
    path = folder / "stream.toml"
    path.write_text(tomli_w.dumps(tree))
    return load_settings(path, {}, {}).settings


def verdict_of_check(settings: Settings) -> bool:
    """Whether `check` takes the settings, whatever it says of Kafka."""
    try:
        rehearse_start(settings)
    except ConfigError:
        return False
    return exit_code(list(check_listen(settings.http))) == 0


async def verdict_of_run(settings: Settings, log: LineLogger) -> bool:
    """Whether a run starts with the settings; it is stopped as soon as its engines begin."""
    try:
        start = StartFacts(dead_letter_partitions=1, ranges=None)
        await Processor(settings, log, start=start, on_started=Processor.request_stop).run()
    except ConfigError:
        return False
    return True

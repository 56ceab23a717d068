"""What is printed and published of the settings."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import tomli_w
from assertions import filled
from hypothesis import given
from hypothesis import strategies as st
from settings_support import MINIMAL, URL, load

from stream.settings import redacted_settings
from stream.settings.keys import fields_by_key, section_of
from stream.settings.model import Settings
from stream.settings.publish import main, schema_text
from stream.settings.units import format_rate, format_size, parse_rate, parse_size

PUBLISHED = Path(__file__).parents[2] / "schemas" / "config.schema.json"

FULL = """
[kafka]
bootstrap_servers = "localhost:9092"
topics = ["segment-events"]
group_id = "tray"
start = "earliest"
commit_interval = "1.5s"
[kafka.options]
"security.protocol" = "SASL_SSL"
"sasl.password" = "s3cret"
"ssl.key.pem" = "s3cret"
"enable.ssl.certificate.verification" = true

[destination]
shared_secret = "${env:TRAY_SHARED_SECRET}"

[[workflow]]
name = "orders"
url = "${env:ORDERS_WORKFLOW_URL}"
types = ["track"]
headers = { Authorization = "s3cret" }

[[workflow]]
name = "privacy"
url = "https://hooks.example.com/s3cret"
types = ["delete"]
timeout = "${env:PRIVACY_TIMEOUT}"
shared_secret = "s3cret"

[retry]
for = "4h"

[limits]
max_open_bytes = "64MiB"

[http]
listen = "127.0.0.1:9464"
"""
ENVIRON = {"TRAY_SHARED_SECRET": "s3cret", "ORDERS_WORKFLOW_URL": f"{URL}/s3cret", "PRIVACY_TIMEOUT": "5s"}


def test_the_published_schema_is_current() -> None:
    """It is generated from the model: `make schemas` writes it."""
    assert main(["--check", str(PUBLISHED)]) == 0


def test_a_schema_that_is_not_current_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command that mends it is told; afterwards the check agrees."""
    path = tmp_path / "config.schema.json"
    assert main(["--check", str(path)]) == 1
    assert f"run python -m stream.settings.publish {path}" in capsys.readouterr().err
    assert main([str(path)]) == 0
    assert main(["--check", str(path)]) == 0


def test_wrong_usage_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """An option is never taken for a path."""
    assert main(["--chekc"]) == 2
    assert capsys.readouterr().err.startswith("usage: ")


def test_the_schema_takes_what_the_program_takes() -> None:
    """A file with references, quoted options and units is valid in an editor, too."""
    assert schema_is_satisfied_by(FULL)


@pytest.mark.parametrize(
    "toml",
    [
        "[kafka]\ncommit_interval = 10",
        '[kafka]\ncommit_interval = "10"',
        "[kafka]\ntopic = 'x'",
        "[kafak]",
        "[[workflow]]\nname = 'x'",
        "[[workflow]]\nurl = 'hooks.example.com'",
        "[workflow]\nurl = 'https://hooks.example.com'",
        "[[workflow]]\nurl = 'https://hooks.example.com'\nname = 'a b'",
        "[[workflow]]\nurl = 'https://a.b'\n" * 11,
        "[limits]\nmax_open_bytes = '64 MiB'",
        "[retry]\nretry_on = [200]",
    ],
)
def test_the_schema_refuses_what_the_program_refuses(toml: str) -> None:
    """Editors mark the slip before the program is started."""
    assert not schema_is_satisfied_by(toml)


def test_the_schema_describes_toml() -> None:
    """No null, one `$id`, and the workflows under the name they have in the file."""
    schema = json.loads(schema_text())
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == "tray-stream/config.schema.json"
    assert schema["properties"]["workflow"]["maxItems"] == 10
    assert "null" not in schema_text()


def test_every_setting_has_a_sentence() -> None:
    """The reference is generated from them."""
    for key, section_field in fields_by_key(Settings).items():
        section = section_of(section_field)
        if section is None:
            assert (section_field.description or "").endswith("."), key
            continue
        assert (section.__doc__ or "").endswith(".")
        for name, field in filled(fields_by_key(section).items()):
            assert (field.description or "").endswith("."), f"{key}.{name}"


def test_printed_settings_hold_no_secret(tmp_path: Path) -> None:
    """Secrets are masked, URLs cut to scheme and host, header values and passwords of options hidden."""
    printed = redacted_settings(load(tmp_path, FULL, ENVIRON).settings)
    mask = "**********"
    orders, privacy = printed["workflow"]
    assert "s3cret" not in json.dumps(printed)
    assert printed["destination"]["shared_secret"] == mask
    assert (orders["url"], orders["headers"]) == ("https://hooks.example.com", {"Authorization": mask})
    assert ("shared_secret" in orders, privacy["shared_secret"]) == (False, mask)
    assert printed["kafka"]["options"] == {
        "security.protocol": "SASL_SSL",
        "sasl.password": mask,
        "ssl.key.pem": mask,
        "enable.ssl.certificate.verification": "true",
    }


def test_printed_settings_are_in_the_words_of_the_file(tmp_path: Path) -> None:
    """Durations have units, keys are the file's, and defaults are filled in."""
    printed = redacted_settings(load(tmp_path).settings)
    assert printed["retry"] == {"initial": "500ms", "max": "1m", "for": "4h", "retry_on": [], "reject_on": []}
    assert printed["dead_letter"] == {
        "enabled": True,
        "max_consecutive": 100,
        "topic": "tray.dead-letters",
        "create": True,
        "retention": "30d",
    }
    assert printed["limits"] == {
        "max_open_events": 20_000,
        "max_open_bytes": "64MiB",
        "max_lane_events": 1_000,
        "max_ahead": 1_000_000,
    }
    assert printed["gate"] == {"failures": 10, "initial": "1s", "max": "1m"}
    assert printed["destination"]["shared_secret"] == ""
    assert printed["workflow"][0]["timeout"] == "10s"


GIVEN_BACK = """
isolation = "workflow"
[kafka]
topics = ["segment-events"]
[kafka.options]
"sasl.password" = "${env:PASSWORD}"
[destination]
shared_secrets = ["${env:NEW_SECRET}", "${env:OLD_SECRET}"]
[limits]
max_open_bytes = "10MB"
[tracing]
sample = 0.01
[retry]
initial = "1.5s"
retry_on = [404]
[[workflow]]
name = "a"
url = "${env:A_URL}"
rate_limit = "7/h"
headers = { Authorization = "${env:TOKEN}" }
proxy = "${env:PROXY}"
events = ["Order *"]
[[workflow]]
name = "b"
url = "${env:B_URL}"
concurrency = 8
rate_limit = "0.3/s"
shared_secret = "${env:OLD_SECRET}"
"""
GIVEN_ENVIRON = {
    "PASSWORD": "p",
    "NEW_SECRET": "n",
    "OLD_SECRET": "o",
    "A_URL": "https://a.example/hook",
    "B_URL": "https://b.example/hook",
    "TOKEN": "Bearer t",
    "PROXY": "http://user:word@proxy.example:3128",
    "TRAY_KAFKA__GROUP_ID": "other",
    "TRAY_KAFKA_OPTION_SASL_USERNAME": "u",
}


def test_printed_settings_are_a_file_that_gives_the_same_settings(tmp_path: Path) -> None:
    """Units are kept, and secrets are the references that stand for them."""
    loaded = load(tmp_path, GIVEN_BACK, GIVEN_ENVIRON)
    printed = tomli_w.dumps(redacted_settings(loaded.settings, loaded.references))
    assert load(tmp_path, printed, GIVEN_ENVIRON).settings == loaded.settings
    without = {name: value for name, value in GIVEN_ENVIRON.items() if name != "TRAY_KAFKA__GROUP_ID"}
    assert load(tmp_path, printed, without).settings == loaded.settings


def test_a_secret_within_a_longer_text_is_masked(tmp_path: Path) -> None:
    """Only a reference that is the whole value is printed: what stands around it may be secret, too."""
    toml = MINIMAL + 'headers = { Authorization = "Bearer-of-mine ${env:TOKEN}" }\n'
    loaded = load(tmp_path, toml, {"TOKEN": "t"})
    printed = redacted_settings(loaded.settings, loaded.references)
    assert printed["workflow"][0]["headers"] == {"Authorization": "**********"}


@pytest.mark.parametrize("text", ["100/s", "1/s", "90/m", "7/h", "0.3/s", "1/h", "33.5/m", "0.01/h"])
def test_a_rate_is_printed_as_one_that_is_read_alike(text: str) -> None:
    """Whatever the unit that it was written in."""
    assert parse_rate(format_rate(parse_rate(text))) == parse_rate(text)


@given(st.integers(0, 2**40))
def test_a_size_is_printed_as_one_that_is_read_alike(size: int) -> None:
    """In the largest unit that needs no fraction."""
    assert parse_size(format_size(size)) == size


def test_defaults_are_those_of_the_contract(tmp_path: Path) -> None:
    """What a user may rely on without writing it."""
    printed: dict[str, Any] = redacted_settings(load(tmp_path, MINIMAL).settings)
    assert printed["kafka"] == {
        "bootstrap_servers": "localhost:9092",
        "topics": ["segment-events"],
        "group_id": "tray",
        "start": "earliest",
        "group_protocol": "classic",
        "commit_interval": "1s",
        "max_poll_interval": "5m",
        "drain_timeout": "15s",
        "metadata_max_bytes": 4_000,
        "on_data_loss": "stop",
        "options": {},
        "consumer_options": {},
        "producer_options": {},
    }
    assert printed["destination"] == {
        "filters": [],
        "hash_salt": "",
        "integration_name": "tray.io",
        "shared_secret": "",
        "shared_secrets": [],
        "signing": "segment",
        "body": "original",
    }
    assert printed["validation"] == {"mode": "strict", "give_up": []}
    assert printed["isolation"] == "shared"
    assert printed["http"] == {"listen": "127.0.0.1:9464"}
    assert printed["log"] == {"level": "info", "format": "text"}


def schema_is_satisfied_by(toml: str) -> bool:
    """Whether the published schema accepts a settings file."""
    return jsonschema_rs.validator_for(json.loads(schema_text())).is_valid(tomllib.loads(toml))

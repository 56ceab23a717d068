"""What is printed and published of the settings."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from settings_support import MINIMAL, URL, load

from stream.settings import redacted_settings
from stream.settings.keys import fields_by_key, section_of
from stream.settings.model import Settings
from stream.settings.publish import main, schema_text

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
        for name, field in fields_by_key(section).items():
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
        "max_open_bytes": 67_108_864,
        "max_lane_events": 1_000,
        "max_ahead": 1_000_000,
    }
    assert printed["gate"] == {"failures": 10, "initial": "1s", "max": "1m"}
    assert printed["destination"]["shared_secret"] == ""
    assert printed["workflow"][0]["timeout"] == "10s"


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

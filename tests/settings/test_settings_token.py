"""[kafka.token]: which keys belong together, and what else may be set beside it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from settings_support import load, problems

from stream.kafka.client_config import common_config, consumer_config, producer_config, reader_config
from stream.model.errors import ConfigError
from stream.runtime.policies import kafka_policy
from stream.settings.hidden import hidden_texts
from stream.settings.redact import redacted_settings

COMMAND = 'provider = "command"\ncommand = ["/opt/token", "--secret=canary-7f3a9"]'
AWS = 'provider = "aws_msk_iam"\nregion = "eu-west-1"'


def with_token(lines: str, options: str = "") -> str:
    return f'[kafka]\ntopics = ["a"]\n[kafka.token]\n{lines}\n[kafka.options]\n{options}\n[[workflow]]\nurl="https://h/x"\n'


@pytest.mark.parametrize("provider", [COMMAND, AWS])
def test_every_client_gets_its_tokens_from_one_keeper(tmp_path: Path, provider: str) -> None:
    """By OAUTHBEARER, over TLS unless the options say otherwise."""
    policy = kafka_policy(load(tmp_path, with_token(provider)).settings)
    for config in (common_config(policy), consumer_config(policy), producer_config(policy), reader_config(policy)):
        assert config["oauth_cb"] is policy.token
        assert (config["security.protocol"], config["sasl.mechanism"]) == ("SASL_SSL", "OAUTHBEARER")
    plain = kafka_policy(load(tmp_path, with_token(provider, '"security.protocol" = "SASL_PLAINTEXT"')).settings)
    assert common_config(plain)["security.protocol"] == "SASL_PLAINTEXT"
    assert plain.token is policy.token


def test_without_a_provider_nothing_changes(tmp_path: Path) -> None:
    """Options log in as they say."""
    assert "oauth_cb" not in common_config(kafka_policy(load(tmp_path).settings))


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ('provider = "aws_msk_iam"', 'kafka.token.provider: is "aws_msk_iam", which needs region.'),
        ('provider = "command"', 'kafka.token.provider: is "command", which needs command.'),
        ('command = ["/opt/token"]', 'kafka.token.provider: is missing. Set it to "command".'),
        ('region = "eu-west-1"', 'kafka.token.provider: is missing. Set it to "aws_msk_iam".'),
        ('provider = "command"\ncommand = []', "kafka.token.command: names no program."),
        ('provider = "command"\ncommand = [""]', "kafka.token.command: names no program."),
        ('provider = "command"\ncommand = ["a\\u0000"]', "kafka.token.command: holds a NUL character"),
        ('provider = "azure"', "kafka.token.provider:"),
        ('provider = "aws_msk_iam"\nregion = "EU West"', "kafka.token.region:"),
        ('provider = "aws_msk_iam"\nregin = "eu-west-1"', "kafka.token.regin:"),
    ],
)
def test_keys_that_do_not_fit_are_a_problem(tmp_path: Path, lines: str, problem: str) -> None:
    """With the place and the fix."""
    assert any(found.startswith(problem) for found in problems(tmp_path, with_token(lines)))


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ('"sasl.mechanism" = "PLAIN"', "is another way to log in than [kafka.token]"),
        ('"sasl.mechanisms" = "SCRAM-SHA-512"', "is another way to log in than [kafka.token]"),
        ('"security.protocol" = "SSL"', "leaves no place for a token"),
        ('"sasl.oauthbearer.method" = "oidc"', "belongs to librdkafka's own tokens"),
        ('"enable.sasl.oauthbearer.unsecure.jwt" = true', "belongs to librdkafka's own tokens"),
    ],
)
def test_options_that_log_in_otherwise_are_a_problem(tmp_path: Path, option: str, problem: str) -> None:
    """Two ways to log in are one too many."""
    assert any(problem in found for found in problems(tmp_path, with_token(COMMAND, option)))


def test_the_command_is_not_shown(tmp_path: Path) -> None:
    """It may hold a secret, which the log masks as well."""
    settings = load(tmp_path, with_token(COMMAND)).settings
    assert "canary" not in str(redacted_settings(settings))
    assert "canary" not in repr(settings)
    assert "--secret=canary-7f3a9" in hidden_texts(settings)


def test_a_variable_for_the_table_says_where_to_write_it(tmp_path: Path) -> None:
    """It holds several keys."""
    (problem,) = problems(tmp_path, environ={"TRAY_KAFKA__TOKEN": "x"})
    assert problem.endswith("is a table. Write [kafka.token] in the settings file.")


def test_a_missing_extra_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At start and in check, with exit 2."""
    monkeypatch.delitem(sys.modules, "stream.kafka.aws_tokens", raising=False)
    monkeypatch.setitem(sys.modules, "aws_msk_iam_sasl_signer", None)
    settings = load(tmp_path, with_token(AWS.replace("eu-west-1", "eu-west-3"))).settings
    with pytest.raises(ConfigError, match=r'kafka.token.provider: .*pip install "tray-stream\[aws\]"'):
        kafka_policy(settings)

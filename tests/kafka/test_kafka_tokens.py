"""Tokens to log in to Kafka with: what providers print, and how one is kept at hand."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from assertions import HANG_S, every
from support.unsigned_token import GARBAGE, calls, command, unsigned_token
from support.waiting import wait_until

from stream.kafka.aws_tokens import AwsTokens
from stream.kafka.token import BearerToken, TokenError, read_token
from stream.kafka.token_command import CommandTokens
from stream.kafka.token_keeper import NO_TOKEN, TokenKeeper
from stream.model.errors import RefusedError, UnreachableError

NOW = 1_800_000_000.0


class Lines:
    """A logger that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, sentence: str, /, **fields: object) -> None:
        self.lines.append(f"info {sentence} {fields}")

    def warning(self, sentence: str, /, **fields: object) -> None:
        self.lines.append(f"warning {sentence} {fields}")

    def error(self, sentence: str, /, **fields: object) -> None:
        self.lines.append(f"error {sentence} {fields}")


class Provider:
    """Gives what it is told to, again and again."""

    def __init__(self, *steps: float | TokenError | Exception) -> None:
        self.steps = list(steps)
        self.count = 0
        self.more = threading.Event()

    def __call__(self) -> BearerToken:
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        self.count += 1
        if isinstance(step, Exception):
            raise step
        return BearerToken(f"token-{self.count}", time.time() + step)


@pytest.fixture
def lines() -> Lines:
    return Lines()


def kept(keeper: TokenKeeper) -> Iterator[TokenKeeper]:
    yield keeper
    keeper.close()


def _has_run_out(keeper: TokenKeeper) -> bool:
    return keeper() == NO_TOKEN


def wait_for(keeper: TokenKeeper, result: str, count: int) -> None:
    wait_until(lambda: keeper.stats.refreshes[result] >= count, lambda: str(keeper.stats.refreshes))


@pytest.mark.parametrize(
    ("printed", "lifetime_s"),
    [
        ({"token": "a.b.c", "lifetime": 900}, 900),
        ({"token": "a.b.c", "lifetime": "15m"}, 900),
        ({"token": "a.b.c", "lifetime": "900"}, 900),
        ({"token": "a.b.c", "lifetime_ms": 900_000}, 900),
        ({"access_token": "a.b.c", "token_type": "Bearer", "expires_in": 900}, 900),
        ({"token": "a.b.c", "expires_at": NOW + 900}, 900),
        ({"token": "a.b.c", "expires_at": (NOW + 900) * 1000}, 900),
        ({"token": "a.b.c", "expires_at": "2027-01-15T08:15:00Z"}, 900),
        ({"token": "a.b.c", "lifetime": 1e300}, 365 * 86_400),
    ],
)
def test_a_token_and_its_lifetime_are_read(printed: dict[str, Any], lifetime_s: float) -> None:
    """In our own words and in those of an OAuth token endpoint."""
    assert read_token(json.dumps(printed).encode(), NOW) == BearerToken("a.b.c", NOW + lifetime_s)


@pytest.mark.parametrize(
    ("printed", "why"),
    [
        (b"", "not JSON"),
        (b"a.b.c", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'["a.b.c", 900]', "not a JSON object"),
        (b'{"lifetime": 900}', 'no text "token"'),
        (b'{"token": 7, "lifetime": 900}', 'no text "token"'),
        (b'{"token": "", "lifetime": 900}', "empty"),
        (b'{"token": "a b", "lifetime": 900}', "a space"),
        (b'{"token": "a\\u0000b", "lifetime": 900}', "a space"),
        (b'{"token": "a"}', 'no "lifetime"'),
        (b'{"token": "a", "lifetime": null}', 'no "lifetime"'),
        (b'{"token": "a", "lifetime": true}', "neither a number"),
        (b'{"token": "a", "lifetime": []}', "neither a number"),
        (b'{"token": "a", "lifetime": "soon"}', "neither a number"),
        (b'{"token": "a", "lifetime": NaN}', "neither a number"),
        (b'{"token": "a", "lifetime": 1' + b"0" * 400 + b"}", "neither a number"),
        (b'{"token": "a", "lifetime": 0}', "run out"),
        (b'{"token": "a", "lifetime": -5}', "run out"),
        (b'{"token": "a", "expires_at": "tomorrow"}', "neither Unix time"),
        (b'{"token": "a", "lifetime": 9, "principal": 7}', "principal"),
        (b'{"token": "a", "lifetime": 9, "extensions": {"auth": "x"}}', "extensions"),
        (b'{"token": "a", "lifetime": 9, "extensions": {"logicalCluster": 7}}', "extensions"),
    ],
)
def test_what_is_no_token_is_refused(printed: bytes, why: str) -> None:
    """With the reason, and without anything of it."""
    with pytest.raises(TokenError, match=why):
        read_token(printed, NOW)


def test_principal_and_extensions_are_handed_on(lines: Lines) -> None:
    """As Confluent Cloud's identity pools need them."""
    more = {"principal": "tray", "extensions": {"logicalCluster": "lkc-1", "identityPoolId": "pool-1"}}
    printed = json.dumps({"token": "a.b.c", "lifetime": 900, **more}).encode()
    for keeper in kept(TokenKeeper(lambda: read_token(printed, time.time()), lines)):
        keeper.require()
        assert keeper()[2:] == ("tray", more["extensions"])


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ("fail", "ended with status 3"),
        ("garbage", "not JSON"),
        ("endless", 'no "lifetime"'),
        ("hang", "did not end within"),
        ("flood", "printed more than"),
    ],
)
def test_a_command_that_fails_says_how(tmp_path: Path, step: str, why: str) -> None:
    """Nothing that it printed is repeated; it is ended, and what it had started with it."""
    tokens = CommandTokens(command(tmp_path / "token", step), timeout_s=3.0)
    with pytest.raises(TokenError, match=why) as failed:
        tokens()
    assert GARBAGE not in str(failed.value)
    assert not failed.value.is_final
    assert calls(tmp_path / "token") == [step]


@pytest.mark.parametrize("missing", ["/nowhere/token", "", "/etc/hostname"])
def test_a_command_that_is_not_there_is_final(missing: str) -> None:
    """Trying again does not help."""
    with pytest.raises(TokenError, match="cannot be started") as failed:
        CommandTokens([missing])()
    assert failed.value.is_final


def test_closing_ends_a_command(tmp_path: Path) -> None:
    """A stop does not wait for one that hangs."""
    folder = tmp_path / "token"
    tokens = CommandTokens(command(folder, "hang"), timeout_s=HANG_S)
    failures: list[TokenError] = []

    def ask() -> None:
        try:
            tokens()
        except TokenError as error:
            failures.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    wait_until(lambda: calls(folder), "the command runs")
    tokens.close()
    asking.join(HANG_S)
    assert len(failures) == 1


def test_tokens_are_replaced_ahead_of_time(lines: Lines) -> None:
    """A client that asks always gets one that is valid."""
    for keeper in kept(TokenKeeper(Provider(1.5), lines)):
        keeper.require()
        for count in (2, 3):
            wait_for(keeper, "ok", count)
            assert keeper()[0] == f"token-{count}"
            assert keeper()[1] > time.time()
    assert lines.lines == []


def test_a_provider_that_fails_is_asked_again(lines: Lines) -> None:
    """The old token serves meanwhile; a line says so, another that it is over, and since when is known."""
    wrong = TokenError("no luck")
    for keeper in kept(TokenKeeper(Provider(wrong, wrong, HANG_S), lines)):
        keeper.require()
        assert keeper()[0] == "token-3"
        assert keeper.stats.refreshes == {"ok": 1, "failed": 2}
        assert keeper.stats.failing_since is None
    said = [line.split(";")[0].split(".")[0] for line in lines.lines]
    assert said == [
        "warning No token for Kafka yet",
        "warning No token for Kafka yet",
        "info There is a new token for Kafka again",
    ]


def test_the_first_token_is_refused_for_good(lines: Lines) -> None:
    """After its time, or at once where trying again does not help."""
    for keeper in kept(TokenKeeper(Provider(TokenError("no luck")), lines, first_within_s=0.2)):
        with pytest.raises(RefusedError, match=r"no luck.*\[kafka.token\]"):
            keeper.require()
        assert keeper() == NO_TOKEN
    for keeper in kept(TokenKeeper(Provider(TokenError("not there", is_final=True)), lines)):
        with pytest.raises(RefusedError, match="not there"):
            keeper.require()


def test_a_token_that_runs_out_is_waited_for(lines: Lines) -> None:
    """No client is refused for it, callbacks never raise, and the next token is handed out."""
    provider = Provider(1.0, ValueError("whatever a provider does"))
    for keeper in kept(TokenKeeper(provider, lines)):
        keeper.require()
        wait_until(partial(_has_run_out, keeper), "the token has run out")
        with pytest.raises(UnreachableError, match="has run out"):
            keeper.require()
        assert keeper.stats.failing_since is not None
        provider.steps = [HANG_S]
        wait_for(keeper, "ok", 2)
        keeper.require()
        assert keeper.stats.failing_since is None
    assert every("whatever" not in line for line in lines.lines)


def test_tokens_of_aws_are_signed_with_the_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """As MSK expects them; no request is made."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    token = AwsTokens("eu-west-1")()
    request = base64.urlsafe_b64decode(token.value + "==").decode()
    assert request.startswith("https://kafka.eu-west-1.amazonaws.com/?Action=kafka-cluster%3AConnect")
    assert "AKIAEXAMPLE" in request
    assert 600 < token.expires_at - time.time() <= 901


@pytest.mark.parametrize("profile", [None, "canary-profile"])
def test_aws_without_credentials_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, profile: str | None
) -> None:
    """Which is tried again: they may come later. What the SDK says of it is not repeated."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    if profile:
        monkeypatch.setenv("AWS_PROFILE", profile)
    with pytest.raises(TokenError, match="AWS gives no credentials") as failed:
        AwsTokens("eu-west-1")()
    assert not failed.value.is_final
    assert "canary" not in str(failed.value)


def test_a_token_is_not_shown() -> None:
    """Neither by itself nor within what holds it."""
    assert "canary" not in repr(BearerToken(unsigned_token("canary", 60), NOW))

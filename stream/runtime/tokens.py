"""The one keeper of Kafka tokens that a process has, whatever number of clients it opens."""

from __future__ import annotations

import atexit
from functools import cache
from typing import TYPE_CHECKING

from stream.kafka.token_command import CommandTokens
from stream.kafka.token_keeper import TokenKeeper
from stream.model.statistics import TokenStats
from stream.runtime.extras import require_extra
from stream.settings.kafka import KafkaToken
from stream.settings.model import Settings
from stream.telemetry.logs import configure_unless_done, logger

if TYPE_CHECKING:
    from stream.kafka.aws_tokens import AwsTokens


def token_keeper(settings: Settings) -> TokenKeeper | None:
    """The keeper that these settings ask for; None: there is none. It asks for a token when a client is opened.

    Raises:
        ConfigError: the packages of the extra are missing.
    """
    return None if settings.kafka.token is None else _keeper(settings.kafka.token)


def token_stats(settings: Settings) -> TokenStats | None:
    """The numbers of that keeper."""
    keeper = token_keeper(settings)
    return None if keeper is None else keeper.stats


@cache
def _keeper(token: KafkaToken) -> TokenKeeper:
    configure_unless_done("warning")
    provider = _provider(token)
    keeper = TokenKeeper(provider, logger(), close=provider.close)
    atexit.register(keeper.close)
    return keeper


def _provider(token: KafkaToken) -> AwsTokens | CommandTokens:
    if token.command is not None:
        return CommandTokens([part.reveal() for part in token.command])
    require_extra("stream.kafka.aws_tokens", "aws", "kafka.token.provider", "the signer of aws_msk_iam")
    from stream.kafka.aws_tokens import AwsTokens

    return AwsTokens(token.region or "")

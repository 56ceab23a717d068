"""The tokens by which the program logs in to Kafka."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from stream.settings.secret import Secret
from stream.settings.section import Fault, Section, refusal

_MECHANISMS = ("sasl.mechanism", "sasl.mechanisms")
_PROTOCOLS = ("sasl_ssl", "sasl_plaintext")


class KafkaToken(Section):
    """Tokens to log in with (OAUTHBEARER), which the program gets and refreshes itself."""

    region: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9-]{4,32}$",
        description="AWS region of the MSK cluster, such as eu-west-1; for aws_msk_iam.",
    )
    command: tuple[Secret, ...] | None = Field(
        default=None,
        description="Program and arguments; no shell. It prints a token and its lifetime as JSON, within 10 s: "
        '{"token": "…", "lifetime": "15m"}, or the answer of an OAuth token endpoint. For command.',
    )
    provider: Literal["aws_msk_iam", "command"] | None = Field(
        default=None,
        validate_default=True,
        description="aws_msk_iam: tokens for MSK, signed with the AWS credentials of the process; needs the extra "
        "tray-stream[aws]. command: tokens that a command prints.",
    )

    @field_validator("command")
    @classmethod
    def _command_can_be_run(cls, command: tuple[Secret, ...] | None) -> tuple[Secret, ...] | None:
        if command is not None and (not command or not command[0]):
            raise refusal(Fault("names no program.", 'Write command = ["/opt/kafka-token", "--audience", "kafka"].'))
        if command is not None and any("\0" in part.reveal() for part in command):
            raise refusal(Fault("holds a NUL character, which no command can have.", "Remove it."))
        return command

    @field_validator("provider")
    @classmethod
    def _provider_has_its_keys(cls, provider: str | None, info: ValidationInfo) -> str:
        keys = {"aws_msk_iam": "region", "command": "command"}
        given = {key for key in keys.values() if info.data.get(key) is not None}
        if provider is None:
            fix = " or ".join(f'"{name}"' for name, key in keys.items() if key in given or not given)
            raise refusal(Fault("is missing.", f"Set it to {fix}."))
        own = keys[provider]
        if own in info.data and own not in given:
            example = 'region = "eu-west-1"' if own == "region" else 'command = ["/opt/kafka-token"]'
            raise refusal(Fault(f'is "{provider}", which needs {own}.', f"Add {example}."))
        return provider


def options_fault(options: Mapping[str, str]) -> Fault | None:
    """The option that contradicts a token; None: there is none."""
    for name in _MECHANISMS:
        if options.get(name, "OAUTHBEARER").upper() != "OAUTHBEARER":
            return Fault("is another way to log in than [kafka.token].", "Remove one of the two.", name)
    if options.get("security.protocol", "SASL_SSL").lower() not in _PROTOCOLS:
        fix = "Use SASL_SSL, or SASL_PLAINTEXT without TLS."
        return Fault("leaves no place for a token.", fix, "security.protocol")
    for name in options:
        if name.startswith(("sasl.oauthbearer.", "enable.sasl.oauthbearer.")):
            what = "belongs to librdkafka's own tokens, and [kafka.token] provides others."
            return Fault(what, "Remove one of the two.", name)
    return None

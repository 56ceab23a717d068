"""Text that must not be shown: secrets, and whatever else gives access to a workflow."""

from __future__ import annotations

from typing import Any, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from stream.settings.section import Fault, refusal

MASK = "**********"


class Secret:
    """Text whose `str` and `repr` are a mask. Equal by value; false when empty."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself: for the request, never for a log line."""
        return self._text

    def redacted(self) -> str:
        """What may be printed of it; empty when there is nothing to hide."""
        return MASK if self._text else ""

    def __repr__(self) -> str:
        return MASK

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    @classmethod
    def read(cls, value: object) -> Self:
        """Validate a setting. Raises the model's refusal, which never repeats the text, when it cannot be used."""
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            raise refusal(Fault("must be text.", "Put it in quotes."))
        secret = cls(value)
        if fault := secret.fault():
            raise refusal(fault)
        return secret

    def fault(self) -> Fault | None:
        """What makes this kind of text unusable; None: nothing."""
        return None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        serialization = core_schema.plain_serializer_function_ser_schema(cls.redacted)
        return core_schema.no_info_plain_validator_function(cls.read, serialization=serialization)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string"}


SharedSecrets = tuple[Secret, ...]
"""Secrets that are in force at the same time, the newest first."""


def one_spelling(secrets: SharedSecrets | None, info: ValidationInfo) -> SharedSecrets | None:
    """Validate `shared_secrets`. Raises the model's refusal when `shared_secret` is given as well."""
    if secrets and info.data.get("shared_secret"):
        raise refusal(Fault("is given, and shared_secret, too.", "Write every secret in shared_secrets."))
    return secrets

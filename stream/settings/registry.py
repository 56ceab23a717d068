"""The Schema Registry that knows how framed values were written."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, field_validator

from stream.settings.secret import Secret
from stream.settings.section import Fault, Section, refusal
from stream.settings.url import HttpUrl


class SchemaRegistrySection(Section):
    """Where the schemas of values written with Avro, Protobuf or JSON Schema are."""

    url: HttpUrl = Field(
        default="",
        description="Schema Registry with Confluent's API, such as https://registry.example.com: values with its frame "
        "(a zero byte and a schema's id) are decoded to JSON. Empty: JSON is read behind a frame, and nothing else. "
        "Needs the extra tray-stream[registry].",
    )
    username: str = Field(default="", description="User name for the registry, or an API key. Empty: none is sent.")
    password: Secret = Field(default=Secret(""), description="Password of that user, or the API key's secret.")
    ca_file: str | None = Field(
        default=None, min_length=1, description="PEM file with the authorities to trust instead of the usual ones."
    )

    @field_validator("username")
    @classmethod
    def _name_fits_a_header(cls, username: str, info: ValidationInfo) -> str:
        if ":" in username:
            raise refusal(Fault("holds a colon, at which HTTP ends a user name.", "Put what follows into password."))
        if username and info.data.get("url") == "":
            raise refusal(Fault("is set, and schema_registry.url is not.", "Set the url, or remove it."))
        return username

    @field_validator("password")
    @classmethod
    def _password_has_a_user(cls, password: Secret, info: ValidationInfo) -> Secret:
        if password and info.data.get("username") == "":
            raise refusal(Fault("is set, and schema_registry.username is not.", "Set the user name."))
        return password

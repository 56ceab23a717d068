"""Asks a Schema Registry, by the client of confluent-kafka. Blocking."""

from __future__ import annotations

from dataclasses import dataclass, field

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from stream.model.printable import printable
from stream.registry.schema_text import SchemaText, SchemaUnavailableError

TIMEOUT_S = 5.0
MAX_REFERENCES = 200
_NO_SUCH_SCHEMA = 40403
_HINTS = {
    401: ": check schema_registry.username and schema_registry.password",
    403: ": the user may not read schemas",
    404: ": check the path in schema_registry.url",
}


@dataclass(frozen=True)
class RegistryPolicy:
    """Where a registry is, and who asks it."""

    url: str
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str | None = None


class UnknownSchemaError(Exception):
    """The registry answers that it has no schema of this id."""


class RegistryClient:
    """Gets schemas by their ids, with those that they refer to. Keeps no connection: each is asked for once."""

    def __init__(self, policy: RegistryPolicy) -> None:
        options: dict[str, object] = {"url": policy.url, "timeout": TIMEOUT_S, "max.retries": 0}
        if policy.username:
            options["basic.auth.user.info"] = f"{policy.username}:{policy.password}"
        if policy.ca_file is not None:
            options["ssl.ca.location"] = policy.ca_file
        self._options = options
        SchemaRegistryClient(options).close()  # what is wrong with the options shows now

    def schema(self, schema_id: int) -> SchemaText:
        """The schema of an id.

        Raises:
            UnknownSchemaError: there is none.
            SchemaUnavailableError: the registry does not say.
        """
        try:
            references: dict[str, str] = {}
            with SchemaRegistryClient(self._options) as client:
                found = client.get_schema(schema_id)
                _collect(client, found, references, ())
        except SchemaRegistryError as error:
            if error.http_status_code == 404 and error.error_code == _NO_SUCH_SCHEMA:
                raise UnknownSchemaError from error
            status = error.http_status_code
            raise SchemaUnavailableError(f"it answers {status}{_HINTS.get(status, '')}") from error
        except Exception as error:  # of the HTTP client, of TLS, of an answer that is not what it should be
            raise SchemaUnavailableError(printable(f"{type(error).__name__}: {error}")[:200]) from error
        return SchemaText(found.schema_type or "AVRO", found.schema_str or "", tuple(references.items()))


def _collect(client: SchemaRegistryClient, schema: Schema, references: dict[str, str], path: tuple[str, ...]) -> None:
    """Add what a schema refers to, those that others need first."""
    for reference in schema.references or ():
        name = reference.name or ""
        if name in references or name in path:
            continue
        if len(references) + len(path) >= MAX_REFERENCES:
            raise SchemaUnavailableError("a schema refers to more others than can be meant")
        referred = client.get_version(reference.subject or "", reference.version or 0).schema
        if referred is None:
            raise SchemaUnavailableError("a schema refers to one that is not there")
        _collect(client, referred, references, (*path, name))
        references[name] = referred.schema_str or ""

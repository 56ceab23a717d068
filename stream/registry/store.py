"""The schemas that are known, and those that are being asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from stream.model.ports import ValueReader
from stream.registry.avro import AvroReader
from stream.registry.client import RegistryClient, RegistryPolicy, UnknownSchemaError
from stream.registry.protobuf import ProtobufReader
from stream.registry.schema_text import SchemaText, SchemaUnavailableError, UnusableSchemaError

UNKNOWN_FOR_S = 30.0
"""An id that the registry does not know is asked for again after this: replicas of a registry lag behind."""
MOST_UNKNOWN = 10_000


class JsonReader:
    """Values whose schema is a JSON Schema are JSON already."""

    def read(self, body: bytes, start: int) -> bytes:
        """What follows the frame."""
        return body[start:]


def reader_of(schema: SchemaText, max_bytes: int) -> ValueReader:
    """Reads what was written with this schema, up to `max_bytes` as JSON.

    Raises:
        UnusableSchemaError: nothing can be read with it.
        SchemaUnavailableError, MemoryError: not on this machine for now.
    """
    match schema.kind:
        case "AVRO":
            return AvroReader(schema, max_bytes)
        case "PROTOBUF":
            return ProtobufReader(schema, max_bytes)
        case "JSON":
            return JsonReader()
    raise UnusableSchemaError("it is neither Avro nor Protobuf nor a JSON Schema")


class SchemaStore:
    """Fulfils `Schemas`. Answers from memory; asks the registry on threads of its own.

    What is known stays: a registry never changes the schema of an id. `post` runs functions on the event loop.
    """

    def __init__(self, policy: RegistryPolicy, max_bytes: int, post: Callable[..., None]) -> None:
        self._client = RegistryClient(policy)
        self._max_bytes = max_bytes
        self._post = post
        self._readers: dict[int, ValueReader | str] = {}
        self._unknown: dict[int, float] = {}
        """When these were not known to the registry, by the monotonic clock."""

    def reader(self, schema_id: int) -> ValueReader | str | None:
        """How values of this schema are read, or why they never can be; None: not known yet."""
        found = self._readers.get(schema_id)
        if found is not None:
            return found
        since = self._unknown.get(schema_id)
        if since is not None and time.monotonic() - since < UNKNOWN_FOR_S:
            return f"schema id {schema_id} is not known to the registry"
        return None

    def fetch(self, schema_id: int, on_fetched: Callable[[str], None]) -> None:
        """Ask the registry; `on_fetched` is called on the event loop, with why it did not answer, or with nothing."""
        name = f"schema-{schema_id}"
        threading.Thread(target=self.ask, args=(schema_id, on_fetched), name=name, daemon=True).start()

    def ask(self, schema_id: int, on_fetched: Callable[[str], None]) -> None:
        """Ask the registry, and tell the event loop. Blocking."""
        try:
            self._learn(schema_id)
        except SchemaUnavailableError as error:
            self._post(on_fetched, str(error))
        except Exception as error:  # a thread that dies would leave its partition waiting for ever
            self._post(on_fetched, type(error).__name__)
        else:
            self._post(on_fetched, "")

    def _learn(self, schema_id: int) -> None:
        try:
            schema = self._client.schema(schema_id)
        except UnknownSchemaError:
            if len(self._unknown) >= MOST_UNKNOWN:
                self._unknown.clear()
            self._unknown[schema_id] = time.monotonic()
            return
        try:
            self._readers[schema_id] = reader_of(schema, self._max_bytes)
        except UnusableSchemaError as error:
            self._readers[schema_id] = f"schema id {schema_id} cannot be used: {error}"

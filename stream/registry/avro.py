"""Values written with Avro, as JSON."""

from __future__ import annotations

import base64
import io
from decimal import Decimal
from typing import Any

import fastavro
import orjson

from stream.registry.avro_size import SizeGuard
from stream.registry.schema_text import SchemaText, UnusableSchemaError

_OPTIONS = orjson.OPT_UTC_Z


class AvroReader:
    """Reads values of one writer's schema: unions as their value, enums as text, bytes as base64, times as ISO 8601."""

    def __init__(self, schema: SchemaText, max_bytes: int) -> None:
        try:
            named: dict[str, Any] = {}
            for _, text in schema.references:
                fastavro.parse_schema(orjson.loads(text), named)
            self._schema: Any = fastavro.parse_schema(orjson.loads(schema.text), named)
            self._guard = SizeGuard(self._schema, named, max_bytes)
        except MemoryError:
            raise
        except Exception as error:  # whatever the parser makes of a text that comes from elsewhere
            raise UnusableSchemaError(f"it cannot be parsed ({type(error).__name__})") from error

    def read(self, body: bytes, start: int) -> bytes:
        """The value that begins at `start`, as JSON. Raises ValueError, whose text quotes nothing of it."""
        self._guard.check(body, start)
        try:
            value = fastavro.schemaless_reader(io.BytesIO(body[start:]), self._schema, None)
            return orjson.dumps(value, _plain, _OPTIONS)
        except Exception as error:  # the decoder raises what comes to hand, down to IndexError
            raise ValueError(f"it is not what its Avro schema says ({type(error).__name__})") from error


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value).encode())  # a number with exactly its digits
    raise TypeError(f"{type(value).__name__} has no form in JSON")

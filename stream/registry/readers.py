"""How values are read, by the kind of their schema."""

from __future__ import annotations

from stream.model.ports import ValueReader
from stream.registry.avro import AvroReader
from stream.registry.protobuf import ProtobufReader
from stream.registry.schema_text import SchemaText, UnusableSchemaError


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

"""Values with the frame of a Schema Registry: a zero byte, four bytes of a schema's id, then what it describes."""

from __future__ import annotations

from stream.model.events import Invalid, Reason, UnknownSchema
from stream.model.ports import Schemas

FRAME = b"\x00"
FRAME_BYTES = 5


def read_framed(value: bytes, schemas: Schemas) -> bytes | Invalid | UnknownSchema:
    """The JSON that a framed value stands for, or why there is none, or the schema that it waits for."""
    if len(value) < FRAME_BYTES:
        return Invalid(Reason.INVALID_EVENT, "The framed value is cut short.")
    schema_id = int.from_bytes(value[1:FRAME_BYTES], "big")
    reader = schemas.reader(schema_id)
    if reader is None:
        return UnknownSchema(schema_id)
    if isinstance(reader, str):
        return Invalid(Reason.INVALID_EVENT, f"The framed value cannot be read: {reader}.")
    try:
        return reader.read(value, FRAME_BYTES)
    except ValueError as error:
        return Invalid(Reason.INVALID_EVENT, f"The framed value cannot be read with schema id {schema_id}: {error}.")

"""Edge: the JSON Schemas that decide what is a valid event."""

from stream.validation.schemas import SchemaValidator, schema_folder

__all__ = ["SchemaValidator", "schema_folder"]

"""Values written with Protobuf, as the JSON that Protobuf itself defines for them."""

from __future__ import annotations

import base64
import binascii
import importlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.json_format import MessageToDict

from stream.registry.proto_text import compile_protos
from stream.registry.schema_text import SchemaText, SchemaUnavailableError, UnusableSchemaError

MAIN = "value.proto"
"""What the schema's own file is called where it has no name."""
_LONGEST_VARINT = 10
_MAX_NESTING = 100
_LONGEST_NAME = 125
"""Of types whose references have a length of one byte."""
_WELL_KNOWN = "google.protobuf", "google.type", "confluent_kafka.schema_registry.confluent"
_BYTES_PER_FIELD = 64
_CONFLUENT = re.compile(r'import\s+(?:public\s+)?"(confluent/[^"]+)"')


class ProtobufReader:
    """Reads values of one writer's schema; which of its messages a value is stands before it."""

    def __init__(self, schema: SchemaText, max_bytes: int) -> None:
        try:
            files = _files(schema)
            pool = descriptor_pool.DescriptorPool()
            for each in _in_order(files):
                pool.Add(each)
            self._file = files[MAIN]
            pool.FindFileByName(MAIN)
        except (UnusableSchemaError, SchemaUnavailableError, MemoryError):
            raise
        except Exception as error:  # whatever the parser makes of a text that comes from elsewhere
            raise UnusableSchemaError(f"it cannot be parsed ({type(error).__name__})") from error
        self._pool = pool
        self._per_byte = _BYTES_PER_FIELD + max(
            (len(name) for file in files.values() for name in _names(file)), default=0
        )
        self._max_bytes = max_bytes
        self._messages: dict[tuple[int, ...], Any] = {}
        names = [message.name.encode() for message in self._file.message_type]
        self._by_name = {_reference(name): (index,) for index, name in enumerate(names) if len(name) <= _LONGEST_NAME}

    def read(self, body: bytes, start: int) -> bytes:
        """The value that begins at `start`, as JSON. Raises ValueError, whose text quotes nothing of it."""
        indexes, start = self._type(body, start)
        try:
            message = self._message(indexes)()
            message.ParseFromString(body[start:])
            value = MessageToDict(message, descriptor_pool=self._pool)
        except Exception as error:  # DecodeError, TypeError of an unknown Any, and what json_format raises
            raise ValueError(f"it is not what its Protobuf schema says ({type(error).__name__})") from error
        if (len(body) - start) * self._per_byte > self._max_bytes and _size(value) > self._max_bytes:
            raise ValueError("decoded, it would be larger than limits.max_open_bytes")
        return orjson.dumps(value)

    def _type(self, body: bytes, at: int) -> tuple[tuple[int, ...], int]:
        """The path to the message's type, and where the message begins."""
        head = body[at : at + 1 + body[at]] if at < len(body) else b""
        if (path := self._by_name.get(head)) is not None:
            return path, at + len(head)
        return _indexes(body, at)

    def _message(self, indexes: tuple[int, ...]) -> Any:
        if indexes not in self._messages:
            names, holder = [self._file.package] if self._file.package else [], self._file.message_type
            for index in indexes:
                names.append(holder[index].name)
                holder = holder[index].nested_type
            descriptor = self._pool.FindMessageTypeByName(".".join(names))
            self._messages[indexes] = message_factory.GetMessageClass(descriptor)
        return self._messages[indexes]


def _reference(name: bytes) -> bytes:
    """Apicurio's reference to a type: a length, and a message of one text field.

    To be mistaken for it, a path of indexes would have to be half as deep as the name is long.
    """
    return bytes((len(name) + 2, 0x0A, len(name))) + name


def _indexes(body: bytes, at: int) -> tuple[tuple[int, ...], int]:
    """The path to the message's type, and where the message begins."""
    count, at = _varint(body, at)
    if not 0 <= count <= _MAX_NESTING:
        raise ValueError("its message indexes cannot be read")
    indexes = []
    for _ in range(count):
        index, at = _varint(body, at)
        if index < 0:
            raise ValueError("its message indexes cannot be read")
        indexes.append(index)
    return tuple(indexes) or (0,), at


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = 0
    for number, byte in enumerate(body[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * number)
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at + number + 1
    raise ValueError("it is cut short")


def _files(schema: SchemaText) -> dict[str, Any]:
    """Every file that the schema consists of, by its name."""
    texts = dict(schema.references) | {MAIN: schema.text}
    parsed = {name: file for name, text in texts.items() if (file := _serialised(name, text)) is not None}
    written = {name: text for name, text in texts.items() if name not in parsed}
    for name in (found for text in written.values() for found in _CONFLUENT.findall(text)):
        parsed.setdefault(name, _well_known(name))  # the compiler does not know Confluent's own
    if not written:
        return parsed
    compiled = compile_protos(written, {name: file.SerializeToString() for name, file in parsed.items()}, MAIN)
    listed = descriptor_pb2.FileDescriptorSet.FromString(compiled)
    return parsed | {file.name: file for file in listed.file}


def _serialised(name: str, text: str) -> Any:
    """A file that is not written in Protobuf's language, but is its descriptor in base64."""
    try:
        file = descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(text.strip(), validate=True))
    except (binascii.Error, ValueError):
        return None
    except Exception:  # DecodeError is no ValueError in every version
        return None
    file.name = name
    return file


def _in_order(files: Mapping[str, Any]) -> Iterator[Any]:
    """The files, each after those that it imports; what is well known is added."""
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> Iterator[Any]:
        if name in path:
            raise UnusableSchemaError("its files import one another")
        if name in done:
            return
        file = files[name] if name in files else _well_known(name)
        for imported in file.dependency:
            yield from visit(imported, (*path, name))
        done.add(name)
        yield file

    yield from visit(MAIN, ())


def _well_known(name: str) -> Any:
    module = name.removesuffix(".proto").replace("/", ".") + "_pb2"
    if module.startswith("confluent."):
        module = f"confluent_kafka.schema_registry.{module}"
    if not module.startswith(_WELL_KNOWN):
        raise UnusableSchemaError("it imports a file that the registry does not have among its references")
    file = descriptor_pb2.FileDescriptorProto()
    importlib.import_module(module).DESCRIPTOR.CopyToProto(file)
    return file


def _names(file: Any) -> Iterator[str]:
    """Names that a value may have in it many times."""
    messages, enums = list(file.message_type), list(file.enum_type)
    while messages:
        message = messages.pop()
        messages += message.nested_type
        enums += message.enum_type
        yield from (each.json_name or each.name for each in message.field)
    yield from (value.name for enum in enums for value in enum.value)


def _size(value: Any) -> int:
    """Characters that a value comes to as JSON, about."""
    if isinstance(value, dict):
        return 2 + sum(len(name) + 4 + _size(each) for name, each in value.items())
    if isinstance(value, list):
        return 2 + sum(_size(each) + 1 for each in value)
    return len(value) + 2 if isinstance(value, str) else 24

"""Schemas are fetched beside the event loop, and what this machine lacks for a while is no fault of a schema."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from assertions import HANG_S
from registry_support import EVENT, avro, decoder, detail, event, framed
from support.registry import ScriptedRegistry

from stream.model.errors import RegistryError
from stream.registry import proto_text
from stream.registry.client import RegistryPolicy
from stream.registry.store import SchemaStore

ID = 7
PROTO = 'syntax = "proto3"; message Other {} message Event { string type = 1; string user_id = 2; string event = 3; }'
FIELDS = b"\x0a\x05track\x12\x02u1\x1a\x05Order"
BY_INDEX, BY_NAME = b"\x02\x02" + FIELDS, b"\x07\x0a\x05Event" + FIELDS
"""The message's type as Confluent's serializers say it, and as Apicurio's do."""


def protobuf(text: str, *references: str) -> Any:
    """A registry's answers: a schema, and the names of those that it refers to."""
    named = [{"name": name, "subject": "s", "version": 1} for name in references]
    answer = {"schema": text, "schemaType": "PROTOBUF", "references": named}
    other = {"subject": "s", "id": 1, "version": 1, "schemaType": "PROTOBUF", "schema": 'syntax = "proto3";'}
    return lambda path: (200, answer if path.startswith("/schemas/ids/") else other)


@pytest.mark.parametrize("status", [200, 404, 500])
def test_the_event_loop_runs_while_the_registry_is_slow(status: int) -> None:
    """The registry answers only after the loop has done something else."""
    is_free = threading.Event()
    answers = {
        200: {"schema": json.dumps(avro([]))},
        404: {"error_code": 40403, "message": "no"},
        500: {"error_code": 50001, "message": "no"},
    }

    def script(_path: str) -> tuple[int, Any]:
        return (status, answers[status]) if is_free.wait(HANG_S) else (503, {})

    async def ask(url: str) -> str:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[str] = loop.create_future()

        def post(function: Callable[..., None], *arguments: object) -> None:
            loop.call_soon_threadsafe(function, *arguments)

        store = SchemaStore(RegistryPolicy(url), 1 << 20, post)
        store.fetch(ID, answered.set_result)
        assert store.reader(ID) is None
        loop.call_soon(is_free.set)
        why_not = await asyncio.wait_for(answered, HANG_S)
        assert (store.reader(ID) is None) == (status == 500)
        return why_not

    with ScriptedRegistry(script) as registry:
        assert asyncio.run(ask(registry.url)) == ("it answers 500" if status == 500 else "")


@pytest.mark.parametrize("value", [BY_INDEX, BY_NAME])
def test_the_type_of_a_protobuf_message(tmp_path: Path, value: bytes) -> None:
    """By its index, or by its name; a name that the schema does not have is an invalid event."""
    with ScriptedRegistry(protobuf(PROTO)) as registry:
        decode = decoder(tmp_path, registry.url)
        assert event(decode(framed(ID, value))) == EVENT
        for cut in range(len(value) - len(FIELDS)):
            assert "cannot be read" in detail(decode(framed(ID, value[:cut])))
        assert "cannot be read" in detail(decode(framed(ID, BY_NAME.replace(b"Event", b"Evens"))))


def test_protobuf_is_compiled_without_a_folder_for_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container whose file system is read-only."""
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    with ScriptedRegistry(protobuf(PROTO)) as registry:
        assert event(decoder(tmp_path, registry.url)(framed(ID, BY_INDEX))) == EVENT


LACKS = {
    "a place for files": "No such file or directory",
    "a program": "No such file or directory",
    "time": "did not end within 0 s",
    "memory": "was ended by signal 9",
}


@pytest.mark.parametrize("lacks", LACKS)
def test_a_machine_that_cannot_compile_is_no_fault_of_the_schema(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacks: str
) -> None:
    """The event is no invalid one: it is read once the compiler can be run again."""
    killed = tmp_path / "killed"
    killed.write_text("#!/bin/sh\nkill -9 $$\n")
    killed.chmod(0o700)
    with ScriptedRegistry(protobuf(PROTO)) as registry:
        decode = decoder(tmp_path, registry.url)
        with monkeypatch.context() as patch:
            if lacks == "a place for files":
                patch.setattr(tempfile, "tempdir", "/nowhere")
                patch.setattr(proto_text, "SHARED_MEMORY", "/nowhere")
            elif lacks == "time":
                patch.setattr(proto_text, "TIMEOUT_S", 0.0)
            else:
                patch.setattr(sys, "executable", str(killed) if lacks == "memory" else "/nowhere/python")
            with pytest.raises(RegistryError, match=LACKS[lacks]):
                decode(framed(ID, BY_INDEX))
        assert event(decode(framed(ID, BY_INDEX))) == EVENT


@pytest.mark.parametrize("names", [["a" * 300], ["a", "a/b"], ["../up"], ["a\ud800"]])
def test_references_that_no_files_can_be_named_after(tmp_path: Path, names: list[str]) -> None:
    """That is a fault of the schema, which no waiting mends."""
    with ScriptedRegistry(protobuf(PROTO, *names)) as registry:
        assert "cannot be used" in detail(decoder(tmp_path, registry.url)(framed(ID, BY_INDEX)))


@pytest.mark.parametrize("levels", [50, 900, 5_000])
def test_an_avro_schema_that_is_deeply_nested(tmp_path: Path, levels: int) -> None:
    """It is read or refused; the program stays."""
    inner = '{"type":"array","items":' * levels + '"int"' + "}" * levels
    schema = json.dumps(avro([])).replace("}]}", '},{"name":"deep","type":["null",' + inner + "]}]}")
    with ScriptedRegistry(lambda _path: (200, {"schema": schema})) as registry:
        decoded = decoder(tmp_path, registry.url)(framed(ID, b"\x0atrack\x04u1\x0aOrder\x00"))
        if levels == 50:
            assert event(decoded) == {**EVENT, "deep": None}
        else:
            assert "cannot be used" in detail(decoded)

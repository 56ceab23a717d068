"""Compiles schemas that are written in Protobuf's language, by its own compiler in a process of its own."""

from __future__ import annotations

import errno
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from stream.registry.schema_text import SchemaUnavailableError, UnusableSchemaError

TIMEOUT_S = 15.0
PREFIX = "tray-stream-proto-"
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - a folder of its own is created there
_OF_NAMES = (errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EEXIST)


def compile_protos(texts: Mapping[str, str], compiled: Mapping[str, bytes], main: str) -> bytes:
    """A serialised FileDescriptorSet of `main` and all that it imports but what is in `compiled`.

    Raises:
        UnusableSchemaError: they cannot be compiled.
        SchemaUnavailableError: this machine cannot compile anything now.
    """
    try:
        with _scratch() as folder:
            return _compile(folder, texts, compiled, main)
    except OSError as error:
        if error.errno in _OF_NAMES:
            raise UnusableSchemaError("its references have names that files cannot have") from error
        raise SchemaUnavailableError(f"Protobuf's compiler cannot be run: {error.strerror or error}") from error


def _scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder for the compiler. A container with a read-only file system has none but in its shared memory."""
    try:
        return tempfile.TemporaryDirectory(prefix=PREFIX)
    except OSError:
        return tempfile.TemporaryDirectory(prefix=PREFIX, dir=SHARED_MEMORY)


def _compile(folder: str, texts: Mapping[str, str], compiled: Mapping[str, bytes], main: str) -> bytes:
    for name, text in texts.items():
        path = Path(folder) / _inside(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    out = Path(folder) / "compiled.bin"
    found = [f"--descriptor_set_in={_descriptors(compiled, Path(folder))}"] if compiled else []
    includes = [f"-I{folder}", *(f"-I{path}" for path in _well_known_folders())]
    # What is well known to the compiler need not be: it is taken from Python's own modules where it is imported.
    command = [sys.executable, "-m", "grpc_tools.protoc", *includes, *found, "--include_imports"]
    _run([*command, f"--descriptor_set_out={out}", main])
    return out.read_bytes()


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise UnusableSchemaError("a reference has a name that is not a path of Protobuf's")
    return path


def _descriptors(compiled: Mapping[str, bytes], folder: Path) -> Path:
    """Files of a set one after the other: each is an entry of its only field."""
    path = folder / "known.bin"
    path.write_bytes(b"".join(b"\x0a" + _length(len(file)) + file for file in compiled.values()))
    return path


def _length(number: int) -> bytes:
    groups = []
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])


def _well_known_folders() -> list[Path]:
    spec, types = find_spec("grpc_tools"), find_spec("google.type")
    folders = (
        [Path(next(iter(spec.submodule_search_locations))) / "_proto"]
        if spec and spec.submodule_search_locations
        else []
    )
    if types and types.submodule_search_locations:
        folders.append(Path(next(iter(types.submodule_search_locations))).parents[1])
    return folders


def _run(command: list[str]) -> None:
    try:
        ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S, check=False)  # noqa: S603 - no shell, and names are inside the folder
    except subprocess.TimeoutExpired:
        raise SchemaUnavailableError(f"Protobuf's compiler did not end within {TIMEOUT_S:.0f} s") from None
    if ended.returncode < 0:
        raise SchemaUnavailableError(f"Protobuf's compiler was ended by signal {-ended.returncode}")
    if ended.returncode > 0:
        raise UnusableSchemaError("Protobuf's compiler refuses it")

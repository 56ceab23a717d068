"""The command lines that are measured, and the settings that they run with."""

from __future__ import annotations

import json
import os
import shutil
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench_measure import Program

HERE = Path(__file__).parent
UV = os.environ.get("UV") or shutil.which("uv") or ""
PRODUCT = "tray-stream"
SENDER_ALONE = "sender alone, no Kafka"
PLAIN_LOOP = "confluent-kafka + httpx loop"
AIOHTTP = "aiohttp, no Kafka"

Command = list[str]


def product(
    directory: Path, bootstrap: str, topic: str, workflows: Sequence[dict[str, Any]], workers: int = 1, **sections: Any
) -> Program:
    """`tray-stream run` with a consumer group of its own. `sections` are tables of the settings file."""
    group = f"bench-{uuid.uuid4().hex[:8]}"
    tables = {
        "kafka": {"bootstrap_servers": bootstrap, "topics": [topic], "group_id": group},
        "http": {"listen": "127.0.0.1:0"},
        **sections,
    }
    home = _folder(directory, group)
    (home / "stream.toml").write_text(_toml(tables, workflows))
    more = ["--workers", str(workers)] if workers > 1 else []
    return Program(PRODUCT, [sys.executable, "-m", "stream", "run", *more], home, has_all_cores=workers > 1)


def sender_alone(directory: Path, url: str, count: int, in_flight: int, size: int, tls: Path | None = None) -> Program:
    """Our sender, requests only."""
    command: Command = [
        sys.executable,
        str(HERE / "bench_sender_alone.py"),
        *_requests(url, count, in_flight, size, tls),
    ]
    return Program(SENDER_ALONE, command, _folder(directory, "sender"))


def plain_loop(directory: Path, bootstrap: str, topic: str, url: str) -> Program:
    """What most people write."""
    group = f"bench-{uuid.uuid4().hex[:8]}"
    command: Command = [sys.executable, str(HERE / "bench_plain_loop.py"), bootstrap, topic, group, url]
    return Program(PLAIN_LOOP, command, _folder(directory, group))


def aiohttp(
    directory: Path, url: str, count: int, in_flight: int, size: int, tls: Path | None = None
) -> Program | None:
    """aiohttp, requests only; None where it cannot be had."""
    if not UV:
        return None
    uv: Command = [str(Path(UV).absolute()), "run", "--quiet", "--no-project", "--python", sys.executable]
    command = [*uv, "--with", "aiohttp", "--with", "uvloop", "python", str(HERE / "bench_aiohttp.py")]
    return Program(AIOHTTP, [*command, *_requests(url, count, in_flight, size, tls)], _folder(directory, "aiohttp"))


def _requests(url: str, count: int, in_flight: int, size: int, tls: Path | None) -> list[str]:
    """The arguments that programs without Kafka have in common."""
    return [url, str(count), str(in_flight), str(size), *([str(tls)] if tls else [])]


def _folder(directory: Path, name: str) -> Path:
    folder = directory / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _toml(tables: dict[str, Any], workflows: Sequence[dict[str, Any]]) -> str:
    blocks = [(f"[{name}]", fields) for name, fields in tables.items()]
    blocks += [("[[workflow]]", fields) for fields in workflows]
    return "\n".join(
        "\n".join((head, *(f"{k} = {_value(v)}" for k, v in fields.items()), "")) for head, fields in blocks
    )


def _value(value: Any) -> str:
    """JSON's way to write text, numbers, lists and booleans is TOML's as well, but for tables in a line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {_value(each)}' for key, each in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value)

"""`tray-stream healthcheck`: asks a process of this machine whether it lives; loads little, since it is asked often."""

from __future__ import annotations

import http.client
import os
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

from stream.model.errors import config_error, system_text
from stream.model.printable import printable

DEFAULT_LISTEN = "127.0.0.1:9464"
DEFAULT_FILE = Path("stream.toml")
TIMEOUT_S = 5.0
_EVERY_ADDRESS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what is listened on


def run_healthcheck(config: Path | None = None) -> None:
    """Exit 0 when /healthz answers that all is well, 1 when not.

    Raises ConfigError when the address cannot be known.
    """
    fault = health_fault(*address(listen(config, os.environ)))
    if fault:
        print(f"Error: {printable(fault)}", file=sys.stderr)
        sys.exit(1)
    print("ok")


def listen(config: Path | None, environ: Mapping[str, str]) -> str:
    """`http.listen` as the processor has it: from the environment, the file, or the default (of the image, or ours)."""
    given = environ.get("TRAY_HTTP__LISTEN") or _from_file(config)
    return given or environ.get("TRAY_DEFAULT_LISTEN") or DEFAULT_LISTEN


def _from_file(config: Path | None) -> str:
    path = config or DEFAULT_FILE
    try:
        section = tomllib.loads(path.read_text("utf-8-sig")).get("http", {})
    except (OSError, ValueError) as error:
        if config is None and isinstance(error, FileNotFoundError):
            return ""
        what = f"cannot be read: {system_text(error, 'it is not TOML')}."
        raise config_error(str(path), what, "tray-stream check says more.") from error
    found = section.get("listen", "") if isinstance(section, dict) else ""
    return found if isinstance(found, str) else ""


def address(listened: str) -> tuple[str, int]:
    """(host, port) to ask at; a process that listens everywhere is asked on the loopback.

    Raises ConfigError when it is no address, or the port is any free one.
    """
    host, _, port = listened.rpartition(":")
    if not port.isascii() or not port.isdigit() or not 0 < int(port) <= 65_535:
        what = f'"{listened}" does not say at which port to ask.'
        raise config_error("http.listen", what, 'Set it as "127.0.0.1:9464".')
    host = host.strip("[]")
    return _EVERY_ADDRESS.get(host, host), int(port)


def health_fault(host: str, port: int) -> str:
    """Why the process at this address is not well; empty when it is."""
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        text = answer.read(1000).decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException) as error:
        otherwise = "no answer in time" if isinstance(error, TimeoutError) else "its answer is not HTTP"
        return f"nothing answers at {host}:{port} ({system_text(error, otherwise)})."
    finally:
        connection.close()
    return "" if answer.status == 200 else text or f"/healthz answers {answer.status}."

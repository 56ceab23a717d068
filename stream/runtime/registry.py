"""The Schema Registry of a process, when the settings name one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stream.kafka.rebalance import Post
from stream.model.errors import ConfigError, Problem
from stream.runtime.extras import require_extra
from stream.settings.model import Settings

if TYPE_CHECKING:
    from stream.registry.store import SchemaStore


def require_registry(settings: Settings) -> None:
    """Raises ConfigError when a registry is named and the packages of the extra, or the CA file, cannot be used."""
    section = settings.schema_registry
    if not section.url:
        return
    require_extra("stream.registry.store", "registry", "schema_registry.url", "what reads schemas")
    if section.ca_file is not None and not _can_be_read(Path(section.ca_file)):
        raise ConfigError([Problem("schema_registry.ca_file", "is no file that can be read.", "Correct the path.")])


def _can_be_read(path: Path) -> bool:
    try:
        path.read_bytes()
    except OSError:
        return False
    return True


def open_schemas(settings: Settings, post: Post) -> SchemaStore | None:
    """The schemas of the registry; None where there is to be none. Imports its client only then.

    Raises ConfigError as `require_registry` does.
    """
    require_registry(settings)
    section = settings.schema_registry
    if not section.url:
        return None
    import ssl

    from stream.registry.client import RegistryPolicy
    from stream.registry.store import SchemaStore

    policy = RegistryPolicy(section.url, section.username, section.password.reveal(), section.ca_file)
    try:
        return SchemaStore(policy, settings.limits.max_open_bytes, post)
    except ssl.SSLError as error:
        what = f"holds no certificate that can be used ({error.reason})."
        raise ConfigError([Problem("schema_registry.ca_file", what, "Give a file in PEM.")]) from error

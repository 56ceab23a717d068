"""What only an extra installs: the spans, and the Schema Registry's client. Imported when the settings ask for it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from stream import __version__
from stream.kafka.rebalance import Post
from stream.model.errors import config_error
from stream.settings.model import Settings

if TYPE_CHECKING:
    from stream.registry.store import SchemaStore
    from stream.telemetry.span_provider import SpanExport

CLOSE_LIMIT_S = 3.0
"""How long a stop waits until the last spans are sent."""


def require_extra(module: str, extra: str, setting: str, subject: str) -> None:
    """Raises ConfigError when `setting` asks for `subject`, and `module` of ours cannot import what the extra has."""
    try:
        import_module(module)
    except ImportError as error:
        what = f"is set, and {subject} is not installed (no module {error.name})."
        raise config_error(setting, what, f'Install the extra: pip install "tray-stream[{extra}]".') from error


def require_tracing(settings: Settings) -> None:
    """Raises ConfigError when spans are asked for and the packages of the extra are missing."""
    if not settings.tracing.endpoint:
        return
    require_extra("stream.telemetry.span_provider", "otel", "tracing.endpoint", "OpenTelemetry")


def open_tracing(settings: Settings) -> SpanExport | None:
    """The way to the collector; None when there is to be none. Imports OpenTelemetry only then.

    Raises ConfigError when the packages of the extra are missing.
    """
    require_tracing(settings)
    if not settings.tracing.endpoint:
        return None
    from stream.telemetry.span_provider import SpanExport, TracingPolicy

    return SpanExport(TracingPolicy(settings.tracing.endpoint, settings.tracing.sample, __version__))


def require_registry(settings: Settings) -> None:
    """Raises ConfigError when a registry is named and the packages of the extra, or the CA file, cannot be used."""
    section = settings.schema_registry
    if not section.url:
        return
    require_extra("stream.registry.store", "registry", "schema_registry.url", "what reads schemas")
    if section.ca_file is not None and not _can_be_read(Path(section.ca_file)):
        raise config_error("schema_registry.ca_file", "is no file that can be read.", "Correct the path.")


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
        raise config_error("schema_registry.ca_file", what, "Give a file in PEM.") from error

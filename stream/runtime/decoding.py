"""What reads records for commands as the engine reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stream.model.errors import EngineInvariantError, RegistryError
from stream.model.events import Event, Invalid, UnknownSchema
from stream.model.ports import ValueReader
from stream.model.records import Record
from stream.rules.decode import Decoder, Mode
from stream.runtime.extras import open_schemas
from stream.settings.model import Settings
from stream.validation.schemas import SchemaValidator

READ_TRIES = 3


class RecordDecoder:
    """A decoder that waits for schemas."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def decode(self, record: Record) -> Event | Invalid | None:
        """The event in `record`, why it is none, or None for a tombstone. Asks the registry, blocking.

        Raises:
            RegistryError: it does not answer.
        """
        decoded = self._decoder.decode(record)
        if isinstance(decoded, UnknownSchema):
            raise EngineInvariantError(f"Schema {decoded.schema_id} was not asked for.")
        return decoded

    def new_appearances(self) -> dict[str, str]:
        """What records that are no plain events look like, by topic; each topic once."""
        return self._decoder.new_appearances()


class BlockingSchemas:
    """Fulfils `Schemas`: whoever asks waits for the registry."""

    def __init__(self, settings: Settings) -> None:
        self._store = open_schemas(settings, _run)

    @property
    def is_open(self) -> bool:
        """Whether the settings name a registry."""
        return self._store is not None

    def reader(self, schema_id: int) -> ValueReader | str | None:
        """How values of this schema are read, or why they never can be."""
        if self._store is None:
            return None
        why: list[str] = []
        found = self._store.reader(schema_id)
        for _ in range(READ_TRIES):
            if found is not None:
                return found
            self.fetch(schema_id, why.append)
            found = self._store.reader(schema_id)
        if found is None:
            raise RegistryError(f"The Schema Registry does not answer: {(why or ['']).pop()}.")
        return found

    def fetch(self, schema_id: int, on_fetched: Callable[[str], None]) -> None:
        """Ask the registry now."""
        if self._store is not None:
            self._store.ask(schema_id, on_fetched)


def _run(function: Callable[..., None], *arguments: Any) -> None:
    function(*arguments)


def record_decoder(settings: Settings, mode: Mode | None = None) -> RecordDecoder:
    """Reads records of the topics by these settings; `mode` instead of `validation.mode`."""
    schemas = BlockingSchemas(settings)
    unwrap = settings.kafka.unwrap or ""
    known = schemas if schemas.is_open else None
    return RecordDecoder(Decoder(mode or settings.validation.mode, SchemaValidator(), unwrap, known))


def event_decoder(settings: Settings) -> RecordDecoder:
    """Reads what is an event itself: no record of a topic, in which it may be wrapped."""
    return RecordDecoder(Decoder(settings.validation.mode, SchemaValidator()))

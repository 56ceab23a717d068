"""What reads records for commands as the engine reads them."""

from __future__ import annotations

from stream.rules.decode import Decoder, Mode
from stream.settings.model import Settings
from stream.validation.schemas import SchemaValidator


def record_decoder(settings: Settings, mode: Mode | None = None) -> Decoder:
    """Reads records of the topics by these settings; `mode` instead of `validation.mode`."""
    return Decoder(mode or settings.validation.mode, SchemaValidator(), settings.kafka.unwrap or "")


def event_decoder(settings: Settings) -> Decoder:
    """Reads what is an event itself: no record of a topic, in which it may be wrapped."""
    return Decoder(settings.validation.mode, SchemaValidator())

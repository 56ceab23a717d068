"""The settings of the connections to workflows."""

from __future__ import annotations

from typing import Annotated

from stream.settings.section import Section, with_unit
from stream.settings.units import DurationRange


class HttpClient(Section):
    """The connections that requests are sent over."""

    max_connection_age: Annotated[float, DurationRange("1s", "1d")] = with_unit(
        "5m",
        "Duration after which a connection is closed as soon as it is free, up to a quarter sooner: a host's new "
        "addresses are in use after that long.",
    )

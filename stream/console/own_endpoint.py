"""Where the processor of the same settings answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.model.errors import ConfigError, Problem

if TYPE_CHECKING:  # the settings' library takes long to load
    from stream.settings.model import Http

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where a processor listens


def own_endpoint(http: Http) -> str:
    """Its address; one for all interfaces is reached on this machine.

    Raises:
        ConfigError: the processor takes any free port, so its address is not known.
    """
    if http.port == 0:
        raise ConfigError([Problem("http.listen", "takes any free port.", "Name it: --url host:port")])
    host = _EVERYWHERE.get(http.host, http.host)
    return f"http://[{host}]:{http.port}" if ":" in host else f"http://{host}:{http.port}"

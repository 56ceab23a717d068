"""The names of the environment variables that are settings, and which of them a misspelled one was meant to be.

One rule makes the names: TRAY_, the section, two underscores, the key. The few shortcuts have single underscores.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import lru_cache

from pydantic.fields import FieldInfo

from stream.settings.keys import fields_by_key, section_of, sections_by_key

PREFIX = "TRAY_"
WORKFLOW_URLS = "TRAY_WORKFLOW_URLS"
ISOLATION = "TRAY_ISOLATION"
DEFAULT_LISTEN = "TRAY_DEFAULT_LISTEN"
"""The default of http.listen, as the container image has it: the file and TRAY_HTTP__LISTEN come before it."""
SHARED_SECRET = "TRAY_SHARED_SECRET"  # noqa: S105 - the name of a variable, not a secret
OPTION_TABLES = {
    "TRAY_KAFKA_OPTION_": "options",
    "TRAY_KAFKA_CONSUMER_OPTION_": "consumer_options",
    "TRAY_KAFKA_PRODUCER_OPTION_": "producer_options",
}
"""Table of librdkafka's options by the prefix of its variables."""

_BY_KUBERNETES = re.compile(r"_SERVICE_HOST$|_SERVICE_PORT(_|$)|_PORT$|_PORT_[0-9]+_(TCP|UDP|SCTP)(_|$)")
"""What Kubernetes adds to each container for a service named tray-…"""
_OPTION = re.compile(r"(?:(CONSUMER|PRODUCER)_)?OPTIONS?_(.+)")
_NEAR = 0.8
"""Share of characters in common (difflib's ratio) from which a name is taken for a misspelling of another ..."""
_NEAR_IN_SECTION = 0.65
"""... and a key for one of a section's."""


@lru_cache
def known_variables() -> dict[str, str]:
    """The variables of single settings and the shortcuts, by their spelling with single underscores."""
    names = [WORKFLOW_URLS, SHARED_SECRET, ISOLATION, DEFAULT_LISTEN]
    for section, kind in sections_by_key().items():
        keys = [key for key, field in fields_by_key(kind).items() if _is_single(key, field)]
        names += [f"{PREFIX}{section}__{key}".upper() for key in keys]
    return {_single(name): name for name in names}


def _is_single(key: str, field: FieldInfo) -> bool:
    """Whether one variable holds the setting: it is not a table, and no list of tables."""
    return not key.endswith("options") and section_of(field) is None


def is_ours(name: str) -> bool:
    """Whether a variable of this name could be meant for this program: any case, not one that Kubernetes adds."""
    return name.upper().startswith(PREFIX) and not _BY_KUBERNETES.search(name)


def meant(name: str) -> str:
    """The known variable that an unknown one was probably meant to be; empty when none is near.

    `name` is near when it has other underscores, another case, a few other letters, or lacks the section.
    """
    spelled = _single(name.upper())
    lookups = (_option, known_variables().get, _in_section, _without_section, _nearest)
    return next((found for look_up in lookups if (found := look_up(spelled))), "")


def _single(name: str) -> str:
    return re.sub(r"_+", "_", name).rstrip("_")


def _option(spelled: str) -> str:
    section, _, rest = spelled.removeprefix(PREFIX).partition("_")
    found = _OPTION.fullmatch(rest)
    if section != "KAFKA" or found is None:
        return ""
    return f"TRAY_KAFKA_{found[1]}_OPTION_{found[2]}" if found[1] else f"TRAY_KAFKA_OPTION_{found[2]}"


def _in_section(spelled: str) -> str:
    """The section is right: a key of it that is like the one given."""
    for section, kind in sections_by_key().items():
        rest = spelled.removeprefix(f"{PREFIX}{section.upper()}_")
        keys = {key.upper(): key for key in fields_by_key(kind) if not key.endswith("options")}
        if rest != spelled and (near := get_close_matches(rest, keys, n=1, cutoff=_NEAR_IN_SECTION)):
            return f"{PREFIX}{section.upper()}__{near[0]}"
    return ""


def _without_section(spelled: str) -> str:
    key = spelled.removeprefix(PREFIX)
    return next((name for name in known_variables().values() if name.partition("__")[2] == key), "")


def _nearest(spelled: str) -> str:
    """Names are compared without what all of them begin with, which would make any two look alike."""
    by_rest = {single.removeprefix(PREFIX): name for single, name in known_variables().items()}
    near = get_close_matches(spelled.removeprefix(PREFIX), by_rest, n=1, cutoff=_NEAR)
    return by_rest[near[0]] if near else ""

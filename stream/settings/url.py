"""The webhook URL of a workflow: what is refused, and why it is a secret."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from stream.rules.secret_text import shown_host
from stream.settings.references import REFERENCE_PATTERN, unresolved_text
from stream.settings.secret import Secret
from stream.settings.section import Fault, refusal

_OUTSIDE_ASCII_GRAPHIC = re.compile(r"[^\x21-\x7e]")
_LABEL = r"[A-Za-z0-9_-]{1,63}"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]+\]")
_SCHEMES = ("http", "https")
MAX_URL_CHARS = 65_536
"""httpx takes no longer one."""


class WorkflowUrl(Secret):
    """Where a workflow's events are posted. It is a secret: anyone who knows it can start the workflow."""

    __slots__ = ()

    def redacted(self) -> str:
        """Scheme and host: all of a workflow's URL that may be printed, and of an opaque host only its domain."""
        if text := unresolved_text(self._text):
            return text
        parts = urlsplit(self._text)
        return f"{parts.scheme}://{shown_host(_host(parts))}"

    def fault(self) -> Fault | None:
        """The first thing that makes it unusable."""
        return url_fault(self._text)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": f"^([Hh][Tt][Tt][Pp][Ss]?://|{REFERENCE_PATTERN})"}


def _usable(url: str) -> str:
    if url and (fault := url_fault(url)):
        raise refusal(fault)
    return url


HttpUrl = Annotated[str, AfterValidator(_usable)]
"""A setting that is a URL of http or https, or empty."""


def url_fault(url: str) -> Fault | None:
    """The first thing that makes `url` unusable for a workflow, or None."""
    return _text_fault(url) or _parts_fault(url)


def _text_fault(url: str) -> Fault | None:
    if not url:
        return Fault("is empty.", "Copy the webhook URL from the workflow's trigger.")
    if _OUTSIDE_ASCII_GRAPHIC.search(url):
        if fault := _international_host_fault(url):
            return fault
        what = "holds whitespace, a control character or a character outside ASCII."
        return Fault(what, "Remove it, or percent-encode it.")
    if len(url) > MAX_URL_CHARS:
        return Fault(f"is longer than {MAX_URL_CHARS} characters.", "Shorten it.")
    if "://" not in url:
        return Fault("has no scheme.", "Write https://… in front of it.")
    if "#" in url:
        return Fault("has a fragment (#…).", "Remove it: a fragment is never sent.")
    return None


def _international_host_fault(url: str) -> Fault | None:
    """Of a host that has letters outside ASCII; None: it is something else that cannot be sent."""
    try:
        host = _host(urlsplit(url)).rpartition("@")[2]
    except ValueError:
        return None
    if host.isascii() or not host.isprintable():
        return None
    what = "has a host with letters outside ASCII."
    example = f": {shown_host(encoded)}" if (encoded := _punycode(host)) else ", which starts with xn--"
    return Fault(what, f"Write the host in its ASCII form (punycode){example}.")


def _punycode(host: str) -> str:
    """The ASCII form of a host; empty where the standards differ on it, such as on sharp s."""
    try:
        encoded = host.encode("idna").decode("ascii")
        return encoded if encoded.encode().decode("idna") == host.lower() else ""
    except UnicodeError:
        return ""


def _parts_fault(url: str) -> Fault | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return Fault("has no valid host.", "Check the brackets of its IPv6 address.")
    if parts.scheme not in _SCHEMES:
        return Fault("is neither http nor https.", "Write https://… in front of it.")
    if "@" in parts.netloc:
        return Fault("holds a user name or password.", "Send it in the workflow's headers: authorization.")
    return _port_fault(parts) or _host_fault(parts)


def _port_fault(parts: SplitResult) -> Fault | None:
    try:
        is_valid = parts.port != 0 and not parts.netloc.endswith(":")
    except ValueError:
        is_valid = False
    return None if is_valid else Fault("has no valid port.", "Write a port from 1 to 65535, or none.")


def _host_fault(parts: SplitResult) -> Fault | None:
    host = _host(parts)
    if not host:
        return Fault("has no host.", "Write https://host/….")
    if host.startswith("[") and "%" in host:
        return Fault("has a zone in its IPv6 address.", "Use an address that is not link-local, without %….")
    if not _HOST.fullmatch(host):
        return Fault("has no valid host.", "Write its name in letters, digits, dots and hyphens.")
    return None


def _host(parts: SplitResult) -> str:
    return re.sub(r":[0-9]*$", "", parts.netloc)

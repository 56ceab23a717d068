"""Options for librdkafka: passed on as text, save those that this program's guarantees rest on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase

from stream.settings.section import Fault, refusal

_COMMITS = ("is decided by this program, which commits only what is done.", "Remove it.")
_PRODUCER = ("is fixed, so that no dead letter is lost or written twice.", "Remove it.")
_CALLBACK = ("is a callback, which settings cannot hold.", "Remove it.")
_BY_THE_BROKER = (
    'is decided by the broker with group_protocol = "consumer".',
    'Remove it, or use kafka.group_protocol = "classic".',
)


def _instead(setting: str) -> tuple[str, str]:
    return "has a setting of its own.", f"Use {setting}."


_REFUSED: dict[str, tuple[str, str]] = {
    "bootstrap.servers": _instead("kafka.bootstrap_servers"),
    "metadata.broker.list": _instead("kafka.bootstrap_servers"),
    "group.id": _instead("kafka.group_id"),
    "group.instance.id": _instead("kafka.group_instance_id"),
    "group.protocol": _instead("kafka.group_protocol"),
    "group.*": ("belongs to the consumer group's protocol.", "Use kafka.group_protocol."),
    "auto.offset.reset": _instead("kafka.start"),
    "auto.commit.interval.ms": _instead("kafka.commit_interval"),
    "max.poll.interval.ms": _instead("kafka.max_poll_interval"),
    "enable.auto.commit": _COMMITS,
    "enable.auto.offset.store": _COMMITS,
    "auto.commit.*": _COMMITS,
    "offset.store.*": _COMMITS,
    "enable.partition.eof": _COMMITS,
    "isolation.level": ("is always read_committed.", "Remove it."),
    "acks": _PRODUCER,
    "request.required.acks": _PRODUCER,
    "enable.idempotence": _PRODUCER,
    "transactional.*": _PRODUCER,
    "transaction.*": _PRODUCER,
    "*_cb": _CALLBACK,
    "on_*": _CALLBACK,
    "logger": _CALLBACK,
    "statistics.interval.ms": ("is fixed, so that it is seen within seconds that Kafka is away.", "Remove it."),
}
"""Name or pattern of a refused option: what is wrong and the fix. The first that matches counts."""

_REFUSED_WITH_CONSUMER_PROTOCOL = (
    "partition.assignment.strategy",
    "session.timeout.ms",
    "heartbeat.interval.ms",
)

_STRATEGY = "partition.assignment.strategy"
_NOT_EAGER = "cooperative-sticky"
"""Any other strategy takes every partition away at each rebalance; epochs and drains here move single ones."""

_SECRET_NAME = re.compile(r"password|passphrase|secret|key|token|credential|jaas|oauthbearer\.config")

_CERTIFICATE_CHECK = "enable.ssl.certificate.verification"
_HOST_CHECK = "ssl.endpoint.identification.algorithm"
_TOLD_SASL_OPTIONS = ("sasl.mechanism", "sasl.mechanisms", "sasl.oauthbearer.method")
"""Of the options of SASL, those that only say how one logs in, not as whom."""


def read_options(raw: object, group_protocol: str | None) -> object:
    """The options as text. Raises the model's refusal with a fault for each that must not be set."""
    if not isinstance(raw, dict):
        return raw
    faults = [fault for name, value in raw.items() if (fault := _option_fault(name, value, group_protocol))]
    if faults:
        raise refusal(*faults)
    return {name: _text(value) for name, value in raw.items()}


def is_secret_option(name: str) -> bool:
    """Whether the option's value is a secret, going by its name."""
    return _SECRET_NAME.search(name.lower()) is not None and not name.lower().endswith(".location")


def may_be_printed(name: str) -> bool:
    """Whether the option's value may be shown; of SASL only how one logs in may, not as whom."""
    if name.lower().startswith("sasl."):
        return name.lower() in _TOLD_SASL_OPTIONS
    return not is_secret_option(name)


def unverified_options(options: Mapping[str, str]) -> list[str]:
    """Those of the options that make TLS trust any broker: set to anything but what librdkafka takes for yes."""
    safe_by_name = {_CERTIFICATE_CHECK: ("true", "t", "1"), _HOST_CHECK: ("https",)}
    return [
        name for name, safe in safe_by_name.items() if name in options and options[name].strip().lower() not in safe
    ]


def _option_fault(name: str, value: object, group_protocol: str | None) -> Fault | None:
    for pattern, (what, fix) in _REFUSED.items():
        if fnmatchcase(name, pattern):
            return Fault(what, fix, name)
    if group_protocol == "consumer" and name in _REFUSED_WITH_CONSUMER_PROTOCOL:
        return Fault(*_BY_THE_BROKER, name)
    if isinstance(value, dict):
        return Fault("is a table.", f'Put the whole name in quotes: "{name}.…" = "…".', name)
    if not isinstance(value, str | int | float):
        return Fault("must be text, a number, true or false.", f'Write "{name}" = "…", in quotes.', name)
    if "\0" in f"{name}{value}":
        return Fault("holds a NUL character, at which Kafka's client would cut it off.", "Remove it.", name)
    if name == _STRATEGY and value != _NOT_EAGER:
        what = f"{value} moves every partition at each rebalance."
        return Fault(what, f'Remove it ({_NOT_EAGER} is used), or set kafka.group_protocol = "consumer".', name)
    return None


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

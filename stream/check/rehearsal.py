"""`tray-stream check`: builds what a run would build from the settings, so that whatever is wrong with them shows."""

from __future__ import annotations

import asyncio
import logging

from confluent_kafka import Consumer, Producer

from stream.kafka.client_config import KafkaPolicy, consumer_config, open_client, producer_config, require_patterns
from stream.runtime.policies import kafka_policy, layouts
from stream.runtime.reload import EnginePlan, plan_engines
from stream.runtime.tracing import require_extra
from stream.settings.model import Settings

_SILENT = logging.Logger("rehearsal", logging.CRITICAL + 1)


def rehearse_start(settings: Settings) -> None:
    """Build engines, senders and Kafka's clients as a run would, and let go of them. Blocking; nothing is sent.

    Raises:
        ConfigError: a run would end with it.
    """
    require_extra(settings)
    planned = plan_engines(settings, layouts(settings)) if settings.workflows else ()
    asyncio.run(_open_senders(planned))
    policies = [kafka_policy(settings, layout, _SILENT) for layout, _ in planned]
    for policy in policies or [kafka_policy(settings, logger=_SILENT)]:
        _open_clients(policy, with_letters=settings.dead_letter.enabled)


async def _open_senders(planned: EnginePlan) -> None:
    for _, endpoints in planned:
        for endpoint in endpoints:
            await endpoint.open(_Unheard()).close()


def _open_clients(policy: KafkaPolicy, *, with_letters: bool) -> None:
    require_patterns(policy)
    open_client(Consumer, consumer_config(policy)).close()
    if with_letters:
        open_client(Producer, producer_config(policy))


class _Unheard:
    """A logger for senders that send nothing."""

    def info(self, sentence: str, /, **fields: object) -> None:
        """Nothing."""

    warning = error = info

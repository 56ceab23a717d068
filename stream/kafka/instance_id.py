"""A start while Kafka still has another member under this `group_instance_id` (KIP-848).

After a crash that is the member's own previous incarnation, until the broker's session timeout (45 s by default) is
over. So the start is repeated for longer than that; then the other one is alive.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from stream.model.errors import InstanceIdTakenError
from stream.model.ports import Logger

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 5.0
LIMIT_S = 90.0
"""Brokers allow sessions of 60 s unless they are configured otherwise (group.consumer.max.session.timeout.ms)."""


def until_released(join: Callable[[], None], pause: Callable[[float], bool], instance_id: str, logger: Logger) -> None:
    """Call `join`, again and again while the id is taken. `pause` waits; False: give up, without an error.

    Raises:
        InstanceIdTakenError: a live member has the id.
    """
    began, pause_s = time.monotonic(), FIRST_PAUSE_S
    while True:
        try:
            join()
            return
        except InstanceIdTakenError as error:
            waited_s = time.monotonic() - began
            if waited_s >= LIMIT_S:
                text = f"{error} A live member has kafka.group_instance_id = {instance_id}: give each process its own."
                raise InstanceIdTakenError(text) from error
        logger.warning(
            "Kafka still has a member with this group_instance_id; after a crash that ends with its session. Retrying.",
            group_instance_id=instance_id,
            waited_s=round(waited_s),
            limit_s=LIMIT_S,
        )
        if not pause(pause_s):
            return
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

"""The brokers that rows are played on: one for all, one that a row may break, one with logins, and a pair."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Self

from support import topics
from support.kafka_proxy import SlowedKafka
from support.secured_kafka import SecuredKafka
from support.tcp_proxy import TcpProxy

from stream.demo.apache_kafka import ApacheKafka, free_ports

SOON_IN_STEP = {
    "replica.lag.time.max.ms": "2000",
    "controlled.shutdown.enable": "false",
    "leader.imbalance.check.interval.seconds": "1",
    "leader.imbalance.per.broker.percentage": "0",
}
"""Who does not follow is given up soon, and who is back leads again soon."""


class Stage(Enum):
    """What a row needs."""

    SHARED = "a broker that others use, too"
    OWN = "a broker that the row may kill, and a proxy before it"
    SECURED = "a broker that wants to know who its clients are"
    SLOWED = "a broker whose answers can be late for those that come through its proxy"
    PAIR = "two brokers with a copy of each partition on both"


class ProxiedKafka(ApacheKafka):
    """A broker with a second listener that clients reach through a proxy only."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        port = free_ports(1)[0]
        self.proxy = TcpProxy(port)
        plain, controller = f"PLAINTEXT://{self.bootstrap}", f"CONTROLLER://127.0.0.1:{self.controller_port}"
        self.properties |= {
            "listeners": f"{plain},PROXIED://127.0.0.1:{port},{controller}",
            "advertised.listeners": f"{plain},PROXIED://{self.proxy.address}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
        }

    def close(self) -> None:
        """End the broker. The proxy stays, since the broker may be started again."""
        super().close()


class KafkaPair:
    """A broker with the controller, which stays, and another one, which may be killed; every partition is on both."""

    def __init__(self, directory: Path) -> None:
        both = {"offsets.topic.replication.factor": "2", "default.replication.factor": "2", **SOON_IN_STEP}
        self.first = ApacheKafka(directory / "first", both, heap="384m")
        self.second = ApacheKafka(directory / "second", both, heap="384m")
        voters = self.first.properties["controller.quorum.voters"]
        self.second.properties |= {
            "process.roles": "broker",
            "node.id": "2",
            "listeners": f"PLAINTEXT://{self.second.bootstrap}",
            "controller.quorum.voters": voters,
        }
        self.bootstrap = f"{self.first.bootstrap},{self.second.bootstrap}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start both; nothing happens to one that runs."""
        with ThreadPoolExecutor(2) as starters:
            list(starters.map(lambda broker: broker.start(), (self.first, self.second)))

    def create_topic(self, name: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> None:
        """Create a topic whose partitions are led by both in turn; return once clients see it."""
        topics.create_topic(self.bootstrap, name, partitions, config, replicas=2)

    def close(self) -> None:
        """End both."""
        self.second.close()
        self.first.close()


Staged = ApacheKafka | KafkaPair


def set_up(stage: Stage, directory: Path) -> Staged:
    """Start the brokers of a stage."""
    makers: dict[Stage, Callable[[Path], Staged]] = {
        Stage.SHARED: ApacheKafka,
        Stage.OWN: ProxiedKafka,
        Stage.SECURED: SecuredKafka,
        Stage.SLOWED: SlowedKafka,
        Stage.PAIR: KafkaPair,
    }
    return makers[stage](directory).__enter__()

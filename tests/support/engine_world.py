"""The real engine among fakes: a broker, workflows and a dead-letter topic in memory, and a clock that jumps."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import orjson

from stream.engine.delivery_rules import DeliveryRules
from stream.engine.engine import Engine, EngineDependencies
from stream.model.policies import EnginePolicy, WorkflowPolicy
from stream.model.ports import Schemas
from stream.model.records import TopicPartition
from stream.model.statistics import EngineStats
from stream.rules.listener import DeliveryListener, Spans
from stream.rules.outcome import OutcomeTable, RetryPolicy
from stream.validation.schemas import SchemaValidator
from support.manual_clock import ManualClock
from support.memory_broker import MemoryBroker, MemoryMember
from support.scripted_workflow import MemoryDeadLetters, RecordingTrace, ScriptedWorkflow, SilentLogger

GROUP = "tray"
TOPIC = "events"
_VALIDATOR = SchemaValidator()


class EngineWorld:
    """One topic, one member, and as many workflows as named; everything happens when the clock jumps."""

    def __init__(
        self,
        *names: str,
        partitions: int = 1,
        policy: EnginePolicy | None = None,
        workflows: Sequence[WorkflowPolicy] = (),
        retry: RetryPolicy | None = None,
        seed: int = 0,
        spans: Spans | None = None,
        listeners: Sequence[DeliveryListener] = (),
        schemas: Schemas | None = None,
    ) -> None:
        chosen = tuple(workflows) or tuple(WorkflowPolicy(name) for name in names or ("orders",))
        self.policy = replace(policy or EnginePolicy(GROUP), workflows=chosen)
        self.rules = DeliveryRules(OutcomeTable(), retry or RetryPolicy())
        self.clock = ManualClock()
        self.broker = MemoryBroker()
        self.partitions = self.broker.create(TOPIC, partitions)
        self.workflows = {policy.name: ScriptedWorkflow(self.clock) for policy in chosen}
        self.dead_letters = MemoryDeadLetters(self.clock)
        self.trace = RecordingTrace()
        self._spans = spans
        self._listeners = listeners
        self._schemas = schemas
        self.logger = SilentLogger()
        self._rng = Random(seed)
        self.start()

    def start(self) -> None:
        """A fresh process: a new member with a new engine, on the same broker and workflows."""
        self.member = MemoryMember(self.broker, GROUP, self.clock)
        names = [workflow.name for workflow in self.policy.workflows]
        self.stats = EngineStats(GROUP, [TOPIC], names)
        edges = EngineDependencies(
            source=self.member,
            senders=[self.workflows[name] for name in names],
            dead_letters=self.dead_letters,
            validator=_VALIDATOR,
            clock=self.clock,
            logger=self.logger,
            rng=self._rng,
            listeners=(self.trace, *self._listeners),
            schemas=self._schemas,
            spans=self._spans,
        )
        self.engine = Engine(self.policy, self.rules, edges, self.stats)
        self.engine.start()
        self.member.begin(self.engine)

    def reconfigure(self, *workflows: WorkflowPolicy, moved: Collection[str] = (), **changes: Any) -> None:
        """Other settings for the running engine: these workflows, of which `moved` ones have other URLs."""
        self.policy = replace(self.policy, workflows=workflows, **changes)
        for workflow in workflows:
            if workflow.name not in self.workflows or workflow.name in moved:
                self.workflows[workflow.name] = ScriptedWorkflow(self.clock)
        senders = [self.workflows[workflow.name] for workflow in workflows]
        self.engine.reconfigure(self.policy, self.rules, senders)

    def crash_and_restart(self) -> None:
        """The process dies with everything in it; another takes its place."""
        self.member.crash()
        self.engine.fail()
        self.start()

    def assign_all(self) -> None:
        """Grant every partition."""
        self.member.assign(*self.partitions)

    def put(self, user: str, *, partition: int = 0, type_: str = "track", **fields: object) -> str:
        """Write one event; its message id, which is also its idempotency key."""
        tp = self.partitions[partition]
        message_id = f"{partition}-{self.broker.ends[tp]}"
        self.broker.append(tp, orjson.dumps(event(user, message_id, type_, **fields)), key=user.encode())
        return message_id

    def committed(self, partition: int = 0) -> int | None:
        """What the group has committed."""
        return self.broker.committed.get((GROUP, TopicPartition(TOPIC, partition)))

    def everything_committed(self) -> bool:
        """Whether each partition is committed up to its end."""
        return all(self.broker.committed.get((GROUP, tp), 0) >= self.broker.ends[tp] for tp in self.partitions)

    def run(self, limit_s: float = 600.0) -> None:
        """Let time pass until everything is committed.

        Raises:
            AssertionError: it was not within `limit_s`.
        """
        if not self.clock.jump_until(self.everything_committed, limit_s):
            raise AssertionError(f"Not committed after {limit_s} s: {self.broker.committed}, ends {self.broker.ends}.")


def event(user: str, message_id: str, type_: str = "track", **fields: object) -> Mapping[str, object]:
    """A valid event of any type."""
    required: dict[str, object] = {"event": "Order Completed", "groupId": "g-1", "previousId": "old"}
    return {"type": type_, "userId": user, "messageId": message_id, **required, **fields}

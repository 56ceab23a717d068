"""The real engine in a world that a seed breaks: crashes, rebalances, failing workflows, changing configurations.

One seed is one run, always the same. Faults stop at `HEAL_S`; then everything must come to its end. What is checked
is in support.verdicts; it looks at the broker and at the workflows, not at the engine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from random import Random

import orjson

from stream.engine.delivery_rules import DeliveryRules
from stream.engine.engine import Engine, EngineDependencies
from stream.kafka.start_offsets import FirstLook
from stream.model.commit_map import START_MARK
from stream.model.origin import origin_of
from stream.model.policies import DeadLetterPolicy, EnginePolicy, GatePolicy, Limits, WorkflowPolicy
from stream.model.records import TopicPartition
from stream.model.source import CommitOutcome
from stream.model.statistics import EngineStats
from stream.rules.outcome import OutcomeTable, RetryPolicy
from stream.validation.schemas import SchemaValidator
from support.engine_world import GROUP, TOPIC, event
from support.manual_clock import ManualClock
from support.memory_broker import MemoryBroker
from support.scripted_workflow import MemoryDeadLetters, RecordingTrace, SilentLogger
from support.simulated_process import Process, ProcessClock, SimSender
from support.simulated_workflow import MOODS, SimWorkflow
from support.starting_member import StartingMember

HEAL_S = 90.0
LIMIT_S = 3600.0
"""After healing, everything is done within this; gates may be closed for an hour by then."""
RETRY = RetryPolicy(initial_s=0.5, max_s=10.0, for_s=60.0)
_RULES = DeliveryRules(OutcomeTable(), RETRY)
_VALIDATOR = SchemaValidator()
_USERS = 6


class Simulation:
    """One run. `history` has every commit that was stored: (time, partition, offset, metadata, workflow names)."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = Random(seed)
        self.clock = ManualClock()
        self.broker = self._new_broker()
        self.partitions = self.broker.create(TOPIC, self.rng.randint(1, 3))
        self.letters = MemoryDeadLetters(self.clock)
        self.workflows: dict[str, SimWorkflow] = {}
        self.processes: list[Process] = []
        self.history: list[tuple[float, TopicPartition, int, str, tuple[WorkflowPolicy, ...]]] = []
        self.unclean: list[tuple[float, TopicPartition]] = []
        """When a tenure ended without a last commit that was stored."""
        self.joined_at: dict[str, dict[TopicPartition, int]] = {}
        """Per workflow name the committed offsets when it took part for the first time."""
        self.first_due: dict[TopicPartition, int] = {}
        """With `latest`, the end of what a process found before its group's first commit."""
        self.pauses: dict[str, list[tuple[float, float]]] = defaultdict(list)
        """Per workflow name since when, and until when, it was paused."""
        self.log: list[str] = []
        self._numbers = count()
        self._names = count()
        self._free_at: dict[TopicPartition, float] = dict.fromkeys(self.partitions, 0.0)
        self.start = self.rng.choice(["earliest", "earliest", "latest"])
        self.policy = self._first_policy()
        self._commit_for_others()

    def _new_broker(self) -> MemoryBroker:
        return MemoryBroker(on_stored=self._on_stored)

    # The run.

    def run(self) -> bool:
        """Play it; True when everything came to its end in time."""
        self._write_some()
        for _ in range(self.rng.randint(1, 3)):
            self._start_process()
        self._balance()
        self._schedule_fault()
        self.clock.jump(HEAL_S)
        self._heal()
        return self.clock.jump_until(self.is_done, LIMIT_S)

    def is_done(self) -> bool:
        """Whether every partition is committed up to its end."""
        return all(self.broker.committed.get((GROUP, tp), 0) >= self.broker.ends[tp] for tp in self.partitions)

    def live(self) -> list[Process]:
        """Processes that take part in the group."""
        return [process for process in self.processes if not process.is_dead and not process.is_stopping]

    # Events.

    def _write_some(self) -> None:
        for _ in range(self.rng.randint(1, 12)):
            tp = self.rng.choice(self.partitions)
            roll = self.rng.random()
            if roll < 0.06:
                self.broker.skip(tp, self.rng.randint(1, 3))
            elif roll < 0.09:
                self.broker.append(tp, self.rng.choice([b"not json", b"[]", None]))
            else:
                self._write_event(tp)
        if self.clock.monotonic() < HEAL_S * 0.8:
            self._after(self.rng.expovariate(0.4), self._write_some)

    def _write_event(self, tp: TopicPartition) -> None:
        user = f"u{self.rng.randrange(_USERS)}"
        type_ = self.rng.choice(["track", "track", "identify", "page"])
        integrations = self.rng.choice([{}, {}, {}, {"All": False}])
        message_id = f"{tp.partition}-{self.broker.ends[tp]}"
        self.broker.append(tp, orjson.dumps(event(user, message_id, type_, integrations=integrations)), user.encode())

    # Faults.

    def _schedule_fault(self) -> None:
        self._after(self.rng.expovariate(0.25), self._fault)

    def _fault(self) -> None:
        if self.clock.monotonic() >= HEAL_S:
            return
        fault = self.rng.choice(self._faults())
        self.log.append(f"{self.clock.monotonic():.3f} {fault.__name__}")
        fault()
        self._schedule_fault()

    def _faults(self) -> Sequence[Callable[[], None]]:
        return (
            *[self._change_mood] * 4,
            *[self._move_partition] * 3,
            *[self._crash] * 2,
            self._lose,
            self._stop_one,
            self._start_process,
            self._refuse_commits,
            self._refuse_letters,
            self._reconfigure,
            self._reload,
            self._pause,
            self._grow,
        )

    def _change_mood(self) -> None:
        self.rng.choice(list(self.workflows.values())).change_mood(self.rng.choice(MOODS))

    def _refuse_commits(self) -> None:
        outcomes = [CommitOutcome.RETRIED, CommitOutcome.FAILED]
        for process in self.live():
            process.member.commit_outcomes = self.rng.choices(outcomes, k=self.rng.randint(1, 5))

    def _refuse_letters(self) -> None:
        self.letters.errors = ["_MSG_TIMED_OUT"] * self.rng.randint(1, 10)

    def _crash(self) -> None:
        if self.live():
            self._kill(self.rng.choice(self.live()))
            self._after(self.rng.uniform(0.1, 5), self._start_process)

    def _kill(self, process: Process) -> None:
        session_timeout_s = self.rng.uniform(0.5, 8)
        for tp in list(process.member.epochs):
            self.unclean.append((self.clock.monotonic(), tp))
            self._free(tp, session_timeout_s)
        process.member.crash()

    def _lose(self) -> None:
        """Some or all partitions of a process are taken away at once, without asking."""
        if self.live():
            process = self.rng.choice(self.live())
            owned = list(process.member.epochs)
            tps = owned if self.rng.random() < 0.5 else owned[: self.rng.randint(0, len(owned))]
            self.unclean += [(self.clock.monotonic(), tp) for tp in tps]
            process.member.lose(*tps)
            for tp in tps:
                self._free(tp, 0.0)

    def _move_partition(self) -> None:
        owners = [(process, tp) for process in self.live() for tp in process.member.epochs]
        if owners:
            process, tp = self.rng.choice(owners)
            process.member.revoke(tp)

    def _stop_one(self) -> None:
        if len(self.live()) > 1:
            self._stop(self.rng.choice(self.live()))

    def _stop(self, process: Process) -> None:
        process.is_stopping = True
        process.member.revoke(*process.member.epochs)

    def _reconfigure(self) -> None:
        """All processes end, one way or another, and start again with other workflows."""
        for process in self.processes:  # those that are stopping, too: they know the old workflows
            if not process.is_dead:
                self._kill(process)
        policy = self._changed_policy()
        self._note_pauses(policy)
        self.policy = policy
        for _ in range(self.rng.randint(1, 2)):
            self._start_process()

    def _reload(self) -> None:
        """All processes get other workflows while they run."""
        self._change_to(self._changed_policy())

    def _pause(self) -> None:
        """A workflow is paused, or resumes."""
        name = self.rng.choice(self.policy.workflows).name
        self._set_paused(self.paused() ^ {name})

    def paused(self) -> set[str]:
        """The workflows that nothing may be sent to."""
        return {workflow.name for workflow in self.policy.workflows if workflow.paused}

    def _set_paused(self, paused: set[str]) -> None:
        workflows = [replace(workflow, paused=workflow.name in paused) for workflow in self.policy.workflows]
        self._change_to(replace(self.policy, workflows=tuple(workflows)))

    def _change_to(self, policy: EnginePolicy) -> None:
        self._note_pauses(policy)
        self.policy = policy
        names = [policy.name for policy in self.policy.workflows]
        for process in (process for process in self.processes if not process.is_dead):
            known = process.senders
            for name in names:
                known.setdefault(name, SimSender(self, process, self.workflows[name]))
            process.engine.reconfigure(self.policy, _RULES, [known[name] for name in names])

    def _note_pauses(self, policy: EnginePolicy) -> None:
        now, before = self.clock.monotonic(), self.paused()
        after = {workflow.name for workflow in policy.workflows if workflow.paused}
        for name in before - after:
            self.pauses[name][-1] = (self.pauses[name][-1][0], now)
        for name in after - before:
            self.pauses[name].append((now, float("inf")))

    def _grow(self) -> None:
        """The topic gets another partition, all of which is to be delivered."""
        if len(self.partitions) < 4:
            tp = TopicPartition(TOPIC, len(self.partitions))
            self.broker.logs[tp], self.broker.ends[tp] = [], 0
            self.partitions.append(tp)
            for joined_at in self.joined_at.values():
                joined_at[tp] = 0
            self._free(tp, self.rng.uniform(0.0, 5.0))

    def _commit_for_others(self) -> None:
        """Another group of the deployment: at its starts on this topic, or anywhere, having begun with ours; and
        running on another topic."""
        other, metadata = "another", START_MARK if self.seed % 2 else origin_of([GROUP])
        for tp in self.rng.choice([[], self.partitions]):
            self.broker.store(other, tp, 0, metadata)
        self.broker.store(other, TopicPartition("elsewhere", 0), 7, "")

    def _on_looked(self, look: FirstLook) -> None:
        """With `latest`, what was there before a process that saw no commits of its group need not be delivered."""
        for tp, end in self.broker.ends.items():
            if self.start == "latest" and TOPIC not in look.known:
                self.first_due[tp] = end
                for joined_at in self.joined_at.values():
                    joined_at[tp] = max(joined_at[tp], end)

    def _read_up_to(self, tp: TopicPartition) -> int:
        """From where on a workflow takes part that is new now: its owner's next offset, or the committed one."""
        owners = [process for process in self.processes if not process.is_dead and tp in process.engine.read_up_to()]
        committed = self.broker.committed.get((GROUP, tp), 0)
        return max([committed, self.first_due.get(tp, 0), *(owner.engine.read_up_to()[tp] for owner in owners)])

    def _heal(self) -> None:
        self.log.append(f"{self.clock.monotonic():.3f} heal")
        for workflow in self.workflows.values():
            workflow.mood, workflow.is_healed = "well", True
        self.letters.errors = []
        for process in self.live():
            process.member.commit_outcomes = []
        self._set_paused(set())
        if not self.live():
            self._start_process()

    # The group.

    def _balance(self) -> None:
        """Free partitions go to a live process once their time has come."""
        now = self.clock.monotonic()
        for tp in list(self._free_at):
            joined = [process for process in self.live() if process.member.has_joined]
            if joined and self._free_at[tp] <= now:
                del self._free_at[tp]
                self.rng.choice(joined).member.assign(tp)
        self._after(0.3, self._balance)

    def _free(self, tp: TopicPartition, after_s: float) -> None:
        self._free_at[tp] = self.clock.monotonic() + after_s

    def _start_process(self) -> None:
        if len(self.live()) >= 3:
            return
        member = self._new_member(self.rng.choice([3, 20, 100]))
        member.on_looked = self._on_looked
        member.on_released = partial(self._free, after_s=0.0)
        names = [policy.name for policy in self.policy.workflows]
        stats, trace = EngineStats(GROUP, [TOPIC], names), RecordingTrace()
        process = Process.__new__(Process)
        senders = {name: SimSender(self, process, self.workflows[name]) for name in names}
        edges = EngineDependencies(
            source=member,
            senders=list(senders.values()),
            dead_letters=self.letters,
            validator=_VALIDATOR,
            clock=ProcessClock(self.clock, member),
            logger=SilentLogger(),
            rng=self.rng,
            listeners=(trace,),
        )
        engine = Engine(self.policy, _RULES, edges, stats)
        process.__init__(next(self._numbers), member, stats, trace, engine, senders)  # type: ignore[misc]  # they know it
        self.processes.append(process)
        engine.start()
        member.begin(engine)

    def _new_member(self, batch: int) -> StartingMember:
        return StartingMember(self.broker, GROUP, self.clock, self.rng, self.start, batch=batch)

    # Configurations.

    def _first_policy(self) -> EnginePolicy:
        policy = EnginePolicy(
            GROUP,
            limits=Limits(max_open_events=self.rng.choice([10, 60, 1000]), max_lane_events=self.rng.choice([4, 1000])),
            gate=GatePolicy(failures=self.rng.choice([3, 10]), max_s=20.0),
            dead_letters=DeadLetterPolicy(max_consecutive=1000),
            drain_timeout_s=self.rng.choice([1.0, 15.0]),
        )
        policies = [self._fresh_workflow() for _ in range(self.rng.randint(1, 3))]
        return replace(policy, workflows=tuple(policies))

    def _fresh_workflow(self) -> WorkflowPolicy:
        rng = self.rng
        name = f"w{next(self._names)}"
        self.workflows[name] = SimWorkflow(name, rng)
        self.joined_at[name] = {tp: self._read_up_to(tp) for tp in self.partitions}
        return WorkflowPolicy(
            name,
            types=rng.choice([None, None, frozenset({"track"}), frozenset({"identify", "page"})]),
            ordering=rng.choice(["user", "user", "key", "partition", "none"]),
            max_in_flight=rng.choice([1, 4, 64]),
            rate_per_s=rng.choice([None, None, None, 5.0]),
            concurrency=rng.choice([None, 64]),
        )

    def _changed_policy(self) -> EnginePolicy:
        """Workflows added, removed, renamed, put in another order."""
        workflows = list(self.policy.workflows)
        change = self.rng.choice(["add", "remove", "rename", "reorder"])
        self.log.append(change)
        if change == "add" and len(workflows) < 4:
            workflows.insert(self.rng.randint(0, len(workflows)), self._fresh_workflow())
        elif change == "remove" and len(workflows) > 1:
            workflows.pop(self.rng.randrange(len(workflows)))
        elif change == "rename":
            index = self.rng.randrange(len(workflows))
            workflows[index] = replace(workflows[index], name=self._fresh_workflow().name)
        else:
            self.rng.shuffle(workflows)
        return replace(self.policy, workflows=tuple(workflows))

    def _on_stored(self, group: str, tp: TopicPartition, offset: int, metadata: str) -> None:
        if group != GROUP:
            return
        self.history.append((self.clock.monotonic(), tp, offset, metadata, self.policy.workflows))

    def _after(self, seconds: float, callback: Callable[[], None]) -> None:
        self.clock.call_at(self.clock.monotonic() + seconds, callback)

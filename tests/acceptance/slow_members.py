"""Two members of which one hears from the broker late, while a topic appears: what each promises must hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from acceptance_support import Event, Program, Scene, ids_of, tracks
from support.checker import check_commits, missing
from support.kafka_proxy import KafkaProxy
from support.offset_history import commit_history, went_back
from support.topics import committed_offsets
from support.trace import merge_traces, read_trace
from support.waiting import wait_until

from stream.model.commit_map import START_MARK

SLOW_S = 1.0
HEARTBEAT_SLOW_S = 0.4
"""A KIP-848 client gives up a heartbeat after its interval, one second of these brokers: later, it never learns what it
is assigned, while the broker, which has the heartbeats, takes it for alive."""
PARTITIONS = 4
EVENTS = 40
WORKFLOWS = ("orders", "sessions")
KINDS = {
    "classic": (
        *("ListOffsets", "OffsetFetch", "OffsetCommit", "Metadata", "FindCoordinator"),
        *("JoinGroup", "SyncGroup", "Heartbeat"),
    ),
    "consumer": (
        *("ListOffsets", "OffsetFetch", "OffsetCommit", "Metadata", "FindCoordinator"),
        "ConsumerGroupHeartbeat",
    ),
}


@dataclass(frozen=True)
class Case:
    """Which requests of the second member are slow, and the settings of both."""

    kind: str
    start: str
    isolation: str
    protocol: str

    def __str__(self) -> str:
        return f"{self.kind}-{self.start}-{self.isolation}-{self.protocol}"


def every_case() -> Iterator[Case]:
    """Each kind of request with each start, layout and group protocol."""
    for protocol, kinds in KINDS.items():
        for kind, start, isolation in product(kinds, ("earliest", "latest"), ("shared", "workflow")):
            yield Case(kind, start, isolation, protocol)


def play_slow_member(scene: Scene, proxy: KafkaProxy, case: Case) -> list[str]:
    """Play it; what is wrong with it. The topic exists already, or is made here."""
    fast, slow = scene.directory / "fast", scene.directory / "slow"
    later = Scene(scene.broker, f"{scene.topic}-later", scene.receiver, scene.directory)
    scene.broker.create_topic(scene.topic, PARTITIONS)
    before = list(tracks(range(EVENTS)))
    scene.produce(before)
    _configure(scene, case, fast, scene.broker.bootstrap)
    _configure(scene, case, slow, proxy.bootstrap)
    proxy.slow(case.kind, seconds=HEARTBEAT_SLOW_S if case.kind == "ConsumerGroupHeartbeat" else SLOW_S)
    with ExitStack() as stack:
        programs = [stack.enter_context(_start(directory)) for directory in (slow, fast)]
        wait_until(lambda: all(program.get("/readyz")[0] == 200 for program in programs), "both have joined")
        during = list(tracks(range(EVENTS, 2 * EVENTS)))
        scene.produce(during)
        scene.broker.create_topic(later.topic, PARTITIONS)
        appeared = list(tracks(range(2 * EVENTS, 3 * EVENTS)))
        later.produce(appeared)
        due = [*(before if case.start == "earliest" else []), *during, *appeared]
        wait_until(lambda: not _missing(scene, due), f"all is delivered ({case})", 120)
        wait_until(lambda: _is_committed(scene, later, case), f"all is committed ({case})", 120)
        codes = [program.stop() for program in programs]
    return [
        *(f"exit {code}" for code in codes if code),
        *_commit_faults([scene, later], case, (fast, slow), EVENTS if case.start == "latest" else 0),
        *_history_faults(scene, case),
    ]


def groups_of(scene: Scene, case: Case) -> list[str]:
    """The consumer groups of the layout."""
    return [scene.group] if case.isolation == "shared" else [f"{scene.group}.{name}" for name in WORKFLOWS]


def _configure(scene: Scene, case: Case, directory: Path, bootstrap: str) -> None:
    """Settings of one member, in a directory of its own."""
    directory.mkdir()
    member = Scene(scene.broker, scene.topic, scene.receiver, directory)
    kafka: Event = {
        "bootstrap_servers": bootstrap,
        "topics": [f"^{scene.topic}"],
        "start": case.start,
        "group_protocol": case.protocol,
    }
    patient = {"session.timeout.ms": 30_000, "heartbeat.interval.ms": 300}  # heartbeats wait behind what is slow
    sections: dict[str, Event] = {
        "kafka.consumer_options": patient if case.protocol == "classic" else {},
        "kafka.options": {"topic.metadata.refresh.interval.ms": 500},
        "dead_letter": {"topic": f"letters-of-{scene.topic}"},  # with KIP-848 the pattern is matched by the broker
    }
    path = member.configure(*map(member.workflow, WORKFLOWS), kafka=kafka, **sections)
    path.write_text(f'isolation = "{case.isolation}"\n{path.read_text()}')


def _start(directory: Path) -> Program:
    return Program(directory, "run", "--trace", "trace.jsonl")


def _missing(scene: Scene, due: list[Event]) -> list[str]:
    return [one for name in WORKFLOWS for one in missing(ids_of(due), scene.receiver.successes(f"/{name}"))]


def _is_committed(scene: Scene, later: Scene, case: Case) -> bool:
    bootstrap = scene.broker.bootstrap
    return all(
        committed_offsets(bootstrap, group, one.topic) == one.ends()
        for one in (scene, later)
        for group in groups_of(scene, case)
    )


def _commit_faults(scenes: list[Scene], case: Case, directories: tuple[Path, Path], first: int) -> list[str]:
    """What the traces say; events before number `first` were there before the members, which start at latest."""
    both = [merge_traces([read_trace(directory / "trace.jsonl") for directory in directories])]
    offsets: dict[tuple[str, int], list[int]] = {}
    for scene in scenes:
        for message_id, (partition, offset) in scene.places.items():
            if int(message_id.removeprefix("m-")) >= first:
                offsets.setdefault((scene.topic, partition), []).append(offset)
    if case.isolation == "shared":
        return check_commits(both, offsets, WORKFLOWS, group=scenes[0].group)
    group = scenes[0].group
    return [fault for name in WORKFLOWS for fault in check_commits(both, offsets, [name], group=f"{group}.{name}")]


def _history_faults(scene: Scene, case: Case) -> Iterator[str]:
    """What Kafka itself stored: no offset went back, and each partition's start came first and once."""
    for group in groups_of(scene, case):
        history = commit_history(scene.broker.bootstrap, group)
        yield from went_back(history)
        if len(history) != 2 * PARTITIONS:
            yield f"{group} committed {len(history)} of {2 * PARTITIONS} partitions"
        for (topic, partition), commits in history.items():
            marked = [number for number, one in enumerate(commits) if one.metadata.startswith(START_MARK)]
            if marked != [0]:
                yield f"{group} {topic}:{partition} resolved its start {marked}"

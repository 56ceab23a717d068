"""What the tests with real producers share: how many events, and a run to the end that is measured."""

from __future__ import annotations

import json
import os
import resource
import time
from pathlib import Path
from typing import Any

from acceptance_support import Scene

EVENTS = int(os.environ.get("PRODUCED", "") or 200)
"""`make producers` writes 10,000 of each."""


def run_to_the_end(scene: Scene, form: str) -> dict[str, Any]:
    """What the workflow took, by message id, each once; prints what it cost."""
    began, used = time.monotonic(), _processor_s()
    with scene.start("--until-end") as run:
        run.line("Partitions assigned")
        at_start = _used_s(run.pid)
        assert run.wait(600) == 0
    seconds, processor_s = time.monotonic() - began, _processor_s() - used - at_start
    found = arrived(scene)
    cost = f"{1e6 * processor_s / max(1, len(found)):.0f} us of processor time an event"
    print(f"{form}: {EVENTS} events, {len(found)} delivered once, {seconds:.1f} s, {cost}")
    return found


def arrived(scene: Scene) -> dict[str, Any]:
    """What the workflow took, by message id; each came once."""
    bodies = [json.loads(arrival.body) for arrival in scene.receiver.successes("/orders")]
    by_id = {body["messageId"]: body for body in bodies}
    assert len(by_id) == len(bodies)
    return by_id


def _used_s(pid: int) -> float:
    """Processor time of a process so far; 0.0 where the system does not say."""
    path = Path(f"/proc/{pid}/stat")
    if not path.exists():
        return 0.0
    fields = path.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _processor_s() -> float:
    """Processor time of the children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime

"""Where the product's time goes on a bench run: `make profile`, or `python tests/bench/bench_profile.py ordering=none`.

Runs it under py-spy and prints the functions by their own samples and by all below them. The folded stacks and a
flame graph are written to `.cache/`; the stacks open in speedscope, too.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import bench_programs as programs
from bench import BIG_LOGS, EVENTS
from bench_cores import end_in_order, programs_core, stay_off_the_programs_core
from bench_endpoint import Endpoints
from bench_events import Shape
from bench_programs import Command
from bench_topics import Topics
from bench_variants import IN_FLIGHT

from stream.demo.apache_kafka import ApacheKafka

CACHE = Path(__file__).resolve().parents[2] / ".cache"
SAMPLES_PER_S = 250
TOP = 25
START = "_find_and_load"
"""In a stack: a module is being imported."""
OURS = "(stream/"


def main() -> None:
    """Record once for each form, print the top lists."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("setting", nargs="*", help="settings of the workflow, such as ordering=none")
    given = parser.parse_args()
    more = dict(setting.split("=", 1) for setting in given.setting)
    CACHE.mkdir(exist_ok=True)
    stacks, graph = CACHE / "profile.folded", CACHE / "profile.svg"
    stay_off_the_programs_core()
    end_in_order()
    with tempfile.TemporaryDirectory(prefix="tray-profile-") as scratch:
        record(Path(scratch), given.events, more, {"raw": stacks, "flamegraph": graph})
    print_top(stacks.read_text().splitlines())
    print(f"\nFolded stacks: {stacks}\nFlame graph: {graph}")


def record(directory: Path, events: int, more: dict[str, str], output_by_format: dict[str, Path]) -> None:
    """Run the product to the end of a topic under py-spy, once for each form of output."""
    kafka = ApacheKafka(directory / "kafka", BIG_LOGS, heap="1g", java_options=())
    with kafka, Endpoints(directory / "endpoint") as endpoints:
        topic = Topics(kafka.bootstrap).filled(Shape(events))
        workflow = {"url": endpoints.plain().url(), "max_in_flight": IN_FLIGHT, "concurrency": IN_FLIGHT, **more}
        for form, output in output_by_format.items():
            program = programs.product(directory, kafka.bootstrap, topic, [workflow])
            spy: Command = [
                str(Path(sys.executable).parent / "py-spy"),
                "record",
                "--format",
                form,
                "--output",
                str(output),
            ]
            options = ["--rate", str(SAMPLES_PER_S), "--function", "--nonblocking", "--"]
            _run([*spy, *options, *program.command, "--until-end"], program.directory)


def _run(command: Command, directory: Path) -> None:
    with programs_core():
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"py-spy ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def print_top(lines: Iterable[str]) -> None:
    """Functions by their own samples, and ours by those of all that they call. The program's start does not count."""
    own: Counter[str] = Counter()
    below: Counter[str] = Counter()
    for line in lines:
        stack, _, samples = line.rpartition(" ")
        if START in stack:
            continue
        frames = stack.split(";")
        own[frames[-1]] += int(samples)
        below.update({frame: int(samples) for frame in frames if OURS in frame})
    for title, counts in (("own time", own), ("ours, with all that they call", below)):
        print(f"\n{title}")
        for function, found in counts.most_common(TOP):
            print(f"  {found / own.total():6.1%}  {function}")


if __name__ == "__main__":
    main()

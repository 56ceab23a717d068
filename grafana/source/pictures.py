"""Draws grafana/pictures/outage.svg from a real run in which one of three workflows dies and heals: `make pictures`."""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from support.behaviours import OutageBehaviour

from stream.demo.apache_kafka import ApacheKafka
from stream.demo.behaviours import slow
from stream.demo.observation import Observation, ObservationPlan
from stream.demo.prometheus import Series

PICTURE = Path(__file__).resolve().parents[1] / "pictures" / "outage.svg"
TOPIC = "events"
WORKFLOWS = {"orders": ("#1f77b4", "-"), "mailing": ("#e09f3e", (0, (3, 2))), "crm": ("#c1334d", "-")}
"""Their colours and lines."""
DEAD = "crm"
RATE = 300.0
ANSWER_S = 0.02
WARM_UP_S, BEFORE_S, OUTAGE_S, AFTER_S = 8.0, 15.0, 20.0, 25.0
INK, FAINT, BAND, DARK = "#333333", "#d9d9d9", "#fbeaec", "#a33946"
OPEN, CLOSED = "#a8d5ba", "#c1334d"
DELIVERED = 'sum by (workflow) (rate(tray_deliveries_total{outcome="delivered"}[3s]))'
LAG = "sum by (group) (tray_consumer_lag)"
GATE = "min by (workflow) (tray_gate_open)"
AGE = "max by (workflow) (time() - tray_oldest_open_timestamp_seconds)"


@dataclass(frozen=True)
class Story:
    """What was measured: series by workflow over seconds of the picture, and when the outage was."""

    delivered: dict[str, Series]
    lag: dict[str, Series]
    gate: dict[str, Series]
    age: dict[str, Series]
    start: float
    died: float
    healed: float

    def seconds(self, series: Series) -> list[float]:
        """The times of a series, from the picture's left edge."""
        return [at - self.start for at, _ in series.points]


def play(directory: Path, bootstrap: str) -> Story:
    """Run the processor, kill one workflow, heal it, and ask Prometheus what was seen."""
    plan = ObservationPlan(topic=TOPIC, workflows=list(WORKFLOWS), rate=RATE)
    with Observation(directory, bootstrap, plan) as run:
        for name in WORKFLOWS:
            run.receiver.script(f"/{name}", slow(ANSWER_S))
        time.sleep(WARM_UP_S)
        start = time.time()
        time.sleep(BEFORE_S)
        outage, died = OutageBehaviour(503), time.time()
        run.receiver.script(f"/{DEAD}", outage)
        time.sleep(OUTAGE_S)
        run.receiver.script(f"/{DEAD}", slow(ANSWER_S))
        healed = time.time()
        time.sleep(AFTER_S)
        return _read(run, start, died, healed)


def _read(run: Observation, start: float, died: float, healed: float) -> Story:
    def asked(query: str, label: str) -> dict[str, Series]:
        found = run.prometheus.query_range(query, start, healed + AFTER_S)
        return {series.labels[label].removeprefix(f"{TOPIC}."): series for series in found}

    by_workflow = (asked(query, "workflow") for query in (DELIVERED, GATE, AGE))
    delivered, gate, age = by_workflow
    return Story(delivered, asked(LAG, "group"), gate, age, start, died, healed)


def draw(story: Story, path: Path) -> None:
    """The picture."""
    mpl.rcParams.update({"font.family": "sans-serif", "font.size": 9, "svg.fonttype": "none", "svg.hashsalt": "tray"})
    mpl.rcParams.update(
        {"text.color": INK, "axes.edgecolor": FAINT, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK}
    )
    mpl.rcParams.update({"axes.titlelocation": "left", "axes.titlesize": 9, "axes.titleweight": "bold"})
    heights = {"height_ratios": [3, 2, 2, 0.9], "hspace": 0.3}
    figure, (delivered, lag, age, gates) = plt.subplots(4, 1, figsize=(8.6, 6.6), sharex=True, gridspec_kw=heights)
    figure.patch.set_facecolor("white")
    _lines(delivered, story, story.delivered, "Delivered, events a second")
    _lines(lag, story, story.lag, "Lag of each workflow's consumer group, events")
    _lines(age, story, story.age, "Age of the oldest open event, seconds")
    _bands(gates, story, "Gate")
    _explain(delivered, lag, age, story)
    gates.set_xlabel("seconds")
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None} if path.suffix == ".svg" else None)


def _lines(axes: Axes, story: Story, found: dict[str, Series], title: str) -> None:
    for name, (colour, style) in WORKFLOWS.items():
        if name in found:
            series = found[name]
            axes.plot(story.seconds(series), series.values, color=colour, linestyle=style, linewidth=1.8, label=name)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    _frame(axes, story, title)
    axes.grid(axis="y", color=FAINT, linewidth=0.6)


def _frame(axes: Axes, story: Story, title: str) -> None:
    axes.set_title(title)
    axes.axvspan(story.died - story.start, story.healed - story.start, color=BAND, linewidth=0, zorder=0)
    axes.set_xlim(0, story.healed + AFTER_S - story.start)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.set_axisbelow(True)


def _bands(axes: Axes, story: Story, title: str) -> None:
    names = list(reversed(WORKFLOWS))
    for row, name in enumerate(names):
        series = story.gate[name]
        for is_open, spans in groupby(zip(series.values, story.seconds(series), strict=True), key=itemgetter(0)):
            times = [at for _, at in spans]
            colour = OPEN if is_open else CLOSED
            axes.broken_barh([(times[0], times[-1] - times[0] + 1)], (row - 0.32, 0.64), color=colour, linewidth=0)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    _frame(axes, story, title)
    closed = story.died - story.start + OUTAGE_S / 2
    axes.text(closed, 0, "closed: single probes only", ha="center", va="center", color="white", fontsize=8)


def _explain(delivered: Axes, lag: Axes, age: Axes, story: Story) -> None:
    died, healed = story.died - story.start, story.healed - story.start
    delivered.legend(loc="upper left", frameon=False, ncols=1)
    top, others = delivered.get_ylim()[1], max(story.delivered["orders"].values)
    middle = (died + healed) / 2
    delivered.text(middle, top * 0.86, f"{DEAD} answers 503", ha="center", color=DARK)
    delivered.text(middle, others + top * 0.03, "the other two do not notice", ha="center", fontsize=8)
    peak_at, peak = max(story.delivered[DEAD].points, key=itemgetter(1))
    note = f"{DEAD} catches up,\neach user's events in order"
    delivered.text(peak_at - story.start + 2.5, peak * 0.8, note, fontsize=8)
    lag.text(died + 0.6, lag.get_ylim()[1] * 0.78, "its events wait on the topic", fontsize=8)
    age.text(died + 0.6, age.get_ylim()[1] * 0.78, "none expires, none is lost", fontsize=8)


def main() -> None:
    """Play and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=PICTURE)
    output = parser.parse_args().output
    with tempfile.TemporaryDirectory(prefix="tray-pictures-") as scratch, ApacheKafka(f"{scratch}/kafka") as kafka:
        story = play(Path(scratch), kafka.bootstrap)
    draw(story, output)
    print(f"Wrote {output}.")


if __name__ == "__main__":
    main()

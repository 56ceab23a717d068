"""The status page in a real browser: it changes while it is looked at, needs no script, shows foreign text as text."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Thread

import pytest
from assertions import HANG_S, every
from prometheus_client import CollectorRegistry
from support.browser import CHROMIUM, DRIVER, Browser
from support.mock_cluster import MockCluster
from support.receiver import FaultReceiver
from support.scripted_workflow import SilentLogger
from support.topics import produce_events
from support.waiting import wait_until
from support.watched import Watched, stats_of

from stream.demo.apache_kafka import free_ports
from stream.demo.behaviours import always
from stream.model.records import TopicPartition
from stream.model.statistics import EngineStats
from stream.runtime.processor import Processor, RunOptions
from stream.settings.model import Settings
from stream.telemetry.clock import SystemClock
from stream.telemetry.health import ExposedProcess, Health
from stream.telemetry.logs import logger
from stream.telemetry.server import TelemetryServer
from stream.telemetry.status.report import Change, ProcessStatus

pytestmark = pytest.mark.xdist_group("browser")

MARKUP = "<img src=x onerror=\"window.pwned='yes'\"><script>window.pwned='yes'</script>"
GROUP = "<img/src=x/onerror=window.pwned=1>"
SIZES = [(390, 844), (820, 1180), (1920, 1080)]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One for all of these tests. Without Chromium: a failure in CI, else a loud skip."""
    if not (CHROMIUM and DRIVER):
        assert os.environ.get("CI") != "true", "chromium and chromedriver must be there in CI"
        pytest.skip("CHROMIUM AND CHROMEDRIVER ARE NOT INSTALLED: the status page was not looked at in a browser")
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@dataclass
class Shown:
    """An endpoint that shows whatever a test says."""

    status: ProcessStatus
    url: str
    server: TelemetryServer


@contextmanager
def served(status: ProcessStatus) -> Iterator[Shown]:
    """Serve a status, as new as the clock."""
    clock = SystemClock()

    def now() -> ProcessStatus:
        return replace(shown.status, at=clock.wall())

    exposed = ExposedProcess(CollectorRegistry(), Health(clock), clock, dict, now)
    server = TelemetryServer("127.0.0.1:0", exposed, clock, SilentLogger())
    shown = Shown(status, f"http://127.0.0.1:{server.port}/", server)
    server.start()
    yield shown
    server.close()


def status_of(*engines: EngineStats) -> ProcessStatus:
    """The status of some engines."""
    return Watched(*engines).at(0)


def status_of_many() -> ProcessStatus:
    """Ten workflows with long names, of which some are in each state, and many partitions."""
    names = [f"workflow-of-the-marketing-department-{number}" for number in range(10)]
    stats = stats_of("a-consumer-group-with-a-rather-long-name", names, partitions=64)
    for name in names[:3]:
        stats.workflows[name].gate_closed_since, stats.workflows[name].failing_because = 1.7e9, "it answers 503"
    stats.workflows[names[4]].held = 7
    return status_of(stats)


@contextmanager
def running(settings: Settings) -> Iterator[str]:
    """A processor in a thread; the address of its page."""
    started: list[Processor] = []
    loops: list[asyncio.AbstractEventLoop] = []

    async def live() -> None:
        loops.append(asyncio.get_running_loop())
        started.append(Processor(settings, logger(), RunOptions(inspect_topics=False)))
        await started[0].run()

    thread = Thread(target=lambda: asyncio.run(live()))
    thread.start()
    try:
        yield f"http://{settings.http.listen}/"
    finally:
        wait_until(lambda: bool(started), "the processor starts")
        loops[0].call_soon_threadsafe(started[0].request_stop)
        thread.join(HANG_S)


def settings_of(broker: MockCluster, receiver: FaultReceiver, port: int) -> Settings:
    """Two workflows on a topic, and a consumer group that is called like HTML."""
    for topic in ("seg", "letters"):
        broker.create_topic(topic, 2)
    consumer_options = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
    return Settings.model_validate(
        {
            "kafka": {
                "bootstrap_servers": broker.bootstrap,
                "topics": ["seg"],
                "group_id": GROUP,
                "consumer_options": consumer_options,
            },
            "workflow": [{"name": name, "url": receiver.url(f"/{name}")} for name in ("orders", "crm")],
            "dead_letter": {"topic": "letters"},
            "retry": {"initial": "50ms", "max": "200ms"},
            "gate": {"failures": 3, "initial": "100ms", "max": "500ms"},
            "http": {"listen": f"127.0.0.1:{port}"},
        }
    )


def produce(broker: MockCluster, users: Sequence[str] = ("a", "b", "c", "d", "e")) -> None:
    """An event for each user."""
    events = [{"type": "track", "event": "e", "userId": user} for user in users]
    produce_events(broker.bootstrap, "seg", [(None, json.dumps(event).encode(), None, None) for event in events])


def test_a_run_is_watched(browser: Browser) -> None:
    """Values change, a failing workflow turns up with its reason, Kafka's end shows, all without a reload."""
    port = free_ports(1)[0]
    with MockCluster() as broker, FaultReceiver() as receiver, running(settings_of(broker, receiver, port)) as url:
        wait_until(lambda: is_served(port), "the page is served")
        browser.open(url)
        browser.run("window.marker = 'the same page'")
        wait_until(lambda: browser.text("h1").endswith("All 2 workflows deliver."), "it delivers")
        assert browser.text("[data-part=kafka] h3") == GROUP
        produce(broker)
        wait_until(lambda: "delivered\n5\n" in browser.text(".card") + "\n", "the first deliveries are shown")
        produce(broker)
        wait_until(lambda: "delivered\n10\n" in browser.text(".card") + "\n", "the next deliveries are shown")
        receiver.script("/crm", always(503, MARKUP.encode()))
        produce(broker)
        wait_until(lambda: browser.text("h1").endswith("crm is failing."), "the workflow turns up")
        assert "because it answers 503 Service Unavailable" in browser.text(".card.bad")
        receiver.heal("/crm")
        wait_until(lambda: browser.text("h1").endswith("All 2 workflows deliver."), "it delivers again")
        changes = browser.text("[data-part=changes]")
        assert changes.index("crm delivers.") < changes.index("crm is failing: it answers 503 Service Unavailable.")
        broker.set_down()
        wait_until(lambda: "Kafka is unreachable." in browser.text("h1"), "Kafka's end is shown")
        assert "unreachable since " in browser.text("[data-part=kafka]")
        assert "lag ?" in browser.text("header")
        assert browser.run("return [window.marker, window.pwned ?? 'no', document.images.length]") == [
            "the same page",
            "no",
            0,
        ]
        assert browser.console() == []
        broker.set_up()
        wait_until(lambda: browser.text("h1").endswith("All 2 workflows deliver."), "Kafka is back")


def is_served(port: int) -> bool:
    """Whether the page can be opened."""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG_S)
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except OSError:
        return False


def test_foreign_text_is_text(browser: Browser) -> None:
    """Of a group, a topic, a workflow, an answer, a filter, a change; the policy has nothing to stop."""
    stats = EngineStats(MARKUP, [MARKUP], [MARKUP])
    stats.partitions_assigned = 1
    stats.committed[TopicPartition(MARKUP, 0)] = 1
    workflow = stats.workflows[MARKUP]
    workflow.gate_closed_since, workflow.failing_because = 1.7e9, MARKUP
    workflow.attempts[MARKUP], workflow.filtered[MARKUP] = 1, 1
    status = status_of(stats)
    status = replace(status, version=MARKUP, changes=[Change(1.7e9, "failing", MARKUP)])
    with served(status) as shown:
        browser.open(shown.url)
        browser.run("return refresh()")
        assert browser.text().count(MARKUP) >= 8
        assert browser.run("return document.title").count(MARKUP) == 0  # Kafka is away, which is more urgent
        assert browser.run("return [window.pwned ?? 'no', document.images.length]") == ["no", 0]
        assert browser.console() == []


def test_it_needs_no_script(browser: Browser) -> None:
    """The values are in it, and it reloads itself."""
    with served(status_of(stats_of())) as shown:
        browser.command("Emulation.setScriptExecutionDisabled", value=True)
        try:
            browser.open(shown.url)
            assert browser.text("h1").endswith("All 2 workflows deliver.")
            stats = stats_of()
            stats.workflows["orders"].gate_closed_since = 1.7e9
            shown.status = status_of(stats)
            wait_until(lambda: browser.text("h1").endswith("orders is failing."), "it is loaded again")
        finally:
            browser.command("Emulation.setScriptExecutionDisabled", value=False)


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
def test_it_fits_every_screen(browser: Browser, is_dark: bool) -> None:
    """Nothing sticks out to the side, from a phone to a wide screen; text is told from its background."""
    with served(status_of_many()) as shown:
        browser.open(shown.url)
        for width, height in SIZES:
            browser.resize(width, height, is_dark=is_dark)
            assert browser.run("return document.documentElement.scrollWidth") <= width
        assert every(contrast >= 4.5 for contrast in contrasts(browser))


def contrasts(browser: Browser) -> list[float]:
    """Of text with what is behind it, as WCAG counts it."""
    script = """
        const numbers = color => color.match(/[\\d.]+/g).map(Number);
        const light = color => {
          const [r, g, b] = numbers(color).slice(0, 3).map(c => c / 255)
            .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const behind = element => {
          const color = getComputedStyle(element).backgroundColor;
          return numbers(color)[3] === 0 && element.parentElement ? behind(element.parentElement) : color;
        };
        return [...document.querySelectorAll("h1,h2,h3,p,dt,dd,.word,.mark,td,th,time,li,a")].map(element => {
          const both = [light(getComputedStyle(element).color), light(behind(element))].sort((a, b) => b - a);
          return (both[0] + 0.05) / (both[1] + 0.05);
        });
    """
    found: list[float] = browser.run(script)
    return found


def test_a_day_in_an_open_tab_costs_no_memory(browser: Browser) -> None:
    """After a thousand refreshes there are as many nodes and listeners as after ten."""
    with served(status_of(stats_of())) as shown:
        browser.open(shown.url)

        def counters_after(refreshes: int) -> dict[str, int]:
            browser.run("return (async count => { while (count--) await refresh(); })(arguments[0])", refreshes)
            browser.command("HeapProfiler.collectGarbage")
            found: dict[str, int] = browser.command("Memory.getDOMCounters")
            return found

        early, late = counters_after(10), counters_after(1000)
        assert late["jsEventListeners"] == early["jsEventListeners"]
        assert late["nodes"] <= early["nodes"] * 1.5


def test_a_process_that_is_gone_is_said(browser: Browser) -> None:
    """What is shown is marked as old, and fresh again when it is back."""
    with served(status_of(stats_of())) as shown:
        browser.open(shown.url)
        assert browser.text("#lost") == ""
        shown.server.close()
        wait_until(lambda: "No answer from tray-stream since " in browser.text("#lost"), "it is said")
        assert browser.text("h1").endswith("All 2 workflows deliver.")
        browser.console()

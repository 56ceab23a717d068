"""An outage of Kafka is told in few lines: when it begins, once a minute, and when it is over."""

from __future__ import annotations

import io
from dataclasses import dataclass

from assertions import every

from stream.model.source import Contact
from stream.telemetry.lines import LineLimiter
from stream.telemetry.logs import LineLogger, configure_logs, librdkafka_logger
from stream.telemetry.outage import KafkaOutage

UP_LINE = "Kafka answers again; away for 3 min 5 s."
REFUSED = "[thrd:{0}/1]: {0}/1: Connect to ipv4#10.0.0.1:9092 failed: Connection refused (after 0ms in state CONNECT)"


@dataclass
class JumpingClock:
    """Both clocks at once."""

    at: float = 1000.0

    def monotonic(self) -> float:
        return self.at

    def wall(self) -> float:
        return self.at


class Scene:
    """A process whose log is kept."""

    def __init__(self) -> None:
        self.clock, self._out = JumpingClock(), io.StringIO()
        configure_logs("info", "text", self._out, self.clock)
        self.logger = LineLogger({}, self.clock, LineLimiter())
        self.outage = KafkaOutage(self.logger, self.clock)

    def look(self, seconds: float, *contacts: Contact) -> None:
        """A look at the contacts of every group each second, for so long."""
        for _ in range(round(seconds)):
            self.clock.at += 1
            self.outage.look(contacts)

    @property
    def lines(self) -> list[str]:
        """Without their times."""
        return [line.partition("Z ")[2] for line in self._out.getvalue().splitlines()]


def test_an_outage_is_told_once_reminded_of_each_minute_and_ended_with_a_line() -> None:
    """With since when and for how long; ten groups at once are one outage."""
    scene = Scene()
    scene.look(60, *[Contact(True, 1060.0, 0.0)] * 10)
    scene.look(184, *[Contact(False, 1060.0, 0.0)] * 10)
    scene.look(1, *[Contact(True, 1245.0, 0.0)] * 10)
    assert scene.lines == [
        "warning Kafka is unreachable: no broker answers. Retrying; events wait on the topic. "
        "since=1970-01-01T00:17:40Z",
        'warning Kafka is still unreachable; retrying. since=1970-01-01T00:17:40Z away="1 min 11 s"',
        'warning Kafka is still unreachable; retrying. since=1970-01-01T00:17:40Z away="2 min 11 s"',
        f"info {UP_LINE}",
    ]


def test_the_first_seconds_of_a_start_are_no_outage() -> None:
    """Nothing has answered yet; after ten seconds it is one, since the start."""
    scene = Scene()
    scene.look(10, Contact(False, None, 0.0))
    assert scene.lines == []
    scene.look(2, Contact(False, None, 0.0))
    assert len(scene.lines) == 1
    assert "since=1970-01-01T00:16:40Z" in scene.lines[0]


def test_one_group_of_several_is_enough() -> None:
    """A coordinator that is cut off from one of them, for instance; it is over when all are back."""
    scene = Scene()
    scene.look(12, Contact(True, 1012.0, 0.0), Contact(False, 1000.0, 0.0))
    scene.look(5, Contact(True, 1017.0, 0.0), Contact(False, 1000.0, 0.0))
    scene.look(1, Contact(True, 1018.0, 0.0), Contact(True, 1018.0, 0.0))
    assert len(scene.lines) == 2
    assert scene.lines[1] == "info Kafka answers again; away for 18 s."


def test_a_second_outage_begins_anew() -> None:
    """With its own time and cause."""
    scene = Scene()
    scene.look(30, Contact(False, 1000.0, 0.0))
    scene.look(100, Contact(True, 1130.0, 0.0))
    scene.look(11, Contact(False, 1130.0, 0.0))
    assert "since=1970-01-01T00:18:50Z" in scene.lines[-1]


def test_the_clients_lines_about_connections_give_way_to_it() -> None:
    """The cause is told once at first, whichever clients stumble over it, and then with each reminder."""
    scene = Scene()
    logger = librdkafka_logger(scene.logger, scene.outage)

    def fail(seconds: int) -> None:
        for _ in range(seconds):
            for client in ("consumer-1", "consumer-2", "producer-3"):
                logger.error("%s [%s] %s", "FAIL", client, REFUSED.format("kafka:9092"))
            scene.look(1, Contact(False, 1000.0, 0.0))

    fail(75)
    scene.logger.log_suppressed(everything=True)
    assert [line.split(" ")[1:4] for line in scene.lines] == [
        ["The", "Kafka", "client"],
        ["Kafka", "is", "unreachable:"],
        ["Kafka", "is", "still"],
    ]
    assert every("Connection refused" in line for line in scene.lines)


def test_one_broker_of_several_that_is_down_is_a_line_a_minute() -> None:
    """The others answer, so it is no outage; another broker is another line."""
    scene = Scene()
    logger = librdkafka_logger(scene.logger, scene.outage)
    for _ in range(119):
        for broker in ("one:9092", "two:9092"):
            logger.error("%s [%s] %s", "FAIL", "consumer-1", REFUSED.format(broker))
        scene.look(1, Contact(True, scene.clock.at, 0.0))
    assert [("one:9092" in line, "two:9092" in line) for line in scene.lines] == [(True, False), (False, True)] * 2

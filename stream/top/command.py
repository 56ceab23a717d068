"""`tray-stream top`: a running processor, watched through its status."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.live import Live

from stream.console.output import print_json, standard_output
from stream.model.errors import StreamError, config_error
from stream.model.timeparse import format_wall, parse_duration
from stream.settings.load import load_http
from stream.settings.units import format_duration
from stream.telemetry.status.report import ProcessStatus, plain_tree
from stream.top.fetch import STATUS_PATH, NoAnswerError, endpoint, look, own_endpoint
from stream.top.screen import ESCAPE, Screen

LEAST_INTERVAL_S, MOST_INTERVAL_S = 0.1, 3600.0
REDRAWN_PER_S = 2
"""Between two looks the ages grow, and the terminal may change its size."""
PIPE_WIDTH, PIPE_HEIGHT = 160, 100_000


def run_top(config: Path | None, url: str | None, interval: str, once: bool, as_json: bool) -> None:
    """Look again and again until Ctrl-C, or once with `once`.

    Raises:
        StreamError: with `once`, there is no answer; ConfigError: what was asked for makes no sense.
    """
    interval_s = _seconds(interval)
    watch = _Watch(endpoint(url or own_endpoint(load_http(config, os.environ)), STATUS_PATH), interval_s)
    if once:
        watch.look_once()
        watch.print_view(as_json)
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the terminal is left as it was
    console = standard_output()
    try:
        if as_json or not console.is_terminal or console.is_dumb_terminal:
            watch.print_views(as_json)
        else:
            watch.show()
    except KeyboardInterrupt:
        return


class _Watch:
    """The looks at one endpoint, and what is shown of them."""

    def __init__(self, url: str, interval_s: float) -> None:
        self._url = url
        self._interval_s = interval_s
        self._screen = Screen(url, format_duration(interval_s), time.time)

    def look_once(self) -> None:
        """Raises StreamError: there is no answer."""
        self._look()
        if self._screen.fault:
            raise StreamError(self._told())

    def print_view(self, as_json: bool) -> None:
        """What the last look said."""
        reading, screen = self._screen.reading, self._screen
        if as_json and reading is not None:
            print_json(_tree(self._url, reading))
            return
        screen.is_live = False
        console = standard_output()
        width = console.width if console.is_terminal else PIPE_WIDTH
        for line in screen.lines(width, PIPE_HEIGHT):
            line.rstrip()
            console.print(line, soft_wrap=True)

    def print_views(self, as_json: bool) -> None:
        """A view after each look until interrupted; a missing answer is reported once, on standard error."""
        is_told = False
        while True:
            self._look()
            if not self._screen.fault:
                self.print_view(as_json)
            elif not is_told:
                typer.echo(f"{self._told()} Trying again.", err=True)
            is_told = bool(self._screen.fault)
            time.sleep(self._interval_s)

    def show(self) -> None:
        """Draw on the terminal until interrupted, or `q` is pressed."""
        with (
            Live(self._screen, console=standard_output(), screen=True, refresh_per_second=REDRAWN_PER_S) as live,
            pressed_keys() as wait_for_key,
        ):
            is_over = False
            while not is_over:
                if not self._screen.is_paused:
                    self._look()
                live.refresh()
                is_over = self._follow_keys(wait_for_key, live)

    def _follow_keys(self, wait_for_key: Callable[[float], str], live: Live) -> bool:
        """Until the next look is due; whether it is to end."""
        due = time.monotonic() + self._interval_s
        while (left := due - time.monotonic()) > 0:
            key = wait_for_key(left)
            if key == "q":
                return True
            if key:
                self._screen.press(key)
                live.refresh()
        return False

    def _look(self) -> None:
        try:
            self._screen.reading = look(self._url)
            self._screen.fault = ""
        except NoAnswerError as error:
            self._screen.fault = str(error)

    def _told(self) -> str:
        why = self._screen.fault
        return f"{self._url} gives no status: {why}. Is tray-stream running there? --url names another."


def _seconds(interval: str) -> float:
    try:
        seconds = float(interval) if interval.replace(".", "", 1).isdecimal() else parse_duration(interval)
    except ValueError:
        seconds = 0.0
    if not LEAST_INTERVAL_S <= seconds <= MOST_INTERVAL_S:
        fix = "Write a duration from 100ms to 1h, such as 2s."
        raise config_error("--interval", f"{interval} is not a time between two looks.", fix)
    return seconds


def _tree(url: str, reading: ProcessStatus) -> dict[str, object]:
    return {"url": url, **plain_tree(reading), "at": format_wall(reading.at)}


@contextmanager
def pressed_keys() -> Iterator[Callable[[float], str]]:
    """A function that waits at most so many seconds for a key; empty: none was pressed. Ctrl-C stays a signal."""
    if not sys.stdin.isatty():
        yield _no_key
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield lambda seconds: _key(descriptor, seconds)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _key(descriptor: int, seconds: float) -> str:
    if not select.select([descriptor], [], [], seconds)[0]:
        return ""
    read = os.read(descriptor, 16)
    if not read:  # the terminal is gone: the next reads would return at once
        return _no_key(seconds)
    text = read.decode("utf-8", "replace")
    return text if text == ESCAPE else "" if text.startswith(ESCAPE) else text[0]


def _no_key(seconds: float) -> str:
    time.sleep(seconds)
    return ""

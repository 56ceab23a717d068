"""Plays tray where there is none: three workflows, two with faults (`python -m stream.demo.workflows`)."""

from __future__ import annotations

import argparse
import signal

from stream.demo.behaviours import failing_at_times, flaky, slow, when
from stream.demo.receiver import Receiver

REJECTED = b'"event":"Order Refunded"'
ANSWER_S = 0.02
UP_S, DOWN_S = 240.0, 90.0
WORKFLOWS = ("everything", "orders", "crm")


def script_workflows(receiver: Receiver, up_s: float = UP_S, down_s: float = DOWN_S) -> dict[str, str]:
    """Script the receiver's paths as the three workflows; returns what each does, as a sentence."""
    receiver.script("/everything", slow(ANSWER_S))
    receiver.script("/orders", slow(ANSWER_S, when(lambda body: REJECTED in body, 422, flaky(50))))
    receiver.script("/crm", slow(ANSWER_S, failing_at_times(up_s, down_s)))
    return {
        "everything": f"answers every request after {ANSWER_S * 1000:.0f} ms",
        "orders": "answers 503 to one request in 50, and rejects refunds (422): dead letters",
        "crm": f"is out of service for {down_s:.0f} s after every {up_s:.0f} s: its gate closes, its events wait",
    }


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m stream.demo.workflows", description=main.__doc__)
    parser.add_argument("--listen", default="127.0.0.1:8080", metavar="HOST:PORT")
    host, _, port = parser.parse_args().listen.rpartition(":")
    stops = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)  # before the receiver's thread is made, which inherits it
    with Receiver(int(port), host=host) as receiver:
        for name, what in script_workflows(receiver).items():
            print(f"http://{host}:{receiver.port}/{name} {what}", flush=True)
        signal.sigwait(stops)


if __name__ == "__main__":
    main()

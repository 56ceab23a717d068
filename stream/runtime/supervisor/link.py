"""A worker's end of the line to its supervisor: takes orders, and reports when asked."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from threading import Event, Thread

from stream.model.ports import Logger
from stream.runtime.engine_run import Remaining
from stream.runtime.supervisor.messages import Ask, Order, Reload, Stop, WorkerReport
from stream.telemetry.health import Exposed


@dataclass(frozen=True)
class Controls:
    """What the orders lead to; each is called from the link's own thread."""

    stop: Callable[[], None]
    reload: Callable[[Reload], None]
    orphaned: Callable[[], None]
    """The supervisor is gone: end as if asked to."""
    logger: Logger
    remaining: Callable[[], Remaining]
    end_within_s: float
    """How long that may take; then the process is ended at once, so that it does not stay without a supervisor."""


class SupervisorLink:
    """Fulfils `Endpoint`: answers in a thread of its own, also while the event loop is stuck."""

    def __init__(self, connection: Connection[WorkerReport, Order], exposed: Exposed, controls: Controls) -> None:
        self._connection = connection
        self._exposed = exposed
        self._controls = controls
        Thread(target=self._follow, name="supervisor", daemon=True).start()

    def close(self) -> None:
        """Nothing to do: the supervisor sees the end of the process, and until then may still ask."""

    def _follow(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._obey_safely(self._connection.recv())
        self._controls.orphaned()
        Event().wait(self._controls.end_within_s)
        os._exit(1)

    def _obey_safely(self, order: Order) -> None:
        try:
            self._obey(order)
        except OSError:
            raise  # nobody is at the other end
        except Exception as error:  # an answer that cannot be made must not cost the ear for the next order
            self._controls.logger.error("The supervisor could not be answered.", error=type(error).__name__)

    def _obey(self, order: Order) -> None:
        match order:
            case Ask():
                self._connection.send(self._report(order))
            case Stop():
                self._controls.stop()
            case Reload():
                self._controls.reload(order)

    def _report(self, order: Ask) -> WorkerReport:
        exposed = self._exposed
        metrics = exposed.metrics().decode() if order is Ask.METRICS else None
        held = exposed.held() or {} if order is Ask.HELD else None
        status = exposed.status() if order is Ask.STATUS else None
        remaining = self._controls.remaining()
        return WorkerReport(exposed.health_fault(), exposed.readiness_fault(), metrics, remaining, held, status, order)

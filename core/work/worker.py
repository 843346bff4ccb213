"""The embedded worker: a thread that relays events, starts schedules and runs jobs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from core.plugins.failures import switch_off_failing
from core.work.deliver import relay
from core.work.jobs import run_next
from core.work.schedule import start_due

if TYPE_CHECKING:
    from core.runtime import Runtime

__all__ = ["EmbeddedWorker", "run_until_idle"]

log = logging.getLogger("dougong.worker")
#: How long a sleeping worker waits before it looks again by itself (seconds).
NAP = 2.0
#: How long one that was woken waits for more, so that a hundred commits are one look at the tables.
REST = 0.1


class EmbeddedWorker:
    """Runs jobs in a thread of this process. ``Runtime.wake`` ends its nap at once.

    ``hand_over(woken)`` is asked first, each time: True leaves the work to other processes.
    """

    def __init__(
        self, runtime: Runtime, *, hand_over: Callable[[bool], bool] = lambda woken: False
    ) -> None:
        self._runtime = runtime
        self._hand_over = hand_over
        self._awake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dougong-worker", daemon=True)

    def start(self) -> None:
        """Begin; wake-ups of this process reach the thread from now on."""
        self._runtime.wake = self._awake.set
        self._thread.start()

    def stop(self, timeout: float = 10) -> None:
        """Finish the job in hand and end."""
        self._stopping.set()
        self._awake.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        woken = True
        while not self._stopping.is_set():
            self._awake.clear()
            try:
                if not self._hand_over(woken):
                    run_until_idle(self._runtime, stopping=self._stopping)
            except Exception:  # the database may be away for a while; the thread must not be
                log.exception("the worker could not reach its work")
            woken = self._awake.wait(NAP)
            if woken:
                self._stopping.wait(REST)


def run_until_idle(runtime: Runtime, *, stopping: threading.Event | None = None) -> int:
    """Relay, schedule and run until nothing is due; returns how many jobs ran."""
    ran = 0
    start_due(runtime)
    while stopping is None or not stopping.is_set():
        relayed = relay(runtime)
        worked = run_next(runtime)
        switch_off_failing(runtime)
        ran += worked
        if not relayed and not worked:
            return ran
    return ran

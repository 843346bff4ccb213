"""The embedded worker: a thread that relays, schedules and runs jobs, and one that watches."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from core.plugins.failures import switch_off_failing
from core.search.indexing import follow_records
from core.security.actor import SYSTEM
from core.work.deliver import BATCH, relay
from core.work.endings import recall_after_setback, release_jobs
from core.work.jobs import Shift, run_next
from core.work.leases import LOOK, Watch
from core.work.presence import leave, note_presence, own_name
from core.work.schedule import start_due
from core.work.uow import Origin, UnitOfWork

if TYPE_CHECKING:
    from core.runtime import Runtime

__all__ = ["EmbeddedWorker", "run_until_idle", "work_round"]

log = logging.getLogger("dougong.worker")
#: How long a sleeping worker waits before it looks again by itself (seconds).
NAP = 2.0
#: How long one that was woken waits for more, so that a hundred commits are one look at the tables.
REST = 0.1
#: How many jobs run before the outbox is looked at again.
IN_A_ROW = 20
#: Every how many looks a worker says that it is there.
LOOKS_PER_SIGN = 5
#: The clock was set back when it shows so much less than has passed (seconds).
SETBACK = 5.0


class EmbeddedWorker:
    """Runs jobs in a thread of this process. ``Runtime.wake`` ends its nap at once.

    ``hand_over(woken)`` is asked first, each time: True leaves the work to other processes. A thread
    whose job reached its time limit is left to it, and another one goes on.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        role: str = "serve",
        hand_over: Callable[[bool], bool] = lambda woken: False,
    ) -> None:
        self._runtime = runtime
        self._role = role
        self._hand_over = hand_over
        self._name = own_name()
        self._awake = threading.Event()
        self._woken = True
        self._stopping = threading.Event()
        self._hanging = 0
        self._shift, self._thread = self._next_shift()
        self._guard = threading.Thread(target=self._watch, name="dougong-watch", daemon=True)

    def start(self) -> None:
        """Begin; wake-ups of this process reach the thread from now on."""
        self._runtime.wake = self._wake
        self._thread.start()
        self._guard.start()

    def look(self) -> None:
        """Look for work now, at the call of another process."""
        self._awake.set()

    def stop(self, timeout: float = 10) -> None:
        """Finish the job in hand and end."""
        self._stopping.set()
        self._shift.stopping.set()
        self._awake.set()
        self._thread.join(timeout)
        self._guard.join(timeout)

    def _wake(self) -> None:
        self._woken = True
        self._awake.set()

    def _next_shift(self) -> tuple[Shift, threading.Thread]:
        shift = Shift(self._name)
        work = threading.Thread(
            target=self._work, args=(shift,), name="dougong-worker", daemon=True
        )
        return shift, work

    def _work(self, shift: Shift) -> None:
        while not shift.stopping.is_set():
            self._awake.clear()
            woken, self._woken = self._woken, False
            try:
                if not self._hand_over(woken):
                    start_due(self._runtime)
                    while work_round(self._runtime, shift):
                        pass
            except DBAPIError as error:  # it may be away for a while; the thread must not be
                log.warning("the worker could not reach its work: %s", error.orig)
            except Exception:
                log.exception("the worker could not do its work")
            if self._awake.wait(NAP):
                shift.stopping.wait(REST)

    def _watch(self) -> None:
        watch, looks, offset = Watch(), 0, self._clock_offset()
        while not self._stopping.wait(LOOK if looks else 0):
            self._replace_stuck()
            before, offset = offset, self._clock_offset()
            try:
                if before - offset > SETBACK:
                    self._recall()
                release_jobs(self._runtime, watch.look(self._runtime))
                if looks % LOOKS_PER_SIGN == 0:
                    note_presence(self._runtime, self._name, self._role, hanging=self._hanging)
                looks += 1
            except Exception as error:  # likewise
                log.warning("the watch could not look: %s", error)
                looks = looks or 1
        self._say_goodbye()

    def _clock_offset(self) -> float:
        """By how much the clock of the wall is ahead of the one that only counts."""
        return self._runtime.clock.now().timestamp() - time.monotonic()

    def _replace_stuck(self) -> None:
        if self._shift.is_stuck and not self._stopping.is_set():
            self._shift.stopping.set()
            self._hanging += 1
            self._shift, self._thread = self._next_shift()
            self._thread.start()

    def _recall(self) -> None:
        with UnitOfWork(self._runtime, SYSTEM, origin=Origin("job")) as uow:
            recalled = recall_after_setback(uow)
        log.warning("the clock was set back; %s jobs are due again", recalled)
        self._awake.set()

    def _say_goodbye(self) -> None:
        try:
            leave(self._runtime, self._name)
        except Exception as error:  # the row is dropped later by others
            log.info("the worker left without a word: %s", error)


def work_round(runtime: Runtime, shift: Shift) -> bool:
    """Relay a batch, index it and run jobs; True when there is more than one round can do.

    What people write meanwhile is no reason for another round at once: they wake the worker, which
    rests first, so that the round after is for a dozen commits and not for each.
    """
    relayed, worked = _one_round(runtime, shift)
    return not shift.stopping.is_set() and (relayed >= BATCH or worked >= IN_A_ROW)


def run_until_idle(runtime: Runtime) -> int:
    """Schedule, relay and run until nothing is due; returns how many jobs ran."""
    start_due(runtime)
    shift, ran, relayed, worked = Shift(), 0, 1, 0
    while relayed or worked:
        relayed, worked = _one_round(runtime, shift)
        ran += worked
    return ran


def _one_round(runtime: Runtime, shift: Shift) -> tuple[int, int]:
    """(events relayed, jobs run)."""
    relayed, worked = relay(runtime), 0
    follow_records(runtime)
    while worked < IN_A_ROW and not shift.stopping.is_set():
        found = run_next(runtime, shift)
        switch_off_failing(runtime)
        if not found:
            break
        worked += found
    return relayed, worked

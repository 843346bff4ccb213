"""Signs of life: a running job's lease is renewed by its process, and given to others by silence.

No clock of the wall decides: a lease is lost when its renewals were not seen for some seconds of
somebody else's own clock, so that moving the time takes no job from anybody.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from core.security.actor import SYSTEM
from core.work.tables import RUNNING, job_table
from core.work.uow import Origin, UnitOfWork

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from core.runtime import Runtime

__all__ = ["BEAT", "LEASE", "LOOK", "SILENCE", "Heartbeat", "Sign", "Watch", "signs_of"]

log = logging.getLogger("dougong.jobs")
#: What a renewal promises. Told on pages and by the doctor; nobody takes a job over because of it.
LEASE = timedelta(seconds=10)
#: Seconds between two renewals, and between two looks at everybody's.
BEAT = 2.0
LOOK = 2.0
#: Seconds without a renewal after which the worker counts as gone.
SILENCE = 8.0
#: Who has not looked for so long knows nothing about what happened meanwhile.
BLINK = 5.0

#: A job, its lease and what the last renewal left: (id, lease, lease_until).
Sign = tuple[int, str, datetime | None]


class Heartbeat:
    """Renews the lease of a running job while the block lasts, from a thread of its own.

    Progress is asked for by ``last_sign`` (of `time.monotonic`): when it is older than ``limit``,
    ``give_up`` is called once and the renewals end. ``lasts`` is called once, when the block is not
    over within `BEAT`.
    """

    def __init__(
        self,
        runtime: Runtime,
        job_id: int,
        lease: str,
        *,
        limit: timedelta,
        last_sign: Callable[[], float],
        give_up: Callable[[], None],
        lasts: Callable[[], None] = lambda: None,
    ) -> None:
        self._runtime = runtime
        self._mine = (job_table.c.id == job_id) & (job_table.c.lease == lease)
        self._limit = limit.total_seconds()
        self._last_sign = last_sign
        self._give_up = give_up
        self._lasts = lasts
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"job-{job_id}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()

    def _beat(self) -> None:
        while not self._over.wait(min(BEAT, self._limit / 2)):
            try:
                if time.monotonic() - self._last_sign() >= self._limit:
                    self._give_up()
                    return
                self._lasts()
                self._lasts = lambda: None
                if not self._renew():
                    return
            except DBAPIError as error:  # it may be back before anybody calls the silence long
                log.warning("a lease could not be renewed: %s", error.orig)

    def _renew(self) -> bool:
        with UnitOfWork(self._runtime, SYSTEM, origin=Origin("job")) as uow:
            until = uow.now() + LEASE
            return bool(
                uow.execute(update(job_table).where(self._mine).values(lease_until=until)).rowcount
            )


class Watch:
    """Remembers since when each running job shows the same sign of life."""

    def __init__(
        self, *, silence: float = SILENCE, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._silence = silence
        self._now = now
        self._since: dict[Sign, float] = {}
        self._last_look = now()

    def look(self, runtime: Runtime) -> Sequence[Sign]:
        """The jobs whose workers have been silent for too long."""
        now = self._now()
        if now - self._last_look > BLINK:
            self._since.clear()
        self._last_look = now
        signs = signs_of(runtime)
        self._since = {sign: self._since.get(sign, now) for sign in signs}
        return [sign for sign in signs if now - self._since[sign] >= self._silence]


def signs_of(runtime: Runtime) -> list[Sign]:
    """The last sign of life of each running job."""
    c = job_table.c
    with runtime.read_connection() as connection:
        rows = connection.execute(select(c.id, c.lease, c.lease_until).where(RUNNING)).all()
    return [(row.id, row.lease, row.lease_until) for row in rows]

"""``dougong worker``: a process that relays events, starts schedules and runs jobs."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

from core.work.rq import attend, open_doorbell

if TYPE_CHECKING:
    from core.runtime import Runtime

__all__ = ["run_worker"]


def run_worker(runtime: Runtime, stopping: threading.Event) -> None:
    """Work until SIGTERM or SIGINT, or until ``stopping`` is set; the job in hand is finished first."""
    bell = open_doorbell(runtime.config.redis_url)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    attend(runtime, bell, stopping)

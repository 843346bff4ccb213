"""The workspaces beside a server: its master starts a server for each, and looks after them.

What is to be served stands in their own files (`core.workspace`); the master looks there once a
second, opens nothing and holds nothing of theirs.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gunicorn.arbiter import Arbiter

from core.clock import Clock
from core.workspace import find_workspaces

__all__ = ["NeighbourlyArbiter", "Neighbours"]

log = logging.getLogger("dougong.workspaces")

#: Seconds before one that has ended by itself is tried again.
_PAUSE = 30
_DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG


@dataclass
class _Running:
    process: subprocess.Popen[bytes]
    told_to_end: bool = False


class Neighbours:
    """The servers of the workspaces of one home, on the same interface as the company's own."""

    def __init__(self, home: Path, host: str) -> None:
        self._home, self._host, self._clock = home, host, Clock()
        self._running: dict[str, _Running] = {}
        self._not_before: dict[str, float] = {}

    def tend(self) -> None:
        """Start what is to be served and is not, and end what is served and is not to be."""
        now = self._clock.now()
        wanted = {each.name for each in find_workspaces(self._home) if each.is_served(now)}
        for name, running in list(self._running.items()):
            if running.process.poll() is not None:
                del self._running[name]
                if not running.told_to_end:
                    log.warning("The workspace %s has ended by itself", name)
                    self._not_before[name] = time.monotonic() + _PAUSE
            elif name not in wanted and not running.told_to_end:
                running.told_to_end = True
                running.process.terminate()
        for name in wanted:
            if name not in self._running and self._not_before.get(name, 0) <= time.monotonic():
                self._running[name] = _Running(self._start(name))

    def stop(self) -> None:
        """Tell all of them to end; each gives the requests in hand the time that they need."""
        for running in self._running.values():
            if not running.told_to_end:
                running.told_to_end = True
                running.process.terminate()

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        code = "from core.cli import main; main()"
        command = [sys.executable, "-c", code, "workspace", "serve", name, "--host", self._host]
        # What the processes of one server count together is not what another counts.
        shared = ("PROMETHEUS_MULTIPROC_DIR", "GUNICORN_PID", "GUNICORN_FD", "LISTEN_FDS")
        given = {key: value for key, value in os.environ.items() if key not in shared}
        return subprocess.Popen(  # noqa: S603 - our own code, without a shell
            command,
            env=given | {"DOUGONG_HOME": str(self._home)},
            stdin=subprocess.DEVNULL,
            preexec_fn=_die_with_parent,
        )


def _die_with_parent() -> None:
    """Where the system can do it: who is killed outright leaves no servers behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGTERM)


class NeighbourlyArbiter(Arbiter):  # type: ignore[misc]
    """gunicorn's master, which looks after the neighbours as often as after its workers."""

    def __init__(self, app: Any, neighbours: Neighbours) -> None:
        super().__init__(app)
        self._neighbours = neighbours

    def murder_workers(self) -> None:
        """See gunicorn; called once a second."""
        super().murder_workers()
        try:
            self._neighbours.tend()
        except (OSError, ValueError, TypeError):
            log.exception("The workspaces could not be looked after")

    def reload(self) -> None:
        """See gunicorn; the neighbours come back with the new code."""
        super().reload()
        self._neighbours.stop()

    def stop(self, graceful: bool = True) -> None:
        """See gunicorn."""
        self._neighbours.stop()
        super().stop(graceful)

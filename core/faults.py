"""Named places where a crash, an error or a delay can be provoked from outside, for tests.

Off unless the environment says ``FAULT=name:kill|raise|sleep[:nth[:seconds]]``.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, cast, get_args

__all__ = ["FAULT_POINTS", "FaultPlan", "InjectedFault", "fault", "planned_fault"]

#: Every place there is, and what it stands for. Tests enumerate this table.
FAULT_POINTS: Mapping[str, str] = MappingProxyType(
    {
        "uow.before_commit": "everything is flushed, nothing is committed",
        "uow.after_commit": "the transaction is durable, nobody has been told",
        "outbox.after_claim": "a delivery is leased, its work has not begun",
        "outbox.before_send": "the work of a delivery is about to begin",
        "outbox.after_send": "the work is done, the delivery is not marked as done",
        "outbox.after_mark": "the delivery is marked as done, the mark is not committed",
        "jobs.after_claim": "a job is leased, its work has not begun",
        "jobs.before_finish": "a job's work is done, its state is not written",
        "schedule.after_claim": "a period is taken, its job is not yet queued",
        "files.before_rename": "an upload is on the disk under a temporary name",
        "files.after_rename": "an upload has its name, no record mentions it yet",
        "audit.before_insert": "a change is made, its audit entry is not",
        "search.before_commit": "written records are in the index, nothing is committed",
        "schema.after_ddl": "a table or column is made, no description speaks of it",
        "schema.before_record": "a change of structure is described, nobody has been told",
        "schema.before_commit": "a table or column is altered, its description is not committed",
        "migrate.between_steps": "some migrations have run, some have not",
        "backup.before_files": "the rows of a backup are written, its files are not",
        "restore.before_rows": "the files of a backup are back, its rows are not",
        "restore.between_steps": "some tables of a backup are made, none has its rows",
        "restore.before_commit": "a backup is loaded, and not committed",
        "secrets.between_batches": "some secrets are under the new key, some under the old",
    }
)

Action = Literal["kill", "raise", "sleep"]


class InjectedFault(RuntimeError):
    """Raised by a fault point that was told to."""


@dataclass
class FaultPlan:
    """One place, what happens there, and on which passage (the first is 1)."""

    name: str
    action: Action
    nth: int = 1
    seconds: float = 1.0
    passages: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> FaultPlan:
        """Read ``name:action[:nth[:seconds]]``; a plan that could never fire is a `ValueError`."""
        name, _, rest = text.partition(":")
        action, _, rest = rest.partition(":")
        nth, _, seconds = rest.partition(":")
        if name not in FAULT_POINTS or action not in get_args(Action):
            actions = "|".join(get_args(Action))
            raise ValueError(f"FAULT={text}: use name:{actions}[:nth[:seconds]] with a known name")
        plan = cls(name, cast(Action, action), int(nth or 1), float(seconds or 1))
        if plan.nth < 1 or plan.seconds < 0:
            raise ValueError(f"FAULT={text}: nth counts from 1, and seconds are not negative")
        return plan

    def pass_by(self, name: str) -> None:
        """Act, if this is the place and the passage of the plan."""
        if name != self.name:
            return
        with self._lock:
            self.passages += 1
            is_due = self.passages == self.nth
        if not is_due:
            return
        if self.action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.action == "sleep":
            time.sleep(self.seconds)
        else:
            raise InjectedFault(name)


def _plan_of_environment() -> FaultPlan | None:
    text = os.environ.get("FAULT", "")
    return FaultPlan.parse(text) if text else None


#: A fault is of the whole process, so its plan is too; only `planned_fault` changes it later.
_plan = _plan_of_environment()


def fault(name: str) -> None:
    """Mark a place of `FAULT_POINTS`; does nothing unless a fault is planned there."""
    if _plan is not None:
        _plan.pass_by(name)


@contextmanager
def planned_fault(text: str) -> Iterator[FaultPlan]:
    """Plan a fault for the block, as ``FAULT=text`` would; for tests in one process."""
    global _plan
    previous, _plan = _plan, FaultPlan.parse(text)
    try:
        yield _plan
    finally:
        _plan = previous

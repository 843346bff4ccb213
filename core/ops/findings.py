"""What a check of the doctor says: how bad it is, what was seen, what it means and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from core.runtime import Runtime

__all__ = ["Check", "Finding", "State", "advised"]

State = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    check: str
    state: State
    detail: str
    #: What it means, and what to do; empty where all is well.
    advice: str = ""


Check = Callable[["Runtime", "Connection"], Iterator[Finding]]

#: By check, for whoever keeps the installation running.
ADVICE: Mapping[str, str] = {
    "database": "Nothing works without it. Is the server up, and DOUGONG_DATABASE_URL right?",
    "epoch": "Processes cannot tell whether they are up to date. Restore a backup.",
    "migrations": "The tables are older than the code. Run: dougong migrate",
    "plugins": "Its data is kept, its pages are gone. Install it again, or switch it off.",
    "schema": "Tables were changed by hand, or a change broke off. Compare with a backup.",
    "formulas": "The field shows its last values. Switch the module on, or mend the formula.",
    "references": "Rows were deleted beside the suite. Restore them, or empty the references.",
    "files": "Records point at content that is gone. Restore the store of files.",
    "jobs": "Look at the page Jobs; start a worker with: dougong worker",
    "outbox": "Modules are not told of changes. Start a worker with: dougong worker",
    "administrators": "Make one with: dougong user create … --role admin",
    "audit": "Somebody changed the trail beside the suite, or an old database is in place. Run:"
    " dougong audit verify. After a restore say: dougong audit restored --reason …",
    "erasures": "A restored backup holds persons who were erased. Run: dougong privacy replay",
    "numbers": "Numbers were changed or rows deleted beside the suite. A counter that lags gives a"
    " number twice: raise it in core_sequence.",
    "unique": "Two living records have the same value. Change one of them.",
    "checksums": "The content is not what was uploaded. Restore these files from a backup.",
    "schedules": "Nothing starts by the clock. Start a worker with: dougong worker",
    "disk": "Make room: when it is full, nothing is stored any more.",
    "clock": "Times in records and signatures will be wrong. Set up time synchronisation (NTP).",
    "secret key": "Whoever reads it can sign in as anybody. Run: chmod 600 on the file.",
    "backups": "Without one a broken disk is the end. See docs/run.md on backups.",
    "secrets": "They were sealed with a key that is not here. Bring it back (docs/run.md).",
}


def advised(finding: Finding) -> Finding:
    """With what to do, unless all is well or the check said it already."""
    if finding.state == "ok" or finding.advice:
        return finding
    return replace(finding, advice=ADVICE.get(finding.check, ""))

"""Is the audit trail what was written, and is what was erased still erased?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, select

from core.audit.models import AuditEntry
from core.audit.retention import AUDIT
from core.audit.sealing import newest_seal
from core.audit.verifying import ChainReport, verify
from core.ops.findings import Finding
from core.privacy.tombstones import pending_tombstones
from core.settings.service import read_settings

if TYPE_CHECKING:
    from core.runtime import Runtime

__all__ = ["audit", "audit_in_full", "erasures"]

#: Batches whose entries the quick look compares.
NEWEST = 20
#: Entries are sealed some minutes after they were written, where a worker runs.
UNSEALED_AFTER = timedelta(hours=1)
_TOLD = 5
_entries: Any = AuditEntry.__table__


def audit(runtime: Runtime, connection: Connection) -> Iterator[Finding]:
    """The newest batches, and all seals and anchors."""
    yield from _told(verify(runtime, last=NEWEST))
    yield from _mailed(connection)
    yield from _waiting(runtime, connection)


def audit_in_full(runtime: Runtime, connection: Connection) -> Iterator[Finding]:
    """Every entry."""
    yield from _told(verify(runtime))
    yield from _waiting(runtime, connection)


def _told(report: ChainReport) -> Iterator[Finding]:
    for problem in report.problems[:_TOLD]:
        place = f"seal {problem.seal}" if problem.seal is not None else "the anchors"
        entry = f", entry {problem.entry}" if problem.entry is not None else ""
        yield Finding("audit", "problem", f"{problem.kind}: {place}{entry}: {problem.detail}")
    if len(report.problems) > _TOLD:
        yield Finding("audit", "problem", f"and {len(report.problems) - _TOLD} more")
    if report.holds:
        head = f"; head {report.head}" if report.head else ""
        yield Finding("audit", "ok", f"{report.entries} entries as they were sealed{head}")


def _mailed(connection: Connection) -> Iterator[Finding]:
    address = read_settings(connection, [AUDIT])[AUDIT.name]["head_to"]
    if address:
        yield Finding("audit", "ok", f"the head goes to {address} each day")
    else:
        yield Finding("audit", "ok", "the head is noted in the home and the log alone")


def _waiting(runtime: Runtime, connection: Connection) -> Iterator[Finding]:
    head = newest_seal(connection)
    oldest = select(func.min(_entries.c.at)).where(_entries.c.channel != "demo")
    if head is not None:
        oldest = oldest.where(_entries.c.id > head.last_id)
    since = connection.execute(oldest).scalar_one()
    if since is not None and runtime.clock.now() - since > UNSEALED_AFTER:
        advice = "They could still be changed unseen. Run a worker, or: dougong audit seal"
        yield Finding("audit", "warning", f"entries wait to be sealed since {since}", advice)


def erasures(runtime: Runtime, connection: Connection) -> Iterator[Finding]:
    """Erasures noted beside the database that it does not know."""
    if pending := pending_tombstones(runtime.config, connection):
        yield Finding("erasures", "problem", f"{len(pending)} are not in this database")
    else:
        yield Finding("erasures", "ok", "all in this database")

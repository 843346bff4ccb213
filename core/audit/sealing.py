"""Sealing: committed entries get into the chain in batches, some minutes after they are written.

Writers know nothing of it: they take no further lock and wait for nobody. docs/adr/0014.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, func, insert, select, text

from core.audit.anchors import append_anchor
from core.audit.canonical import SALT, leaf_of, select_entries
from core.audit.models import AuditEntry
from core.audit.recorder import record_act
from core.audit.signing import sign
from core.audit.tables import seal_table
from core.db.locks import take_turns
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import Job, Schedule
from core.security.actor import SYSTEM
from core.work.uow import Origin, UnitOfWork

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.work.jobs import JobContext

__all__ = [
    "AUDIT_SEALED",
    "FIRST",
    "SEAL_AUDIT",
    "TURN",
    "hash_of",
    "newest_seal",
    "note_restore",
    "seal_pending",
]

log = logging.getLogger("dougong.audit")
#: Entries of one seal.
BATCH = 1_000
#: Under this name sealing, redacting and dropping take turns.
TURN = "audit chain"
#: What stands before the first seal.
FIRST = "0" * 64
#: How long to wait for transactions that may still commit an entry; the next run tries again.
PATIENCE = 5.0
_PAUSE = 0.02
_entries: Any = AuditEntry.__table__


def seal_pending(runtime: Runtime) -> int:
    """Seal what is committed, and anchor the new head outside the database; how many entries."""
    sealed, head = 0, None
    while (made := _seal_batch(runtime)) is not None:
        sealed, head = sealed + made["entries"], made
    if head is not None:
        append_anchor(runtime.config, head["id"], head["hash"], head["at"])
        log.info("audit chain: seal %s, %s, %s entries more", head["id"], head["hash"], sealed)
    return sealed


def note_restore(runtime: Runtime, reason: str) -> int:
    """Answer for a backup that was just put in place; the number of the seal that it ends with.

    Anchors made after the backup claim seals that are gone. They stay in the file, and `verify`
    tells of the restore ever after. The act itself gets into the trail as well.
    """
    with UnitOfWork(runtime, SYSTEM, origin=Origin("cli")) as uow:
        record_act(uow, "restore_backup", details={"reason": reason[:300]})
        head, now = newest_seal(uow.connection), uow.now()
    seal, own = (0, FIRST) if head is None else (int(head.id), str(head.hash))
    append_anchor(runtime.config, seal, own, now, reason=reason[:300] or "-")
    return seal


def newest_seal(connection: Connection) -> Row[Any] | None:
    """The head of the chain, without its leaves."""
    c = seal_table.c
    columns: tuple[Any, ...] = (c.id, c.first_id, c.last_id, c.entries, c.at, c.hash)
    found: Row[Any] | None = connection.execute(
        select(*columns).order_by(c.id.desc()).limit(1)
    ).one_or_none()
    return found


def hash_of(
    number: int, first: int, last: int, count: int, root: str, at: datetime, previous: str
) -> str:
    """What a seal's ``hash`` must be."""
    parts = (number, first, last, count, root, at.isoformat(timespec="microseconds"), previous)
    return sha256("\n".join(map(str, parts)).encode()).hexdigest()


def _seal_batch(runtime: Runtime) -> dict[str, Any] | None:
    """The next seal, committed; None when nothing is waiting."""
    with UnitOfWork(runtime, SYSTEM, origin=Origin("schedule")) as uow:
        connection = uow.connection
        take_turns(connection, TURN)
        head = newest_seal(connection)
        after = head.last_id if head is not None else None
        horizon = _horizon(connection)
        if horizon is None or (after is not None and horizon <= after):
            return None
        waiting = select_entries().where(_entries.c.id <= horizon).limit(BATCH)
        if after is not None:
            waiting = waiting.where(_entries.c.id > after)
        rows = connection.execute(waiting).all()
        if not rows:
            return None
        now = uow.now()
        if head is not None and now < head.at:
            log.error("audit chain: the clock was set back, from %s to %s", head.at, now)
        last = rows[-1].id if len(rows) == BATCH else horizon
        values = _seal(runtime, head, rows, last, now)
        connection.execute(insert(seal_table).values(values))
        return values


def _seal(
    runtime: Runtime, head: Row[Any] | None, rows: Sequence[Any], last: int, now: datetime
) -> dict[str, Any]:
    salts = secrets.token_bytes(SALT * len(rows))
    leaves = b"".join(
        leaf_of(row, salts[place * SALT : (place + 1) * SALT]) for place, row in enumerate(rows)
    )
    number, previous = (1, FIRST) if head is None else (head.id + 1, head.hash)
    root = sha256(leaves).hexdigest()
    own = hash_of(number, rows[0].id, last, len(rows), root, now, previous)
    return {
        "id": number,
        "first_id": rows[0].id,
        "last_id": last,
        "entries": len(rows),
        "root": root,
        "at": now,
        "previous": previous,
        "hash": own,
        "signature": sign(runtime.config, "seal", own),
        "leaves": leaves,
        "salts": salts,
    }


def _horizon(connection: Connection) -> int | None:
    """The id up to which every entry is committed or never will be; None when that is not known.

    SQLite has one writer, and that is the caller. On PostgreSQL an id is taken by a transaction
    that holds the lock of whoever writes to the table, from before until its commit is visible: when all
    holders that are seen after the sequence was read are gone, so is every doubt about its ids.
    """
    if connection.dialect.name != "postgresql":
        found: int | None = connection.execute(select(func.max(_entries.c.id))).scalar_one()
        return found
    taken = connection.execute(_LAST_TAKEN).scalar_one()
    writers, deadline = _writers(connection), time.monotonic() + PATIENCE
    while taken is not None and writers and (writers := writers & _writers(connection)):
        if time.monotonic() > deadline:
            return None
        time.sleep(_PAUSE)
    return None if taken is None else int(taken)


_LAST_TAKEN = text(
    "SELECT pg_sequence_last_value(pg_get_serial_sequence('core_audit_entry', 'id')::regclass)"
)
_WRITERS = text(
    "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND relation = 'core_audit_entry'::regclass AND mode = 'RowExclusiveLock'"
)


def _writers(connection: Connection) -> set[str]:
    return set(connection.execute(_WRITERS).scalars())


def _run(context: JobContext) -> dict[str, int]:
    from core.audit.retention import drop_old

    sealed = seal_pending(context.runtime)
    return {"sealed": sealed, "dropped": drop_old(context.runtime)}


SEAL_AUDIT = Job("core.seal_audit", _run, title=_l("Seal the audit trail"))
AUDIT_SEALED = Schedule("seal_audit", SEAL_AUDIT.name, every=timedelta(minutes=5))

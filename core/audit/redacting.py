"""Taking a person's values out of entries, so that they are gone and the chain still holds.

The salt of the entry's leaf is destroyed, so that the leaf says nothing any more; what the entry
holds since is signed beside it.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, insert, select, update

from core.audit.canonical import LEAF, SALT, leaf_of, select_entries
from core.audit.models import AuditEntry
from core.audit.sealing import TURN
from core.audit.signing import sign
from core.audit.tables import redaction_table, seal_table
from core.db.bulk import one_of
from core.db.locks import take_turns

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["REDACTED", "redact"]

#: What stands in place of a value that was taken out.
REDACTED = "已抹除"
_CHUNK = 500
_entries: Any = AuditEntry.__table__


def redact(uow: UnitOfWork, changes: Mapping[int, Mapping[str, Any]]) -> None:
    """Give entries the changes ``{entry id: changes}`` in place of those that they hold."""
    take_turns(uow.connection, TURN)
    ids = sorted(changes)
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        statement = (
            update(_entries)
            .where(_entries.c.id == bindparam("key_"))
            .values(changes=bindparam("new_", type_=_entries.c.changes.type))
        )
        uow.execute(statement, [{"key_": key, "new_": dict(changes[key])} for key in chunk])
        _note(uow, chunk)


def _note(uow: UnitOfWork, ids: list[int]) -> None:
    """Destroy the salts of what is sealed, and sign what the entries hold now."""
    rows = uow.execute(select_entries().where(one_of(uow.connection, _entries.c.id, ids))).all()
    by_seal: dict[int, list[Any]] = defaultdict(list)
    bounds = select(seal_table.c.id, seal_table.c.last_id).where(
        seal_table.c.last_id >= rows[0].id if rows else seal_table.c.id < 0
    )
    seals = uow.execute(bounds.order_by(seal_table.c.id)).all()
    place = 0
    for row in rows:
        while place < len(seals) and seals[place].last_id < row.id:
            place += 1
        if place == len(seals):
            break  # not sealed yet: it will be, as it is now
        by_seal[seals[place].id].append(row)
    for seal_id, members in by_seal.items():
        _destroy_salts(uow, seal_id, {row.id for row in members})
        _sign(uow, seal_id, members)


def _destroy_salts(uow: UnitOfWork, seal_id: int, ids: set[int]) -> None:
    c = seal_table.c
    seal = uow.execute(select(c.leaves, c.salts).where(c.id == seal_id)).one()
    salts = bytearray(seal.salts)
    for place in range(len(seal.leaves) // LEAF):
        key = int.from_bytes(seal.leaves[place * LEAF : place * LEAF + 8], "big", signed=True)
        if key in ids:
            salts[place * SALT : (place + 1) * SALT] = bytes(SALT)
    uow.execute(update(seal_table).where(c.id == seal_id).values(salts=bytes(salts)))


def _sign(uow: UnitOfWork, seal_id: int, members: list[Any]) -> None:
    table, now, rows = redaction_table, uow.now(), []
    moment = now.isoformat(timespec="microseconds")
    for row in members:
        salt = secrets.token_bytes(SALT)
        digest = leaf_of(row, salt)[8:].hex()
        signature = sign(uow.runtime.config, "redaction", row.id, seal_id, digest, moment)
        rows.append(
            {
                **{"entry_id": row.id, "seal_id": seal_id, "salt": salt, "digest": digest},
                **{"at": now, "signature": signature},
            }
        )
    ids = [row.id for row in members]
    uow.execute(delete(table).where(one_of(uow.connection, table.c.entry_id, ids)))
    uow.execute(insert(table), rows)

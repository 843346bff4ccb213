"""An entry of the audit trail as bytes: the same on every database, and after a move to another."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from hashlib import sha256
from typing import Any

import orjson
from sqlalchemy import Select, select

from core.audit.models import AuditEntry

__all__ = ["LEAF", "SALT", "entry_bytes", "leaf_of", "select_entries"]

#: Bytes of a salt, and of a leaf: the entry's id and a digest.
SALT, LEAF = 16, 8 + 32
_table: Any = AuditEntry.__table__
_COLUMNS = (
    *("id", "entity", "record_id", "action", "actor_id", "behind_id"),
    *("at", "channel", "address", "request_id", "changes"),
)


def select_entries() -> Select[Any]:
    """The entries by id, as `entry_bytes` takes them."""
    return select(*(_table.c[name] for name in _COLUMNS)).order_by(_table.c.id)


def entry_bytes(row: Sequence[Any]) -> bytes:
    """The canonical bytes of a row of `select_entries`.

    A JSON list in the order of the columns, keys sorted; moments in UTC; a float that is a whole
    number as that number, because jsonb does not keep them apart.
    """
    values = list(row)
    if values[6] is not None:
        values[6] = values[6].astimezone(UTC).isoformat(timespec="microseconds")
    if _has_float(values[10]):
        values[10] = _settled(values[10])
    return orjson.dumps(values, option=orjson.OPT_SORT_KEYS)


def leaf_of(row: Sequence[Any], salt: bytes) -> bytes:
    """What a seal keeps of an entry. Without the salt nobody can guess values back from it."""
    digest = sha256(salt + entry_bytes(row)).digest()
    return int(row[0]).to_bytes(8, "big", signed=True) + digest


def _has_float(value: Any) -> bool:
    kind = type(value)
    if kind is dict:
        return any(map(_has_float, value.values()))
    if kind is list:
        return any(map(_has_float, value))
    return kind is float


def _settled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _settled(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_settled(each) for each in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return int(value)
    return value

"""Erasures beside the database: after an older backup is restored they are done once more."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import Connection, select

from core.audit.signing import is_signed, sign
from core.privacy.tables import erasure_table

if TYPE_CHECKING:
    from core.config import Config

__all__ = ["Tombstone", "keep_tombstones", "pending_tombstones", "tombstones_file"]


@dataclass(frozen=True)
class Tombstone:
    """One erasure: which records, and when. It says nothing about the person."""

    key: str
    entity: str
    record_id: int
    records: list[list[Any]]
    at: datetime


def tombstones_file(config: Config) -> Path:
    """``erasures.jsonl`` in the home."""
    return config.home / "erasures.jsonl"


def keep_tombstones(config: Config, connection: Connection) -> int:
    """Write the erasures of the database that the file lacks; how many."""
    known = {each.key for each in _read(config)}
    lines = [
        _line(config, row)
        for row in connection.execute(select(erasure_table).order_by(erasure_table.c.id))
        if row.key not in known
    ]
    if lines:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        descriptor = os.open(tombstones_file(config), flags, 0o600)
        try:
            os.write(descriptor, b"".join(lines))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return len(lines)


def pending_tombstones(config: Config, connection: Connection) -> list[Tombstone]:
    """Erasures of the file that the database does not know: it is older than they are."""
    done = set(connection.execute(select(erasure_table.c.key)).scalars())
    return [each for each in _read(config) if each.key not in done]


def _line(config: Config, row: Any) -> bytes:
    values = {
        **{"key": row.key, "entity": row.entity, "record_id": row.record_id},
        **{"records": row.records, "at": row.at.isoformat()},
    }
    text = orjson.dumps(values, option=orjson.OPT_SORT_KEYS).decode()
    return orjson.dumps({"erasure": text, "signature": sign(config, "erasure", text)}) + b"\n"


def _read(config: Config) -> list[Tombstone]:
    """The lines that this installation wrote; nobody else's may erase anything."""
    try:
        lines = tombstones_file(config).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            outer = orjson.loads(line)
            if is_signed(config, outer["signature"], "erasure", outer["erasure"]):
                values = orjson.loads(outer["erasure"])
                found.append(Tombstone(**{**values, "at": datetime.fromisoformat(values["at"])}))
        except (orjson.JSONDecodeError, KeyError, TypeError):
            continue
    return found

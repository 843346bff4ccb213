"""The tables of the chain over the audit trail; docs/adr/0014 says why they look like this."""

from __future__ import annotations

from sqlalchemy import Column, Integer, LargeBinary, Table

from core.db.base import metadata
from core.db.types import BigId, PlainText, UtcDateTime

__all__ = ["redaction_table", "seal_table"]

#: One row for each batch of entries: those with ids above the batch before, up to ``last_id``.
seal_table = Table(
    "core_audit_seal",
    metadata,
    #: 1, 2, 3 …: two sealers that extended the chain at once would give the same number.
    Column("id", BigId, primary_key=True, autoincrement=False),
    Column("first_id", BigId, nullable=False),
    Column("last_id", BigId, nullable=False),
    Column("entries", Integer, nullable=False),
    #: SHA-256 of ``leaves``.
    Column("root", PlainText(64), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    #: The ``hash`` of the seal before.
    Column("previous", PlainText(64), nullable=False),
    Column("hash", PlainText(64), nullable=False),
    Column("signature", PlainText(80), nullable=False),
    #: For each entry its id (8 bytes) and the SHA-256 of its salt and canonical bytes (32).
    Column("leaves", LargeBinary),
    #: For each entry 16 random bytes; zeros once the entry was redacted.
    Column("salts", LargeBinary),
    #: When the entries were dropped because they had been kept long enough.
    Column("dropped_at", UtcDateTime),
    Column("dropped_signature", PlainText(80)),
)

#: Entries whose values about a person were taken out, with what they hold since.
redaction_table = Table(
    "core_audit_redaction",
    metadata,
    Column("entry_id", BigId, primary_key=True, autoincrement=False),
    Column("seal_id", BigId, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("digest", PlainText(64), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("signature", PlainText(80), nullable=False),
)

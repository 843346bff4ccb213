"""Is the audit trail what was written? Seals against each other, entries against their seals,
anchors against both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, func, select, text

from core.audit.anchors import read_anchors
from core.audit.canonical import LEAF, SALT, leaf_of, select_entries
from core.audit.models import AuditEntry
from core.audit.sealing import FIRST, hash_of
from core.audit.signing import is_signed
from core.audit.tables import redaction_table, seal_table

if TYPE_CHECKING:
    from core.config import Config
    from core.runtime import Runtime

__all__ = ["ChainProblem", "ChainReport", "examine_chain", "verify"]

#: A transaction may have begun this long before its entries were sealed; more is a clock set back.
TOLERANCE = timedelta(hours=1)
#: Told before it happens: the demonstration's story is older than the chain.
_TOLD_LATER = frozenset({"demo"})
_MOST = 200
_entries: Any = AuditEntry.__table__
_HEAD = tuple(column for column in seal_table.c if column.name not in ("leaves", "salts"))


@dataclass(frozen=True)
class ChainProblem:
    """What does not hold, and where."""

    #: ``edited deleted inserted seal signature truncated replayed clock anchor dropped``
    kind: str
    detail: str
    seal: int | None = None
    entry: int | None = None


@dataclass
class ChainReport:
    """What `verify` looked at and found."""

    seals: int = 0
    entries: int = 0
    #: Entries that are too new to be sealed.
    waiting: int = 0
    redacted: int = 0
    head: str = ""
    #: When the newest seal was made.
    at: datetime | None = None
    problems: list[ChainProblem] = field(default_factory=list)
    #: Backups that were put in place, with when and why.
    restored: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """True when nothing was found."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"holds": self.holds, **asdict(self)}


def verify(
    runtime: Runtime,
    *,
    since: datetime | None = None,
    last: int | None = None,
    noted: Sequence[tuple[int, str]] = (),
) -> ChainReport:
    """`examine_chain`, from one view of the database."""
    with runtime.read_connection() as connection:
        if not runtime.database.is_sqlite:
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        return examine_chain(runtime.config, connection, since=since, last=last, noted=noted)


def examine_chain(
    config: Config,
    connection: Connection,
    *,
    since: datetime | None = None,
    last: int | None = None,
    noted: Sequence[tuple[int, str]] = (),
) -> ChainReport:
    """Compare everything.

    ``noted`` are heads, (seal, hash), that somebody kept elsewhere, e.g. in mails.

    ``since`` and ``last`` leave out the entries of older batches: those sealed before that moment,
    or all but so many. Seals and anchors are always compared to the beginning.
    """
    report = ChainReport()
    seals = connection.execute(select(*_HEAD).order_by(seal_table.c.id)).all()
    report.problems += _chain_problems(config, seals)
    report.problems += _anchor_problems(config, seals, report)
    report.problems += _noted_problems(seals, noted)
    skipped = len(seals) - last if last is not None else 0
    for place, seal in enumerate(seals):
        if place >= skipped and (since is None or seal.at >= since):
            before = seals[place - 1] if place else None
            report.problems += _batch_problems(config, connection, seal, before, report)
        if len(report.problems) >= _MOST:
            break
    newer = select(func.count()).select_from(_entries)
    if seals:
        report.head, report.at = seals[-1].hash, seals[-1].at
        newer = newer.where(_entries.c.id > seals[-1].last_id)
    report.waiting = connection.execute(newer).scalar_one()
    return report


def _chain_problems(config: Config, seals: Sequence[Row[Any]]) -> Iterator[ChainProblem]:
    previous, number, end, moment = FIRST, 0, None, None
    for seal in seals:
        number += 1
        if seal.id != number:
            yield ChainProblem("seal", f"the seals {number} to {seal.id - 1} are missing", seal.id)
            number = seal.id
        elif seal.previous != previous:
            yield ChainProblem("seal", "it does not continue the seal before it", seal.id)
        if end is not None and seal.first_id <= end:
            yield ChainProblem("seal", "it overlaps the seal before it", seal.id)
        own = (seal.first_id, seal.last_id, seal.entries, seal.root, seal.at, seal.previous)
        if seal.hash != hash_of(seal.id, *own):
            yield ChainProblem("seal", "it was altered", seal.id)
        elif not is_signed(config, seal.signature, "seal", seal.hash):
            yield ChainProblem("signature", "no key of this installation signed it", seal.id)
        if moment is not None and seal.at < moment:
            detail = f"it was made at {seal.at}, before the one before it at {moment}"
            yield ChainProblem("clock", detail, seal.id)
        previous, end, moment = seal.hash, seal.last_id, seal.at


def _anchor_problems(
    config: Config, seals: Sequence[Row[Any]], report: ChainReport
) -> Iterator[ChainProblem]:
    """A restored backup ends the claims of older anchors beyond it, and stays told for ever."""
    claims: dict[int, str] = {}
    moment = ""
    anchors = read_anchors(config)
    if seals and not anchors:
        yield ChainProblem("anchor", "there are seals, but the file of anchors is gone")
    for number, anchor in enumerate(anchors, 1):
        if not anchor.genuine:
            yield ChainProblem("anchor", f"line {number} is not of this installation")
            continue
        if anchor.at < moment:
            detail = f"an anchor at {anchor.at} follows one at {moment}"
            yield ChainProblem("clock", detail, anchor.seal)
        moment = anchor.at
        if anchor.reason:
            report.restored.append(f"{anchor.at}: {anchor.reason}")
            claims = {seal: own for seal, own in claims.items() if seal <= anchor.seal}
        if anchor.seal:
            claims[anchor.seal] = anchor.hash
    yield from _noted_problems(seals, claims.items())


def _noted_problems(
    seals: Sequence[Row[Any]], noted: Iterable[tuple[int, str]]
) -> Iterator[ChainProblem]:
    hashes = {seal.id: seal.hash for seal in seals}
    for seal, own in noted:
        if seal not in hashes:
            yield ChainProblem("truncated", "it was anchored and is not there", seal)
        elif hashes[seal] != own:
            yield ChainProblem("replayed", "another one was anchored in its place", seal)


def _batch_problems(
    config: Config,
    connection: Connection,
    seal: Row[Any],
    before: Row[Any] | None,
    report: ChainReport,
) -> Iterator[ChainProblem]:
    report.seals += 1
    rows = select_entries().where(_entries.c.id <= seal.last_id)
    if before is not None:
        rows = rows.where(_entries.c.id > before.last_id)
    if seal.dropped_at is not None:
        yield from _dropped_problems(config, connection, seal, rows)
        return
    kept = connection.execute(
        select(seal_table.c.leaves, seal_table.c.salts).where(seal_table.c.id == seal.id)
    ).one()
    leaves, salts = kept.leaves or b"", kept.salts or b""
    if sha256(leaves).hexdigest() != seal.root or len(leaves) != LEAF * seal.entries:
        yield ChainProblem("seal", "what it says of its entries was altered", seal.id)
        return
    if len(salts) != SALT * seal.entries:
        yield ChainProblem("seal", "its salts are gone", seal.id)
        return
    expected = _expected(leaves, salts)
    floor = before.at - TOLERANCE if before is not None else None
    redactions = _redactions(connection, seal.id)
    for row in connection.execute(rows):
        report.entries += 1
        known = expected.pop(row[0], None)
        if known is None:
            yield ChainProblem("inserted", "it is no part of its batch", seal.id, row[0])
        elif known[1] == bytes(SALT):
            report.redacted += 1
            if not _is_redaction(config, seal.id, row, redactions.get(row[0])):
                yield ChainProblem("edited", "it is not what was sealed", seal.id, row[0])
        elif leaf_of(row, known[1]) != known[0]:
            yield ChainProblem("edited", "it is not what was sealed", seal.id, row[0])
        if floor is not None and row.at < floor and row.channel not in _TOLD_LATER:
            detail = f"written at {row.at}, though sealed after {before.at}"  # type: ignore[union-attr]
            yield ChainProblem("clock", detail, seal.id, row[0])
    for entry in expected:
        yield ChainProblem("deleted", "it was sealed and is not there", seal.id, entry)


def _expected(leaves: bytes, salts: bytes) -> dict[int, tuple[bytes, bytes]]:
    """``{entry id: (leaf, salt)}``"""
    parts = (leaves[start : start + LEAF] for start in range(0, len(leaves), LEAF))
    return {
        int.from_bytes(leaf[:8], "big", signed=True): (
            leaf,
            salts[place * SALT : (place + 1) * SALT],
        )
        for place, leaf in enumerate(parts)
    }


def _dropped_problems(
    config: Config, connection: Connection, seal: Row[Any], rows: Any
) -> Iterator[ChainProblem]:
    moment = seal.dropped_at.isoformat(timespec="microseconds")
    if not is_signed(config, seal.dropped_signature, "dropped", seal.hash, moment):
        yield ChainProblem("dropped", "nobody with the key dropped its entries", seal.id)
    for row in connection.execute(rows.limit(_MOST)):
        yield ChainProblem("inserted", "the batch had been dropped", seal.id, row[0])


def _redactions(connection: Connection, seal_id: int) -> Mapping[int, Row[Any]]:
    statement = select(redaction_table).where(redaction_table.c.seal_id == seal_id)
    return {row.entry_id: row for row in connection.execute(statement)}


def _is_redaction(config: Config, seal_id: int, row: Any, redaction: Row[Any] | None) -> bool:
    if redaction is None:
        return False
    moment = redaction.at.isoformat(timespec="microseconds")
    parts = (row[0], seal_id, redaction.digest, moment)
    if not is_signed(config, redaction.signature, "redaction", *parts):
        return False
    return leaf_of(row, redaction.salt)[8:].hex() == str(redaction.digest)

"""How long entries are kept: whole sealed batches go, their seals stay, and the chain still holds."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, update

from core.audit.models import AuditEntry
from core.audit.sealing import TURN
from core.audit.signing import sign
from core.audit.tables import redaction_table, seal_table
from core.db.locks import take_turns
from core.fields import Email, FieldSpec, Integer
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import SettingsGroup
from core.security.actor import SYSTEM
from core.settings.service import get_setting
from core.work.uow import Origin, UnitOfWork

if TYPE_CHECKING:
    from core.runtime import Runtime

__all__ = ["AUDIT", "drop_old"]

AUDIT = SettingsGroup(
    "core_audit",
    _l("Audit trail"),
    (
        FieldSpec(
            "keep_years",
            Integer(minimum=1, maximum=100),
            _l("Keep entries for years"),
            help=_l("Empty: for ever. What is older is dropped; that it was there stays provable."),
        ),
        FieldSpec(
            "head_to",
            Email(),
            _l("Mail the head of the chain to"),
            help=_l("Each day, to somebody who does not run the server. Empty: to nobody."),
        ),
    ),
)
#: Batches dropped in one run; the rest goes in the next.
_AT_ONCE = 50
_entries: Any = AuditEntry.__table__


def drop_old(runtime: Runtime) -> int:
    """Drop the entries of batches that were sealed longer ago than they are kept; how many."""
    dropped = 0
    for _turn in range(_AT_ONCE):
        with UnitOfWork(runtime, SYSTEM, origin=Origin("schedule")) as uow:
            years = get_setting(uow, "core_audit", "keep_years")
            if years is None:
                return dropped
            taken = _drop_batch(uow, years)
        if taken is None:
            break
        dropped += taken
    return dropped


def _drop_batch(uow: UnitOfWork, years: int) -> int | None:
    """The oldest batch that is kept still, when its time has come; the newest seal always stays."""
    take_turns(uow.connection, TURN)
    c, now = seal_table.c, uow.now()
    kept = select(c.id, c.last_id, c.hash, c.at).where(c.dropped_at.is_(None)).order_by(c.id)
    seals = uow.execute(kept.limit(2)).all()
    if len(seals) < 2 or seals[0].at > now - timedelta(days=365.25 * years):
        return None
    oldest = seals[0]
    mine = _entries.c.id <= oldest.last_id
    count = uow.execute(delete(_entries).where(mine)).rowcount
    uow.execute(delete(redaction_table).where(redaction_table.c.seal_id == oldest.id))
    moment = now.isoformat(timespec="microseconds")
    uow.execute(
        update(seal_table)
        .where(c.id == oldest.id)
        .values(
            leaves=None,
            salts=None,
            dropped_at=now,
            dropped_signature=sign(uow.runtime.config, "dropped", oldest.hash, moment),
        )
    )
    return count

"""What signing in leaves behind: counted tries, ended sessions and links, dropped when of no use."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Table, delete, or_

from core.i18n import lazy_gettext as _l
from core.plugins.contributions import Job, Schedule
from core.security.locks import forget_locks
from core.security.models import password_link_table, session_table, sign_in_step_table
from core.security.throttle import forget_old_tries

if TYPE_CHECKING:
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = ["CLEAN_SIGN_INS", "SESSIONS_KEPT", "SIGN_INS_CLEANED"]

#: Ended sessions say for so long from where a person signs in.
SESSIONS_KEPT = timedelta(days=90)


def clean_sign_ins(context: JobContext) -> dict[str, int]:
    """Drop them; answers how many of each."""
    with context.unit_of_work() as uow:
        return {
            "tries": forget_old_tries(uow) + forget_locks(uow),
            "sessions": _forget_sessions(uow),
            "links": _forget_expired(uow, password_link_table),
            "steps": _forget_expired(uow, sign_in_step_table),
        }


def _forget_expired(uow: UnitOfWork, table: Table) -> int:
    return uow.execute(delete(table).where(table.c.expires_at < uow.now())).rowcount


def _forget_sessions(uow: UnitOfWork) -> int:
    table, before = session_table, uow.now() - SESSIONS_KEPT
    ended = or_(table.c.expires_at < before, table.c.revoked_at < before)
    return uow.execute(delete(table).where(ended)).rowcount


CLEAN_SIGN_INS = Job(
    "core.clean_sign_ins", clean_sign_ins, title=_l("Remove old sessions and counted sign-ins")
)
SIGN_INS_CLEANED = Schedule("clean_sign_ins", CLEAN_SIGN_INS.name, daily_at="03:45")

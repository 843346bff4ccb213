"""What people take away that is no record, such as a saved view: kept for some days, so that it can be
brought back as it was. Of each kind the last that a person took away."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from core.errors import NotFound
from core.i18n import gettext as _
from core.settings.preferences import get_preference, preference_table, write_preference

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["forget_gone", "keep_gone", "take_gone"]

KEPT = timedelta(days=7)
_PREFIX = "gone:"


def keep_gone(uow: UnitOfWork, kind: str, row: Mapping[str, Any]) -> None:
    """Keep a row that the actor takes away; its ``id`` names it, moments are kept as ISO writes them."""
    plain = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in row.items()
    }
    write_preference(uow, _PREFIX + kind, {"at": uow.now().isoformat(), "row": plain})


def take_gone(uow: UnitOfWork, kind: str, key: int) -> dict[str, Any]:
    """The row that the actor took away last, which is kept no longer; `NotFound` for any other."""
    kept = get_preference(uow, _PREFIX + kind)
    if not kept or kept["row"]["id"] != key or _is_over(uow, kept):
        raise NotFound(_("There is no such change to take back."))
    write_preference(uow, _PREFIX + kind, None)
    row: dict[str, Any] = kept["row"]
    return row


def forget_gone(uow: UnitOfWork) -> None:
    """Drop what can no longer be brought back."""
    c = preference_table.c
    rows = uow.execute(select(preference_table).where(c.key.startswith(_PREFIX))).all()
    for row in rows:
        if row.value is None or _is_over(uow, row.value):
            uow.execute(delete(preference_table).where(c.user_id == row.user_id, c.key == row.key))


def _is_over(uow: UnitOfWork, kept: Mapping[str, Any]) -> bool:
    return datetime.fromisoformat(kept["at"]) < uow.now() - KEPT

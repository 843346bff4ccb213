"""What is kept about somebody who signs in, beside their record: sign-ins, tokens, choices.

Nothing by which somebody could sign in, or prove who they are, is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.db.base import metadata
from core.db.bulk import one_of

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["TOLD", "UNTOLD", "tell_account"]

#: By table, the columns that are told. All of them go when the account is erased.
TOLD: dict[str, tuple[str, ...]] = {
    "core_session": ("created_at", "seen_at", "expires_at", "revoked_at", "address", "agent"),
    "core_api_token": ("title", "scopes", "created_at", "expires_at", "used_at", "revoked_at"),
    "core_credential": ("changed_at",),
    "core_second_factor": ("confirmed_at",),
    "core_preference": ("key", "value"),
    "core_notification": ("kind", "entity", "record_id", "at", "read_at"),
    "core_share": ("entity", "record_id", "level", "at", "until"),
    "core_import_preset": ("entity", "name", "updated_at"),
    "core_import_plan": ("title", "updated_at"),
    "core_bulk": ("entity", "at"),
}
#: Tables of the same people of which there is nothing to tell.
UNTOLD: dict[str, str] = {
    "core_sign_in_step": "ten minutes of a sign-in that is half done",
    "core_password_link": "half an hour of a link by mail",
    "core_recovery_code": "digests of codes",
    "core_sign_in_lock": "guesses of others",
    "core_import_plan_file": "names of uploads, which are found as files",
}


def tell_account(uow: UnitOfWork, people: Sequence[int]) -> Iterator[dict[str, Any]]:
    """One entry for each row: ``{"kind": table, "values": {column: value}}``."""
    for name, columns in TOLD.items() if people else ():
        table = metadata.tables[name]
        whose = table.c["owner_id" if "owner_id" in table.c else "user_id"]
        mine = select(*(table.c[column] for column in columns))
        mine = mine.where(one_of(uow.connection, whose, people))
        for row in uow.execute(mine).mappings():
            yield {"kind": name.removeprefix("core_"), "values": dict(row)}

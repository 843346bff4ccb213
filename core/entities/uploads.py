"""Which stored file may be given as a value: whose it is, how large, and what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.fields import types as t
from core.i18n import gettext as _

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["not_yours", "picture_wanted", "unfit", "unfit_upload"]


def unfit_upload(uow: UnitOfWork, type_: t.FieldType, file_id: int) -> str:
    """Why the actor cannot hand over a file that a verb asks for; empty for an upload of theirs."""
    table = uow.snapshot.installed_entities["file"].table
    row = uow.execute(select(table).where(table.c.id == file_id)).one_or_none()
    if row is None or row.entity is not None:
        return not_yours()
    if uow.actor.user_id not in (None, row.created_by):
        return not_yours()
    return unfit(type_, row)


def unfit(type_: t.FieldType, row: Any) -> str:
    """Why a row of the file table does not suit a field of files; empty when it does."""
    assert isinstance(type_, t.File)
    if isinstance(type_, t.Image) and row.media_type not in t.PICTURES:
        return picture_wanted()
    if row.size > type_.max_bytes:
        return _("The file is larger than %(size)s MB.", size=type_.max_bytes // 1_000_000)
    return ""


def not_yours() -> str:
    """The refusal of a file that somebody else uploaded, or that belongs to a record."""
    return _("Upload the file here again: it is not yours to use in this place.")


def picture_wanted() -> str:
    """The refusal of what is no picture."""
    return _("Choose a picture: PNG, JPEG, GIF or WebP.")

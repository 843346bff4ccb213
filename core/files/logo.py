"""The company's logo: the one stored file that everybody may see, signed in or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

from sqlalchemy import delete, select

from core.entities import service
from core.entities.writing import load
from core.errors import Forbidden, Invalid, NotFound, Problem
from core.files.service import store_upload
from core.files.storage import FileMissing, safe_filename, sniff_media_type
from core.i18n import gettext as _
from core.settings.definitions import LOGO_PLACE

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["LOGO_TYPES", "hang_logo", "open_logo", "store_logo", "take_down_logo"]

#: What holds pixels alone and does not move. An SVG may carry scripts, and is refused.
LOGO_TYPES = ("image/png", "image/jpeg", "image/webp")
LARGEST = 1_000_000
_HEAD = 4096


def store_logo(uow: UnitOfWork, stream: BinaryIO, filename: str) -> int:
    """Keep a picture that may become the logo; it is its maker's alone until then.

    Raises `Invalid` for what is no PNG, JPEG or WebP, and `TooLarge` above a megabyte.
    """
    head = stream.read(_HEAD)
    stream.seek(-len(head), 1)
    if sniff_media_type(head, safe_filename(filename)) not in LOGO_TYPES:
        message = _("A logo is a PNG, JPEG or WebP picture.")
        raise Invalid(message, [Problem("logo", "file", message)])
    return store_upload(uow, stream, filename, max_bytes=LARGEST)


def hang_logo(uow: UnitOfWork, file_id: int) -> None:
    """Show an upload of the actor to everybody from now on. Raises `NotFound` for any other file."""
    _require_administrator(uow)
    row = _row(uow, file_id)
    mine = row is not None and row.entity is None and row.created_by == uow.actor.user_id
    if not mine or row.media_type not in LOGO_TYPES:
        raise NotFound(_("There is no such file, or you may not read it."))
    with uow.elevated():
        load(uow, uow.snapshot.installed_entities["file"], [file_id], "update")
        service.update(uow, "file", {file_id: {"entity": LOGO_PLACE}})


def take_down_logo(uow: UnitOfWork, file_id: int) -> None:
    """Drop a logo that is shown no more: the row first, so that a refusal of the database leaves
    both. Nothing happens for a file that was no logo."""
    _require_administrator(uow)
    row = _row(uow, file_id)
    if row is None or row.entity != LOGO_PLACE:
        return
    table = uow.snapshot.installed_entities["file"].table
    uow.execute(delete(table).where(table.c.id == file_id))
    uow.runtime.storage.delete(row.storage_key)


def open_logo(uow: UnitOfWork, file_id: int) -> tuple[Any, BinaryIO]:
    """(the file's row, its content); `NotFound` for a file that is no logo."""
    row = _row(uow, file_id)
    if row is None or row.entity != LOGO_PLACE or row.media_type not in LOGO_TYPES:
        raise NotFound(_("There is no such page."))
    try:
        return row, uow.runtime.storage.open(row.storage_key)
    except FileMissing:
        raise NotFound(_("There is no such page.")) from None


def _require_administrator(uow: UnitOfWork) -> None:
    if not (uow.actor.is_admin or uow.actor.is_system):
        raise Forbidden(_("Only administrators change settings."))


def _row(uow: UnitOfWork, file_id: int) -> Any:
    table = uow.snapshot.installed_entities["file"].table
    return uow.execute(select(table).where(table.c.id == file_id)).one_or_none()

"""Pictures that go along with a new follow-up: kept when they come, tied to it when it is saved.

What comes with a form that cannot be saved yet is kept as its sender's own upload and named by
the input ``photos__kept``, so that neither an error nor the end of a session loses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from flask import request, url_for
from werkzeug.datastructures import MultiDict

from core.entities import query
from core.entities.query import ListQuery
from core.entities.reading import Reading
from core.errors import Invalid, Problem, TooLarge
from core.files.service import attach, reading_pictures, store_upload
from core.http.addresses import read_number
from core.i18n import gettext as _

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["attach_photos", "can_attach", "keep_photos", "kept_photos", "reading_photos"]

_INPUT = "photos"
_KEPT = "photos__kept"
#: Of one visit; a telephone takes pictures of some megabytes each.
_MOST, _LARGEST = 12, 20_000_000


def can_attach(uow: UnitOfWork) -> bool:
    """True for who may put files under follow-ups of their own."""
    return uow.actor.access(uow.entity("follow_up")).may("update")


def keep_photos(uow: UnitOfWork) -> tuple[MultiDict[str, str], list[Problem]]:
    """What was sent, with each picture named by its id; and why some were not taken."""
    form: MultiDict[str, str] = MultiDict(request.form)
    problems: list[Problem] = []
    sent = [each for each in request.files.getlist(_INPUT) if each.filename]
    if len(sent) + len(form.getlist(_KEPT)) > _MOST:
        message = _("At most %(n)s pictures, please.", n=_MOST)
        return form, [Problem(_INPUT, "too_many", message)]
    for each in sent:
        stream, name = cast(BinaryIO, each.stream), each.filename or ""
        stream.seek(0)  # read once before, where the form could not be saved
        try:
            key = store_upload(uow, stream, name, max_bytes=_LARGEST, pictures_only=True)
        except (Invalid, TooLarge) as error:
            problems.append(Problem(_INPUT, "file", error.message))
        else:
            form.add(_KEPT, str(key))
    return form, problems


def attach_photos(uow: UnitOfWork, form: MultiDict[str, str], follow_up: int) -> None:
    """Tie them to the follow-up. Raises `NotFound` for a file that is somebody else's."""
    for key in _ids(form):
        attach(uow, key, "follow_up", follow_up)


def _ids(form: MultiDict[str, str]) -> list[int]:
    found = (read_number(text) for text in form.getlist(_KEPT)[:_MOST])
    return list(dict.fromkeys(key for key in found if key is not None))


def kept_photos(uow: UnitOfWork, form: Any) -> list[dict[str, Any]]:
    """Those of the form that are kept already: ``{"id", "name", "url"}``, the reader's own alone."""
    ids = _ids(form) if isinstance(form, MultiDict) else []
    if not ids:
        return []
    asked = ListQuery(ids=tuple(ids), fields=("name",), limit=_MOST)
    return [_drawn(row) for row in query.page(uow, "file", asked).items]


def reading_photos(
    uow: UnitOfWork, follow_ups: Sequence[int]
) -> Reading[dict[int, list[dict[str, Any]]]]:
    """The pictures under follow-ups that the reader may see, by these."""
    found = reading_pictures(uow, "follow_up", follow_ups)
    return found.then(
        lambda pictures: {key: [_drawn(row) for row in rows] for key, rows in pictures.items()}
    )


def _drawn(row: Any) -> dict[str, Any]:
    address = url_for("web.download_file", file_id=row["id"])
    return {"id": row["id"], "name": row["name"], "url": address}

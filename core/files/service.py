"""Taking files in, tying them to records, and handing them out again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO

from sqlalchemy import false, or_, select

from core.db.bulk import one_of
from core.entities import service
from core.entities.changes import Change
from core.entities.incoming import known_readable
from core.entities.origins import became_readable
from core.entities.reading import Reading
from core.entities.scope import about_readable, living, require, scope_clause
from core.entities.uploads import not_yours, picture_wanted, unfit
from core.entities.writing import load
from core.errors import Forbidden, Invalid, NotFound, Problem, Refused, TooLarge
from core.fields import FieldSpec
from core.fields import types as t
from core.files.access import result_place
from core.files.storage import FileMissing, FileTooLarge, safe_filename, sniff_media_type
from core.i18n import gettext as _

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "LARGEST_UPLOAD",
    "attach",
    "attach_written",
    "check_written",
    "local_copy",
    "open_file",
    "reading_pictures",
    "store_result",
    "store_upload",
    "take_away",
]

LARGEST_UPLOAD = 50_000_000
_HEAD = 4096
_IN_CHUNK = 900
_COPY_CHUNK = 1 << 20
_MOST_PICTURES = 500


def store_upload(
    uow: UnitOfWork,
    stream: BinaryIO,
    filename: str,
    *,
    max_bytes: int = LARGEST_UPLOAD,
    pictures_only: bool = False,
) -> int:
    """Keep a file and return its id; it is its maker's alone until it is attached.

    The media type is told by the content. Raises `TooLarge`, `Invalid` for an empty file or what
    is no picture where one is wanted, and `Forbidden` for nobody; then nothing is kept.
    """
    if uow.actor.is_anonymous:
        raise Forbidden(_("You do not have the right to do this."))
    head = stream.read(_HEAD)
    stream.seek(-len(head), 1)
    if not head:
        raise Invalid(_("The file is empty."))
    if pictures_only and sniff_media_type(head, safe_filename(filename)) not in t.PICTURES:
        raise Invalid(picture_wanted())
    return _keep(uow, stream, filename, max_bytes, {})


def store_result(
    uow: UnitOfWork,
    stream: BinaryIO,
    filename: str,
    *,
    job_id: int,
    action: str = "",
    entity: str = "",
) -> int:
    """Keep what a job made, for who started it; see `core.files.access` for who may read it."""
    place = {"entity": result_place(action, entity), "record_id": job_id}
    return _keep(uow, stream, filename, 1 << 40, place)


def _keep(
    uow: UnitOfWork, stream: BinaryIO, filename: str, max_bytes: int, place: dict[str, Any]
) -> int:
    head = stream.read(_HEAD)
    stream.seek(-len(head), 1)
    try:
        stored = uow.runtime.storage.put(stream, max_bytes=max_bytes)
    except FileTooLarge:
        size = max_bytes // 1_000_000
        raise TooLarge(_("The file is larger than %(size)s MB.", size=size)) from None
    name = safe_filename(filename)
    values = {
        "name": name,
        "media_type": sniff_media_type(head, name),
        "size": stored.size,
        "sha256": stored.sha256,
        "storage_key": stored.key,
        **place,
    }
    with uow.elevated():
        (file_id,) = service.create(uow, "file", [values])
    return file_id


def attach(uow: UnitOfWork, file_id: int, entity: str, record_id: int) -> None:
    """Tie an upload to a record that its maker may change.

    Raises `NotFound` for a file that is somebody else's or tied already, and for the record.
    """
    spec = uow.entity(entity)
    require(uow, spec, "update")
    load(uow, spec, [record_id], "update")
    if file_id not in _loose(uow, [file_id]):
        raise _no_file()
    _tie(uow, {file_id: {"entity": entity, "record_id": record_id}})


def take_away(uow: UnitOfWork, file_id: int, *, back: bool = False) -> Any:
    """Take a file away from the record that it was added to, or bring it ``back``; its row.

    Who added it and who may change the record take it away; who did so brings it back, and who may
    change the record: not who added it where somebody else took it away. A file of a field goes by
    the field.
    """
    table = uow.snapshot.installed_entities["file"].table
    row = uow.execute(select(table).where(table.c.id == file_id)).one_or_none()
    gone = row is not None and row.archived_at is not None
    if row is None or row.record_id is None or row.field is not None or gone is not back:
        raise _no_file()
    spec = uow.entity(row.entity)
    whose = row.updated_by if back else row.created_by
    own = whose is not None and whose == uow.actor.user_id
    if not uow.actor.token_allows(spec.governed_by, "update"):
        raise Forbidden(_("You do not have the right to do this."))
    require(uow, spec, "read" if own else "update")
    load(uow, spec, [row.record_id], "read" if own else "update")
    with uow.elevated():
        (service.restore if back else service.delete)(uow, "file", [file_id])
    return row


def open_file(uow: UnitOfWork, file_id: int) -> tuple[Any, BinaryIO]:
    """(the file's row, its content from the beginning), for who may read it at this moment.

    What must not be read, or was taken away, looks like what is not there: `NotFound`.
    """
    spec = uow.snapshot.installed_entities["file"]
    mine = spec.table.c.id == file_id, spec.table.c.archived_at.is_(None)
    statement = select(spec.table).where(*mine)
    if (clause := scope_clause(uow, spec, "read")) is not None:
        statement = statement.where(clause)
    row = uow.execute(statement).one_or_none()
    if row is None:
        row = _of_origin(uow, file_id)
    try:
        return row, uow.runtime.storage.open(row.storage_key)
    except FileMissing:
        raise _no_file() from None


def _of_origin(uow: UnitOfWork, file_id: int) -> Any:
    """A file that belongs to a record out of reach which became one that the actor may read."""
    table = uow.snapshot.installed_entities["file"].table
    loose = table.c.field.is_(None), table.c.archived_at.is_(None), table.c.record_id.is_not(None)
    row = uow.execute(select(table).where(table.c.id == file_id, *loose)).one_or_none()
    if row is None or not became_readable(uow, row.entity, row.record_id):
        raise _no_file()
    return row


def reading_pictures(
    uow: UnitOfWork, entity: str, ids: Sequence[int]
) -> Reading[dict[int, list[Mapping[str, Any]]]]:
    """The pictures that were put under the records of a page, by these, as far as the actor may see
    them: their ``id`` and ``name``, in the order in which they came.

    The scope of files asks for every entity; here all belong to one.
    """
    spec = uow.snapshot.installed_entities["file"]
    require(uow, spec, "read")
    c, is_named = spec.table.c, uow.actor.access(spec).can_see(spec["name"])
    statement = (
        select(c.id, c.record_id, c.name)
        .where(*living(uow, spec), c.entity == entity, c.field.is_(None))
        .where(c.media_type.in_(t.PICTURES), one_of(uow.connection, c.record_id, ids))
        .order_by(c.id)
        .limit(_MOST_PICTURES)
    )
    if not known_readable(uow, entity).issuperset(ids):
        about = (one for _spec, one in about_readable(uow, spec.table, entity))
        statement = statement.where(or_(false(), *about))

    def by_record(rows: Sequence[Any]) -> dict[int, list[Mapping[str, Any]]]:
        pictures: dict[int, list[Mapping[str, Any]]] = {}
        for row in rows:
            told = {"id": row.id, "name": row.name if is_named else ""}
            pictures.setdefault(row.record_id, []).append(told)
        return pictures

    return Reading((statement,), by_record)


@contextmanager
def local_copy(stream: BinaryIO) -> Iterator[Path]:
    """The content as a file on this machine's disk, gone after the block; closes the stream."""
    with stream, NamedTemporaryFile(prefix="dougong-") as copy:
        while chunk := stream.read(_COPY_CHUNK):
            copy.write(chunk)
        copy.flush()
        yield Path(copy.name)


def _no_file() -> NotFound:
    return NotFound(_("There is no such file, or you may not read it."))


# Files as values of fields


def check_written(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Refuse files that are somebody else's or belong to another record or field."""
    fields = [item for item in changes[0].entity.stored if isinstance(item.type, t.File)]
    given = list(_given(changes, fields))
    if not given:
        return
    rows = _rows(uow, [key for _change, _field, key in given])
    seen: set[int] = set()
    for change, field, key in given:
        row = rows.get(key)
        if row is None or key in seen or not _may_take(uow, change, field, row):
            yield change.problem(field.name, "file", not_yours())
        elif problem := unfit(field.type, row):
            yield change.problem(field.name, "file", problem)
        seen.add(key)


def attach_written(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Tie the files that fields were given to their records."""
    fields = [item for item in changes[0].entity.stored if isinstance(item.type, t.File)]
    places = {
        key: {"entity": change.entity.name, "record_id": change.id, "field": field.name}
        for change, field, key in _given(changes, fields)
    }
    if places:
        rows = _rows(uow, list(places))
        _tie(uow, {key: place for key, place in places.items() if rows[key].entity is None})


def _given(
    changes: Sequence[Change], fields: Sequence[FieldSpec]
) -> Iterator[tuple[Change, FieldSpec, int]]:
    for change, field in ((change, field) for change in changes for field in fields):
        if change.kind in ("create", "update") and change.changed(field.name):
            key = change.after.get(field.name)
            if key is not None:
                yield change, field, key


def _may_take(uow: UnitOfWork, change: Change, field: FieldSpec, row: Any) -> bool:
    if row.entity is None:
        return uow.actor.user_id is None or row.created_by == uow.actor.user_id
    here = (change.entity.name, change.id, field.name)
    return (row.entity, row.record_id, row.field) == here  # an earlier value of this field


def _rows(uow: UnitOfWork, ids: Sequence[int]) -> dict[int, Any]:
    table = uow.snapshot.installed_entities["file"].table
    chunks = (ids[start : start + _IN_CHUNK] for start in range(0, len(ids), _IN_CHUNK))
    found = (uow.execute(select(table).where(table.c.id.in_(chunk))) for chunk in chunks)
    return {row.id: row for row in chain.from_iterable(found)}


def _loose(uow: UnitOfWork, ids: Sequence[int]) -> set[int]:
    mine = uow.actor.user_id
    return {
        key
        for key, row in _rows(uow, ids).items()
        if row.entity is None and (mine is None or row.created_by == mine)
    }


def _tie(uow: UnitOfWork, places: dict[int, dict[str, Any]]) -> None:
    """Write where files belong; locked, so that of two at the same instant one is refused."""
    if not places:
        return
    with uow.elevated():
        rows = load(uow, uow.snapshot.installed_entities["file"], list(places), "update")
        if any(row["entity"] is not None for row in rows.values()):
            raise Refused(_("The file was used elsewhere meanwhile. Upload it again."))
        service.update(uow, "file", places)

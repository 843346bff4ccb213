"""A person's data as a ZIP: one JSON document, the same as a workbook, and the files themselves."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson

from core.audit.recorder import record_act
from core.entities.timeline import MAX_ENTRIES, timeline
from core.fields import EntitySpec
from core.files.storage import FileMissing, safe_filename
from core.i18n import gettext as _
from core.privacy.account import tell_account
from core.privacy.finding import Person, is_of_trail, kept_entities, told_in_trail
from core.tabular.writer import Sheet, write_sheets

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["describe_person", "note_export", "write_person"]


def note_export(uow: UnitOfWork, person: Person) -> None:
    """The entry of the audit trail: who took whose data."""
    details = person.counts()
    ids = [person.record_id]
    record_act(uow, "export_person", entity=person.entity, record_ids=ids, details=details)


def describe_person(uow: UnitOfWork, person: Person) -> dict[str, Any]:
    """What is kept, as JSON values, by kind."""
    specs = kept_entities(uow)
    return {
        "about": {"entity": person.entity, "id": person.record_id},
        "made_at": uow.now(),
        "found_by": sorted(person.keys),
        "records": [
            {"entity": name, "kind": str(specs[name].label), "id": key, "values": row}
            for name, rows in person.records.items()
            for key, row in sorted(rows.items())
        ],
        "places": [
            {"entity": name, "kind": str(specs[name].label), "id": key, "values": row}
            for name, rows in person.places.items()
            for key, row in sorted(rows.items())
        ],
        "account": list(tell_account(uow, person.ids("user"))),
        "history": [_entry(person, row) for row in person.entries],
        "timeline": list(_timeline(uow, person)),
        "events": [
            {"type": row.type, "at": row.at, "payload": row.payload} for row in person.events
        ],
        "drafts": [
            {"entity": row.entity, "id": row.record_id, "at": row.at, "inputs": row.inputs}
            for row in person.drafts
        ],
        "mentions": [
            {"table": each.table, "key": each.key, "column": each.column, "text": each.value}
            for each in person.mentions
        ],
        "files": [_file(row) for row in (*person.files, *person.tables)],
    }


def write_person(uow: UnitOfWork, person: Person, target: BinaryIO) -> None:
    """Write ``data.json``, ``data.xlsx`` and ``files/…``."""
    told = describe_person(uow, person)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.json", orjson.dumps(_plain(told), option=orjson.OPT_INDENT_2))
        book = io.BytesIO()
        write_sheets(book, list(_sheets(kept_entities(uow), person, told)))
        archive.writestr("data.xlsx", book.getvalue())
        for row in (*person.files, *person.tables):
            try:
                with uow.runtime.storage.open(row.storage_key) as stream:
                    archive.writestr(_place(row), stream.read())
            except FileMissing:
                continue


def _entry(person: Person, row: Any) -> dict[str, Any]:
    """An entry; of one about something else only what mentions the person."""
    changes = row.changes or {}
    if not is_of_trail(person, row):
        changes = told_in_trail(person, row)
    return {
        **{"at": row.at, "action": row.action, "entity": row.entity, "id": row.record_id},
        **{"channel": row.channel, "changes": changes},
    }


def _timeline(uow: UnitOfWork, person: Person) -> Iterator[dict[str, Any]]:
    """What modules tell of the records; their changes are in the history already."""
    for name, rows in person.records.items():
        spec = uow.snapshot.entities.get(name)
        if spec is None or spec.parent_field is not None:
            continue
        with uow.elevated():
            for key in rows:
                for entry in timeline(uow, name, key, limit=MAX_ENTRIES):
                    if entry.body or entry.data:
                        yield {
                            **{"entity": name, "id": key, "at": entry.at, "title": entry.title},
                            **{"body": entry.body, "data": dict(entry.data)},
                        }


def _file(row: Any) -> dict[str, Any]:
    return {"name": row.name, "entity": row.entity, "id": row.record_id, "place": _place(row)}


def _place(row: Any) -> str:
    return f"files/{row.id}-{safe_filename(row.name or 'file')}"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(each) for each in value]
    if isinstance(value, Decimal):
        return str(value)
    return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (str, Decimal)):
        return str(value)
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    return orjson.dumps(_plain(value)).decode()


def _sheets(
    specs: Mapping[str, EntitySpec], person: Person, told: Mapping[str, Any]
) -> Iterator[Sheet]:
    """A page of values, field by field, then one for each further kind that there is."""
    labels = {name: {f.name: str(f.label) for f in spec.fields} for name, spec in specs.items()}
    values = [
        [str(specs[name].label), str(key), labels[name].get(field, field), _text(value)]
        for name, rows in person.records.items()
        for key, row in sorted(rows.items())
        for field, value in row.items()
        if value is not None
    ]
    header = [_("Entity"), _("Record"), _("Field"), _("Value")]
    yield Sheet(_("Records"), header, values, (20, 10, 24, 60))
    titles = {
        "places": _("Places"),
        "account": _("Account"),
        "history": _("Audit trail"),
        "timeline": _("Timeline"),
        "events": _("Events"),
        "drafts": _("Drafts"),
        "mentions": _("Mentions"),
        "files": _("Files"),
    }
    for kind, title in titles.items():
        if rows := told[kind]:
            names = list(rows[0])
            yield Sheet(title, names, [[_text(row[name]) for name in names] for row in rows])

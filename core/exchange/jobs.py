"""Imports and exports as jobs: started here, resumed after a crash, with a file as their result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, delete, select

from core.db.bulk import bulk_insert
from core.errors import Invalid, Problem, Refused
from core.exchange.adjusting import Additions, check_additions
from core.exchange.chosen_keys import check_keys
from core.exchange.duplicates import ensure_keys
from core.exchange.exporting import ExportRequest, prepare_export, write_export
from core.exchange.history import COUNTS, undo_of
from core.exchange.importing import Importer, RefusedRow, check_rights
from core.exchange.mapping import (
    REPORT_COLUMNS,
    ColumnMapping,
    check_mapping,
    importable_fields,
    remember,
)
from core.exchange.presets import Preset
from core.exchange.tables import import_refusal_table
from core.exchange.tally import Tally
from core.exchange.trail import import_origin
from core.fields import EntitySpec
from core.files.service import local_copy, open_file, store_result
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import Job
from core.tabular.ahead import ReadAhead, ReadHere, read_table
from core.tabular.columns import CleanRows, SheetRow
from core.tabular.errors import TableError
from core.tabular.reader import Layout, Table, open_table
from core.tabular.writer import write_csv, write_xlsx
from core.work.tables import job_table
from core.work.uow import UnitOfWork

if TYPE_CHECKING:
    from core.work.jobs import JobContext

__all__ = [
    "EXPORT",
    "IMPORT",
    "Source",
    "check_columns",
    "open_upload",
    "queue_import",
    "start_export",
    "start_import",
]

#: Rows written in one transaction.
BATCH = 2_000


@contextmanager
def open_upload(
    uow: UnitOfWork, file_id: int, *, sheet: str | None = None, encoding: str | None = None
) -> Iterator[Table]:
    """The table in an upload that the actor may read. Raises `NotFound`, and `Invalid` with why
    the file is refused."""
    row, stream = open_file(uow, file_id)
    with local_copy(stream) as path:
        yield _table(path, row.name, sheet, encoding)


def _table(path: Path, name: str, sheet: str | None, encoding: str | None) -> Table:
    try:
        return open_table(path, name, sheet=sheet or None, encoding=encoding or None)
    except TableError as error:
        raise _as_refusal(error) from error


def _as_refusal(error: TableError) -> Invalid:
    return Invalid(error.message, [Problem("file", error.code, error.message)])


def start_import(
    uow: UnitOfWork,
    entity: str,
    file_id: int,
    *,
    policy: str | None = None,
    mapping: Mapping[str, str | None] | None = None,
    fields: Sequence[str | None] | None = None,
    sheet: str | None = None,
    encoding: str | None = None,
    keys: Sequence[str] | None = None,
    defaults: Mapping[str, str] | None = None,
    names: Mapping[str, Mapping[str, str]] | None = None,
    preset: Preset | None = None,
) -> int:
    """Queue the import of an upload and return the job's id.

    ``mapping`` is ``{heading: field or null}`` over what is proposed; ``fields`` says it for each
    column instead, as the wizard does. ``keys`` tell records apart in place of the declared
    fields; ``defaults`` and ``names`` are those of `Additions`. What is left out is as ``preset``
    says. Raises `Forbidden`, `NotFound`, `Invalid`.
    """
    spec = uow.entity(entity)
    saved = preset or Preset.blank()
    policy = policy or saved.policy
    keys = saved.keys if keys is None else keys
    defaults = saved.additions.defaults if defaults is None else defaults
    names = saved.additions.names if names is None else names
    check_rights(uow, spec, policy)
    with open_upload(uow, file_id, sheet=sheet, encoding=encoding) as table:
        layout, header, filename = table.layout, tuple(table.header), _upload_name(uow, file_id)
    if fields is not None:
        chosen = ColumnMapping(header, check_columns(uow, entity, header, fields))
    else:
        columns = {
            text: name for text, name in zip(header, saved.fields(header), strict=True) if name
        }
        chosen = check_mapping(uow, spec, header, {**columns, **(mapping or {})})
    if not any(name for name in chosen.fields if name != "id"):
        message = _("No column of the file is a field of %(entity)s.", entity=str(spec.label))
        raise Invalid(message, [Problem("mapping", "empty", message)])
    added = check_additions(uow, spec, chosen.fields, defaults, names)
    keys = check_keys(uow, spec, keys, [*chosen.fields, *added.defaults])
    remember(uow, spec, chosen)
    source = Source(file_id, filename, layout, encoding)
    job_id = queue_import(uow, spec, source, chosen.fields, policy, keys, added)
    assert job_id is not None
    return job_id


@dataclass(frozen=True)
class Source:
    """An upload that is imported, and what is known of it."""

    file_id: int
    filename: str
    layout: Layout
    encoding: str | None = None


def queue_import(
    uow: UnitOfWork,
    spec: EntitySpec,
    source: Source,
    fields: Sequence[str | None],
    policy: str,
    keys: Sequence[str],
    added: Additions,
    *,
    key: str | None = None,
) -> int | None:
    """Queue an import of which everything was checked; the job's id, None when ``key`` was used."""
    arguments = {
        "entity": spec.name,
        "file": source.file_id,
        "header": list(source.layout.header),
        "fields": list(fields),
        "policy": policy,
        "sheet": source.layout.sheet,
        "encoding": source.encoding,
        "filename": source.filename,
        "layout": source.layout.as_json(),
        "keys": list(keys),
        "added": added.as_json(),
    }
    title = _("Import: %(entity)s", entity=str(spec.label_plural))
    return uow.enqueue(IMPORT.name, arguments, title=title, key=key)


def _upload_name(uow: UnitOfWork, file_id: int) -> str:
    files = uow.snapshot.installed_entities["file"].table
    return str(uow.execute(select(files.c.name).where(files.c.id == file_id)).scalar_one())


def check_columns(
    uow: UnitOfWork, entity: str, header: Sequence[str], fields: Sequence[str | None]
) -> tuple[str | None, ...]:
    """The field of each column, as somebody chose them. Raises `Invalid` when one is chosen twice, or
    is not theirs to import."""
    named = [name for name in fields if name]
    if len(fields) != len(header) or len(named) != len(set(named)):
        message = _("Give each field one column.")
        raise Invalid(message, [Problem("mapping", "twice", message)])
    usable = importable_fields(uow, uow.entity(entity))
    if unknown := [name for name in named if name != "id" and name not in usable]:
        message = _("There is no field %(name)s that you may import.", name=unknown[0][:60])
        raise Invalid(message, [Problem("mapping", "unknown_field", message)])
    return tuple(name or None for name in fields)


# The import


def _import(
    context: JobContext,
    *,
    entity: str,
    file: int,
    header: list[str],
    fields: list[str | None],
    policy: str,
    sheet: str | None = None,
    encoding: str | None = None,
    filename: str = "",
    keys: Sequence[str] = (),
    defaults: Mapping[str, str] | None = None,
    names: Mapping[str, Mapping[str, str]] | None = None,
    layout: Mapping[str, Any] | None = None,
    added: Mapping[str, Any] | None = None,
) -> None:
    """The handler of ``core.import``. Progress is committed with each batch: what is done is not
    done again by whoever takes the job over."""
    # Jobs from before an upgrade say it in two arguments.
    more = Additions.from_json(added) if added else Additions(defaults or {}, names or {})
    with context.unit_of_work(write=False) as uow:
        spec = uow.entity(entity)
        check_rights(uow, spec, policy)
        row, stream = open_file(uow, file)
        job = uow.execute(select(job_table).where(job_table.c.id == context.job_id)).one()
        tally = Tally(_cleaned(job.result))
        importer = Importer(more.plan(spec, header, fields, policy, keys), tally)
        recipe = importer.recipe(uow)
    counts = {name: (job.result or {}).get(name, 0) for name in COUNTS}
    with local_copy(stream) as path:
        known = (
            Layout.from_json(layout)
            if layout is not None
            else _table(path, row.name, sheet, encoding).layout
        )
        done = job.done
        try:
            with read_table(path, row.name, known) as reading:
                _prepare(context, entity, done, job.total or reading.count())
                for rows in reading.batches(recipe, done, BATCH):
                    done += len(rows.lines)
                    _import_batch(context, importer, rows, counts, tally, done)
                result = {**counts, "cleaned": tally.counts}
                _finish(context, entity, reading, known, row.name, result)
        except TableError as error:
            raise _as_refusal(error) from error


def _cleaned(result: Mapping[str, Any] | None) -> dict[str, int]:
    found: dict[str, int] = (result or {}).get("cleaned", {})
    return found


def _prepare(context: JobContext, entity: str, done: int, total: int) -> None:
    with _transaction(context) as uow:
        if undo_of(uow, context.job_id) is not None:
            raise Refused(_("This import was undone; start a new one."))
        ensure_keys(uow, uow.entity(entity))
        context.advance(uow, done, total)


def _transaction(context: JobContext) -> UnitOfWork:
    return UnitOfWork(context.runtime, context.actor, origin=import_origin(context.job_id))


def _import_batch(
    context: JobContext,
    importer: Importer,
    rows: CleanRows,
    counts: dict[str, int],
    tally: Tally,
    done: int,
) -> None:
    with _transaction(context) as uow:
        batch = importer.batch(uow, rows)
        counts["created"] += batch.created
        counts["updated"] += batch.updated
        counts["duplicates"] += batch.duplicates
        counts["refused"] += len(batch.refused)
        _keep_refused(uow, context.job_id, batch.refused)
        context.advance(uow, done, partial={**counts, "cleaned": tally.counts})


def _keep_refused(uow: UnitOfWork, job_id: int, refused: Sequence[RefusedRow]) -> None:
    rows = [(job_id, each.line, each.field, each.reason) for each in refused]
    names = ("job_id", "line", "field", "reason")
    bulk_insert(uow.connection, import_refusal_table, names, rows)


def _finish(
    context: JobContext,
    entity: str,
    reading: ReadHere | ReadAhead,
    layout: Layout,
    filename: str,
    result: Mapping[str, Any],
) -> None:
    with context.unit_of_work() as uow:  # the report is no part of what an undo takes back
        mine = import_refusal_table.c.job_id == context.job_id
        lines = set(uow.execute(select(import_refusal_table.c.line).where(mine)).scalars())
        report = None
        if lines:
            rows = zip(reading.rows(lines), _refused(uow, context.job_id), strict=True)
            report = _report(uow, context.job_id, entity, layout, filename, rows)
            uow.execute(delete(import_refusal_table).where(mine))
        context.finish(uow, {**result, "report": report})


def _refused(uow: UnitOfWork, job_id: int) -> Iterator[Row[Any]]:
    """What is wrong with each refused row, in the order of their lines; some at a time."""
    table, last = import_refusal_table, 0
    statement = select(table).where(table.c.job_id == job_id).order_by(table.c.line).limit(BATCH)
    while rows := uow.execute(statement.where(table.c.line > last)).all():
        yield from rows
        last = rows[-1].line


def _report(
    uow: UnitOfWork,
    job_id: int,
    entity: str,
    layout: Layout,
    filename: str,
    refused: Iterable[tuple[SheetRow, Row[Any]]],
) -> int:
    """The refused rows as they came, with line, field and reason: to mend and import again."""
    width = len(layout.header)
    header = [*layout.header, *(str(text) for text in REPORT_COLUMNS)]
    rows = ([*cells[:width], line, why.field, why.reason] for (line, cells), why in refused)
    is_text = layout.format == "csv"
    name = f"{PurePath(filename).stem}-{_('refused')}{'.csv' if is_text else '.xlsx'}"
    with TemporaryFile() as file:
        (write_csv if is_text else write_xlsx)(file, header, rows)
        file.seek(0)
        return store_result(uow, file, name, job_id=job_id, action="import", entity=entity)


IMPORT = Job("core.import", _import, _l("Import"), is_history=True)


# The export


def start_export(uow: UnitOfWork, request: ExportRequest) -> int:
    """Queue an export and return the job's id; its result is ``{"rows", "report"}``."""
    prepare_export(uow, request)
    spec = uow.entity(request.entity)
    title = _("Export: %(entity)s", entity=str(spec.label_plural))
    job_id = uow.enqueue(EXPORT.name, request.as_json(), title=title)
    assert job_id is not None
    return job_id


def _export(context: JobContext, **arguments: Any) -> None:
    """The handler of ``core.export``."""
    request = ExportRequest(**arguments)
    with context.unit_of_work(write=False) as uow, TemporaryFile() as file:
        total = prepare_export(uow, request)
        context.progress(0, total)
        rows = write_export(uow, request, file, lambda done: context.progress(done, total))
        file.seek(0)
        with context.unit_of_work() as writing:
            report = store_result(
                writing,
                file,
                request.filename(writing),
                job_id=context.job_id,
                action="export",
                entity=request.entity,
            )
            request.record(writing, rows)
            context.finish(writing, {"rows": rows, "report": report})


EXPORT = Job("core.export", _export, _l("Export"))

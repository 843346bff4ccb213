"""Imports and exports as jobs: started here, resumed after a crash, with a file as their result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from pathlib import Path, PurePath
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select

from core.errors import Invalid, Problem
from core.exchange.duplicates import ensure_keys
from core.exchange.exporting import ExportRequest, prepare_export, write_export
from core.exchange.importing import Importer, ImportPlan, RefusedRow, batches, check_rights
from core.exchange.mapping import (
    REPORT_COLUMNS,
    ColumnMapping,
    check_mapping,
    importable_fields,
    remember,
)
from core.exchange.tables import import_refusal_table
from core.files.service import local_copy, open_file, store_result
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import Job
from core.tabular.errors import TableError
from core.tabular.reader import Table, open_table
from core.tabular.writer import write_csv, write_xlsx
from core.work.tables import job_table
from core.work.uow import Origin, UnitOfWork

if TYPE_CHECKING:
    from core.work.jobs import JobContext

__all__ = [
    "EXPORT",
    "IMPORT",
    "open_upload",
    "start_export",
    "start_import",
]

#: Rows written in one transaction.
BATCH = 1_000
_COUNTS = ("created", "updated", "duplicates", "refused")
_ORIGIN = Origin("import")


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
    policy: str = "skip",
    mapping: Mapping[str, str | None] | None = None,
    fields: Sequence[str | None] | None = None,
    sheet: str | None = None,
    encoding: str | None = None,
) -> int:
    """Queue the import of an upload and return the job's id.

    ``mapping`` is ``{heading: field or null}`` over what is proposed; ``fields`` says it for each
    column instead, as the wizard does. Raises `Forbidden`, `NotFound`, `Invalid`.
    """
    spec = uow.entity(entity)
    check_rights(uow, spec, policy)
    with open_upload(uow, file_id, sheet=sheet, encoding=encoding) as table:
        header = tuple(table.header)
    if fields is not None:
        chosen = ColumnMapping(header, _checked_fields(uow, entity, header, fields))
    else:
        chosen = check_mapping(uow, spec, header, mapping or {})
    if not any(name for name in chosen.fields if name != "id"):
        message = _("No column of the file is a field of %(entity)s.", entity=str(spec.label))
        raise Invalid(message, [Problem("mapping", "empty", message)])
    remember(uow, spec, chosen)
    arguments = {
        "entity": entity,
        "file": file_id,
        "header": list(header),
        "fields": chosen.as_json(),
        "policy": policy,
        "sheet": sheet,
        "encoding": encoding,
    }
    title = _("Import: %(entity)s", entity=str(spec.label_plural))
    job_id = uow.enqueue(IMPORT.name, arguments, title=title)
    assert job_id is not None
    return job_id


def _checked_fields(
    uow: UnitOfWork, entity: str, header: Sequence[str], fields: Sequence[str | None]
) -> tuple[str | None, ...]:
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
) -> None:
    """The handler of ``core.import``. Progress is committed with each batch: what is done is not
    done again by whoever takes the job over."""
    plan = ImportPlan(entity, tuple(header), tuple(fields), policy)
    with context.unit_of_work(write=False) as uow:
        check_rights(uow, uow.entity(entity), policy)
        row, stream = open_file(uow, file)
        job = uow.execute(select(job_table).where(job_table.c.id == context.job_id)).one()
    counts = {name: (job.result or {}).get(name, 0) for name in _COUNTS}
    with local_copy(stream) as path:
        table = _table(path, row.name, sheet, encoding)
        try:
            total = job.total or sum(1 for _row in table.rows())
            _prepare(context, entity, job.done, total)
            _import_batches(context, plan, table, job.done, counts)
            _finish(context, entity, table, row.name, counts)
        except TableError as error:
            raise _as_refusal(error) from error


def _prepare(context: JobContext, entity: str, done: int, total: int) -> None:
    with UnitOfWork(context.runtime, context.actor, origin=_ORIGIN) as uow:
        ensure_keys(uow, uow.entity(entity))
        context.advance(uow, done, total)


def _import_batches(
    context: JobContext, plan: ImportPlan, table: Table, done: int, counts: dict[str, int]
) -> None:
    importer = Importer(plan)
    for rows in batches(islice(table.rows(), done, None), BATCH):
        with UnitOfWork(context.runtime, context.actor, origin=_ORIGIN) as uow:
            batch = importer.batch(uow, rows)
            done += len(rows)
            counts["created"] += batch.created
            counts["updated"] += batch.updated
            counts["duplicates"] += batch.duplicates
            counts["refused"] += len(batch.refused)
            _keep_refused(uow, context.job_id, batch.refused)
            context.advance(uow, done, partial=dict(counts))


def _keep_refused(uow: UnitOfWork, job_id: int, refused: Sequence[RefusedRow]) -> None:
    if refused:
        rows = [
            {"job_id": job_id, "line": each.line, "field": each.field, "reason": each.reason}
            for each in refused
        ]
        uow.execute(insert(import_refusal_table), rows)


def _finish(
    context: JobContext, entity: str, table: Table, filename: str, counts: Mapping[str, int]
) -> None:
    with UnitOfWork(context.runtime, context.actor, origin=_ORIGIN) as uow:
        mine = import_refusal_table.c.job_id == context.job_id
        refused = {row.line: row for row in uow.execute(select(import_refusal_table).where(mine))}
        report = None
        if refused:
            report = _report(uow, context.job_id, entity, table, filename, refused)
            uow.execute(delete(import_refusal_table).where(mine))
        context.finish(uow, {**counts, "report": report})


def _report(
    uow: UnitOfWork,
    job_id: int,
    entity: str,
    table: Table,
    filename: str,
    refused: Mapping[int, Any],
) -> int:
    """The refused rows as they came, with line, field and reason: to mend and import again."""
    width = len(table.header)
    header = [*table.header, *(str(text) for text in REPORT_COLUMNS)]
    rows = (
        [*cells[:width], line, refused[line].field, refused[line].reason]
        for line, cells in table.rows()
        if line in refused
    )
    is_text = table.format == "csv"
    name = f"{PurePath(filename).stem}-{_('refused')}{'.csv' if is_text else '.xlsx'}"
    with TemporaryFile() as file:
        (write_csv if is_text else write_xlsx)(file, header, rows)
        file.seek(0)
        return store_result(uow, file, name, job_id=job_id, action="import", entity=entity)


IMPORT = Job("core.import", _import, _l("Import"), lease=timedelta(minutes=2))


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


EXPORT = Job("core.export", _export, _l("Export"), lease=timedelta(minutes=2))

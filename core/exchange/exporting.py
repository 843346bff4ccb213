"""Records as a table in a file, as their reader may see them, that can be imported again.

The rule by which nothing is lost: a reference is written as its label, with ``#id`` behind it where
the label alone would not lead back; an option as its label, or as its value where two options
share a label; a moment as wall time of the company's zone, with its offset where that is not exact.
The first column holds the ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import singledispatch
from typing import TYPE_CHECKING, Any, BinaryIO

from core.audit.recorder import record_act
from core.entities.incoming import forget_readable
from core.entities.masking import Masked
from core.entities.query import ListQuery, count, stream, visible
from core.entities.scope import require
from core.errors import Forbidden, Invalid, Problem
from core.exchange.cells import CellWriter, cell_writer
from core.exchange.mapping import RECORD_ID
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.i18n import gettext as _
from core.settings.service import get_setting
from core.tabular.writer import write_csv, write_xlsx

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "DIRECT_LIMIT",
    "FORMATS",
    "ExportRequest",
    "exportable_fields",
    "prepare_export",
    "require_export",
    "write_export",
]

FORMATS = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
#: Above this many rows an export is a job.
DIRECT_LIMIT = 20_000
_CHUNK = 2_000
#: After so many chunks the labels that were looked up are forgotten: memory stays flat.
_PAGES_REMEMBERED = 25


@dataclass(frozen=True)
class ExportRequest:
    """What to export; plain values, so that it can be the arguments of a job."""

    entity: str
    format: str = "xlsx"
    filter: Any = None
    search: str = ""
    sort: str = ""
    #: None for all fields that the reader may see.
    fields: Sequence[str] | None = None
    archived: bool = False

    def as_json(self) -> dict[str, Any]:
        """The arguments of the job."""
        return asdict(self)

    def query(self) -> ListQuery:
        """The same as the query takes it."""
        return ListQuery(
            filter=self.filter, search=self.search, sort=self.sort, archived=self.archived
        )

    def filename(self, uow: UnitOfWork) -> str:
        """``线索-20261121.xlsx``"""
        label = str(uow.entity(self.entity).label_plural)
        return f"{label}-{uow.clock.today():%Y%m%d}.{self.format}"

    def record(self, uow: UnitOfWork, rows: int) -> None:
        """The entry of the audit trail: who took what with him."""
        details = {**self.as_json(), "rows": rows}
        details.pop("entity")
        record_act(uow, "export", entity=self.entity, details=details)


def prepare_export(uow: UnitOfWork, request: ExportRequest) -> int:
    """How many rows it has at most. Raises `Forbidden` and `Invalid` for what may not be exported."""
    spec = uow.entity(request.entity)
    require_export(uow, spec, request.format)
    _chosen(uow, spec, request)
    return count(uow, request.entity, request.query())


def require_export(uow: UnitOfWork, spec: EntitySpec, kind: str) -> None:
    """Raise `Forbidden` for who may not export, and `Invalid` for a ``kind`` of file that is none."""
    require(uow, spec, "read")
    require(uow, spec, "export")
    if not get_setting(uow, "core_security", "export_allowed"):
        raise Forbidden(_("Exports are switched off by the administrator."))
    if kind not in FORMATS:
        message = _("Use csv or xlsx.")
        raise Invalid(message, [Problem("format", "choice", message)])


def exportable_fields(uow: UnitOfWork, spec: EntitySpec) -> list[FieldSpec]:
    """The fields that can be columns of an export by this actor, in their order."""
    return [
        item
        for item in visible(uow, spec)
        if not isinstance(item.type, t.Lines) and item.name not in ("id", "version", "archived_at")
    ]


def _chosen(uow: UnitOfWork, spec: EntitySpec, request: ExportRequest) -> list[FieldSpec]:
    usable = {item.name: item for item in exportable_fields(uow, spec)}
    if request.fields is None:
        return list(usable.values())
    names = [name for name in dict.fromkeys(request.fields) if name != "id"]
    for name in names:
        if name not in usable:
            message = _("There is no field %(name)s.", name=name[:60])
            raise Invalid(message, [Problem("fields", "unknown_field", message)])
    return [usable[name] for name in names]


def write_export(
    uow: UnitOfWork,
    request: ExportRequest,
    target: BinaryIO,
    progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Write the file in constant memory and return the number of rows."""
    spec = uow.entity(request.entity)
    fields = _chosen(uow, spec, request)
    counted = 0

    def rows() -> Iterator[list[Any]]:
        nonlocal counted
        for row in _rows(uow, request, fields):
            counted += 1
            if counted % _CHUNK == 0:
                progress(counted)
            yield row

    header = [str(RECORD_ID), *_headings(fields)]
    if request.format == "csv":
        write_csv(target, header, rows())
    else:
        formats = [None, *(_number_format(item.value_type) for item in fields)]
        write_xlsx(target, header, rows(), sheet=str(spec.label_plural), formats=formats)
    return counted


def _headings(fields: Sequence[FieldSpec]) -> list[str]:
    """Labels; with the name behind it where two fields share one."""
    labels = [str(item.label) for item in fields]
    return [
        f"{label} ({item.name})" if labels.count(label) > 1 else label
        for item, label in zip(fields, labels, strict=True)
    ]


def _rows(
    uow: UnitOfWork, request: ExportRequest, fields: Sequence[FieldSpec]
) -> Iterator[list[Any]]:
    names = tuple(item.name for item in fields)
    query = ListQuery(
        fields=names,
        filter=request.filter,
        search=request.search,
        sort=request.sort,
        archived=request.archived,
    )
    writers: list[tuple[str, CellWriter]] = [(item.name, cell_writer(uow, item)) for item in fields]
    for number, page in enumerate(stream(uow, request.entity, query, chunk=_CHUNK), 1):
        if number % _PAGES_REMEMBERED == 0:
            forget_readable(uow)
        for _name, writer in writers:
            writer.prepare(uow, page)
        for item in page.items:
            row = [item.get("id")]
            for name, writer in writers:
                value = item.get(name)
                row.append(_cell(writer, value))
            yield row


def _cell(writer: CellWriter, value: Any) -> Any:
    if value is None:
        return None
    return str(value) if isinstance(value, Masked) else writer.cell(value)


@singledispatch
def _number_format(type_: t.FieldType) -> str | None:
    """The Excel format of a column; None for what Excel shows well by itself."""
    return None


@_number_format.register
def _format_number(type_: t.Number) -> str | None:
    return "#,##0." + "0" * type_.scale if isinstance(type_, t.Money) else None

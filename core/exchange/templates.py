"""An empty workbook to fill in: the right headings, and a second sheet that explains each column."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import Any, BinaryIO

from sqlalchemy import select

from core.entities.labels import label_column
from core.entities.scope import may_use, require, scope_clause
from core.exchange.cells import cell_writer
from core.exchange.mapping import importable_fields
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.i18n import gettext
from core.tabular.writer import Sheet, write_sheets
from core.work.uow import UnitOfWork

__all__ = ["example_cells", "headings", "write_template"]


def headings(fields: Sequence[FieldSpec]) -> list[str]:
    """The labels in the reader's language, a star behind what is required."""
    labels = [str(item.label) for item in fields]
    plain = [
        f"{label} ({item.name})" if labels.count(label) > 1 else label
        for item, label in zip(fields, labels, strict=True)
    ]
    return [
        f"{text} *" if item.is_needed else text for item, text in zip(fields, plain, strict=True)
    ]


def write_template(uow: UnitOfWork, spec: EntitySpec, target: BinaryIO) -> str:
    """Write the workbook for what the actor may import, and return its file name."""
    require(uow, spec, "import")
    fields = sorted(importable_fields(uow, spec).values(), key=lambda i: not i.is_needed)
    names = headings(fields)
    to_fill_in = Sheet(
        gettext("To fill in"),
        names,
        widths=[max(12, min(30, len(name) * 2)) for name in names],
        choices={column: _one_of(item.type) for column, item in enumerate(fields)},
    )
    write_sheets(target, [to_fill_in, _columns_explained(uow, fields, names)])
    return f"{spec.label_plural}-{gettext('template')}.xlsx"


def _columns_explained(uow: UnitOfWork, fields: Sequence[FieldSpec], names: Sequence[str]) -> Sheet:
    examples = example_cells(uow, fields)
    return Sheet(
        gettext("Columns explained"),
        (
            gettext("Column"),
            gettext("Required"),
            gettext("What goes in"),
            gettext("Choices"),
            gettext("Example"),
            gettext("Note"),
        ),
        [
            (
                name,
                gettext("Yes") if item.is_needed else "",
                _explanation(item.type),
                _choices(item.type),
                examples.get(item.name, ""),
                str(item.help),
            )
            for item, name in zip(fields, names, strict=True)
        ],
        widths=(24, 10, 44, 44, 28, 44),
    )


def _one_of(type_: t.FieldType) -> list[str]:
    """The labels of which a cell takes one; none where it takes several, or anything."""
    if not isinstance(type_, t.ChoiceField) or isinstance(type_, t.MultiChoice):
        return []
    return [str(choice.label) for choice in type_.choices]


def example_cells(uow: UnitOfWork, fields: Sequence[FieldSpec]) -> dict[str, str]:
    """A value for each field as people write it; none where the actor reads no record to name."""
    cells = {}
    for item in fields:
        if isinstance(item.type, (t.Reference, t.References)):
            text = _some_record(uow, item.type)
        else:
            value = _example(item.type, uow)
            text = "" if value is None else _written(uow, item, value)
        if text:
            cells[item.name] = text
    return cells


def _written(uow: UnitOfWork, item: FieldSpec, value: Any) -> str:
    cell = cell_writer(uow, item).cell(value)
    if isinstance(cell, bool):
        return gettext("Yes") if cell else gettext("No")
    return str(cell)


def _some_record(uow: UnitOfWork, type_: t.Reference | t.References) -> str:
    """What the first record that the actor may read is called, with its number."""
    spec = uow.entities.get(type_.entity)
    if spec is None or not may_use(uow, spec, spec[spec.label_field]):
        return ""
    table = spec.table
    statement = select(table.c.id, label_column(spec).label("label")).order_by(table.c.id)
    if "archived_at" in table.c:
        statement = statement.where(table.c.archived_at.is_(None))
    if (clause := scope_clause(uow, spec, "read")) is not None:
        statement = statement.where(clause)
    row = uow.execute(statement.limit(1)).one_or_none()
    return "" if row is None else f"{row.label or ''} #{row.id}".strip()


# What kinds of fields take


@singledispatch
def _explanation(type_: t.FieldType) -> str:
    return gettext("Text")


@singledispatch
def _example(type_: t.FieldType, uow: UnitOfWork) -> Any:
    return None


@_explanation.register
def _(type_: t.Text) -> str:
    return gettext("Text of at most %(n)s characters", n=type_.max_length)


@_example.register
def _(type_: t.Text, uow: UnitOfWork) -> Any:
    return gettext("Example")[: type_.max_length]


@_explanation.register
def _(type_: t.LongText) -> str:
    return gettext("Text, of several lines if need be")


@_example.register
def _(type_: t.LongText, uow: UnitOfWork) -> Any:
    return gettext("Example")


@_explanation.register
def _(type_: t.Email) -> str:
    return gettext("One e-mail address")


@_example.register
def _(type_: t.Email, uow: UnitOfWork) -> Any:
    return "name@example.com"


@_explanation.register
def _(type_: t.Phone) -> str:
    if type_.mobile_only:
        return gettext("A mobile number; blanks, dashes and +86 do not matter")
    return gettext("A phone number with its area code; blanks, dashes and +86 do not matter")


@_example.register
def _(type_: t.Phone, uow: UnitOfWork) -> Any:
    return "13800000000"


@_explanation.register
def _(type_: t.Url) -> str:
    return gettext("A web address")


@_example.register
def _(type_: t.Url, uow: UnitOfWork) -> Any:
    return "https://example.com"


@_explanation.register
def _(type_: t.Integer) -> str:
    return gettext("A whole number")


@_example.register
def _(type_: t.Integer, uow: UnitOfWork) -> Any:
    return max(type_.minimum, min(1, type_.maximum))


@_explanation.register
def _(type_: t.Number) -> str:
    return gettext("A number; 1.2万, 3k and ￥ are understood")


@_example.register
def _(type_: t.Number, uow: UnitOfWork) -> Any:
    return 1


@_explanation.register
def _(type_: t.Boolean) -> str:
    return gettext("Yes or no")


@_example.register
def _(type_: t.Boolean, uow: UnitOfWork) -> Any:
    return True


@_explanation.register
def _(type_: t.Date) -> str:
    return gettext("A day, the year first: 2026-01-31")


@_example.register
def _(type_: t.Date, uow: UnitOfWork) -> Any:
    return uow.clock.today()


@_explanation.register
def _(type_: t.DateTime) -> str:
    return gettext("A day and a time: 2026-01-31 08:30")


@_example.register
def _(type_: t.DateTime, uow: UnitOfWork) -> Any:
    nine = uow.now().astimezone(uow.clock.timezone)
    return nine.replace(hour=9, minute=0, second=0, microsecond=0)


@_explanation.register
def _(type_: t.ChoiceField) -> str:
    return gettext("One of the choices")


@_example.register
def _(type_: t.ChoiceField, uow: UnitOfWork) -> Any:
    return type_.choices[0].value if type_.choices else None


@_explanation.register
def _(type_: t.MultiChoice) -> str:
    return gettext("Any of the choices, with a semicolon between them")


@_example.register
def _(type_: t.MultiChoice, uow: UnitOfWork) -> Any:
    return [choice.value for choice in type_.choices[:2]] or None


@_explanation.register
def _(type_: t.Tags) -> str:
    return gettext("Any words, with a semicolon between them")


@_example.register
def _(type_: t.Tags, uow: UnitOfWork) -> Any:
    return [gettext("Example")[: type_.max_length]]


@_explanation.register
def _(type_: t.Region) -> str:
    return gettext("A region by its name, with or without those above it")


@_example.register
def _(type_: t.Region, uow: UnitOfWork) -> Any:
    return {"province": "370000", "city": "370700"}.get(type_.level, "370705")


@_explanation.register
def _(type_: t.Reference) -> str:
    return gettext("The name of a record, or its number as #7")


@_explanation.register
def _(type_: t.References) -> str:
    return gettext("Names of records, or numbers as #7, with a semicolon between them")


def _choices(type_: t.FieldType) -> str:
    if not isinstance(type_, t.ChoiceField):
        return ""
    return gettext(", ").join(str(choice.label) for choice in type_.choices)

"""Believable values for any field and any entity, so that tests need no fixture files."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from functools import singledispatch
from typing import TYPE_CHECKING, Any

from core.entities import query, service
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["make_record", "record_values", "sample_value"]


@singledispatch
def sample_value(type_: t.FieldType, number: int = 1) -> Any:
    """A value that the type accepts, another one for each ``number``; None where there is none.

    References, files and what the system sets have none: `record_values` fills references in, but
    for those to records of any entity.
    """
    return None


@sample_value.register
def _(type_: t.Text, number: int = 1) -> Any:
    return f"示例 {number}"[: type_.max_length]


@sample_value.register
def _(type_: t.LongText, number: int = 1) -> Any:
    return f"第一行 {number}\n第二行"


@sample_value.register
def _(type_: t.RichText, number: int = 1) -> Any:
    return f"<p>段落 <strong>{number}</strong></p>"


@sample_value.register
def _(type_: t.Email, number: int = 1) -> Any:
    return f"sample{number}@example.com"


@sample_value.register
def _(type_: t.Phone, number: int = 1) -> Any:
    return f"138{number:08d}"


@sample_value.register
def _(type_: t.Url, number: int = 1) -> Any:
    return f"https://example.com/{number}"


@sample_value.register
def _(type_: t.Integer, number: int = 1) -> Any:
    return min(max(number, type_.minimum), type_.maximum)


@sample_value.register
def _(type_: t.Related, number: int = 1) -> Any:
    return None


@sample_value.register
def _(type_: t.Number, number: int = 1) -> Any:
    return (Decimal(number) + Decimal("0.5")).quantize(Decimal(1).scaleb(-type_.scale))


@sample_value.register
def _(type_: t.Boolean, number: int = 1) -> Any:
    return number % 2 == 1


@sample_value.register
def _(type_: t.Date, number: int = 1) -> Any:
    return date(2026, 1 + number % 12, 15)


@sample_value.register
def _(type_: t.DateTime, number: int = 1) -> Any:
    return datetime(2026, 1 + number % 12, 15, 8, 30, tzinfo=UTC)


@sample_value.register
def _(type_: t.ChoiceField, number: int = 1) -> Any:
    return type_.choices[number % len(type_.choices)].value if type_.choices else None


@sample_value.register
def _(type_: t.MultiChoice, number: int = 1) -> Any:
    return [choice.value for choice in type_.choices[: 1 + number % 2]] or None


@sample_value.register
def _(type_: t.Tags, number: int = 1) -> Any:
    return [f"标签{number}", "常用"]


@sample_value.register
def _(type_: t.Region, number: int = 1) -> Any:
    codes = {"province": ("370000", "500000"), "city": ("370700", "370200")}
    return codes.get(type_.level, ("370702", "370703"))[number % 2]


@sample_value.register
def _(type_: t.Document, number: int = 1) -> Any:
    return {"number": number}


def record_values(
    uow: UnitOfWork, spec: EntitySpec, number: int = 1, *, full: bool = False
) -> dict[str, Any]:
    """What ``service.create`` takes for one record: required fields, with ``full`` all writable ones.

    Required references point to a record of their entity, made when there is none; required child
    lines get one line.
    """
    values: dict[str, Any] = {}
    about = spec.related.type if spec.related else None
    related = about.entity_field if isinstance(about, t.Related) else ""
    for field in spec:
        if field.name == related:
            continue  # it would be half of a name
        if not field.is_writable or field.name in values or not (field.required or full):
            continue
        value = _field_value(uow, spec, field, number)
        if value is not None:
            values[field.name] = value
    return values


def make_record(uow: UnitOfWork, entity: str, number: int = 1, **values: Any) -> int:
    """Create one record with what is required and ``values``; its id."""
    spec = uow.entity(entity)
    (record_id,) = service.create(uow, entity, [record_values(uow, spec, number) | values])
    return record_id


def _field_value(uow: UnitOfWork, spec: EntitySpec, field: FieldSpec, number: int) -> Any:
    match field.type:
        case t.Reference() as reference:
            return _target(uow, reference.entity, number) if field.required else None
        case t.References() as many:
            return [_target(uow, many.entity, number)] if field.required else None
        case t.Lines() as lines:
            child = uow.entity(lines.entity)
            inner = {f.name for f in child} - {lines.parent}
            line = {
                name: value
                for name in inner
                if child[name].is_writable
                and child[name].required
                and (value := _field_value(uow, child, child[name], number)) is not None
            }
            return [line] if field.required else None
    return sample_value(field.type, number)


def _target(uow: UnitOfWork, entity: str, number: int) -> int:
    known = query.select_ids(uow, entity, query.ListQuery(), action="read", limit=1)
    return known[0] if known else make_record(uow, entity, number)

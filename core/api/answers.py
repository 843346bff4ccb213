"""Writing answers: JSON bytes, and records and pages as their reader sees them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson
from flask import Response

from core.entities.labels import Labels, reference_ids, resolve_labels
from core.entities.query import Page, Record, visible
from core.entities.schema import converter, to_json
from core.entities.values import BadValue, check_value
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.i18n import LazyText

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["answer", "etag", "given_as_json", "page_as_json", "record_as_json", "to_bytes"]


def to_bytes(body: Any) -> bytes:
    """JSON as UTF-8; decimals as text, moments with ``Z``."""
    return orjson.dumps(body, default=_plain, option=orjson.OPT_UTC_Z)


def _plain(value: Any) -> Any:
    if isinstance(value, (Decimal, LazyText)):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer with a JSON body; bytes are sent as they are."""
    data = body if isinstance(body, bytes) else to_bytes(body)
    return Response(data, status, headers, content_type="application/json")


def etag(body: Mapping[str, Any]) -> dict[str, str]:
    """The header that `If-Match` is compared with, for entities that have versions."""
    return {"ETag": f'"{body["version"]}"'} if "version" in body else {}


def page_as_json(page: Page) -> dict[str, Any]:
    """``{"items", "next", "total"}``"""
    items = rows_as_json(page.spec, page.fields, page.items, page.labels)
    return {"items": items, "next": page.next, "total": page.total}


def rows_as_json(
    spec: EntitySpec,
    fields: Sequence[FieldSpec],
    rows: Iterable[Mapping[str, Any]],
    labels: Labels,
) -> list[dict[str, Any]]:
    """Rows with every value as JSON has it. The id and the version are always part of a row."""
    converting = []
    for field in fields:
        convert = converter(field.type, labels)
        if convert is not None:
            converting.append((field.name, convert))
    found = []
    for row in rows:
        item = dict(row)
        for name, convert in converting:
            item[name] = convert(item[name])
        found.append(item)
    return found


def record_as_json(uow: UnitOfWork, record: Record) -> dict[str, Any]:
    """One record with its lines nested."""
    (item,) = rows_as_json(record.spec, record.fields, [record.values], record.labels)
    for field in record.fields:
        if isinstance(field.type, t.Lines) and item[field.name] is not None:
            child = uow.snapshot.installed_entities[field.type.entity]
            shown = tuple(each for each in visible(uow, child) if each.is_stored)
            item[field.name] = rows_as_json(child, shown, item[field.name], record.labels)
    return item


def given_as_json(uow: UnitOfWork, spec: EntitySpec, values: Mapping[str, Any]) -> dict[str, Any]:
    """What a caller gave, written as a record is read; what cannot be a value stays as it came."""
    fields = [field for field in visible(uow, spec) if field.name in values]
    typed: dict[str, Any] = {}
    for field in fields:
        try:
            typed[field.name] = check_value(field.type, values[field.name])
        except BadValue:
            typed[field.name] = None
    labels = resolve_labels(uow, reference_ids(spec, list(typed), [typed]))
    return {
        field.name: values[field.name]
        if typed[field.name] is None or isinstance(field.type, t.Lines)
        else to_json(field.type, typed[field.name], labels)
        for field in fields
    }

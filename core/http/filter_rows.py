"""The filter's editor: its rows as an address holds them, and as they are drawn."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from flask import request

from core.entities.filters import FilterRow, operators_offered, periods_offered, value_control
from core.entities.labels import resolve_labels
from core.entities.rendering import display_text
from core.errors import Invalid
from core.fields import FieldSpec
from core.fields import types as t
from core.http.addresses import read_number
from core.http.presenting import reader_of
from core.i18n import gettext as _
from core.work.uow import UnitOfWork

__all__ = ["address_pairs", "filter_row_of", "referred"]


def address_pairs() -> list[tuple[str, str]]:
    """The names and values of the address in their order, which Flask's own mapping forgets."""
    text = request.query_string.decode("utf-8", "replace")
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=500)
    except ValueError:
        raise Invalid(_("The filter in this address cannot be read.")) from None


def referred(rows: Sequence[FilterRow], by_name: dict[str, FieldSpec]) -> dict[str, set[int]]:
    """The records that rows name, by entity: their labels are to be shown."""
    wanted: dict[str, set[int]] = {}
    for row in rows:
        type_ = by_name[row.field].value_type if row.field in by_name else None
        if isinstance(type_, (t.Reference, t.References)):
            keys = {key for text in row.values if (key := read_number(text)) is not None}
            wanted.setdefault(type_.entity, set()).update(keys)
    return wanted


def filter_row_of(uow: UnitOfWork, usable: Sequence[FieldSpec], row: FilterRow) -> dict[str, Any]:
    """What `_filter_row.html` draws."""
    item = next((each for each in usable if each.name == row.field), None)
    offered = operators_offered(item.type) if item else []
    op = row.op if row.op in dict(offered) else (offered[0][0] if offered else "")
    values = row.values if op == row.op else ()
    control = value_control(item.type, op) if item else "none"
    label, level = "", "district"
    if item is not None and control in ("reference", "region") and values:
        labels = resolve_labels(uow, referred([row], {item.name: item}))
        type_ = item.value_type
        try:
            key: Any = values[0] if control == "region" else int(values[0])
            single = t.Reference(type_.entity) if control == "reference" else type_  # type: ignore[attr-defined]
            label = display_text(single, key, reader_of(uow, labels))
        except ValueError:
            label = ""
    if item is not None and isinstance(item.value_type, t.Region):
        level = item.value_type.level
    return {
        "fields": [(each.name, str(each.label)) for each in usable],
        "field": row.field if item else "",
        "label": str(item.label) if item else "",
        "operators": [(name, str(text)) for name, text in offered],
        "op": op,
        "values": (*values, "", "")[:2] if control.endswith("_pair") else values,
        "control": control,
        "choices": _choices(item.value_type) if item else [],
        "periods": periods_offered() if control == "period" else [],
        "entity": getattr(item.value_type, "entity", "") if item else "",
        "level": level,
        "value_label": label or row.typed,
        "key": secrets.token_hex(4),  # two rows may be about one field
    }


def _choices(type_: t.FieldType) -> list[tuple[str, str]]:
    if isinstance(type_, t.Tags):
        return [(word, word) for word in type_.by_word]
    choices = type_.choices if isinstance(type_, t.ChoiceField) else ()
    return [(choice.value, str(choice.label)) for choice in choices]

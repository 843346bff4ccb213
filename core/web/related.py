"""The records that name a record: in short on its page, and more of them on a tab of their own."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import url_for

from core.entities import query
from core.entities.filters import filter_fields
from core.entities.query import COUNT_CAP, ListQuery, Page
from core.entities.reading import Reading, read_together
from core.entities.scope import may
from core.entities.tables import list_columns
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.http.addresses import new_record_url
from core.http.presenting import data_columns, data_rows
from core.i18n import gettext as _
from core.i18n.formats import format_number
from core.work.uow import UnitOfWork

__all__ = ["Pointing", "pointing_here", "related_lists"]

Pointing = list[tuple[EntitySpec, FieldSpec]]

#: Rows in short, and on the tab.
IN_SHORT, ON_A_TAB = 5, 50
_COLUMNS = 5
_UNSHOWN = frozenset({"created_by", "updated_by"})


def related_lists(
    uow: UnitOfWork, pointing: Pointing, record_id: int, tab: str
) -> list[dict[str, Any]]:
    """One for every entity that points here, as far as the reader may see it; only the one whose
    ``tab`` is open has more rows than a few. One statement for all of them."""
    lists = [_List(uow, other, item, record_id, tab) for other, item in pointing]
    pages = read_together(uow, [each.reading() for each in lists])
    shown = [each.shown(page) for each, page in zip(lists, pages, strict=True)]
    return [each for each in shown if each["rows"] or each["new_url"]]


class _List:
    """The records of one entity that point here by one field."""

    def __init__(
        self, uow: UnitOfWork, other: EntitySpec, item: FieldSpec, record_id: int, tab: str
    ) -> None:
        self.uow, self.other, self.item, self.record_id = uow, other, item, record_id
        self.key = f"{other.name}.{item.name}"
        self.is_open = tab == self.key
        columns = [each for each in list_columns(uow, other) if each.name != item.name]
        self.columns = columns if self.is_open else columns[:_COLUMNS]

    def reading(self) -> Reading[Page]:
        """Its first rows, and how many there are."""
        wanted = ListQuery(
            fields=tuple(each.name for each in self.columns),
            filter={"field": self.item.name, "op": "eq", "value": self.record_id},
            limit=ON_A_TAB if self.is_open else IN_SHORT,
            count="estimate",
        )
        return query.reading_page(self.uow, self.other.name, wanted)

    def shown(self, page: Page) -> dict[str, Any]:
        """What the page shows."""
        uow, other, item, total = self.uow, self.other, self.item, page.total or 0
        base = url_for("web.list_records", entity=other.name)
        state = [("filter_field", item.name), ("filter_op", "eq")]
        state += [("filter_value", str(self.record_id))]
        can_create = other.creatable and item.is_writable and may(uow, other, "create")
        new_url = new_record_url(other, item.name)
        return {
            "key": self.key,
            "title": _title(other, item),
            "count": f"{format_number(total)}{'+' if total >= COUNT_CAP else ''}",
            "columns": data_columns(other, self.columns),
            "rows": data_rows(uow, other, self.columns, page.items, page.labels),
            "all_url": f"{base}?{urlencode(state)}" if page.next else None,
            "new_url": f"{new_url}?{urlencode([(item.name, self.record_id)])}"
            if can_create
            else None,
        }


def pointing_here(uow: UnitOfWork, spec: EntitySpec) -> Pointing:
    """The entities that have a list on the record's page, with the field of theirs that names it."""
    found = []
    for other in uow.entities.values():
        if other.parent_field is not None or not (other.navigable or other.custom):
            continue
        if not may(uow, other, "read"):
            continue
        found += [
            (other, item)
            for item in filter_fields(uow, other)
            if isinstance(item.type, t.Reference)
            and item.type.entity == spec.name
            and item.name not in _UNSHOWN
        ]
    return found


def _title(other: EntitySpec, item: FieldSpec) -> str:
    """What the records are, and by which field where several name this entity, or they are of it."""
    assert isinstance(item.type, t.Reference)
    if item.related_label:
        return str(item.related_label)
    target = item.type.entity
    ways = [
        each
        for each in other.stored
        if isinstance(each.type, t.Reference)
        and each.type.entity == target
        and each.name not in _UNSHOWN
    ]
    if target != other.name and (len(ways) == 1 or item.name in (target, "parent")):
        return str(other.label_plural)
    return _("%(entity)s: %(field)s", entity=str(other.label_plural), field=str(item.label))

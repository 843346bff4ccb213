"""The first page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import url_for

from core.backup.scheduled import is_overdue
from core.entities import query
from core.entities.aggregate import aggregate
from core.entities.query import COUNT_CAP, ListQuery
from core.entities.reading import read, read_together
from core.entities.scope import may, may_use
from core.entities.tables import list_columns, reading_columns
from core.fields import EntitySpec
from core.fields.types import ChoiceField
from core.http.addresses import list_url, new_record_url
from core.http.navigation import entities_shown
from core.http.presenting import data_columns, data_rows, page_url
from core.http.rendering import render
from core.http.requests import actor, signed_in, unit_of_work
from core.i18n import gettext as _
from core.i18n.formats import format_number
from core.web import blueprint
from core.work.uow import UnitOfWork

HOME_ENTITIES = 4
HOME_ROWS = 5
HOME_NUMBERS = 6
HOME_COLUMNS = 8
_MINE = {"field": "owner", "op": "eq", "value": {"var": "me"}}


@blueprint.get("/")
@signed_in
def home() -> Any:
    """What one works on: the newest of one's own records, and what modules add."""
    with unit_of_work() as uow:
        shown = entities_shown(uow)
        # What is about other records is told with them, and by the module that keeps it.
        specs = [spec for spec in shown if spec.related is None]
        business = [spec for spec in specs if spec.plugin != "core"]
        owned = [spec for spec in specs if spec.owned]
        read(uow, reading_columns(uow, owned))
        cards = _cards(uow, [_own_records(uow, spec) for spec in owned if _has_own(uow, spec)])
        cards = cards or _cards(uow, [_newest_records(uow, spec) for spec in owned])
        context = {
            "cards": cards[:HOME_ENTITIES],
            "numbers": _numbers(uow, business[:HOME_NUMBERS]),
            "starts": [
                _start(spec) for spec in specs if spec.creatable and may(uow, spec, "create")
            ],
            "has_entities": bool(shown),
            "apps_url": page_url("admin.apps") if actor().is_admin else None,
            "backups_url": page_url("admin.backups") if _is_unsafe(uow) else None,
            "uow": uow,
        }
        return render("core/home.html", **context)


def _is_unsafe(uow: UnitOfWork) -> bool:
    """Whether the reader should see to the backups."""
    return actor().is_admin and is_overdue(uow)


def _start(spec: EntitySpec) -> tuple[str, str, str]:
    return str(spec.label), new_record_url(spec), spec.icon


def _numbers(uow: UnitOfWork, specs: Sequence[EntitySpec]) -> list[dict[str, Any]]:
    """How many records there are for the reader, and how many of them are the reader's own, by state.

    Items are ``label``, ``count`` and ``url``, the list of what was counted.
    """
    counts = query.counts(uow, [(spec.name, ListQuery()) for spec in specs])
    return [
        number
        for spec, count in zip(specs, counts, strict=True)
        for number in _numbers_of(uow, spec, count)
    ]


def _numbers_of(uow: UnitOfWork, spec: EntitySpec, count: int) -> list[dict[str, Any]]:
    base = url_for("web.list_records", entity=spec.name)
    told = f"{format_number(count)}{'+' if count >= COUNT_CAP else ''}"
    found = [{"label": str(spec.label_plural), "count": told, "url": base}]
    state = next((item for item in spec.stored if item.name == "status"), None)
    if not _has_own(uow, spec) or state is None or type(state.type) is not ChoiceField:
        return found
    if not may_use(uow, spec, state):
        return found
    rows = aggregate(uow, spec.name, ["status"], ["count"], ListQuery(filter=_MINE))
    counts = {row["status"]["id"]: row["count"] for row in rows if row["status"]}
    return found + [
        {
            "label": _("Yours, %(state)s", state=str(label)),
            "count": format_number(counts[key]),
            "url": list_url(spec.name, ("owner", "is_me"), ("status", "eq", key)),
        }
        for key, label in state.type.labels().items()
        if key in counts
    ]


def _has_own(uow: UnitOfWork, spec: EntitySpec) -> bool:
    return spec.owned and "owner" in spec and may_use(uow, spec, spec["owner"])


@dataclass(frozen=True)
class _Card:
    """Records of an entity, with the list that has all of them."""

    spec: EntitySpec
    title: str
    wanted: ListQuery
    all_url: str
    #: A field that all of them have in common.
    without: str = ""


def _own_records(uow: UnitOfWork, spec: EntitySpec) -> _Card:
    """The reader's own records, the last touched first."""
    sort = "-updated_at" if may_use(uow, spec, spec["updated_at"]) else ""
    title = _("Yours: %(entity)s", entity=str(spec.label_plural))
    address = list_url(spec.name, ("owner", "is_me"))
    return _Card(spec, title, ListQuery(filter=_MINE, sort=sort), address, without="owner")


def _newest_records(uow: UnitOfWork, spec: EntitySpec) -> _Card:
    """For those who own nothing: what came last."""
    sort = "-created_at" if may_use(uow, spec, spec["created_at"]) else ""
    title = _("Newest: %(entity)s", entity=str(spec.label_plural))
    return _Card(spec, title, ListQuery(sort=sort), list_url(spec.name))


def _cards(uow: UnitOfWork, cards: Sequence[_Card]) -> list[dict[str, Any]]:
    """Those that have records, all read in one statement, and the names in them in another."""
    columns = [
        [item for item in list_columns(uow, card.spec) if item.name != card.without][:HOME_COLUMNS]
        for card in cards
    ]
    asked = [
        replace(card.wanted, fields=tuple(item.name for item in shown), limit=HOME_ROWS)
        for card, shown in zip(cards, columns, strict=True)
    ]
    readings = [
        query.reading_page(uow, card.spec.name, each)
        for card, each in zip(cards, asked, strict=True)
    ]
    pages = read_together(uow, readings)
    return [
        {
            "title": card.title,
            "columns": data_columns(card.spec, shown),
            "rows": data_rows(uow, card.spec, shown, page.items, page.labels),
            "all_url": card.all_url,
        }
        for card, shown, page in zip(cards, columns, pages, strict=True)
        if page.items
    ]

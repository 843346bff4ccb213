"""Addresses of the generic pages, for links from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import current_app, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.routing import IntegerConverter, Map

from core.entities.filters import Filter, FilterGroup, FilterRow, condition_of
from core.fields import EntitySpec

__all__ = [
    "Number",
    "Row",
    "list_condition",
    "list_url",
    "new_record_url",
    "page_before",
    "read_number",
    "record_url",
    "safe_target",
    "undo_url",
]

#: A row of a list's filter: (field, operator, value…), with the operators of `core.entities.filters`.
Row = tuple[str, ...]
#: Digits that every database can hold, whatever they are.
LONGEST = 18


class Number(IntegerConverter):
    """``<int:…>`` of all routes: no larger than every database can hold."""

    def __init__(
        self,
        map: Map,
        fixed_digits: int = 0,
        min: int | None = None,
        max: int | None = 2**63 - 1,
        signed: bool = False,
    ) -> None:
        super().__init__(map, fixed_digits, min, max, signed)


def read_number(text: str | None) -> int | None:
    """The number of a record, a version or a page as an address or a form writes it.

    None for what is none, and for one of more digits than every database can hold.
    """
    if text is None or len(text) > LONGEST or not (text.isascii() and text.isdecimal()):
        return None
    return int(text)


def list_condition(*rows: Row) -> dict[str, Any]:
    """What the list shows that `list_url` leads to with the same rows, as a query's ``filter``."""
    return condition_of(_filter_rows(rows), (), "all") or {}


def list_url(
    entity: str,
    *rows: Row,
    either: tuple[Row, ...] = (),
    sort: str = "",
    columns: tuple[str, ...] = (),
) -> str:
    """The list with a filter that the reader can see and change there; ``columns`` where those that
    the reader has chosen would not show what it is about. Of the rows ``either`` one must hold.

    ``list_url("lead", ("owner", "is_me"), ("status", "in", "new", "following"))``
    """
    groups = (FilterGroup("any", _filter_rows(either)),) if either else ()
    pairs = Filter(rows=_filter_rows(rows), groups=groups).pairs()
    pairs += [("sort", sort)] if sort else []
    pairs += [("columns", ",".join(columns))] if columns else []
    base = url_for("web.list_records", entity=entity)
    return f"{base}?{urlencode(pairs)}" if pairs else base


def _filter_rows(rows: Iterable[Row]) -> tuple[FilterRow, ...]:
    return tuple(FilterRow(field, op, tuple(values)) for field, op, *values in rows)


def new_record_url(spec: EntitySpec, given: str = "") -> str:
    """The page on which a new record is made: the entity's own, or the generic form.

    ``given`` is a field that the address will name: the entity's own page counts if it takes it.
    """
    if spec.new_page and (not given or given in spec.new_page_takes):
        return url_for(spec.new_page)
    return url_for("web.new_record", entity=spec.name)


def record_url(entity: str, record_id: int) -> str:
    """The page of one record."""
    return url_for("web.show_record", entity=entity, record_id=record_id)


def undo_url(entity: str, key: int | None, back: str) -> str:
    """Where what `core.entities.bulk.act_undoably` did under ``key`` is taken back, and one is then
    at ``back``; empty when nothing can be."""
    if key is None:
        return ""
    return url_for("web.undo_bulk", entity=entity, bulk_id=key, back=back)


def page_before() -> str | None:
    """The page of ours that the browser says it comes from; None for any other, and for one that was
    the answer to a form, and so cannot be opened."""
    parts = urlsplit(request.headers.get("Referer", ""))
    if parts.netloc != request.host:
        return None
    adapter = current_app.create_url_adapter(request)
    try:
        if adapter is not None:
            adapter.match(parts.path, method="GET")
    except HTTPException:
        return None
    return parts.path + (f"?{parts.query}" if parts.query else "")


def safe_target(target: str | None) -> str:
    """A path of this site; anything that a browser could read as another place is dropped."""
    if target and target.startswith("/") and not target.startswith(("//", "/\\")):
        parts = urlsplit(target)
        clean = not any(character in target for character in "\\\r\n\t\0")
        if clean and not parts.scheme and not parts.netloc:
            return target
    return url_for("web.home")

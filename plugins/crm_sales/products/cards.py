"""What is put into pages of quotes and products: ways to their own pages, and what to mind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import url_for

from core.entities import query
from core.entities.query import ListQuery, Record
from core.errors import Forbidden, Invalid
from core.http.rendering import macros
from core.i18n import gettext as _
from core.i18n.formats import format_date

if TYPE_CHECKING:
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = ["offers_of", "over_record", "reaches"]


def over_record(uow: UnitOfWork, entity: EntitySpec, record: Record, **context: Any) -> str:
    """The slot ``entity.detail.above``."""
    if record.values.get("archived_at") is not None:
        return ""
    match entity.name:
        case "quote":
            return _quote(uow, entity, record)
        case "opportunity":
            return _ways(
                _own_lines(uow, record.values) + offers_of(uow, entity.name, record.values)
            )
        case "customer":
            return _ways(offers_of(uow, entity.name, record.values))
        case "product":
            return _ways(
                [
                    (
                        _("Why this price"),
                        url_for("crm_sales.show_price", product=record.values["id"]),
                    )
                ]
            )
    return ""


def offers_of(uow: UnitOfWork, entity: str, values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A way to a new quote, where it may be made."""
    if not uow.actor.access(uow.entity("quote")).may("create") or values.get("status") == "lost":
        return []
    return [(_("New quotation"), url_for("crm_sales.new_quote", **{entity: values["id"]}))]


def _own_lines(uow: UnitOfWork, values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The way to the products of what is open, for whoever may change it."""
    if values.get("status") != "open" or not reaches(
        uow, values["id"], "update", entity="opportunity"
    ):
        return []
    address = url_for("crm_sales.edit_opportunity_lines", opportunity_id=values["id"])
    return [(_("Edit the products"), address)]


def _quote(uow: UnitOfWork, entity: EntitySpec, record: Record) -> str:
    values = record.values
    key, ways = values["id"], []
    if values.get("status") == "draft" and reaches(uow, key, "update"):
        ways.append((_("Edit the lines"), url_for("crm_sales.edit_quote_lines", quote_id=key)))
    if values.get("lines"):
        ways.append((_("Why these prices"), url_for("crm_sales.explain_quote", quote_id=key)))
    if _has_versions(uow, key):
        ways.append((_("Versions"), url_for("crm_sales.compare_quote", quote_id=key)))
    if values.get("status") == "submitted" and reaches(uow, key, "send"):
        way = url_for("crm_sales.quote_link", quote_id=key)
        ways.append((_("Link for the customer"), way))
    return _over(uow, record) + _ways(ways)


def _over(uow: UnitOfWork, record: Record) -> str:
    until = record.values.get("valid_until")
    is_out = record.values.get("status") in ("draft", "submitted")
    if until is None or not is_out or until >= uow.clock.today():
        return ""
    text = _("It was valid until %(day)s.", day=format_date(until))
    html: str = macros().notice(text, "warn", _("No longer valid"))
    return html


def reaches(uow: UnitOfWork, key: int, action: str, *, entity: str = "quote") -> bool:
    """Whether the actor has a right to such records, and to this one."""
    if not uow.actor.access(uow.entity(entity)).may(action):
        return False
    return bool(query.select_ids(uow, entity, ListQuery(ids=(key,)), action=action, limit=1))


def _has_versions(uow: UnitOfWork, key: int) -> bool:
    about = {"field": "quote", "op": "eq", "value": key}
    try:
        asked = ListQuery(fields=("id",), filter=about, limit=1)
        return bool(query.page(uow, "quote_version", asked).items)
    except (Forbidden, Invalid):
        return False


def _ways(items: list[tuple[str, str]]) -> str:
    html: str = macros("crm_sales/parts.html").ways(items)
    return html if items else ""

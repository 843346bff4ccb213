"""What pages of lines share, of quotes and of opportunities: reading what was sent, and drawing it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import url_for

from core.entities import query
from core.entities.query import ListQuery, Record
from core.errors import Forbidden, Invalid
from core.http.rendering import render
from core.i18n import gettext as _
from plugins.crm_sales.products import forms

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "draw_page",
    "label_of",
    "marks_of",
    "require",
    "require_lines",
    "stored_lines",
    "wants_lines",
    "with_another",
]

#: Without these a form of lines would show nothing.
_SHOWN = (
    *("product", "quantity", "unit_price", "base_price", "net_amount", "tax_amount", "amount"),
)


def require_lines(uow: UnitOfWork, holder: str, action: str) -> None:
    """The right to write such records, and to see what their lines come to: the form shows nothing else."""
    require(uow, holder, action)
    spec = uow.entity(f"{holder}_line")
    access = uow.actor.access(spec)
    if not all(access.can_use(spec[name]) for name in _SHOWN):
        raise Forbidden(_("You do not have the right to do this."))


def wants_lines(sent: Mapping[str, str]) -> bool:
    """Whether a line was asked for or taken out, and nothing is to be saved."""
    return "add_line" in sent or "remove_line" in sent


def with_another(rows: list[forms.Row], sent: Mapping[str, str]) -> list[forms.Row]:
    """The rows that were sent, with an empty one where it was asked for."""
    return [*rows, forms.blank_row()] if "add_line" in sent or not rows else rows


def stored_lines(record: Record) -> dict[str, Mapping[str, Any]]:
    """The lines of a record by their numbers, as forms write them."""
    return {str(line["id"]): line for line in record.values.get("lines") or ()}


def require(uow: UnitOfWork, entity: str, action: str) -> None:
    """Raise `Forbidden` without the right to some records of the entity."""
    if not uow.actor.access(uow.entity(entity)).may(action):
        raise Forbidden(_("You do not have the right to do this."))


def draw_page(
    uow: UnitOfWork,
    holder: str,
    rows: list[forms.Row],
    head: Any,
    stored: Mapping[str, Mapping[str, Any]],
    marks: Mapping[str, str],
    error: Any,
    **context: Any,
) -> str:
    """The page of a form with lines, of a quote or an opportunity."""
    drawn = forms.draw(uow, head, rows, stored, marks, lines=f"{holder}_line")
    names = {
        name: str(spec[name].label)
        for spec in (uow.entity(holder), uow.entity(f"{holder}_line"))
        for name in spec.by_name
    }
    # Parameters have no input of their own: their inputs stand below the product's.
    errors = [
        (name.replace(".parameters", ".product"), _line_label(name, names), text)
        for name, text in marks.items()
    ]
    return render(
        "crm_sales/quote_form.html",
        holder=holder,
        plural=str(uow.entity(holder).label_plural),
        calculate_url=url_for(f"crm_sales.calculate_{holder}"),
        marks=marks,
        errors=errors,
        message=error.message if error is not None and not marks else "",
        **drawn,
        **context,
    )


def _line_label(name: str, names: Mapping[str, str]) -> str:
    parts = name.split(".")
    if len(parts) == 3 and parts[1].isdecimal():
        label = names.get(parts[2], parts[2])
        return _("Line %(n)s, %(field)s", n=int(parts[1]) + 1, field=label)
    return names.get(name, name)


def marks_of(error: Any) -> dict[str, str]:
    """What stands against each field, of a refusal."""
    found: dict[str, str] = {}
    for problem in getattr(error, "problems", ()):
        found.setdefault(problem.field, problem.message)
    return found


def label_of(uow: UnitOfWork, entity: str, key: str) -> str:
    """What a record is called, for a picker; nothing for one out of reach."""
    if not key.isdecimal() or len(key) > 17:
        return ""
    spec = uow.entity(entity)
    asked = ListQuery(fields=(spec.label_field,), ids=(int(key),))
    try:
        rows = query.page(uow, entity, asked).items
    except (Forbidden, Invalid):
        return ""
    return str(rows[0][spec.label_field]) if rows else ""

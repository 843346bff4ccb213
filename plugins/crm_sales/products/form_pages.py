"""What pages of lines share, of quotes and of opportunities: reading what was sent, and drawing it again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import flash, request, url_for

from core.entities import query, service
from core.entities.query import ListQuery, Page, Record
from core.entities.reading import Reading, read_together
from core.errors import Conflict, Forbidden, Invalid, Refused
from core.http.addresses import read_number, record_url
from core.http.forms import KeptForm, read_version
from core.http.rendering import render
from core.http.requests import unit_of_work
from core.i18n import gettext as _
from core.i18n.formats import format_datetime
from core.work.uow import UnitOfWork
from plugins.crm_sales.products import forms

__all__ = [
    "draw_page",
    "label_of",
    "labels_of",
    "labels_picked",
    "marks_of",
    "of_record",
    "require",
    "require_lines",
    "save_lines",
    "show_lines",
    "stored_lines",
    "wants_lines",
    "with_another",
]

#: Finds the record whose lines may be changed, and raises for every other.
Find = Callable[[UnitOfWork, int], Record]
#: The page of (uow, record, rows, error).
Draw = Callable[..., str]
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


def show_lines(form: KeptForm, key: int, find: Find, draw: Draw) -> str:
    """The lines of a record that may be changed, as a form, or what a draft made of them."""
    with unit_of_work(write=False) as uow:
        record, draft = find(uow, key), form.draft(uow)
        rows = _rows_of(record) if draft is None else forms.read_rows(draft)
        return draw(uow, record, rows or [forms.blank_row()], sent=draft)


def save_lines(form: KeptForm, key: int, find: Find, draw: Draw, *, described: bool = False) -> Any:
    """Save the lines that were sent; asks again for what is refused.

    Where somebody else has changed the lines meanwhile both versions are shown, and the one that was
    typed is saved by sending it once more. What else was changed of the record is left as it is.
    """
    sent, rows = request.form, forms.read_rows(request.form)
    if wants_lines(sent):
        with unit_of_work(write=False) as uow:
            return draw(uow, find(uow, key), with_another(rows, sent), sent=sent)

    def save(uow: UnitOfWork) -> str:
        record = find(uow, key)
        stored = stored_lines(record)
        lines = forms.values_of(uow, rows, stored, described=described)
        version = read_version(sent)
        if forms.fingerprint(stored) == sent.get("seen"):
            version = record.values["version"]
        service.update(uow, form.entity, {key: {"lines": lines}}, versions={key: version})
        flash(_("Saved."), "good")
        return record_url(form.entity, key)

    try:
        return form.save_once(save)
    except (Invalid, Refused, Conflict) as error:
        with unit_of_work(write=False) as uow:
            record = find(uow, key)
            html = draw(uow, record, rows or [forms.blank_row()], error, sent=sent)
            return html, error.status


def _rows_of(record: Record) -> list[forms.Row]:
    return forms.rows_of(record.values, record.labels.get("product", {}))


def of_record(
    uow: UnitOfWork,
    form: KeptForm,
    record: Record,
    head: forms.Head,
    error: Exception | None,
    sent: Mapping[str, str] | None,
) -> dict[str, Any]:
    """What the form of a record's lines holds besides them: the version they are of and, after a
    conflict, what is saved now."""
    values, stored = record.values, stored_lines(record)
    has_conflict = isinstance(error, Conflict)
    begun = None if has_conflict else sent
    context: dict[str, Any] = {
        "kept": form.drawn(uow, sent, values),
        "record": values["id"],
        "version": values["version"] if begun is None else begun.get("version", ""),
        "seen": forms.fingerprint(stored) if begun is None else begun.get("seen", ""),
    }
    if has_conflict:
        lines = f"{form.entity}_line"
        drawn = forms.draw(uow, head, _rows_of(record), stored, lines=lines)
        context["theirs"] = {
            "rows": drawn["rows"],
            "total": drawn["totals"]["amount"],
            "editor": record.labels.get("user", {}).get(values.get("updated_by"), ""),
            "when": format_datetime(values["updated_at"], uow.clock.timezone)
            if values.get("updated_at")
            else "",
        }
    return context


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
        **{"theirs": None, **context},
    )


def _line_label(name: str, names: Mapping[str, str]) -> str:
    parts = name.split(".")
    place = read_number(parts[1]) if len(parts) == 3 else None
    if place is not None:
        label = names.get(parts[2], parts[2])
        return _("Line %(n)s, %(field)s", n=place + 1, field=label)
    return names.get(name, name)


def marks_of(error: Any) -> dict[str, str]:
    """What stands against each field, of a refusal."""
    found: dict[str, str] = {}
    for problem in getattr(error, "problems", ()):
        found.setdefault(problem.field, problem.message)
    return found


def labels_picked(
    uow: UnitOfWork, entities: Sequence[str], sent: Mapping[str, str]
) -> Mapping[str, str]:
    """What the records are called that a form holds, for its pickers; nothing for those out of reach."""
    found = labels_of(uow, {entity: read_number(sent.get(entity, "")) for entity in entities})
    return dict.fromkeys(entities, "") | found


def labels_of(uow: UnitOfWork, keys: Mapping[str, int | None]) -> dict[str, str]:
    """What a record of each entity is called, for a picker, as far as the reader may read it: one
    statement."""
    kept: dict[tuple[str, int], str | None] = uow.memo.setdefault("picked", {})
    wanted: dict[tuple[str, int], Reading[Page]] = {}
    for entity, key in keys.items():
        if key is not None and (entity, key) not in kept:
            asked = ListQuery(fields=(uow.entity(entity).label_field,), ids=(key,), labels=False)
            try:
                wanted[entity, key] = query.reading_page(uow, entity, asked)
            except (Forbidden, Invalid):
                kept[entity, key] = None
    for (entity, key), page in zip(wanted, read_together(uow, list(wanted.values())), strict=True):
        label = page.spec.label_field
        kept[entity, key] = str(page.items[0][label] or "") if page.items else None
    named = ((entity, kept.get((entity, key or 0))) for entity, key in keys.items())
    return {entity: label for entity, label in named if label is not None}


def label_of(uow: UnitOfWork, entity: str, key: int) -> str:
    """What a record is called; nothing for one out of reach."""
    return labels_of(uow, {entity: key}).get(entity, "")

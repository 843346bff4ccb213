"""The pages of who works with the suite, and how much; and of what its forms ask in vain."""

from __future__ import annotations

from typing import Any

from flask import url_for
from markupsafe import Markup

from core.admin import blueprint
from core.customize.changing import takes_fields
from core.customize.form_usage import HARDLY, LATEST, FieldUse, FormUse, use_of_forms
from core.entities.labels import resolve_labels
from core.fields import EntitySpec
from core.http.rendering import render
from core.http.requests import requires, runtime, unit_of_work
from core.i18n import gettext as _
from core.i18n.formats import format_datetime, format_number
from core.security.usage import DAYS, WARNING, active_share, usage_of_people

#: Rows of the page: more are told as a number.
MOST = 500


@blueprint.get("/usage")
@requires("admin")
def usage() -> Any:
    """Everybody with an account, the busiest first, and the share of those who are there at all."""
    with unit_of_work(write=False) as uow:
        people = usage_of_people(uow)
        share = active_share(uow, people)
        wanted = {each.department_id for each in people if each.department_id is not None}
        departments = resolve_labels(uow, {"department": wanted}).get("department", {})
        zone = runtime().clock.timezone
        rows = [
            {
                "id": each.id,
                "label": each.name,
                "url": url_for("admin.edit_person", key=each.id),
                "cells": [
                    each.name,
                    departments.get(each.department_id or 0, ""),
                    format_datetime(each.seen_at, zone) if each.seen_at else "",
                    format_number(each.active_days),
                    format_number(each.changes),
                ],
                "muted": not each.active_days and each.seen_at is None,
            }
            for each in people[:MOST]
        ]
    return render(
        "core/admin/usage.html",
        rows=rows,
        more=len(people) - len(rows),
        days=DAYS,
        share=f"{share:.0%}",
        is_low=share < WARNING,
        columns=[
            {"label": _("Person"), "kind": "primary"},
            {"label": _("Department")},
            {"label": _("Last seen"), "kind": "date"},
            {"label": _("Days with entries"), "kind": "number"},
            {"label": _("Entries"), "kind": "number"},
        ],
    )


@blueprint.get("/usage/forms")
@requires("admin")
def form_usage() -> Any:
    """What the forms of new records ask and nobody answers, and how long they take (S-237)."""
    with unit_of_work(write=False) as uow:
        found = use_of_forms(uow)
    return render(
        "core/admin/form_usage.html",
        forms=[
            {
                "title": str(use.spec.label_plural),
                "words": _in_words(use),
                "rows": [_unused(use.spec, field) for field in use.unused],
            }
            for use in found
        ],
        columns=[
            {"label": _("Field"), "kind": "primary"},
            {"label": _("Filled in"), "kind": "number"},
            {"label": _("What can be done")},
        ],
        latest=format_number(LATEST),
        hardly=f"{HARDLY:.0%}",
    )


def _in_words(use: FormUse) -> str:
    told = [
        _("%(n)s records looked at", n=format_number(use.records)),
        _("%(n)s fields that may be left empty", n=format_number(use.asked)),
    ]
    if use.seconds is not None:
        told.append(
            _(
                "half of %(n)s forms took up to %(time)s",
                n=format_number(use.forms),
                time=_time(use.seconds),
            )
        )
    return " · ".join(told)


def _time(seconds: int) -> str:
    """A length of time as people say it."""
    minutes, rest = divmod(seconds, 60)
    if not minutes:
        return _("%(n)s seconds", n=max(rest, 5))
    return _("%(minutes)s min %(seconds)s s", minutes=minutes, seconds=rest)


def _unused(spec: EntitySpec, use: FieldUse) -> dict[str, Any]:
    item = use.field
    todo: Any = ""
    if item.custom:
        address = url_for("admin.edit_field", entity=spec.name, field=item.name)
        todo = _LINK.format(address, _("Retire it"))
    elif takes_fields(spec):
        address = url_for("admin.field_rules", entity=spec.name, field=item.name)
        todo = _LINK.format(address, _("Show it where needed"))
    share = f"{use.share:.1%}" if use.share else _("Never")
    return {"id": item.name, "label": str(item.label), "cells": [str(item.label), share, todo]}


_LINK = Markup('<a href="{}">{}</a>')

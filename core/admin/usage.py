"""The page of who works with the suite, and how much."""

from __future__ import annotations

from typing import Any

from flask import url_for

from core.admin import blueprint
from core.entities.labels import resolve_labels
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

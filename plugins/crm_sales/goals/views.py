"""The page of goals with their lights."""

from __future__ import annotations

from typing import Any

from flask import request, url_for

from core.entities import query
from core.entities.query import ListQuery
from core.http.addresses import list_url, new_record_url
from core.http.rendering import render
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from plugins.crm_sales.goals import shown
from plugins.crm_sales.goals.standing import standings
from plugins.crm_sales.targets.figures import condition, require_fields
from plugins.crm_sales.views import blueprint

__all__ = ["FIELDS", "MOST", "blueprint"]

#: What a light is worked out from.
FIELDS = (
    *("name", "measure", "baseline", "target"),
    *("starts_on", "ends_on", "person", "department"),
)
#: Goals that a page shows.
MOST = 100


@blueprint.get("/goals")
@signed_in
def goals() -> Any:
    """The goals that are under way, or those that are over, with what they have come to."""
    is_over = request.args.get("over") == "1"
    with unit_of_work(write=False) as uow:
        require_fields(uow, "goal", FIELDS)
        today = uow.clock.today().isoformat()
        asked = ListQuery(
            fields=FIELDS,
            filter=condition([("ends_on", "lt" if is_over else "ge", today)]),
            sort="-ends_on,id" if is_over else "ends_on,id",
            limit=MOST,
            labels=False,
        )
        page = query.page(uow, "goal", asked)
        access = uow.actor.access(uow.entity("goal"))
        return render(
            "crm_sales/goals.html",
            columns=shown.columns(),
            rows=shown.rows(uow, standings(uow, page.items)),
            rule=shown.rule(),
            is_cut=page.next is not None,
            every=list_url("goal"),
            new=new_record_url(uow.entity("goal")) if access.may("create") else "",
            tabs=[
                (_("Under way"), url_for("crm_sales.goals"), not is_over, None),
                (_("Ended goals"), url_for("crm_sales.goals", over=1), is_over, None),
            ],
        )

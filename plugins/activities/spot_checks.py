"""S-056: some follow-ups of a period at random, for somebody to look at and to pass or fail."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import url_for

from core.entities import query
from core.entities.query import ListQuery
from core.entities.rendering import Reader, display_html
from core.errors import Forbidden
from core.http.addresses import list_url, record_url
from core.i18n import gettext as _
from plugins.activities.periods import DEFAULT, period_tabs, valid_period

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["page_of"]

SAMPLE = 5
#: Drawn from so many of the newest.
_DRAWN_FROM = 2_000


def page_of(uow: UnitOfWork, sent: Mapping[str, str]) -> dict[str, Any]:
    """What the page shows: other ones each time it is loaded, none that was checked before."""
    spec = uow.entity("follow_up")
    if not uow.actor.access(spec).may("review"):
        raise Forbidden(_("You do not have the right to do this."))
    period = valid_period(sent.get("period", DEFAULT))
    unchecked = {
        "all": [
            {"field": "happened_at", "op": "within", "value": period},
            {"field": "review", "op": "is_empty"},
        ]
    }
    ids = query.select_ids(
        uow, "follow_up", ListQuery(filter=unchecked), action="review", limit=_DRAWN_FROM
    )
    # Which ones are looked at is no secret, only not for the ones who wrote them to foresee.
    drawn = random.SystemRandom().sample(ids, min(SAMPLE, len(ids)))
    names = ("owner", "kind", "related_id", "happened_at", "content")
    access = uow.actor.access(spec)
    fields = tuple(name for name in names if access.can_see(spec[name]))
    found = query.page(uow, "follow_up", ListQuery(fields=fields, ids=tuple(drawn), limit=SAMPLE))
    reader = Reader(uow.clock.timezone, labels=found.labels, address=record_url)
    return {
        "period": period,
        "tabs": period_tabs("activities.spot_check", period, sent),
        "items": [
            {
                "id": row["id"],
                "url": record_url("follow_up", row["id"]),
                "facts": [
                    (str(spec[name].label), display_html(spec[name].type, row[name], reader, row))
                    for name in fields
                    if name != "content"
                ],
                "content": row.get("content", ""),
            }
            for row in found.items
        ],
        "checked_url": list_url(
            "follow_up", ("review", "is_set"), ("happened_at", "within", period)
        ),
        "again_url": url_for("activities.spot_check", period=period),
    }

"""S-056: some follow-ups of a period at random, for somebody to look at and to pass or fail."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import url_for

from core.entities import query
from core.entities.query import ListQuery
from core.entities.rendering import Reader, display_html
from core.errors import Forbidden, Invalid, Problem
from core.http.addresses import Row, list_condition, list_url, read_number, record_url
from core.i18n import gettext as _
from core.settings.preferences import get_preference, put_preference
from plugins.activities.periods import DEFAULT, period_tabs, valid_period
from plugins.activities.statistics import departments_offered

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["choose", "page_of"]

#: How many are drawn unless somebody has chosen otherwise, and at most.
SAMPLE, MOST = 5, 50
_CHOICE = "activities.spot_check"
#: Drawn from so many of the newest.
_DRAWN_FROM = 2_000


def choose(uow: UnitOfWork, sent: Mapping[str, str]) -> dict[str, str]:
    """Remember whose are drawn and how many: the address of the page that draws so.

    Raises `Invalid` for a number of them that is none, or too many.
    """
    _require_review(uow)
    number = read_number(sent.get("sample", "").strip())
    if number is None or not 1 <= number <= MOST:
        message = _("Draw 1 to %(n)s at a time.", n=MOST)
        raise Invalid(message, [Problem("sample", "range", message)])
    department = read_number(sent.get("department"))
    put_preference(uow, _CHOICE, {"department": department, "sample": number})
    return {"department": str(department or ""), "sample": str(number)}


def _require_review(uow: UnitOfWork) -> None:
    if not uow.actor.access(uow.entity("follow_up")).may("review"):
        raise Forbidden(_("You do not have the right to do this."))


def _chosen(uow: UnitOfWork, sent: Mapping[str, str]) -> tuple[int | None, int]:
    """(department or None, how many): what the address says, else what this person has chosen."""
    number = read_number(sent.get("sample"))
    if number is not None:
        return read_number(sent.get("department")), min(max(number, 1), MOST)
    kept = get_preference(uow, _CHOICE) or {}
    return kept.get("department"), kept.get("sample", SAMPLE)


def page_of(uow: UnitOfWork, sent: Mapping[str, str], error: str = "") -> dict[str, Any]:
    """What the page shows: other ones each time it is loaded, none that was checked before. ``error`` is
    what is wrong with the number that was typed."""
    _require_review(uow)
    spec = uow.entity("follow_up")
    period = valid_period(sent.get("period", DEFAULT))
    department, sample = _chosen(uow, sent)
    rows: tuple[Row, ...] = (("happened_at", "within", period),)
    departments = departments_offered(uow)
    if str(department) in dict(departments):
        rows = (*rows, ("department", "under", str(department)))
    unchecked = list_condition(*rows, ("review", "is_empty"))
    ids = query.select_ids(
        uow, "follow_up", ListQuery(filter=unchecked), action="review", limit=_DRAWN_FROM
    )
    # Which ones are looked at is no secret, only not for the ones who wrote them to foresee.
    drawn = random.SystemRandom().sample(ids, min(sample, len(ids)))
    names = ("owner", "kind", "related_id", "happened_at", "content")
    access = uow.actor.access(spec)
    fields = tuple(name for name in names if access.can_see(spec[name]))
    found = query.page(uow, "follow_up", ListQuery(fields=fields, ids=tuple(drawn), limit=MOST))
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
        "departments": departments,
        "department": str(department or ""),
        "sample": sent.get("sample", "") if error else str(sample),
        "error": error,
        "checked_url": list_url("follow_up", ("review", "is_set"), *rows),
        "again_url": url_for("activities.spot_check", period=period),
    }

"""What pools put into pages: when a record goes back and why, why it is not to be claimed yet, what lies
in a pool, and ways through the list."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from flask import url_for

from core.entities import query
from core.entities.query import ListQuery, Record
from core.errors import Forbidden, Invalid
from core.http.addresses import list_url
from core.http.rendering import macros
from core.i18n import gettext as _
from core.i18n.formats import format_date, format_number
from core.pools.claiming import why_not_yet
from core.pools.declaring import Pooled
from core.pools.members import pools_of
from core.pools.neglect import Neglect
from core.pools.rehearsal import count_due, sees_returns
from core.pools.returns import going, return_rules
from core.pools.rules import Going

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["contents", "left_alone", "over_record", "returning", "waiting", "ways"]

#: So near its return a record says so in a colour, where its pool warns nobody.
_SOON = 3


def over_record(uow: UnitOfWork, pooled: Pooled, record: Record) -> str:
    """For the slot ``entity.detail.above``: on a record when it goes back, or why it is not to be claimed
    yet; on a pool what lies in it. Nothing on other entities' pages."""
    if record.values.get("archived_at") is not None or record.spec.plugin != pooled.plugin:
        return ""
    if record.spec.name == pooled.entity:
        return returning(uow, pooled, record) + waiting(uow, pooled, record)
    if record.spec.name == pooled.pools:
        return contents(uow, pooled, record.values["id"])
    return ""


def returning(uow: UnitOfWork, pooled: Pooled, record: Record) -> str:
    """When the record goes back to its pool and why, or what keeps it."""
    if not sees_returns(uow, pooled) or record.values.get("owner") is None:
        return ""
    rules = return_rules(uow, pooled).get(record.values["pool"])
    if rules is None:
        return ""
    key = record.values["id"]
    found = going(uow, pooled, pooled.table(uow).c.id == key).get(key)
    if found is None:
        return ""
    if not isinstance(found, Going):
        title = _("Does not go back to %(pool)s for now", pool=rules.name)
        html: str = macros().notice(found.said(), "info", title)
        return html
    left = (found.on - uow.clock.today()).days
    if left < 0:
        title = _("Goes back to %(pool)s tonight", pool=rules.name)
    else:
        title = _(
            "Goes back to %(pool)s in the night after %(day)s",
            pool=rules.name,
            day=format_date(found.on),
        )
    tone = "warn" if left <= (rules.warn_days or _SOON) else "info"
    html = macros().notice(found.said(), tone, title)
    return html


def waiting(uow: UnitOfWork, pooled: Pooled, record: Record) -> str:
    """Why the reader may not claim it yet."""
    values = record.values
    access = uow.actor.access(record.spec)
    needed = {"owner", "pool", "created_at", *((pooled.open[0],) if pooled.open else ())}
    if not access.may("claim") or not needed <= values.keys():
        return ""
    if values["owner"] is not None or not pooled.is_open(values):
        return ""
    why = why_not_yet(uow, pooled, [values]).get(values["id"])
    if why is None:
        return ""
    html: str = macros().notice(why[:1].upper() + why[1:], "info", _("Not to be claimed yet"))
    return html


def contents(uow: UnitOfWork, pooled: Pooled, pool: int) -> str:
    """What lies in the pool, what is in hand, and what goes back tonight, as far as the reader sees it."""
    if not sees_returns(uow, pooled):
        return ""
    here = ("pool", "eq", str(pool))
    figures = []
    for label, owned in ((_("In the pool"), "is_empty"), (_("Claimed"), "is_set")):
        condition = {
            "all": [
                {"field": "pool", "op": "eq", "value": pool},
                {"field": "owner", "op": owned},
                *pooled.open_filter(),
            ]
        }
        try:
            n = query.count(uow, pooled.entity, ListQuery(filter=condition))
        except (Forbidden, Invalid):
            return ""
        address = list_url(pooled.entity, here, ("owner", owned), *pooled.open_rows())
        figures.append({"label": label, "count": format_number(n), "url": address})
    rules = return_rules(uow, pooled).get(pool)
    if rules is not None and uow.actor.has_permission(pooled.returns_right):
        today = uow.clock.today()
        for label, period, day in (
            (_("Back tonight"), "tonight", today),
            (_("Back within a week"), "week", today + timedelta(days=6)),
        ):
            address = url_for(pooled.returns_page, pool=pool, period=period)
            n = count_due(uow, pooled, [rules], day)
            figures.append({"label": label, "count": format_number(n), "url": address})
    html: str = macros().figures(figures)
    return html


def ways(uow: UnitOfWork, pooled: Pooled) -> list[tuple[str, str]]:
    """For the slot ``entity.list.above``: lists and pages, by name; none where there is no pool."""
    spec = uow.entity(pooled.entity)
    access = uow.actor.access(spec)
    if not all(access.can_use(spec[name]) for name in ("owner", "pool")):
        return []
    found = []
    if pools_of(uow, pooled) or return_rules(uow, pooled):
        lies = (("owner", "is_empty"), ("pool", "is_set"), *pooled.open_rows())
        found.append((_("In pools"), list_url(pooled.entity, *lies)))
    if return_rules(uow, pooled) and uow.actor.has_permission(pooled.returns_right):
        found.append((_("Going back"), url_for(pooled.returns_page)))
    return found


def left_alone(uow: UnitOfWork, neglect: Neglect) -> list[tuple[str, str]]:
    """The same for important records that their owners leave alone; none where nobody is told of them."""
    spec = uow.entity(neglect.pooled.entity)
    field, value = neglect.important
    access, days = uow.actor.access(spec), neglect.idle_days(uow)
    needed = (field, "owner", "held_since", "last_followed_at")
    if days is None or not all(access.can_use(spec[name]) for name in needed):
        return []
    edge = (uow.clock.today() - timedelta(days=days)).isoformat()
    rows = (
        *((field, "in", value), ("owner", "is_set"), ("held_since", "lt", edge)),
        *neglect.pooled.open_rows(),
    )
    never = (("last_followed_at", "lt", edge), ("last_followed_at", "is_empty"))
    shown = (spec.label_field, *needed[1:])
    url = list_url(spec.name, *rows, either=never, sort="last_followed_at", columns=shown)
    return [(_("Important, left alone"), url)]

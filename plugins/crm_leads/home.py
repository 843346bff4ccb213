"""What leads ask of their reader today, for the first page: short lists and the month's numbers."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from core.entities.aggregate import aggregate
from core.entities.query import ListQuery, page
from core.entities.rendering import Reader, display_html
from core.errors import Forbidden
from core.http.addresses import list_url, record_url
from core.http.rendering import macros
from core.i18n import gettext as _
from core.i18n.formats import format_money, format_number
from core.pools.members import pools_of
from core.settings.service import get_setting
from plugins.crm_leads.models import OPEN
from plugins.crm_leads.pools import LEADS

if TYPE_CHECKING:
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = ["needs_action"]

ROWS = 5
_OPEN = ("status", "in", *OPEN)
_MINE = ("owner", "is_me")
#: A condition of the list's filter: (field, operator, value…).
Row = tuple[str, ...]


class Card(NamedTuple):
    """One short list: ``rows`` filter it; of each lead ``about`` and the moment ``when`` are shown,
    as far as the reader may see them."""

    title: str
    rows: tuple[Row, ...]
    sort: str
    when: str
    about: tuple[str, ...] = ("contact_name", "mobile", "expected_amount")
    #: Shown also when it is empty: then nothing is to be done.
    is_work: bool = False


def needs_action(uow: UnitOfWork, **context: Any) -> str:
    """The slot ``home.main``: what is due, what is new, what can be claimed, and this month.

    The number of statements does not depend on how many leads there are. Who may not change leads
    has nothing to do with them here.
    """
    spec = uow.entity("lead")
    access = uow.actor.access(spec)
    if not access.may("read") or not access.may("update"):
        return ""
    leads = access.may("assign")
    try:
        cards = [_card(uow, spec, card) for card in _cards(uow, leads) if _usable(uow, spec, card)]
        figures = _figures(uow, spec, () if leads else (_MINE,))
    except Forbidden:
        return ""
    template = macros("crm_leads/home.html")
    shown = [card for card in cards if card["items"] or card["is_work"]]
    title = _("Leads this month") if leads else _("Your leads this month")
    html: str = template.needs_action(shown, title, figures)
    return html


def _cards(uow: UnitOfWork, leads: bool) -> list[Card]:
    """What this person looks after; ``leads`` is true for who distributes the work of others."""
    today = uow.clock.today().isoformat()
    due = (_OPEN, ("next_follow_at", "le", today))
    found = (
        []
        if _has_day(uow)
        else [
            Card(
                _("Follow-ups due"),
                (_MINE, *due),
                "next_follow_at",
                "next_follow_at",
                is_work=not leads,
            )
        ]
    )
    found += [
        Card(
            _("Yours, not yet contacted"),
            (_MINE, ("status", "in", "new"), ("last_followed_at", "is_empty")),
            "-created_at",
            "created_at",
        ),
    ]
    if leads:
        others = (("owner", "is_set"), ("owner", "is_not_me"))
        found.append(
            Card(
                _("Due with others"),
                (*others, *due),
                "next_follow_at",
                "next_follow_at",
                about=("owner", "contact_name", "mobile"),
            )
        )
    if uow.actor.access(uow.entity("lead")).may("claim") and pools_of(uow, LEADS):
        rows: tuple[Row, ...] = (("owner", "is_empty"), _OPEN)
        found.append(Card(_("In the pools, for you to claim"), rows, "-created_at", "created_at"))
    return found


def _has_day(uow: UnitOfWork) -> bool:
    """True where the module of activities tells what is due, leads among it."""
    task = uow.entities.get("task")
    if task is None or task.plugin != "activities":
        return False
    access = uow.actor.access(task)
    return access.may("read") and access.may("create")


def _usable(uow: UnitOfWork, spec: EntitySpec, card: Card) -> bool:
    """True when the reader may filter by all that the card asks for."""
    access = uow.actor.access(spec)
    return all(access.can_use(spec[name]) for name in {card.when, *(row[0] for row in card.rows)})


def _card(uow: UnitOfWork, spec: EntitySpec, card: Card) -> dict[str, Any]:
    access = uow.actor.access(spec)
    about = [spec[name] for name in card.about if access.can_see(spec[name])]
    named = [spec["company"]] if access.can_see(spec["company"]) else []
    fields = tuple(item.name for item in (*named, *about, spec[card.when]))
    found = page(
        uow,
        "lead",
        ListQuery(
            fields=fields,
            filter=_condition(card.rows),
            sort=card.sort,
            limit=ROWS,
            count="estimate",
        ),
    )
    currency = get_setting(uow, "core", "currency")
    reader = Reader(uow.clock.timezone, currency, found.labels)
    return {
        "title": card.title,
        "is_work": card.is_work,
        "total": format_number(found.total or 0),
        "url": list_url("lead", *card.rows, sort=card.sort),
        "items": [
            {
                "label": row.get("company") or f"#{row['id']}",
                "url": record_url("lead", row["id"]),
                "about": [
                    text
                    for item in about
                    if (text := display_html(item.type, row.get(item.name), reader, row))
                ],
                "when": display_html(spec[card.when].type, row.get(card.when), reader, row),
                "is_late": card.when == "next_follow_at" and row[card.when] < uow.now(),
            }
            for row in found.items
        ],
    }


def _condition(rows: Sequence[Row]) -> dict[str, Any]:
    return {"all": [_one(row) for row in rows]}


def _one(row: Row) -> dict[str, Any]:
    field, op, *values = row
    if op in ("is_me", "is_not_me"):
        return {"field": field, "op": "eq" if op == "is_me" else "ne", "value": {"var": "me"}}
    if not values:
        return {"field": field, "op": op}
    return {"field": field, "op": op, "value": values if op == "in" else values[0]}


# The month


def _figures(uow: UnitOfWork, spec: EntitySpec, whose: tuple[Row, ...]) -> list[dict[str, str]]:
    """New, followed up and converted leads of this month; each leads to its list."""
    access = uow.actor.access(spec)
    wanted = (
        (_("New leads"), "created_at"),
        (_("Followed up"), "last_followed_at"),
        (_("Converted"), "converted_at"),
    )
    has_money = access.can_use(spec["expected_amount"])
    measures = ["count", *(["sum:expected_amount"] if has_money else [])]
    found = []
    for label, field in wanted:
        rows = (*whose, (field, "within", "this_month"))
        if not all(access.can_use(spec[row[0]]) for row in rows):
            continue
        (sums,) = aggregate(uow, "lead", [], measures, ListQuery(filter=_condition(rows)))
        found.append(
            {
                "label": label,
                "count": format_number(sums["count"]),
                "note": _money(uow, sums.get("sum:expected_amount")),
                "url": list_url("lead", *rows, sort=f"-{field}"),
            }
        )
    return found


def _money(uow: UnitOfWork, text: str | None) -> str:
    amount = Decimal(text or 0)
    return format_money(amount, get_setting(uow, "core", "currency"), 0) if amount else ""

"""What leads ask of their reader today, for the first page: short lists and the month's numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from core.entities.aggregate import reading_aggregate
from core.entities.query import ListQuery, Page, reading_page
from core.entities.reading import Reading, read_together
from core.entities.rendering import Reader, display_html
from core.errors import Forbidden
from core.http.addresses import Row, list_condition, list_url, record_url
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

    One statement reads all of it. Who may not change leads has nothing to do with them here.
    """
    spec = uow.entity("lead")
    access = uow.actor.access(spec)
    if not access.may("read") or not access.may("update"):
        return ""
    leads = access.may("assign")
    try:
        readings: list[Reading[Any]] = [
            _reading_card(uow, spec, card)
            for card in _cards(uow, leads)
            if _usable(uow, spec, card)
        ]
        number = len(readings)
        found = read_together(
            uow, [*readings, *_reading_figures(uow, spec, () if leads else (_MINE,))]
        )
    except Forbidden:
        return ""
    cards, figures = found[:number], found[number:]
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


def _reading_card(uow: UnitOfWork, spec: EntitySpec, card: Card) -> Reading[dict[str, Any]]:
    access = uow.actor.access(spec)
    about = [name for name in card.about if access.can_see(spec[name])]
    named = ["company"] if access.can_see(spec["company"]) else []
    asked = ListQuery(
        fields=(*named, *about, card.when),
        filter=list_condition(*card.rows),
        sort=card.sort,
        limit=ROWS,
        count="estimate",
    )
    return reading_page(uow, "lead", asked).then(partial(_card, uow, card, about))


def _card(uow: UnitOfWork, card: Card, about: Sequence[str], found: Page) -> dict[str, Any]:
    spec, currency = found.spec, get_setting(uow, "core", "currency")
    reader = Reader(uow.clock.timezone, currency, found.labels)

    def shown(name: str, row: Mapping[str, Any]) -> Any:
        return display_html(spec[name].type, row.get(name), reader, row)

    return {
        "title": card.title,
        "is_work": card.is_work,
        "total": format_number(found.total or 0),
        "url": list_url("lead", *card.rows, sort=card.sort),
        "items": [
            {
                "label": row.get("company") or f"#{row['id']}",
                "url": record_url("lead", row["id"]),
                "about": [text for name in about if (text := shown(name, row))],
                "when": shown(card.when, row),
                "is_late": card.when == "next_follow_at" and row[card.when] < uow.now(),
            }
            for row in found.items
        ],
    }


# The month


def _reading_figures(
    uow: UnitOfWork, spec: EntitySpec, whose: tuple[Row, ...]
) -> list[Reading[dict[str, str]]]:
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
        asked = ListQuery(filter=list_condition(*rows))
        url = list_url("lead", *rows, sort=f"-{field}")
        summed = reading_aggregate(uow, "lead", [], measures, asked)
        found.append(summed.then(partial(_figure, uow, label, url)))
    return found


def _figure(
    uow: UnitOfWork, label: str, url: str, rows: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    (sums,) = rows
    note = _money(uow, sums.get("sum:expected_amount"))
    return {"label": label, "count": format_number(sums["count"]), "note": note, "url": url}


def _money(uow: UnitOfWork, text: str | None) -> str:
    amount = Decimal(text or 0)
    return format_money(amount, get_setting(uow, "core", "currency"), 0) if amount else ""

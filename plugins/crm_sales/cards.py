"""What is put into pages of records and lists: the money of a customer and who works there, where an
opportunity stands and for how long, what became of a lead, and ways through lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from flask import url_for

from core.entities import query
from core.entities.aggregate import reading_aggregate
from core.entities.query import ListQuery, Page, Record
from core.entities.reading import Reading, read_together
from core.errors import Forbidden, Invalid
from core.http.addresses import list_url, record_url
from core.http.rendering import macros
from core.i18n import gettext as _
from core.i18n.formats import format_datetime, format_money, format_number
from core.pools import cards as pools
from core.settings.service import get_setting
from plugins.crm_sales import duplicates, tasks
from plugins.crm_sales.pools.declared import (
    CUSTOMERS_NEGLECT,
    OPPORTUNITIES,
    OPPORTUNITIES_NEGLECT,
)
from plugins.crm_sales.products import forms
from plugins.crm_sales.stages import Step, stages_of

if TYPE_CHECKING:
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = [
    "beside_record",
    "linked",
    "over_form",
    "over_list",
    "over_record",
    "told_same",
    "told_typed",
]

_PEOPLE = 100


def over_record(uow: UnitOfWork, entity: EntitySpec, record: Record, **context: Any) -> str:
    """The slot ``entity.detail.above``."""
    if record.values.get("archived_at") is not None:
        return ""
    match entity.name:
        case "customer":
            cards = _of_customer(uow, record)
            return cards.same + cards.money
        case "opportunity":
            return _standing(uow, record) + tasks.over_opportunity(uow, record)
        case "lead" if entity.plugin == "crm_leads":
            html = _became(uow, record.values["id"])
            if record.values.get("status") in ("new", "following"):
                html += told_typed(uow, "lead", record.values, with_alike=False)
            return html
    return ""


def over_form(
    uow: UnitOfWork,
    entity: EntitySpec,
    values: Mapping[str, Any],
    record_id: int | None = None,
    **context: Any,
) -> str:
    """The slot ``entity.form.above``: which customers are there already, also while somebody types."""
    match entity.name:
        case "customer":
            name, uscc = values.get("name") or "", values.get("uscc") or ""
            told = told_same(duplicates.find(uow, name=name, uscc=uscc, but=record_id))
            url = url_for("crm_sales.show_duplicates", but=record_id)
            asked = ("name", "uscc")
        case "lead" if entity.plugin == "crm_leads":
            told, asked = told_typed(uow, "lead", values), ("company", "mobile")
            url = url_for("crm_sales.show_same", entity="lead")
        case "contact":
            told, asked = told_typed(uow, "contact", values), ("customer", "mobile")
            url = url_for("crm_sales.show_same", entity="contact")
        case _:
            return ""
    html: str = macros("crm_sales/parts.html").same_typed(told, url, asked)
    return html


def told_typed(
    uow: UnitOfWork, entity: str, values: Mapping[str, Any], *, with_alike: bool = True
) -> str:
    """`told_same` of what stands in the form of a lead or of a contact."""
    mobile = duplicates.mobile_of(values.get("mobile"))
    if entity == "lead":
        if get_setting(uow, "crm_sales", "same_lead") == "off":
            return ""
        company = str(values.get("company") or "")[:200]
        return told_same(
            duplicates.of_lead(uow, company, mobile, with_alike=with_alike), is_lead=True
        )
    customer = forms.readable(uow, "customer", values.get("customer"))
    if customer is None or not mobile:
        return ""
    return told_same(duplicates.beside_contact(uow, customer, mobile))


def told_same(hits: Sequence[duplicates.Hit], *, is_lead: bool = False) -> str:
    """A warning of customers that may be the same; nothing for none."""
    if not hits:
        return ""
    title = _("Perhaps a customer already") if is_lead else ""
    html: str = macros("crm_sales/parts.html").same(linked(hits), title=title)
    return html


def linked(hits: Sequence[duplicates.Hit]) -> list[tuple[str, str]]:
    """What is told of each, and its address for who may read it."""
    return [
        (duplicates.said(hit), record_url("customer", hit.id) if hit.is_readable else "")
        for hit in hits
    ]


def beside_record(uow: UnitOfWork, entity: EntitySpec, record: Record, **context: Any) -> str:
    """The slot ``entity.detail.aside``."""
    match entity.name:
        case "customer":
            return _of_customer(uow, record).chart
        case "opportunity":
            return _stays(uow, record.values["id"])
    return ""


# Customers


class _Cards(NamedTuple):
    """What is shown of a customer in both places of its page."""

    same: str = ""
    money: str = ""
    chart: str = ""


def _of_customer(uow: UnitOfWork, record: Record) -> _Cards:
    """All of them are read in one statement, whichever place is drawn first."""
    kept = ("cards of a customer", record.values["id"])
    found: _Cards | None = uow.memo.get(kept)
    if found is None:
        key = record.values["id"]
        drawn = {
            name: (reading, draw)
            for name, (reading, draw) in {
                "same": (_asking_namesakes(uow, record), partial(_same, uow, key)),
                "money": (_asking_money(uow, key), partial(_money, uow, key)),
                "chart": (_asking_people(uow, key), _chart),
            }.items()
            if reading is not None
        }
        answers = read_together(uow, [reading for reading, _draw in drawn.values()])
        parts = zip(drawn.items(), answers, strict=True)
        found = _Cards(**{name: draw(answer) for (name, (_reading, draw)), answer in parts})
        uow.memo[kept] = found
    return found


def _asking_namesakes(uow: UnitOfWork, record: Record) -> Reading[Any] | None:
    key = record.values.get("name_key")
    if not key or get_setting(uow, "crm_sales", "same_name") == "off":
        return None
    return duplicates.reading_namesakes(uow, key, but=record.values["id"])


def _same(uow: UnitOfWork, customer: int, hits: Sequence[duplicates.Hit]) -> str:
    """A lasting remark while another customer has the same name: who it is, or who has it."""
    if not hits:
        return ""
    mine = [hit.id for hit in hits if hit.is_readable]
    may_merge = uow.actor.access(uow.entity("customer")).may("merge")
    html: str = macros("crm_sales/parts.html").same(
        linked(hits),
        url_for("web.merge_records", entity="customer", ids=[customer, *mine])
        if mine and may_merge
        else "",
    )
    return html


def _asking_money(uow: UnitOfWork, customer: int) -> Reading[Any] | None:
    spec = uow.entity("opportunity")
    access = uow.actor.access(spec)
    if not access.may("read") or not all(
        access.can_use(spec[name])
        for name in ("customer", "status", "currency", "amount", "weighted_amount")
    ):
        return None
    about = ListQuery(filter={"field": "customer", "op": "eq", "value": customer})
    measures = ["count", "sum:amount", "sum:weighted_amount"]
    try:
        return reading_aggregate(uow, "opportunity", ["status", "currency"], measures, about)
    except (Forbidden, Invalid):
        return None


def _money(uow: UnitOfWork, customer: int, rows: Sequence[Mapping[str, Any]]) -> str:
    """Won, open and weighted, by currency."""
    if not rows:
        return ""
    mine = ("customer", "eq", str(customer))
    figures = [
        _figure(uow, _("Won"), rows, "won", "sum:amount", mine),
        _figure(uow, _("Ongoing"), rows, "open", "sum:amount", mine),
        _figure(uow, _("Weighted"), rows, "open", "sum:weighted_amount", mine),
    ]
    html: str = macros().figures(figures)
    return html


def _figure(
    uow: UnitOfWork,
    label: str,
    rows: Sequence[Mapping[str, Any]],
    status: str,
    measure: str,
    mine: tuple[str, ...],
) -> dict[str, str]:
    found = [row for row in rows if row["status"]["id"] == status]
    return {
        "label": f"{label} · {format_number(sum(row['count'] for row in found))}",
        "count": written(uow, found, measure),
        "url": list_url("opportunity", mine, ("status", "in", status)),
    }


def written(uow: UnitOfWork, rows: Sequence[Mapping[str, Any]], measure: str) -> str:
    """Sums of several currencies, each by itself."""
    company = get_setting(uow, "core", "currency")
    sums: dict[str, Decimal] = {}
    for row in rows:
        if row[measure] is not None:
            code = row["currency"]["id"] or company
            sums[code] = sums.get(code, Decimal(0)) + Decimal(row[measure])
    parts = [format_money(total, code, 0) for code, total in sorted(sums.items()) if total]
    return " + ".join(parts) or format_money(Decimal(0), company, 0)


def _asking_people(uow: UnitOfWork, customer: int) -> Reading[Any] | None:
    spec = uow.entity("contact")
    access = uow.actor.access(spec)
    names = ("name", "title", "reports_to", "is_decision_maker")
    if not access.may("read") or not all(access.can_see(spec[name]) for name in names):
        return None
    about = {"field": "customer", "op": "eq", "value": customer}
    asked = ListQuery(fields=names, filter=about, sort="id", limit=_PEOPLE, labels=False)
    try:
        return query.reading_page(uow, "contact", asked)
    except (Forbidden, Invalid):
        return None


def _chart(page: Page) -> str:
    """Who reports to whom, where that is known."""
    rows = page.items
    if not any(row["reports_to"] for row in rows):
        return ""
    there = {row["id"] for row in rows}
    below: dict[int | None, list[dict[str, Any]]] = {}
    for row in rows:
        above = row["reports_to"] if row["reports_to"] in there else None
        below.setdefault(above, []).append(row)
    html: str = macros("crm_sales/parts.html").chart(_branch(below, None))
    return html


def _branch(
    below: Mapping[int | None, list[dict[str, Any]]], above: int | None
) -> list[dict[str, Any]]:
    return [
        {
            "name": row["name"],
            "title": row["title"] or "",
            "url": record_url("contact", row["id"]),
            "decides": bool(row["is_decision_maker"]),
            "below": _branch(below, row["id"]),
        }
        for row in below.get(above, ())
    ]


# Opportunities


def _standing(uow: UnitOfWork, record: Record) -> str:
    """The stages in a row, and a mark when the days of the present one are over."""
    values = record.values
    if values.get("stage") is None:
        return ""
    steps = stages_of(uow, stages=[values["stage"]])
    now = next((step for step in steps.by_id.values() if step.id == values["stage"]), None)
    if now is None:
        return ""
    row = [
        (step.id, step.name, _tone(step, now), step.id == now.id)
        for step in steps.of(now.process)
        if not step.is_lost or step.id == now.id
    ]
    html: str = macros("crm_sales/parts.html").standing(
        row, values["id"], _may_move(uow, values["id"])
    )
    return html + _stuck(uow, values, now.name)


def _tone(step: Step, now: Step) -> str:
    if step.id == now.id:
        return {"won": "good", "lost": "bad"}.get(step.status, "warn")
    return "good" if step.position < now.position and not now.is_lost else "neutral"


def _may_move(uow: UnitOfWork, key: int) -> bool:
    if not uow.actor.access(uow.entity("opportunity")).may("move"):
        return False
    asked = ListQuery(ids=(key,))
    return bool(query.select_ids(uow, "opportunity", asked, action="move", limit=1))


def _stuck(uow: UnitOfWork, values: Mapping[str, Any], stage: str) -> str:
    due, since = values.get("stage_due_at"), values.get("stage_entered_at")
    if values.get("status") != "open" or due is None or since is None or due >= uow.now():
        return ""
    text = _(
        "In “%(stage)s” for %(days)s days; %(allowed)s are allowed.",
        stage=stage,
        days=_days(since, uow.now()),
        allowed=_days(since, due),
    )
    html: str = macros().notice(text, "bad", _("Stuck"))
    return html


def _days(since: datetime, until: datetime) -> str:
    return format_number((until - since).days)


def _stays(uow: UnitOfWork, opportunity: int) -> str:
    """How long it stood where, the latest first."""
    about = {"field": "opportunity", "op": "eq", "value": opportunity}
    fields = ("stage", "entered_at", "left_at", "days")
    try:
        found = query.page(
            uow,
            "stage_visit",
            ListQuery(fields=fields, filter=about, sort="-entered_at,-id", limit=50),
        )
    except (Forbidden, Invalid):
        return ""
    names = found.labels.get("stage", {})
    rows = [
        (names.get(row["stage"], ""), _stay(uow, row))
        for row in found.items
        if row["entered_at"] is not None
    ]
    html: str = macros("crm_sales/parts.html").stays(rows)
    return html if rows else ""


def _stay(uow: UnitOfWork, row: Mapping[str, Any]) -> str:
    since = format_datetime(row["entered_at"], uow.clock.timezone)
    if row["left_at"] is None:
        return _(
            "since %(when)s, %(days)s days", when=since, days=_days(row["entered_at"], uow.now())
        )
    return _("from %(when)s, %(days)s days", when=since, days=_stayed(row))


def _stayed(row: Mapping[str, Any]) -> str:
    """Whole days, as of where it still stands; a part of a day where it was less than one."""
    days = Decimal(row["days"] or 0)
    return format_number(days if days < 1 else days.quantize(Decimal(1)))


# Leads


def _became(uow: UnitOfWork, lead: int) -> str:
    """What a lead was converted to, as far as the reader may see it."""
    about = {"field": "lead", "op": "eq", "value": lead}
    try:
        found = query.page(
            uow, "opportunity", ListQuery(fields=("name", "customer"), filter=about, limit=5)
        )
    except (Forbidden, Invalid):
        return ""
    if not found.items:
        return ""
    customers = found.labels.get("customer", {})
    links = [(row["name"], record_url("opportunity", row["id"])) for row in found.items]
    links += [
        (customers[key], record_url("customer", key))
        for key in dict.fromkeys(row["customer"] for row in found.items)
        if key in customers
    ]
    html: str = macros("crm_sales/parts.html").became(links)
    return html


# Lists


def over_list(uow: UnitOfWork, entity: EntitySpec, **context: Any) -> str:
    """The slot ``entity.list.above``: the lists of opportunities and customers that one asks for most."""
    if entity.name == "customer":
        ways = [
            (_("Without follow-up"), url_for("crm_sales.idle_customers")),
            (_("With several sellers"), url_for("crm_sales.shared_customers")),
            *pools.left_alone(uow, CUSTOMERS_NEGLECT),
        ]
        if uow.actor.access(entity).can_use(entity["won_amount"]):
            shown = ("name", "level", "won_amount", "won_count", "last_won_on", "owner")
            ways.append((_("Worth most"), list_url("customer", sort="-won_amount", columns=shown)))
        told: str = macros("crm_sales/parts.html").ways(ways)
        return told
    if entity.name != "opportunity":
        return ""
    access = uow.actor.access(entity)
    if not all(access.can_use(entity[name]) for name in ("owner", "status", "stage_due_at")):
        return ""
    is_open = ("status", "in", "open")
    today = uow.clock.today().isoformat()
    ways = [
        (_("Your ongoing ones"), list_url(entity.name, ("owner", "is_me"), is_open)),
        (
            _("Stuck"),
            list_url(entity.name, is_open, ("stage_due_at", "lt", today), sort="stage_due_at"),
        ),
        (
            _("Closing this month"),
            list_url(entity.name, is_open, ("expected_close_on", "within", "this_month")),
        ),
        (
            _("Won this month"),
            list_url(entity.name, ("status", "in", "won"), ("closed_on", "within", "this_month")),
        ),
    ]
    if uow.actor.access(uow.entity("opportunity_line")).may("read"):
        ways.append(
            (
                _("Products in the pipeline"),
                list_url("opportunity_line", is_open, sort="-expected_close_on"),
            )
        )
    processes = _processes(uow)
    if len(processes) > 1:
        ways += [
            (
                _("Board: %(name)s", name=name),
                f"{list_url(entity.name, ('process', 'eq', str(key)))}&layout=board&by=stage",
            )
            for key, name in processes[:4]
        ]
    if uow.actor.has_permission("crm_sales.see_funnel"):
        ways.append((_("Funnel"), url_for("crm_sales.funnel")))
        ways.append((_("Wins and losses"), url_for("crm_sales.outcomes")))
    ways += [*pools.left_alone(uow, OPPORTUNITIES_NEGLECT), *pools.ways(uow, OPPORTUNITIES)]
    html: str = macros("crm_sales/parts.html").ways(ways)
    return html


def _processes(uow: UnitOfWork) -> list[tuple[int, str]]:
    in_use = {"field": "is_active", "op": "eq", "value": True}
    asked = ListQuery(fields=("name",), filter=in_use, sort="id", limit=20)
    try:
        rows = query.page(uow, "sales_process", asked).items
    except (Forbidden, Invalid):
        return []
    return [(row["id"], row["name"]) for row in rows]

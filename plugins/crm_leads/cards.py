"""What is put into pages of records and lists: when a lead goes back and why, why it is not to be
claimed yet, who else has it, what lies in a pool, and ways through the list of leads."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from flask import url_for

from core.assigning.cards import over_rule
from core.entities import query
from core.entities.query import Record
from core.errors import Forbidden, Invalid
from core.http.addresses import list_url, record_url
from core.http.rendering import macros
from core.i18n import gettext as _
from core.i18n.formats import format_datetime, format_money, format_number
from core.pools import cards as pools
from core.settings.service import get_setting
from plugins.crm_leads import duplicates, targets
from plugins.crm_leads.assignment import LEADS as RULES
from plugins.crm_leads.campaigns import Won, result_of
from plugins.crm_leads.models import OPEN
from plugins.crm_leads.pools import LEADS, NEGLECT
from plugins.crm_leads.scoring import reasons

if TYPE_CHECKING:
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = ["beside_record", "over_form", "over_list", "over_record", "told_same"]

_COMPARED = ("company", "mobile", "phone")


def over_record(uow: UnitOfWork, entity: EntitySpec, record: Record, **context: Any) -> str:
    """The slot ``entity.detail.above``."""
    if entity.plugin != "crm_leads" or record.values.get("archived_at") is not None:
        return ""
    match entity.name:
        case "lead":
            html = _first_contact(uow, record) + pools.over_record(uow, LEADS, record)
            return html + _same(uow, record)
        case "lead_pool":
            return pools.over_record(uow, LEADS, record)
        case "assignment_rule":
            return over_rule(uow, RULES, record)
        case "lead_form":
            return _address(uow, record)
        case "campaign":
            return _brought(uow, record.values["id"])
    return ""


def beside_record(uow: UnitOfWork, entity: EntitySpec, record: Record, **context: Any) -> str:
    """The slot ``entity.detail.aside``: of what the score is made up."""
    if entity.name != "lead" or entity.plugin != "crm_leads":
        return ""
    access = uow.actor.access(entity)
    if not access.can_use(entity["score"]) or record.values.get("score") is None:
        return ""
    with uow.elevated():
        whole = query.get(uow, "lead", record.values["id"], archived=None).values
        met = reasons(uow, whole)
    # A rule about a field that the reader may not see would tell what it holds.
    open_to = {
        name
        for name, value in record.values.items()
        if name in entity and access.can_use(entity[name]) and value == whole.get(name)
    }
    rows = [(rule.name, f"{rule.points:+d}") for rule in met if rule.field in open_to]
    others = sum(rule.points for rule in met if rule.field not in open_to)
    if others:
        rows.append((_("Others"), f"{others:+d}"))
    html: str = macros("crm_leads/parts.html").score(format_number(record.values["score"]), rows)
    return html


def over_form(
    uow: UnitOfWork,
    entity: EntitySpec,
    values: Mapping[str, Any],
    record_id: int | None = None,
    **context: Any,
) -> str:
    """The slot ``entity.form.above``: who has the lead already, also while it is typed."""
    if entity.name != "lead" or entity.plugin != "crm_leads":
        return ""
    html: str = macros("crm_leads/parts.html").same_typed(
        told_same(uow, values, record_id), url_for("crm_leads.show_duplicates", but=record_id)
    )
    return html


def told_same(
    uow: UnitOfWork, values: Mapping[str, Any], but: int | None, *, with_alike: bool = True
) -> str:
    """A warning while other leads may be the same as what these values say."""
    given = {name: values.get(name) for name in _COMPARED}
    hits = duplicates.find(uow, **given, but=but, with_alike=with_alike)
    if not hits:
        return ""
    html: str = macros("crm_leads/parts.html").same(
        [
            (duplicates.said(hit), record_url("lead", hit.id) if hit.is_readable else "")
            for hit in hits
        ]
    )
    return html


def _same(uow: UnitOfWork, record: Record) -> str:
    """A lasting remark while it is worked on and another lead has its number or its name."""
    if record.values.get("status") not in OPEN:
        return ""
    return told_same(uow, record.values, record.values["id"], with_alike=False)


def _first_contact(uow: UnitOfWork, record: Record) -> str:
    """By when somebody is to call, until somebody has."""
    values = record.values
    due = values.get("first_contact_due_at")
    if due is None or values.get("first_contacted_at") is not None:
        return ""
    if values.get("status") not in OPEN:
        return ""
    text = _("First contact due by %(when)s", when=format_datetime(due, uow.clock.timezone))
    html: str = macros().notice(text, "bad" if due < uow.now() else "info")
    return html


def _brought(uow: UnitOfWork, campaign: int) -> str:
    """What the campaign and those below it brought, and what that cost."""
    spec = uow.entity("lead")
    access = uow.actor.access(spec)
    if not access.may("read") or not all(
        access.can_use(spec[name]) for name in ("campaign", "status")
    ):
        return ""
    try:
        found = result_of(uow, campaign)
    except (Forbidden, Invalid):
        return ""
    currency = get_setting(uow, "core", "currency")
    below = len(found.campaigns) - 1
    mine: list[tuple[str, ...]] = [("campaign", "in", *map(str, found.campaigns))]
    if not below:
        mine = [("campaign", "eq", str(campaign))]
    leads = _("Leads, with %(n)s campaigns below it", n=below) if below else _("Leads")
    figures = [
        (leads, found.leads, mine),
        (_("Converted"), found.converted, [*mine, ("status", "in", "converted")]),
    ]
    listed = targets.counted(uow, found.campaigns)
    answered = listed.get("answered", 0)
    facts = [
        (_("Target list"), format_number(sum(listed.values())) if listed else None),
        (_("Has replied"), format_number(answered) if listed else None),
        (_("Spent"), found.cost and format_money(found.cost, currency, 0)),
        (_("Cost of a lead"), found.cost_of_lead and format_money(found.cost_of_lead, currency, 0)),
        *_won(found.won, currency),
        (
            _("Return on cost"),
            None if found.gain is None else f"{format_number(round(100 * found.gain))}%",
        ),
    ]
    html: str = macros("crm_leads/parts.html").brought(
        [
            {"label": label, "count": format_number(n), "url": list_url("lead", *rows)}
            for label, n, rows in figures
        ],
        [(label, value) for label, value in facts if value],
    )
    return html


def _won(won: Won | None, currency: str) -> list[tuple[str, str]]:
    if won is None:
        return []
    amount = format_money(won.amount, currency, 0)
    if won.without_rate:
        amount = _(
            "%(amount)s, %(n)s deals without a rate left out", amount=amount, n=won.without_rate
        )
    return [
        (_("Deals won"), format_number(won.deals)),
        (_("Amount won"), amount),
    ]


def _address(uow: UnitOfWork, record: Record) -> str:
    """Where the form is, and what to put into a page to embed it."""
    values = record.values
    if not values.get("key"):
        return ""
    if not values.get("is_open"):
        html: str = macros().notice(_("The form is closed."), "info")
        return html
    path = url_for("crm_leads.form", key=values["key"])
    address = f"{uow.runtime.config.base_url}{path}"
    title = escape(values.get("title") or values.get("name") or "")
    # A frame has a title: without one, who cannot see it is not told what it is.
    size = 'width="100%" height="720" style="border: 0"'
    code = f'<iframe src="{address}" title="{title}" {size}></iframe>'
    html = macros("crm_leads/parts.html").form_address(
        address, path, code if values.get("sites") else ""
    )
    return html


def over_list(uow: UnitOfWork, entity: EntitySpec, **context: Any) -> str:
    """The slot ``entity.list.above``: the lists of leads that one asks for most."""
    if entity.name != "lead" or entity.plugin != "crm_leads":
        return ""
    access = uow.actor.access(entity)
    if not all(access.can_use(entity[name]) for name in ("owner", "status")):
        return ""
    is_open = ("status", "in", *OPEN)
    ways = [
        (_("Your open ones"), list_url("lead", ("owner", "is_me"), is_open)),
        (_("In pools"), list_url("lead", ("owner", "is_empty"), is_open)),
    ]
    if uow.actor.has_permission(LEADS.returns_right):
        ways.append((_("Going back"), url_for(LEADS.returns_page)))
    ways += pools.left_alone(uow, NEGLECT)
    html: str = macros("crm_leads/parts.html").ways(ways)
    return html

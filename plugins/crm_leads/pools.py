"""The pools of leads, which `core.pools` keeps: what is particular about leads in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from core.errors import Refused
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import NotificationKind, Schedule
from core.pools.declaring import IDLE, LimitKind, Pooled
from core.pools.neglect import Neglect
from core.pools.returns import Returning
from core.settings.service import get_setting
from plugins.crm_leads.events import LeadsAssigned, LeadsClaimed, LeadsReleased
from plugins.crm_leads.models import OPEN, lead_alert_table, return_warning_table

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["LEADS", "NEGLECT", "RETURN", "RETURNING", "first_contact", "require_open"]

Lead = Mapping[str, Any]


def require_open(uow: UnitOfWork, leads: Sequence[Lead]) -> None:
    """Raise `Refused` for leads that are not worked on."""
    for lead in leads:
        if lead["status"] == "converted":
            raise Refused(_("%(company)s is converted and locked.", company=lead["company"]))
        if lead["status"] not in OPEN:
            raise Refused(_("%(company)s is not being worked on.", company=lead["company"]))


def first_contact(uow: UnitOfWork, lead: Lead) -> datetime | None:
    """When the new owner is to follow up; an appointment still ahead stands."""
    if lead["status"] not in OPEN:
        return None
    now = uow.now()
    planned: datetime | None = lead["next_follow_at"]
    if planned is not None and planned > now:
        return planned
    promised: datetime | None = lead["first_contact_due_at"]
    if promised is not None and lead["first_contacted_at"] is None and promised > now:
        return promised
    return now + timedelta(days=get_setting(uow, "crm_leads", "first_contact_days"))


LEADS = Pooled(
    plugin="crm_leads",
    entity="lead",
    pools="lead_pool",
    transfers="lead_transfer",
    warnings=return_warning_table,
    limits=(
        IDLE,
        LimitKind("unconverted", _l("Not converted since %(since)s; %(n)s days are allowed.")),
    ),
    open=("status", OPEN),
    settings="crm_leads",
    takes_unowned=True,
    require_open=require_open,
    taken=lambda uow, lead: {"next_follow_at": first_contact(uow, lead)},
    returned={"status": "new", "next_follow_at": None},
    claimed=LeadsClaimed,
    released=LeadsReleased,
    assigned=LeadsAssigned,
    assigned_because="assignment_reason",
    returns_page="crm_leads.returns",
    returns_right="crm_leads.see_returns",
)

RETURNING = Returning(
    LEADS,
    _l("Send leads back to their pools"),
    soon=NotificationKind(
        "crm_leads.returns_soon",
        _l("A lead of mine will go back to its pool"),
        _l("%(record)s goes back to its pool unless it is followed up."),
        icon="clock",
    ),
    returned=NotificationKind(
        "crm_leads.returned",
        _l("A lead of mine went back to its pool"),
        _l("%(record)s went back to its pool."),
        icon="inbox",
    ),
)
RETURN = Schedule("return", RETURNING.job.name, daily_at="02:10")

NEGLECT = Neglect(
    LEADS,
    _l("Tell of important leads left alone"),
    unclaimed=NotificationKind(
        "crm_leads.unclaimed",
        _l("An important lead lies unclaimed"),
        _l("%(record)s is important and has not been claimed in time."),
        icon="alert-triangle",
    ),
    neglected=NotificationKind(
        "crm_leads.neglected",
        _l("An important lead is not followed up"),
        _l("%(record)s is important and has not been followed up in time."),
        icon="alert-triangle",
    ),
    important=("priority", "high"),
    told=lead_alert_table,
)

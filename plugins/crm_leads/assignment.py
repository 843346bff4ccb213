"""Which leads rules assign, which `core.assigning` does: what is particular about leads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.assigning.declaring import Assigned
from core.entities import service
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import NotificationKind
from core.settings.service import get_setting
from plugins.crm_leads.events import LeadsAssigned
from plugins.crm_leads.models import OPEN, rotation_table
from plugins.crm_leads.pools import first_contact

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["GIVEN", "LEADS"]

Lead = Mapping[str, Any]

GIVEN = NotificationKind(
    "crm_leads.given",
    _l("A lead becomes mine by a rule"),
    _l("%(record)s is yours by a rule."),
    icon="target-arrow",
)


def _give_tasks(uow: UnitOfWork, leads: Mapping[int, Lead]) -> None:
    """Whoever was given a lead has a task to contact it (S-014), where tasks are and the company wants it."""
    spec = uow.entities.get("task")
    if spec is None or spec.plugin != "activities":
        return
    if not get_setting(uow, "crm_leads", "task_for_assigned"):
        return
    tasks = [
        {
            "title": _("Contact %(company)s", company=lead["company"])[:200],
            "description": lead["assignment_reason"],
            "related_entity": "lead",
            "related_id": key,
            "assignee": lead["owner"],
            "due_at": lead["next_follow_at"],
        }
        for key, lead in leads.items()
        if lead.get("owner") is not None
    ]
    if tasks:
        with uow.opened_for("activities"):
            service.create(uow, "task", tasks)


LEADS = Assigned(
    entity="lead",
    rules="assignment_rule",
    conditions="assignment_condition",
    rotation=rotation_table,
    open=("status", OPEN),
    fewest=_l("By rule “%(rule)s”: fewest open leads (%(n)s)."),
    given=GIVEN,
    assigned=LeadsAssigned,
    fields=("status", "next_follow_at", "first_contact_due_at", "first_contacted_at", "company"),
    taken=lambda uow, lead: {"next_follow_at": first_contact(uow, lead)},
    along=_give_tasks,
)

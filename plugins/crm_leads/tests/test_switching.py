"""The plugin goes and comes back: nothing of it shows while it is off, and no row is lost."""

from __future__ import annotations

import pytest

from core.entities import query, service
from core.entities.query import ListQuery
from core.errors import NotFound
from core.ops.lifecycle import disable, enable


def test_switched_off_it_is_gone_and_switched_on_its_rows_are_there(
    unit_of_work, make_leads, admin_id, team
):
    (lead,) = make_leads(owner=team.fu)
    with unit_of_work(admin_id) as uow:
        disable(uow, "crm_leads")
    with unit_of_work(admin_id) as uow:
        for entity in ("lead", "lead_pool", "campaign", "lead_transfer"):
            with pytest.raises(NotFound):
                query.page(uow, entity, ListQuery())
        assert "crm_leads" not in uow.snapshot.settings
        owners = {c.owner for items in uow.snapshot.contributions.values() for c in items}
        assert owners == {"core"}
        service.update(uow, "user", {team.fu: {"title": "销售工程师"}})  # hooks are off too
        enable(uow, "crm_leads")
    with unit_of_work(admin_id, write=False) as uow:
        assert query.get(uow, "lead", lead).values["owner"] == team.fu
        assert query.count(uow, "lead_pool", ListQuery()) == 2  # not a second public pool


def test_rest_answers_404_while_it_is_off(unit_of_work, admin_id, client, bearer):
    headers = bearer(admin_id)
    assert client.get("/api/v1/records/lead", headers=headers).status_code == 200
    with unit_of_work(admin_id) as uow:
        disable(uow, "crm_leads")
    assert client.get("/api/v1/records/lead", headers=headers).status_code == 404


def test_what_a_company_changed_in_a_role_stays(unit_of_work, admin_id):
    with unit_of_work(admin_id) as uow:
        roles = {r["name"]: r for r in query.page(uow, "role", ListQuery()).items}
        grants = {**roles["sales"]["grants"], "lead": {"read": "all"}}
        service.update(uow, "role", {roles["sales"]["id"]: {"grants": grants}})
        disable(uow, "crm_leads")
        enable(uow, "crm_leads")
        kept = query.get(uow, "role", roles["sales"]["id"]).values["grants"]
    assert kept["lead"] == {"read": "all"}

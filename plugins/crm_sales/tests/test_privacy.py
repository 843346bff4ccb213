"""Who was merged with somebody is the same person, and goes with them (V2, V3)."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from core.entities import service
from core.entities.merging import merge_table
from core.errors import NotFound
from core.privacy.erasing import erase_person
from core.privacy.finding import find_person

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def test_what_became_part_of_a_contact_is_found_and_erased(make, team, unit_of_work, admin_id):
    """The other one has no number by which it would be found, and what it held is kept for parting."""
    customer = make("customer", team.fu, name="潍坊金雀食品有限公司")
    kept = make("contact", team.fu, customer=customer, name="欧阳金丝雀", mobile="13911112222")
    other = make("contact", team.fu, customer=customer, name="欧阳小雀", wechat="canary_wx")
    with unit_of_work(admin_id) as uow:
        number = service.act(uow, "contact", "merge", [kept], {"others": [other]})["merge"]
    for begin in (kept, other):
        with unit_of_work(admin_id, write=False) as uow:
            assert find_person(uow, "contact", begin).ids("contact") == [kept, other]
    with unit_of_work(admin_id) as uow:
        erase_person(uow, find_person(uow, "contact", kept))
    with unit_of_work(admin_id) as uow:
        table = uow.entity("contact").table
        rows = uow.execute(select(table.c.name, table.c.wechat, table.c.mobile)).all()
        assert not any(word in str(rows) for word in ("金丝雀", "小雀", "canary_wx", "1391111"))
        assert uow.execute(select(func.count()).select_from(merge_table)).scalar_one() == 0
        with pytest.raises(NotFound):
            service.act(uow, "contact", "merge", [kept], {"undo": number})

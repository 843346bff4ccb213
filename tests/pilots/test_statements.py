"""How many statements the pages take on which most modules show something."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from core.comments.service import add_comment
from core.entities import query, service
from core.testing.installation import PASSWORD

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def test_a_customers_page_takes_twelve_at_most(unit_of_work, team, sign_in, runtime):
    """However much there is of everything that it shows."""
    with unit_of_work(team.inside) as uow:
        named = {"name": "潍坊鼎源农机有限公司", "source": "展会"}
        (customer,) = service.create(uow, "customer", [named])
        about = {"related_entity": "customer", "related_id": customer}
        told = {"kind": "call", "content": "谈了报价"}
        mine = {"customer": customer}
        deals = service.create(
            uow, "opportunity", [mine | {"name": f"商机{n}", "amount": "1"} for n in range(7)]
        )
        at_deal = {"related_entity": "opportunity", "related_id": deals[0]}
        service.create(uow, "contact", [mine | {"name": f"联系人{n}"} for n in range(7)])
        service.create(uow, "quote", [mine | {"opportunity": deals[0]} for _n in range(7)])
        service.create(uow, "follow_up", [about | told] * 30 + [at_deal | told] * 5)
        tasks = service.create(uow, "task", [about | {"title": f"任务{n}"} for n in range(7)])
        service.act(uow, "task", "complete", tasks[:2])
        add_comment(uow, "customer", customer, "先看样机")
    with unit_of_work(team.inside, write=False) as uow:
        email = query.get(uow, "user", team.inside).values["email"]
    browser = sign_in(email, PASSWORD)
    browser.get(f"/r/customer/{customer}")  # what is read once and kept
    statements = []

    def note(*arguments):
        statements.append(arguments[2])

    event.listen(runtime.database.engine, "before_cursor_execute", note)
    try:
        page = browser.get(f"/r/customer/{customer}").get_data(as_text=True)
    finally:
        event.remove(runtime.database.engine, "before_cursor_execute", note)
    for text in ("联系人", "商机", "/r/quote/", "谈了报价", "任务", "先看样机"):
        assert text in page
    asked = [each for each in statements if not each.startswith("BEGIN")]
    assert 6 < len(asked) <= 12, "\n\n".join(asked)

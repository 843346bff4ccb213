"""Why deals were won and lost: shares by reason and competitor, each number with the list behind it."""

from __future__ import annotations

import re
from html import unescape
from importlib import import_module

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from core.customize.ruling import set_rules
from core.db.migrate import migrating

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def table(page, title):
    """``{first cell: (other cells, addresses)}`` of the table under a heading."""
    body = re.search(rf"<caption[^>]*>{title}</caption>.*?<tbody>(.*?)</tbody>", page, re.S)[1]
    found = {}
    for row in re.findall(r"<tr[^>]*>(.*?)</tr>", body, re.S):
        cells = re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.S)
        words = [re.sub(r"<[^>]+>", "", cell).strip() for cell in cells]
        found[words[0]] = (words[1:], re.findall(r'href="([^"]+)"', row))
    return found


@pytest.fixture
def ended(make, act, team):
    """Eight deals of two sellers: five lost for three reasons, three won."""
    customer = make("customer", team.fu, name="潍坊鼎源农机有限公司")
    for place, (verb, reason, rivals) in enumerate(
        (
            ("lose", "跟进不及时", ["联成"]),
            ("lose", "跟进不及时", None),
            ("lose", "重复联系", ["联成", "锐动"]),
            ("lose", "跟进不及时", None),
            ("lose", "价格", None),
            ("win", "服务", ["联成"]),
            ("win", "服务", None),
            ("win", None, None),
        )
    ):
        deal = make("opportunity", team.fu, name=f"商机{place}", customer=customer, amount="100")
        act(team.fu, "opportunity", verb, [deal], reason=reason, competitors=rivals)
    return customer


def test_shares_of_reasons_and_competitors_and_the_lists_behind_them(
    ended, browser_of, team, make, act
):
    """S-204: late follow-up and repeated contact are there to choose, and the report gives shares."""
    browser = browser_of(team.fu)
    page = unescape(browser.get("/crm_sales/outcomes").get_data(as_text=True))
    lost, won = table(page, "输单原因分析"), table(page, "赢单原因分析")
    assert {name: cells[:2] for name, (cells, _links) in lost.items()} == {
        "跟进不及时": ["3", "60.0%"],
        "重复联系": ["1", "20.0%"],
        "价格": ["1", "20.0%"],
    }
    assert {name: cells[0] for name, (cells, _links) in won.items()} == {"服务": "2", "未说明": "1"}
    rivals = table(page, "竞争对手")
    assert {name: cells[:3] for name, (cells, _links) in rivals.items()} == {
        "联成": ["1", "2", "33.3%"],
        "锐动": ["—", "1", "0%"],
    }
    for rows, name, count in ((lost, "跟进不及时", 3), (won, "未说明", 1), (rivals, "锐动", 1)):
        listed = browser.get(rows[name][1][0]).get_data(as_text=True)
        assert len(set(re.findall(r"商机\d", listed))) == count, name
    # Within the reader's reach, period and process.
    other = make("customer", team.ning, name="别家")
    deal = make("opportunity", team.ning, name="别的", customer=other)
    act(team.ning, "opportunity", "lose", [deal], reason="交期")
    again = unescape(browser.get("/crm_sales/outcomes?kind=year").get_data(as_text=True))
    assert "交期" not in again
    before = browser.get("/crm_sales/outcomes?kind=year&period=2001").get_data(as_text=True)
    assert "跟进不及时" not in before
    process = make("sales_process", name="短流程", stages=[{"name": "谈"}])
    narrowed = browser.get(f"/crm_sales/outcomes?process={process}").get_data(as_text=True)
    assert "跟进不及时" not in narrowed


@pytest.mark.long
def test_an_administrator_shapes_the_reasons(
    ended, admin_id, unit_of_work, make, act, team, client, bearer, browser_of, rows
):
    """In the verbs too, and over REST; what is taken out stays with the deals that have it."""
    with unit_of_work(admin_id) as uow:
        label = {"zh_CN": "对手降价", "en": "Undercut"}
        options = ["价格", {"value": "降价", "label": label}]
        set_rules(uow, "opportunity", "lost_reason", {"choices": options})
    deal = make("opportunity", team.fu, name="新商机", customer=ended)
    browser, path = browser_of(team.fu), f"/api/v1/records/opportunity/{deal}/actions/lose"
    sent = {"ids": deal, "csrf_token": browser.csrf}
    asked = browser.post("/r/opportunity/actions/lose", data=sent).get_data(as_text=True)
    offered = re.findall(
        r"<option[^>]*>([^<]+)<", re.search(r"<select.*?</select>", asked, re.S)[0]
    )
    assert offered[-2:] == ["价格", "对手降价"]
    refused = client.post(path, json={"reason": "因为下雨"}, headers=bearer(team.fu))
    assert refused.json["errors"][0]["field"] == "reason"
    gone = client.post(path, json={"reason": "重复联系"}, headers=bearer(team.fu))
    assert (gone.status_code, gone.json["errors"][0]["code"]) == (422, "retired")
    done = client.post(path, json={"reason": "降价"}, headers=bearer(team.fu))
    assert done.status_code == 200, done.json
    page = unescape(browser.get("/crm_sales/outcomes").get_data(as_text=True))
    assert {"对手降价", "跟进不及时"} <= set(table(page, "输单原因分析"))


@pytest.mark.long
def test_what_was_typed_before_there_were_reasons_stays_readable(make, team, read, runtime, ended):
    """The text becomes the note, beside the reason of the list that it speaks of; and back again."""
    keys = [
        make("opportunity", team.fu, name=f"旧{n}", customer=ended, amount="1") for n in range(4)
    ]
    texts = ["价格", "报价高出两成", "下雨", None]
    step = import_module("plugins.crm_sales.migrations.0021_reasons_tasks_and_sizes")
    deal = sa.table("crm_sales_opportunity", sa.column("id"), sa.column("lost_reason"))
    with (
        migrating(runtime.database) as connection,
        Operations.context(MigrationContext.configure(connection)),
    ):
        step.downgrade()
        for key, text in zip(keys, texts, strict=True):
            connection.execute(sa.update(deal).where(deal.c.id == key).values(lost_reason=text))
        step.upgrade()
    found = [read("opportunity", key) for key in keys]
    assert [(row["lost_reason"], row["closing_note"]) for row in found] == [
        ("价格", None),
        ("价格", "报价高出两成"),
        ("其他", "下雨"),
        (None, None),
    ]

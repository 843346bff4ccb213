"""A salesperson reaches no customer of another, by whatever door."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from core.entities import aggregate, query, service
from core.entities.query import ListQuery
from core.errors import Forbidden, Invalid, NotFound

#: The long tier asks PostgreSQL as well: what is told does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture
def world(make, team):
    """One customer of each seller, with a contact and an opportunity."""
    found = {}
    for name, owner in (("fu", team.fu), ("yan", team.yan), ("ning", team.ning)):
        customer = make("customer", name=f"鼎源{name}机械", owner=owner)
        found[name] = SimpleNamespace(
            customer=customer,
            contact=make("contact", name=f"联系人{name}", customer=customer, mobile="13800001111"),
            deal=make("opportunity", name=f"商机{name}", customer=customer, owner=owner, amount=9),
        )
    return found


def test_what_each_role_sees(unit_of_work, team, world, admin_id):
    expected = {
        team.fu: {"fu"},
        team.yan: {"yan"},
        team.ning: {"ning"},
        team.manager: {"fu", "yan"},
        team.viewer: set(world),
        admin_id: set(world),
    }
    for person, names in expected.items():
        with unit_of_work(person, write=False) as uow:
            for entity, kind in (
                ("customer", "customer"),
                ("contact", "contact"),
                ("opportunity", "deal"),
            ):
                wanted = {getattr(world[name], kind) for name in names}
                for asked in (ListQuery(), ListQuery(search="鼎源" if kind == "customer" else "")):
                    found = {row["id"] for row in query.page(uow, entity, asked).items}
                    assert found == wanted, entity
                groups = aggregate.aggregate(uow, entity, [], ["count"], ListQuery())
                assert groups[0]["count"] == len(wanted)


def test_service_reads_customers_and_contacts_and_no_deals(unit_of_work, team, world):
    """S-032"""
    with unit_of_work(team.service, write=False) as uow:
        assert query.count(uow, "customer", ListQuery()) == 3
        assert query.count(uow, "contact", ListQuery()) == 3
        with pytest.raises(Forbidden):
            query.page(uow, "opportunity", ListQuery())
    with pytest.raises(Forbidden), unit_of_work(team.service) as uow:
        service.update(uow, "customer", {world["fu"].customer: {"note": "x"}})


def test_another_sellers_records_are_as_if_they_were_not_there(unit_of_work, team, world):
    other = world["yan"]
    values = {"customer": {"note": "x"}, "contact": {"title": "x"}, "opportunity": {"amount": 1}}
    keys = {"customer": other.customer, "contact": other.contact, "opportunity": other.deal}
    for entity, key in keys.items():
        with pytest.raises(NotFound), unit_of_work(team.fu, write=False) as uow:
            query.get(uow, entity, key)
        with pytest.raises(NotFound), unit_of_work(team.fu) as uow:
            service.update(uow, entity, {key: values[entity]})
    for verb, given in (("move", {"stage": 1}), ("win", {}), ("lose", {"reason": "x"})):
        with pytest.raises(NotFound), unit_of_work(team.fu) as uow:
            service.act(uow, "opportunity", verb, [other.deal], given)
    for entity, given in (
        ("contact", {"name": "x"}),
        ("opportunity", {"name": "x"}),
    ):
        with pytest.raises(Invalid) as error, unit_of_work(team.fu) as uow:
            service.create(uow, entity, [given | {"customer": other.customer}])
        assert {problem.field for problem in error.value.problems} == {"customer"}
    with pytest.raises(Forbidden), unit_of_work(team.fu) as uow:
        service.act(uow, "customer", "assign", [world["fu"].customer], {"owner": team.yan})


def test_a_seller_neither_exports_nor_deletes_customers(unit_of_work, team, world):
    """S-037"""
    with pytest.raises(Forbidden), unit_of_work(team.fu, write=False) as uow:
        list(query.stream(uow, "customer", ListQuery()))
    with pytest.raises(Forbidden), unit_of_work(team.fu) as uow:
        service.delete(uow, "customer", [world["fu"].customer])
    with unit_of_work(team.manager, write=False) as uow:
        rows = [
            row["id"] for page in query.stream(uow, "customer", ListQuery()) for row in page.items
        ]
    assert sorted(rows) == [world["fu"].customer, world["yan"].customer]


def test_an_export_holds_what_its_role_reaches(
    client, bearer, browser_of, make, make_person, team, unit_of_work, world
):
    """S-037: over HTTP; who reads all customers and exports their own gets their own."""
    with unit_of_work() as uow:
        grants = {"customer": {"read": "all", "export": "own"}, "contact": {"read": "all"}}
        role = {"name": "exporting", "title": "R", "grants": grants}
        service.create(uow, "role", [role])
    person = make_person("钟可欣", roles=("exporting",))
    make("customer", name="鼎源own机械", owner=person)
    headers = bearer(person)
    listed = client.get("/api/v1/records/customer", headers=headers).json["items"]
    assert len(listed) == 4
    file = client.get("/api/v1/exports/customer.csv", headers=headers).get_data(as_text=True)
    assert [name for name in ("own", *world) if f"鼎源{name}机械" in file] == ["own"]
    assert client.get("/api/v1/exports/contact.csv", headers=headers).status_code == 403
    browser = browser_of(person)
    sent = {"format": "csv", "columns": "all", "csrf_token": browser.csrf}
    page = browser.post("/r/customer/export", data=sent).get_data(as_text=True)
    assert [name for name in ("own", *world) if f"鼎源{name}机械" in page] == ["own"]
    assert client.get("/api/v1/exports/customer.csv", headers=bearer(team.fu)).status_code == 403
    theirs = client.get("/api/v1/exports/customer.csv", headers=bearer(team.manager))
    text = theirs.get_data(as_text=True)
    assert [name for name in world if f"鼎源{name}机械" in text] == ["fu", "yan"]


def test_sums_over_rest_count_what_one_reaches(client, bearer, make, team, world):
    for name, owner in (("fu", team.fu), ("yan", team.yan), ("ning", team.ning)):
        make("quote", customer=world[name].customer, owner=owner)
    groups = {
        "customer": "owner",
        "contact": "customer",
        "opportunity": "customer.name",
        "quote": "customer",
    }
    for person, n in ((team.fu, 1), (team.manager, 2), (team.viewer, 3)):
        headers = bearer(person)
        for entity, group in groups.items():
            path = f"/api/v1/records/{entity}/aggregate?measure=count&group={group}"
            answer = client.get(path, headers=headers)
            assert answer.status_code == 200, answer.json
            assert [row["count"] for row in answer.json["items"]] == [1] * n, entity
            text = answer.get_data(as_text=True)
            assert ("yan" in text or "闫晓璐" in text) == (person != team.fu), entity


def test_pages_show_nothing_of_another(browser_of, make, run_jobs, team, world):
    """Lists, related lists, the funnel, the search, and addresses that somebody guesses; the search has
    its index, and its owner finds all of it."""
    mine, other = world["fu"], world["yan"]
    deal = make("opportunity", name="别人yan的", customer=mine.customer, owner=team.yan, amount=70)
    quote = make("quote", customer=mine.customer, opportunity=deal, owner=team.yan, terms="yan条款")
    own = make("quote", customer=mine.customer, opportunity=mine.deal, owner=team.fu)
    run_jobs()
    pages = (
        "/r/customer",
        "/r/contact",
        "/r/opportunity",
        "/r/opportunity?layout=board&by=stage",
        "/r/quote",
        f"/r/customer/{mine.customer}",
        f"/r/customer/{mine.customer}?tab=timeline",
        "/crm_sales/funnel",
        "/search?q=鼎源",
        "/search?q=别人",
    )
    browser, theirs = browser_of(team.fu), browser_of(team.yan)
    for path in pages:
        answer = browser.get(path)
        text = answer.get_data(as_text=True)
        assert answer.status_code == 200, path
        assert "yan" not in text.replace("yan.", ""), path
        assert f"/r/opportunity/{deal}" not in text, path
        assert f"/r/quote/{quote}" not in text, path
    for path, shown in (
        ("/search?q=鼎源", f"/r/customer/{other.customer}"),
        ("/search?q=别人", f"/r/opportunity/{deal}"),
    ):
        assert shown in theirs.get(path).get_data(as_text=True), path
    assert f"/r/customer/{mine.customer}" in browser.get("/search?q=鼎源").get_data(as_text=True)
    page = browser.get(f"/r/customer/{mine.customer}").get_data(as_text=True)
    assert f"/r/opportunity/{mine.deal}" in page
    assert f"/r/quote/{own}" in page
    assert "¥9<" in page
    assert "¥79" not in page
    for entity, key in (
        *(("customer", other.customer), ("contact", other.contact), ("opportunity", other.deal)),
        *(("opportunity", deal), ("quote", quote)),
    ):
        assert browser.get(f"/r/{entity}/{key}").status_code == 404
    assert theirs.get(f"/r/quote/{quote}").status_code == 200
    text = browser.get("/crm_sales/funnel").get_data(as_text=True)
    assert "¥9" in text
    assert "¥18" not in text


def test_the_duplicate_check_tells_who_has_it_and_no_more(browser_of, team, world):
    """S-023"""

    def asked(person):
        browser = browser_of(person)
        sent = {"name": "鼎源yan机械有限公司", "csrf_token": browser.csrf}
        return browser.post("/crm_sales/duplicates", data=sent)

    text = asked(team.fu).get_data(as_text=True)
    assert "闫晓璐" in text
    assert "/r/customer/" not in text
    assert "13800001111" not in text
    assert asked(team.service).status_code == 403
    assert browser_of(team.viewer).get("/crm_sales/customers/new").status_code == 403


def test_names_out_of_reach_are_not_learned_from_what_is_alike(browser_of, make, team):
    """Nobody is led to a name: each guess that is near is told in the same words, without a figure."""
    key = make("customer", name="潍坊鼎源农机有限公司", owner=team.yan)
    browser = browser_of(team.fu)

    def asked(name, path="/crm_sales/duplicates", **more):
        sent = {"name": name, "csrf_token": browser.csrf} | more
        return browser.post(path, data=sent).get_data(as_text=True)

    near = ("潍坊鼎原农机", "鼎源农机", "山东潍坊鼎源农机", "潍坊源鼎农机")
    answers = {asked(name) for name in near}
    (text,) = answers
    assert "闫晓璐" in text
    form = asked(near[0], "/crm_sales/customers/new", source="展会")
    assert "闫晓璐" in form
    assert "潍坊鼎源农机" not in text + form
    assert f"/r/customer/{key}" not in text + form
    assert "%" not in text
    assert asked("潍坊华盛农机") == asked("潍坊%农机") == asked("潍坊__农机") == ""
    chief = browser_of(team.manager)
    sent = {"name": near[0], "csrf_token": chief.csrf}
    assert "潍坊鼎源农机有限公司" in chief.post("/crm_sales/duplicates", data=sent).get_data(
        as_text=True
    )

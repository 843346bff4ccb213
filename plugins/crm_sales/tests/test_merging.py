"""Customers that are one become one, keep what belonged to each, and become several again (S-030)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from core.comments.service import add_comment
from core.entities import query, service
from core.entities.merging import merges_of
from core.entities.query import ListQuery
from core.errors import Forbidden, Invalid, NotFound, Refused
from core.security.sharing import share, shares_of, unshare

#: The long tier asks PostgreSQL as well.
once = pytest.mark.databases("sqlite", later=("postgresql",))


def text_of(answer):
    assert answer.status_code == 200, answer.status_code
    return answer.get_data(as_text=True)


@pytest.fixture
def twins(make, team):
    """Two entries of one customer, each with people, deals, a subsidiary and values of its own."""
    one = make(
        "customer", team.fu, name="潍坊鼎源农机有限公司", level="B", code="K-1", tags=["农机"]
    )
    two = make(
        "customer",
        team.yan,
        name="潍坊市鼎源农业机械厂",
        level="A",
        industry="机械",
        phone="0536-8888888",
        tags=["重点", "农机"],
    )
    return one, two


@pytest.fixture
def belongings(make, team, twins, unit_of_work):
    _one, two = twins
    with unit_of_work(team.manager) as uow:
        add_comment(uow, "customer", two, "去年来过展会")
    return {
        "contact": make("contact", team.yan, name="王总", customer=two),
        "opportunity": make("opportunity", team.yan, name="收割机", customer=two, amount="10"),
        "customer": make("customer", team.yan, name="鼎源销售公司", parent=two),
    }


def merged(act, person, keep, *others, **params):
    return act(person, "customer", "merge", [keep], others=list(others), **params)


def test_what_belonged_to_the_other_belongs_to_the_one_that_stays(
    act, read, rows, team, twins, belongings, unit_of_work
):
    one, two = twins
    done = merged(act, team.manager, one, two)
    assert done["moved"] == 4  # contact, deal, subsidiary, comment
    assert read("contact", belongings["contact"])["customer"] == one
    assert read("opportunity", belongings["opportunity"])["customer"] == one
    assert read("customer", belongings["customer"])["parent"] == one
    kept = read("customer", one, team.manager)
    assert (kept["level"], kept["industry"], kept["code"]) == ("B", "机械", "K-1")
    assert kept["phone"]
    assert kept["tags"] == ["农机", "重点"]
    with unit_of_work(write=False) as uow:
        comments = uow.snapshot.installed_entities["comment"].table
        assert uow.execute(select(comments.c.record_id)).scalars().all() == [one]
    with pytest.raises(NotFound):
        read("customer", two)
    assert [row["id"] for row in rows("customer", ids=(one, two))] == [one]


def test_a_merge_is_taken_back_but_for_what_was_changed_since(
    act, read, make, team, twins, belongings, unit_of_work
):
    one, two = twins
    number = merged(act, team.manager, one, two, take=f"level:{two}")["merge"]
    assert read("customer", one)["level"] == "A"
    third = make("customer", team.yan, name="另外一家")
    with unit_of_work(team.manager) as uow:
        service.update(uow, "opportunity", {belongings["opportunity"]: {"customer": third}})
        service.update(uow, "customer", {one: {"industry": "农业"}})
    done = act(team.manager, "customer", "merge", [one], undo=number)
    assert (done["ids"], done["moved"], done["kept"]) == ([two], 3, 1)
    assert read("contact", belongings["contact"])["customer"] == two
    assert read("customer", belongings["customer"])["parent"] == two
    assert read("opportunity", belongings["opportunity"])["customer"] == third
    kept, again = read("customer", one), read("customer", two)
    assert (kept["level"], kept["industry"], kept["phone"]) == ("B", "农业", None)
    assert (again["level"], again["industry"], again["tags"]) == ("A", "机械", ["重点", "农机"])
    with pytest.raises(Refused):
        act(team.manager, "customer", "merge", [one], undo=number)


@once
def test_whoever_had_a_share_has_one_of_what_stays_and_no_longer_once_it_is_taken_back(
    act, read, make, team, twins, unit_of_work, runtime
):
    one, two = twins
    until = runtime.clock.now() + timedelta(days=9)
    with unit_of_work(team.manager) as uow:
        share(uow, "customer", two, user=team.ning, level="write", until=until)
        share(uow, "customer", one, user=team.service, until=until)
        share(uow, "customer", two, user=team.service)

    def shares(key):
        with unit_of_work(write=False) as uow:
            return {each.user: (each.level, each.until) for each in shares_of(uow, "customer", key)}

    before = shares(one)
    number = merged(act, team.manager, one, two)["merge"]
    assert read("customer", one, team.ning)["id"] == one
    assert shares(one) == {
        team.ning: ("write", until),
        team.service: ("read", None),  # the longer one
    }
    act(team.manager, "customer", "merge", [one], undo=number)
    assert shares(one) == before == {team.service: ("read", until)}
    assert shares(two) == {team.ning: ("write", until), team.service: ("read", None)}
    with pytest.raises(NotFound):
        read("customer", one, team.ning)
    assert read("customer", two, team.ning)["id"] == two


@pytest.mark.long
def test_a_share_that_was_ended_since_stays_ended(act, team, twins, unit_of_work):
    one, two = twins
    with unit_of_work(team.manager) as uow:
        share(uow, "customer", two, user=team.ning)
        share(uow, "customer", one, user=team.viewer)
        share(uow, "customer", two, user=team.viewer, level="write")
    number = merged(act, team.manager, one, two)["merge"]
    with unit_of_work(team.manager) as uow:
        for each in shares_of(uow, "customer", one):
            unshare(uow, "customer", one, each.id)
        share(uow, "customer", one, user=team.ning, level="write")  # by somebody's own decision
    act(team.manager, "customer", "merge", [one], undo=number)
    with unit_of_work(team.manager, write=False) as uow:
        found = [(each.user, each.level) for each in shares_of(uow, "customer", one)]
    assert found == [(team.ning, "write")]


@once
def test_a_code_that_moved_along_does_not_stand_against_taking_it_back(act, read, make, team):
    """S-023: with two customers of one credit code neither would be saved."""
    code = "91110000600037341L"
    one = make("customer", team.fu, name="甲")
    two = make("customer", team.fu, name="乙", uscc=code)
    number = merged(act, team.manager, one, two)["merge"]
    assert read("customer", one)["uscc"] == code
    act(team.manager, "customer", "merge", [one], undo=number)
    assert (read("customer", one)["uscc"], read("customer", two)["uscc"]) == (None, code)


def test_a_unique_value_moves_along_and_back(act, read, make, team):
    one = make("customer", team.fu, name="甲")
    two = make("customer", team.fu, name="乙", code="K-2")
    number = merged(act, team.manager, one, two)["merge"]
    assert read("customer", one)["code"] == "K-2"
    act(team.manager, "customer", "merge", [one], undo=number)
    assert (read("customer", one)["code"], read("customer", two)["code"]) == (None, "K-2")


def test_nobody_becomes_their_own_parent(act, read, make, team):
    """one below middle below two: with two it would be above itself."""
    two = make("customer", team.fu, name="总公司")
    middle = make("customer", team.fu, name="分公司", parent=two)
    one = make("customer", team.fu, name="总公司(重复)", parent=middle)
    number = merged(act, team.manager, one, two)["merge"]
    assert read("customer", one)["parent"] is None
    assert read("customer", middle)["parent"] == one
    act(team.manager, "customer", "merge", [one], undo=number)
    assert read("customer", one)["parent"] == middle
    assert read("customer", middle)["parent"] == two


@pytest.mark.parametrize("what", ["itself", "nobody", "foreign", "unknown", "bad take"])
def test_what_cannot_be_merged_says_so_at_its_field(act, read, make, team, twins, what):
    one, two = twins
    foreign = make("customer", team.ning, name="别处的客户")
    others = {"itself": [one], "nobody": [], "foreign": [foreign], "unknown": [999_999]}
    params = {"take": f"level:{foreign}"} if what == "bad take" else {}
    with pytest.raises(Invalid) as caught:
        merged(act, team.manager, one, *others.get(what, [two]), **params)
    field = "take" if what == "bad take" else "others"
    assert [problem.field for problem in caught.value.problems] == [field]
    assert read("customer", two)["name"] == "潍坊市鼎源农业机械厂"


def test_who_sells_merges_nothing_and_a_foreign_one_looks_like_none(act, team, twins, make):
    one, two = twins
    with pytest.raises(Forbidden):
        merged(act, team.fu, one, two)
    foreign = make("customer", team.ning, name="别处的客户")
    texts = []
    for key in (foreign, 999_999):
        with pytest.raises(Invalid) as caught:
            merged(act, team.manager, one, key)
        texts.append(caught.value.problems[0].message.replace(str(key), "N"))
    assert texts[0] == texts[1]


@pytest.mark.long
def test_over_rest_it_is_the_same(client, bearer, make, read, team, twins):
    """S-030: with the verb's right alone, within its scope, and never with itself."""
    one, two = twins
    foreign = make("customer", team.ning, name="别处的客户")
    path = f"/api/v1/records/customer/{one}/actions/merge"

    def post(person, *others):
        answer = client.post(path, json={"others": list(others)}, headers=bearer(person))
        return answer.status_code, [each["field"] for each in answer.json.get("errors", ())]

    assert post(team.fu, two)[0] == 403
    assert post(team.ning, two)[0] in (403, 404)
    for key in (foreign, 999_999, one):
        assert post(team.manager, key) == (422, ["others"])
        assert post(team.manager, two, key) == (422, ["others"])
    assert read("customer", foreign)["name"] == "别处的客户"
    assert read("customer", two)["name"] == "潍坊市鼎源农业机械厂"
    assert post(team.manager, two)[0] == 200
    with pytest.raises(NotFound):
        read("customer", two)


def test_what_the_company_added_moves_too_in_the_bin_or_not(
    act, team, twins, unit_of_work, bearer, admin_id, client
):
    """References of entities made while all runs, to one and to many."""
    headers = bearer(admin_id)
    made = {
        "name": "x_visit",
        "label": {"zh_CN": "参观", "en": "Visit"},
        "label_field": "x_name",
        "fields": [
            {"name": "x_name", "kind": "text", "label": {"en": "Name"}},
            {"name": "x_who", "kind": "reference", "entity": "customer", "label": {"en": "Who"}},
            {"name": "x_all", "kind": "references", "entity": "customer", "label": {"en": "All"}},
        ],
    }
    answer = client.post("/api/v1/schema/entities", json=made, headers=headers)
    assert answer.status_code == 201, answer.json
    one, two = twins
    with unit_of_work() as uow:
        here, binned = service.create(
            uow,
            "x_visit",
            [{"x_name": "A", "x_who": two, "x_all": [two, one]}, {"x_name": "B", "x_who": two}],
        )
        service.delete(uow, "x_visit", [binned])
    number = merged(act, team.manager, one, two)["merge"]
    with unit_of_work() as uow:
        values = query.get(uow, "x_visit", here).values
        assert (values["x_who"], values["x_all"]) == (one, [one])
        service.restore(uow, "x_visit", [binned])
        assert query.get(uow, "x_visit", binned).values["x_who"] == one
    act(team.manager, "customer", "merge", [one], undo=number)
    with unit_of_work(write=False) as uow:
        values = query.get(uow, "x_visit", here).values
        assert (values["x_who"], values["x_all"]) == (two, [two, one])


@pytest.mark.databases("sqlite", later=("postgresql",))
def test_on_the_page_one_chooses_what_stays_and_takes_it_back(
    browser_of, read, rows, team, twins, belongings
):
    one, two = twins
    browser = browser_of(team.manager)
    sent = {"ids": [one, two], "csrf_token": browser.csrf, "back": "/r/customer"}
    led = browser.post("/r/customer/actions/merge", data=sent)
    assert led.status_code == 303
    page = text_of(browser.get(led.location))
    assert "保留哪一条" in page
    assert f'name="take.level" value="{two}"' in page
    asked = sent | {"keep": two, "take.level": one}
    answer = browser.post("/r/customer/merge", data=asked)
    assert answer.status_code == 303
    assert answer.location.endswith(f"/r/customer/{two}")
    assert read("customer", two)["level"] == "B"
    assert read("contact", belongings["contact"])["customer"] == two
    page = text_of(browser.get(f"/r/customer/merge?ids={two}"))
    assert "撤销" in page
    assert "潍坊鼎源农机有限公司" in page
    number = page.split('name="undo" value="')[1].split('"')[0]
    undo = {"keep": two, "undo": number, "csrf_token": browser.csrf}
    assert browser.post("/r/customer/merge", data=undo).status_code == 303
    assert read("customer", one)["code"] == "K-1"
    assert browser_of(team.fu).get(f"/r/customer/merge?ids={one}&ids={two}").status_code == 403


def test_many_at_once_take_no_more_statements_a_record(act, make, team, runtime, rows):
    from sqlalchemy import event

    counted = []
    for number in (5, 60):
        one = make("customer", team.fu, name=f"甲{number}")
        two = make("customer", team.fu, name=f"乙{number}")
        for n in range(number):
            make("contact", team.fu, name=f"联系人{n}", customer=two)
        statements = []

        def note(*arguments, statements=statements):
            statements.append(arguments[2])

        event.listen(runtime.database.engine, "before_cursor_execute", note)
        try:
            assert merged(act, team.manager, one, two)["moved"] == number
        finally:
            event.remove(runtime.database.engine, "before_cursor_execute", note)
        counted.append(len(statements))
        asked = ListQuery(filter={"field": "customer", "op": "eq", "value": one}, limit=100)
        assert len(rows("contact", filter=asked.filter, limit=100)) == number
    assert counted[1] <= counted[0] + 2


def test_more_than_ten_are_told_and_lead_back(browser_of, team):
    browser = browser_of(team.manager)
    asked = "&".join(f"ids={n}" for n in range(1, 13))
    answer = browser.get(f"/r/customer/merge?{asked}&back=/r/customer")
    assert (answer.status_code, answer.location) == (303, "/r/customer")


def test_what_was_merged_is_told_to_who_may_merge_it_alone(act, make, team, twins, unit_of_work):
    one, two = twins
    merged(act, team.manager, one, two)
    with unit_of_work(team.manager, write=False) as uow:
        assert [row.merged for row in merges_of(uow, "customer", one)] == [[two]]
    with unit_of_work(team.fu, write=False) as uow, pytest.raises(Forbidden):
        merges_of(uow, "customer", one)


def test_the_timeline_tells_of_a_merge_in_words(act, browser_of, team, twins):
    """What programs say, such as ``level:12``, is no news for people."""
    one, two = twins
    merged(act, team.manager, one, two, take=f"level:{two}")
    page = text_of(browser_of(team.manager).get(f"/r/customer/{one}"))
    assert "并入的记录" in page
    assert f"level:{two}" not in page

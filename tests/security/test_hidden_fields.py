"""Z6: a hidden or masked field is no oracle: no question's answer depends on its value."""

from __future__ import annotations

import random
from typing import Any

import pytest

from core.entities import query, service
from core.entities.aggregate import aggregate
from core.entities.query import ListQuery
from core.errors import Refusal

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

GRANTS = {
    "oracle_deal": {a: "all" for a in ("read", "update", "export", "approve")},
    "oracle_account": {"read": "all"},
    "oracle_note": {"read": "all"},
}
RULES = {
    "oracle_deal": {"secret": "hidden", "phone": "masked", "amount": "masked"},
    "oracle_account": {"name": "hidden"},
    "user": {"mobile": "masked", "name": "hidden"},
}


@pytest.fixture
def curious(unit_of_work, make_person):
    with unit_of_work() as uow:
        role = {"name": "curious", "title": "Curious", "grants": GRANTS, "field_rules": RULES}
        service.create(uow, "role", [role])
    return make_person("Curious", roles=("curious",))


def _questions(name: str) -> dict[str, Any]:
    """Every position in which a field can stand, for one field name."""
    test = {"field": name, "op": "eq", "value": "alpha"}
    filters = {
        "filter": test,
        "not": {"not": test},
        "deep": {"any": [{"all": [{"not": test}]}, {"field": "id", "op": "is_set"}]},
        "set": {"field": name, "op": "is_set"},
        "unknown operator": {"field": name, "op": "nonsense", "value": 1},
        "compared with": {"field": "title", "op": "eq", "value": {"field": name}},
        "compares": {"field": name, "op": "eq", "value": {"field": "title"}},
        "wrong value": {"field": name, "op": "eq", "value": [{}]},
    }
    asked = {
        f"{how}: {place}": (lambda uow, how=how, f=f: how(uow, ListQuery(filter=f)))
        for place, f in filters.items()
        for how in (_page, _count, _group, _stream, _ids)
    }
    asked |= {
        "sort": lambda uow: _page(uow, ListQuery(sort=name)),
        "sort down": lambda uow: _page(uow, ListQuery(sort=f"stage,-{name}")),
        "group": lambda uow: aggregate(uow, "oracle_deal", [name], ["count"], ListQuery()),
        "second group": lambda uow: aggregate(
            uow, "oracle_deal", ["stage", name], ["count"], ListQuery()
        ),
        "group behind": lambda uow: aggregate(
            uow, "oracle_note", [f"deal.{name}"], ["count"], ListQuery()
        ),
        "path": lambda uow: query.count(
            uow, "oracle_note", ListQuery(filter={"field": f"deal.{name}", "op": "is_set"})
        ),
        "step": lambda uow: query.count(
            uow, "oracle_deal", ListQuery(filter={"field": f"{name}.id", "op": "is_set"})
        ),
        "create": lambda uow: service.create(uow, "oracle_deal", [{"title": "x", name: "alpha"}]),
    }
    for function in ("sum", "avg", "min", "max"):
        asked[function] = lambda uow, function=function: aggregate(
            uow, "oracle_deal", [], [f"{function}:{name}"], ListQuery()
        )
    return asked


def _page(uow: Any, wanted: ListQuery) -> Any:
    return query.page(uow, "oracle_deal", wanted).items


def _count(uow: Any, wanted: ListQuery) -> int:
    return query.count(uow, "oracle_deal", wanted)


def _group(uow: Any, wanted: ListQuery) -> Any:
    return aggregate(uow, "oracle_deal", ["stage"], ["count"], wanted)


def _stream(uow: Any, wanted: ListQuery) -> Any:
    return [page.items for page in query.stream(uow, "oracle_deal", wanted)]


def _ids(uow: Any, wanted: ListQuery) -> Any:
    return query.select_ids(uow, "oracle_deal", wanted, action="update", limit=99)


def _told(unit_of_work: Any, person: int, ask: Any) -> Any:
    try:
        with unit_of_work(person) as uow:
            ask(uow)
    except Refusal as refusal:
        problems = [(p.field, p.code, p.message) for p in refusal.problems]
        return type(refusal).__name__, refusal.message, problems
    return "answered"


@pytest.mark.parametrize("name", ["secret", "phone", "amount"])
def test_each_position_answers_as_for_a_field_that_does_not_exist(unit_of_work, curious, name):
    """The same class of refusal, the same words, the same place."""
    unknown = _questions("nonsense")
    for place, ask in _questions(name).items():
        if place == "create" and name != "secret":
            continue  # a masked field is shown: that it cannot be changed is said
        told = _told(unit_of_work, curious, ask)
        assert told != "answered", place
        expected = _told(unit_of_work, curious, unknown[place])
        assert repr(told).replace(name, "#") == repr(expected).replace("nonsense", "#"), place


def _battery(uow: Any) -> Any:
    """What the person can see and ask without naming what is hidden."""
    found: list[Any] = []
    for words in ("alpha", "omega", "139", "800", "Hidden", "a"):
        found.append([row["id"] for row in _page(uow, ListQuery(search=words))])
        found.append(query.page(uow, "oracle_deal", ListQuery(search=words, count="exact")).total)
    for sort in ("account", "-account", "owner,-id", "reviewer", "title", "-created_at", ""):
        first = query.page(uow, "oracle_deal", ListQuery(sort=sort, limit=2))
        rest = query.page(uow, "oracle_deal", ListQuery(sort=sort, limit=50, after=first.next))
        found.append((first.items, rest.items, first.next, first.labels, rest.labels))
    for group in ("account", "stage", "owner", "account.level"):
        found.append(aggregate(uow, "oracle_deal", [group], ["count"], ListQuery()))
    found.append([page.items for page in query.stream(uow, "oracle_deal", ListQuery())])
    found.append([page.labels for page in query.stream(uow, "oracle_deal", ListQuery())])
    for key in [row["id"] for row in _page(uow, ListQuery(sort="id"))]:
        record = query.get(uow, "oracle_deal", key)
        found.append((record.values, record.labels))
    return repr(found)


@pytest.mark.databases("sqlite")
def test_a_guessing_game_cannot_be_won(unit_of_work, curious, admin_id):
    """Whatever the hidden values are, everything that can be asked answers the same."""
    rng = random.Random(5)
    with unit_of_work(admin_id) as uow:
        accounts = service.create(
            uow, "oracle_account", [{"name": f"Hidden {n}", "level": "a"} for n in range(4)]
        )
        deals = service.create(
            uow,
            "oracle_deal",
            [
                {"title": f"t{n}", "account": accounts[n % 4], "phone": "13900000000"}
                for n in range(8)
            ],
        )
        spec, accounts_table = uow.entity("oracle_deal"), uow.entity("oracle_account").table
        users = uow.entity("user").table
    answers = set()
    for _round in range(32):
        with unit_of_work() as uow:  # below the service, so that nothing else differs
            for key in deals:
                values = {
                    "secret": rng.choice(("alpha", "omega", "omicron")),
                    "amount": rng.choice((5, 700, 80000)),
                    # the same where the mask lets it through
                    "phone": f"139{rng.choice(('1234', '8765', '0000'))}0000",
                }
                uow.execute(spec.table.update().where(spec.table.c.id == key).values(values))
            for key in accounts:
                name = rng.choice(("Hidden a", "Zed", "alpha", "139"))
                uow.execute(
                    accounts_table.update().where(accounts_table.c.id == key).values(name=name)
                )
            uow.execute(users.update().where(users.c.id == admin_id).values(name=rng.choice("xyz")))
        with unit_of_work(curious, write=False) as uow:
            answers.add(_battery(uow))
    assert len(answers) == 1


def test_the_game_is_won_where_nothing_is_hidden(unit_of_work, admin_id):
    """Positive control: the battery does tell values apart."""
    answers = set()
    with unit_of_work(admin_id) as uow:
        (key,) = service.create(uow, "oracle_deal", [{"title": "t"}])
    for secret in ("alpha", "omega"):
        with unit_of_work(admin_id) as uow:
            service.update(uow, "oracle_deal", {key: {"secret": secret}})
            answers.add(_battery(uow))
    assert len(answers) == 2


def test_cursors_of_forbidden_orders_are_refused(unit_of_work, curious, admin_id):
    """A cursor made by somebody else for an order on a hidden field opens nothing."""
    with unit_of_work(admin_id) as uow:
        service.create(uow, "oracle_deal", [{"title": f"{n}", "secret": f"{n}"} for n in range(4)])
        page = query.page(uow, "oracle_deal", ListQuery(sort="secret", limit=2))
    with unit_of_work(curious, write=False) as uow:
        for sort in ("", "title", "secret"):
            with pytest.raises(Refusal):
                query.page(uow, "oracle_deal", ListQuery(sort=sort, after=page.next))


def test_a_label_kept_for_one_reader_is_not_given_to_another(
    runtime, unit_of_work, curious, admin_id
):
    """Labels of people are kept between requests: only among those who may see them."""
    with unit_of_work(admin_id) as uow:
        (key,) = service.create(uow, "oracle_deal", [{"title": "t"}])
    with unit_of_work(admin_id, write=False) as uow:
        assert query.get(uow, "oracle_deal", key).labels["user"][admin_id]
    with unit_of_work(curious, write=False) as uow:
        assert query.get(uow, "oracle_deal", key).labels.get("user", {}) == {}
    with unit_of_work(admin_id, write=False) as uow:
        assert query.get(uow, "oracle_deal", key).labels["user"][admin_id]


def test_a_masked_link_is_not_shown(unit_of_work, make_person, admin_id):
    """There is no half of a link: masked means hidden for references to many and for lines."""
    rules = {"oracle_deal": {"watchers": "masked", "lines": "masked", "partners": "hidden"}}
    with unit_of_work() as uow:
        service.create(
            uow, "role", [{"name": "half", "title": "H", "grants": GRANTS, "field_rules": rules}]
        )
        (key,) = service.create(
            uow,
            "oracle_deal",
            [{"title": "t", "watchers": [admin_id], "lines": [{"product": "p", "price": "1"}]}],
        )
    person = make_person("Half", roles=("half",))
    with unit_of_work(person, write=False) as uow:
        values = query.get(uow, "oracle_deal", key).values
        assert not {"watchers", "lines", "partners"} & set(values)
        for entity in ("oracle_line",):
            with pytest.raises(Refusal):
                query.page(uow, entity, ListQuery())
        with pytest.raises(Refusal):
            query.page(uow, "oracle_deal", ListQuery(fields=("watchers",)))


def test_a_hidden_field_of_the_default_order_does_not_close_the_list(unit_of_work, curious):
    """Accounts stand by name, which this person may not use: the list is there all the same."""
    with unit_of_work() as uow:
        service.create(uow, "oracle_account", [{"name": "b"}, {"name": "a"}])
    with unit_of_work(curious, write=False) as uow:
        rows = query.page(uow, "oracle_account", ListQuery()).items
        ids = query.select_ids(uow, "oracle_account", ListQuery(), action="read", limit=9)
    assert [row["id"] for row in rows] == ids == sorted(ids, reverse=True)

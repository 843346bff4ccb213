"""Records about a record of any entity: reached by who reaches both, whatever the action."""

from __future__ import annotations

import pytest

from core.entities import query, service
from core.entities.query import ListQuery
from core.entities.related import relatable
from core.errors import Invalid, NotFound
from core.security.explain import explain
from core.security.sharing import share

#: The long tier asks PostgreSQL as well.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture
def people(make_person):
    return {
        "anna": make_person("Anna", roles=("own",)),
        "bert": make_person("Bert", roles=("own",)),
        "carl": make_person("Carl", roles=("remarks",)),
        "dora": make_person("Dora", roles=("placeless",)),
    }


@pytest.fixture
def place(make, people):
    return make(None, "place", name="Anna's", owner=people["anna"])


@pytest.fixture
def remark(make, people, place):
    """About Anna's place, owned by Bert, who cannot see it."""
    owner = people["bert"]
    return make(None, "remark", text="secret", of_entity="place", of_id=place, owner=owner)


def seen(unit_of_work, person):
    with unit_of_work(person, write=False) as uow:
        return {row["text"] for row in query.page(uow, "remark", ListQuery()).items}


def test_both_rights_are_needed(unit_of_work, people, place, remark, make, admin_id):
    make(None, "remark", text="about nothing", owner=people["bert"])
    make(None, "remark", text="Anna's own", of_entity="place", of_id=place, owner=people["anna"])
    expected = {
        "anna": {"Anna's own"},  # the remark is Bert's
        "bert": {"about nothing"},  # the place is Anna's
        "carl": {"about nothing"},  # all remarks, but not of places that he cannot see
        "dora": {"about nothing"},
    }
    assert {name: seen(unit_of_work, key) for name, key in people.items()} == expected
    assert seen(unit_of_work, admin_id) == {"secret", "about nothing", "Anna's own"}


def test_every_way_to_one_out_of_reach_says_that_there_is_none(unit_of_work, people, remark):
    with unit_of_work(people["bert"]) as uow:
        for attempt in (
            lambda: query.get(uow, "remark", remark),
            lambda: service.update(uow, "remark", {remark: {"text": "x"}}),
            lambda: service.delete(uow, "remark", [remark]),
        ):
            with pytest.raises(NotFound):
                attempt()
        assert query.count(uow, "remark", ListQuery()) == 0
        assert query.page(uow, "remark", ListQuery(search="secret")).items == []
        asked = ListQuery(ids=(remark,))
        assert query.select_ids(uow, "remark", asked, action="update", limit=5) == []


def test_a_share_of_the_one_is_no_share_of_the_other(unit_of_work, people, place, remark):
    bert = people["bert"]
    with unit_of_work() as uow:
        share(uow, "remark", remark, user=bert)
    assert seen(unit_of_work, bert) == set()
    with unit_of_work() as uow:
        share(uow, "place", place, user=bert)
    assert seen(unit_of_work, bert) == {"secret"}


@pytest.mark.parametrize(
    "about",
    [{"of_id": 1}, {"of_entity": "place"}, {"of_entity": "user", "of_id": 1},
     {"of_entity": "remark", "of_id": 1}, {"of_entity": "place", "of_id": 10**9}],
)  # fmt: skip
def test_what_is_no_record_is_refused(make, admin_id, remark, about):
    with pytest.raises(Invalid) as error:
        make(admin_id, "remark", text="x", **about)
    assert [problem.field for problem in error.value.problems] == ["of_id"]


def test_a_record_out_of_reach_is_as_good_as_none(make, people, place, unit_of_work):
    with pytest.raises(Invalid):
        make(people["bert"], "remark", text="x", of_entity="place", of_id=place)
    own = make(people["bert"], "remark", text="x")
    with pytest.raises(Invalid), unit_of_work(people["bert"]) as uow:
        service.update(uow, "remark", {own: {"of_entity": "place", "of_id": place}})


def test_it_is_named_where_it_is_listed(unit_of_work, make, people, place):
    make(people["anna"], "remark", text="x", of_entity="place", of_id=place)
    with unit_of_work(people["anna"], write=False) as uow:
        page = query.page(uow, "remark", ListQuery(fields=("text", "of_id")))
        assert page.labels["place"] == {place: "Anna's"}
        assert [field.name for field in page.fields] == ["text", "of_id"]
        assert [spec.name for spec in relatable(uow)] == ["place"]


def test_a_list_shows_it_as_a_link(sign_in, make, place):
    make(None, "remark", text="x", of_entity="place", of_id=place)
    text = sign_in().get("/r/remark").get_data(as_text=True)
    assert f'<a href="/r/place/{place}">' in text
    heading = text[text.index("<thead") : text.index("</thead")]
    assert heading.count("data-editable") == 0, "nor is it written into a cell"
    totals = sign_in().get("/r/remark/totals").get_data(as_text=True)
    assert str(place) not in totals, "nor is it added up"


@pytest.fixture
def asked(place):
    """What is about that place, by its number and by a query that would find it."""
    return [
        ListQuery(about=(("place", place),)),
        ListQuery(about=(("place", ListQuery()),)),
        ListQuery(about=(("place", place), ("place", ListQuery()))),
    ]


def found(uow, wanted, action="update"):
    """By a page, a count, and the numbers for a bulk act: all alike."""
    ids = {row["id"] for row in query.page(uow, "remark", wanted).items}
    assert query.count(uow, "remark", wanted) == len(ids)
    assert set(query.select_ids(uow, "remark", wanted, action=action, limit=9)) == ids
    return ids


def test_asked_by_record_no_more_is_found(unit_of_work, people, place, remark, make, asked):
    """Who names a record out of reach finds nothing about it; who reads it only what is theirs."""
    own = make(None, "remark", text="x", of_entity="place", of_id=place, owner=people["anna"])
    theirs = make(None, "place", name="Bert's", owner=people["bert"])
    about = {"of_entity": "place", "of_id": theirs}
    make(None, "remark", text="on Bert's, by Anna", owner=people["anna"], **about)
    for name, keys in (("anna", {own}), ("bert", set()), ("carl", set())):
        with unit_of_work(people[name], write=False) as uow:
            if name != "carl":
                seen_one = place if name == "anna" else theirs
                assert query.get(uow, "place", seen_one).values["id"] == seen_one
            assert [found(uow, each) for each in asked] == [keys] * 3, name
    with unit_of_work(people["dora"], write=False) as uow:
        assert found(uow, asked[0]) == set()


def test_asked_by_record_that_was_just_taken_away(unit_of_work, people, place, make, asked):
    """What was read a moment ago is not believed after a change in the same transaction."""
    own = make(None, "remark", text="x", of_entity="place", of_id=place, owner=people["anna"])
    with unit_of_work(people["anna"]) as uow:
        assert query.get(uow, "place", place).values["name"] == "Anna's"
        assert [found(uow, each) for each in asked] == [{own}] * 3
        with uow.elevated():
            service.update(uow, "place", {place: {"owner": people["bert"]}})
        assert [found(uow, each) for each in asked] == [set()] * 3


def test_the_explanation_names_the_reason(unit_of_work, admin_id, people, remark):
    with unit_of_work(admin_id, write=False) as uow:
        told = explain(uow, people["bert"], "remark", remark)
        assert not told.allowed
        assert [reason.holds for reason in told.reasons] == [True, True, False]


def test_reading_as_somebody_else_ends_with_the_block(unit_of_work, admin_id, people, remark):
    from core.security.directory import load_actor

    with unit_of_work(admin_id, write=False) as uow:
        reader = load_actor(uow, people["bert"])
        with uow.seen_by(reader):
            assert query.count(uow, "remark", ListQuery()) == 0
        assert query.count(uow, "remark", ListQuery()) == 1

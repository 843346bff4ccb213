"""The one window: what it keeps ready, how it streams, and what it refuses to be asked."""

from __future__ import annotations

from typing import Any

import pytest

from core.entities import query, service
from core.entities.query import ListQuery
from core.errors import Forbidden, Invalid, NotFound

TITLES = ["a", "b", "c", "d", "e"]


@pytest.fixture
def deals(unit_of_work) -> list[int]:
    with unit_of_work() as uow:
        account = service.create(uow, "oracle_account", [{"name": "A"}])
        items = [{"title": t, "quantity": n % 2, "partners": account} for n, t in enumerate(TITLES)]
        return service.create(uow, "oracle_deal", items)


def test_more_choices_of_columns_than_are_kept_read_alike(unit_of_work, monkeypatch, deals):
    """And who asks for ever other columns does not fill the memory."""
    wanted = [("title",), ("quantity", "title"), ("quantity",), ("stage", "title")]
    with unit_of_work(write=False) as uow:
        uow.snapshot.memo.pop("columns", None)
        monkeypatch.setattr(query, "MAX_KEPT", 2)
        for _ in range(2):
            for fields in wanted:
                page = query.page(uow, "oracle_deal", ListQuery(fields=fields, sort="title"))
                assert [set(row) for row in page.items] == [{*fields, "id", "version"}] * 5
        assert len(uow.snapshot.memo["columns"]) == 2


@pytest.mark.parametrize("chunk", [1, 2, 5, 6])
def test_a_stream_gives_every_row_once_whatever_its_chunks(unit_of_work, admin_id, deals, chunk):
    """In the order asked for, though it is not unique, and with the links of each row."""
    wanted = ListQuery(fields=("title", "partners"), sort="-quantity,title")
    with unit_of_work(admin_id, write=False) as uow:
        pages = list(query.stream(uow, "oracle_deal", wanted, chunk=chunk))
    assert [len(page.items) for page in pages[:-1]] == [chunk] * (len(pages) - 1)
    rows = [row for page in pages for row in page.items]
    assert [row["title"] for row in rows] == ["b", "d", "a", "c", "e"]
    assert all(len(row["partners"]) == 1 for row in rows)


def test_a_stream_reaches_what_its_own_right_reaches(unit_of_work, make_person, deals):
    """To read all and to export one's own is to export one's own; the same for acts on many."""
    grants = {"oracle_deal": {"read": "all", "export": "own", "create": "all", "delete": "own"}}
    with unit_of_work() as uow:
        service.create(uow, "role", [{"name": "one", "title": "One", "grants": grants}])
    somebody = make_person("One", roles=("one",))
    with unit_of_work(somebody) as uow:
        own = service.create(uow, "oracle_deal", [{"title": "own", "owner": somebody}])
    with unit_of_work(somebody, write=False) as uow:
        assert query.count(uow, "oracle_deal", ListQuery()) == 6
        (page,) = query.stream(uow, "oracle_deal", ListQuery())
        assert [row["id"] for row in page.items] == own
        chosen = query.select_ids(uow, "oracle_deal", ListQuery(), action="delete", limit=9)
        assert chosen == own
        with pytest.raises(Forbidden):
            query.select_ids(uow, "oracle_deal", ListQuery(), action="update", limit=9)
        with pytest.raises(Forbidden):
            next(query.stream(uow, "oracle_account", ListQuery()))


def test_counts_of_three_kinds(unit_of_work, monkeypatch, deals):
    """``estimate`` stops at its cap; any other word is refused by name."""
    monkeypatch.setattr(query, "COUNT_CAP", 3)
    with unit_of_work(write=False) as uow:
        for how, total in (("none", None), ("exact", 5), ("estimate", 3)):
            assert query.page(uow, "oracle_deal", ListQuery(count=how)).total == total
        with pytest.raises(Invalid) as refused:
            query.page(uow, "oracle_deal", ListQuery(count="roughly"))
    assert [(p.field, p.code) for p in refused.value.problems] == [("count", "choice")]


@pytest.mark.parametrize("name", ["nothing", "lines", "title; --", ""])
def test_a_column_that_a_list_does_not_have_is_refused(unit_of_work, name):
    """Lines are of one record's page."""
    with unit_of_work(write=False) as uow, pytest.raises(Invalid) as refused:
        query.page(uow, "oracle_deal", ListQuery(fields=("title", name)))
    assert [(p.field, p.code) for p in refused.value.problems] == [("fields", "unknown_field")]


def test_the_recycle_bin_is_another_place(unit_of_work, deals):
    first, *others = deals
    with unit_of_work() as uow:
        service.delete(uow, "oracle_deal", [first])
    with unit_of_work(write=False) as uow:

        def ids(archived: Any) -> list[int]:
            rows = query.page(uow, "oracle_deal", ListQuery(archived=archived, sort="id")).items
            return [row["id"] for row in rows]

        assert ids(False) == others
        assert ids(True) == [first]
        with pytest.raises(NotFound):
            query.get(uow, "oracle_deal", first)
        for archived in (True, None):
            found = query.get(uow, "oracle_deal", first, archived=archived)
            assert found.values["title"] == "a"
        with pytest.raises(NotFound):
            query.get(uow, "oracle_deal", others[0], archived=True)


def test_a_search_for_what_no_text_holds_is_refused(unit_of_work, deals):
    with unit_of_work(write=False) as uow:
        with pytest.raises(Invalid):
            query.page(uow, "oracle_deal", ListQuery(search="a\x00"))
        assert query.count(uow, "oracle_deal", ListQuery(search=" ")) == 5
        assert query.count(uow, "oracle_deal", ListQuery(search="a")) == 1

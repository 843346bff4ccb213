"""Fields that are masked in some rows: shown masked, and of no use for asking, whichever way."""

from __future__ import annotations

import pytest

from core.entities import query, service
from core.entities.aggregate import aggregate
from core.entities.query import ListQuery
from core.entities.timeline import timeline
from core.search.finding import search

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def unowned(uow, table):
    """The telephone of what nobody owns, for everybody but the administrator."""
    return {} if uow.actor.is_admin else {"phone": table.c.owner_id.is_(None)}


@pytest.fixture
def reader(unit_of_work, make_person):
    grants = {"specimen": {"read": "all"}, "audit_entry": {"read": "all"}}
    with unit_of_work() as uow:
        service.create(uow, "role", [{"name": "looker", "title": "looker", "grants": grants}])
    return make_person("谭博远", roles=("looker",))


@pytest.fixture
def stones(unit_of_work, reader):
    """Two specimens with a telephone: the first is the reader's, the second nobody's."""
    with unit_of_work() as uow:
        mine, free = service.create(
            uow,
            "specimen",
            [
                {"name": "石头一", "phone": "13805360001", "owner": reader},
                {"name": "石头二", "phone": "13901110002", "owner": None},
            ],
        )
        service.update(uow, "specimen", {free: {"phone": "13902220002"}})
    return mine, free


def asked(field, op, value=None):
    return ListQuery(filter={"field": field, "op": op, **({"value": value} if value else {})})


def test_what_is_masked_in_a_row_is_no_use_for_asking(
    unit_of_work, reader, stones, admin_id, behaving
):
    mine, free = stones
    with behaving(veil=unowned), unit_of_work(reader, write=False) as uow:
        rows = {row["id"]: row["phone"] for row in query.page(uow, "specimen", ListQuery()).items}
        assert rows == {mine: "13805360001", free: "139****0002"}
        assert query.get(uow, "specimen", free).values["phone"] == "139****0002"
        assert query.get(uow, "specimen", mine).values["phone"] == "13805360001"
        for op, value in (("eq", "13902220002"), ("starts_with", "139"), ("is_set", None)):
            found = query.page(uow, "specimen", asked("phone", op, value)).items
            assert free not in {row["id"] for row in found}, op
        (named,) = query.page(uow, "specimen", ListQuery(fields=("name",), search="石头二")).items
        assert named["id"] == free
        groups = aggregate(uow, "specimen", ["phone"], ["count"], ListQuery())
        assert {row["phone"]["id"] for row in groups} == {None, "13805360001"}
        assert not [hit for hit in search(uow, "13902220002") if hit.id == free]
        for entry in timeline(uow, "specimen", free):
            for change in entry.changes:
                assert "02220" not in str(change.new), entry
                assert "01110" not in str(change.old), entry
        trail = query.page(uow, "audit_entry", asked("record_id", "eq", free)).items
        assert trail
        assert not any("phone" in entry["changes"] for entry in trail)
    with behaving(veil=unowned), unit_of_work(admin_id, write=False) as uow:
        assert query.get(uow, "specimen", free).values["phone"] == "13902220002"


def test_pages_in_the_order_of_what_is_masked_tell_nothing(unit_of_work, reader, stones, behaving):
    """Masked rows stand together as empty ones do, and the cursor has no value of theirs."""
    with unit_of_work() as uow:
        more = [
            {"name": f"石头{n}", "phone": f"1390536{n:04d}", "owner": None} for n in range(10, 15)
        ]
        service.create(uow, "specimen", more)
    with behaving(veil=unowned), unit_of_work(reader, write=False) as uow:
        seen, after = [], None
        while True:
            wanted = ListQuery(fields=("phone",), sort="phone,id", limit=2, after=after)
            found = query.page(uow, "specimen", wanted)
            seen += [row["id"] for row in found.items]
            after = found.next
            if after is None:
                break
    assert len(seen) == len(set(seen)) == 7
    assert [key for key in seen if key != stones[0]] == sorted(set(seen) - {stones[0]})

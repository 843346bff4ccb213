"""Sharing one record: who reaches it then, through which outlet, and who may share it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import event, func, select

from core.audit.models import AuditEntry
from core.boot import boot
from core.entities import query, service
from core.entities.aggregate import aggregate
from core.entities.labels import resolve_labels
from core.entities.query import ListQuery
from core.entities.timeline import timeline
from core.errors import Forbidden, Invalid, NotFound
from core.runtime import epoch_table
from core.security.actor import SYSTEM
from core.security.credentials import set_password
from core.security.directory import load_actor
from core.security.sharing import share, shares_of, unshare
from core.testing.installation import PASSWORD
from core.work.uow import Origin, UnitOfWork

#: The long tier asks PostgreSQL as well: what is told does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

OWN = dict.fromkeys(("read", "create", "update", "delete", "export", "approve"), "own")


@pytest.fixture
def roles(unit_of_work):
    grants = {
        "seller": {"oracle_deal": OWN, "oracle_account": OWN},
        "reader": {"oracle_deal": {"read": "own"}},
        "stranger": {"oracle_account": OWN},
    }
    with unit_of_work() as uow:
        service.create(
            uow, "role", [{"name": n, "title": n, "grants": g} for n, g in grants.items()]
        )


@pytest.fixture
def people(roles, make_person):
    return {
        "owner": make_person("Owner", roles=("seller",), department="East"),
        "other": make_person("Other", roles=("seller",), department="Company/West/Team"),
        "reader": make_person("Reader", roles=("reader",)),
        "stranger": make_person("Stranger", roles=("stranger",)),
    }


@pytest.fixture
def deal(unit_of_work, people):
    lines = [{"product": "saw", "price": "2.00", "quantity": 1}]
    with unit_of_work(people["owner"]) as uow:
        (key,) = service.create(uow, "oracle_deal", [{"title": "North", "lines": lines}])
    return key


def _sees(unit_of_work, person, key) -> bool:
    with unit_of_work(person, write=False) as uow:
        try:
            query.get(uow, "oracle_deal", key)
        except (NotFound, Forbidden):
            return False
    return True


def _share(unit_of_work, by, key, **more):
    with unit_of_work(by) as uow:
        return share(uow, "oracle_deal", key, **more)


def test_every_outlet_follows_a_share(unit_of_work, people, deal, client, bearer):
    """S-219: the record is in lists, search, counts, sums, labels, its timeline and REST."""
    other = people["other"]
    headers = bearer(other)

    def outlets():
        with unit_of_work(other, write=False) as uow:
            page = query.page(uow, "oracle_deal", ListQuery(search="north", count="exact"))
            yield [row["id"] for row in page.items], page.total
            yield aggregate(uow, "oracle_deal", [], ["count"], ListQuery())[0]["count"]
            yield resolve_labels(uow, {"oracle_deal": {deal}}).get("oracle_deal")
            yield query.count(uow, "oracle_line", ListQuery())
            try:
                yield len(timeline(uow, "oracle_deal", deal)) > 0
            except NotFound:
                yield False
        yield client.get(f"/api/v1/records/oracle_deal/{deal}", headers=headers).status_code

    assert list(outlets()) == [([], 0), 0, {}, 0, False, 404]
    _share(unit_of_work, people["owner"], deal, user=other)
    assert list(outlets()) == [([deal], 1), 1, {deal: "North"}, 1, True, 200]
    with unit_of_work(other, write=False) as uow:  # to export is another right
        pages = query.stream(uow, "oracle_deal", ListQuery())
        assert [row for page in pages for row in page.items] == []


def test_levels(unit_of_work, people, deal):
    """To read is not to change, to change is neither to delete nor to use a verb."""
    other = people["other"]
    key = _share(unit_of_work, people["owner"], deal, user=other)
    with pytest.raises(Forbidden), unit_of_work(other) as uow:
        service.update(uow, "oracle_deal", {deal: {"title": "South"}})
    again = _share(unit_of_work, people["owner"], deal, user=other, level="write")
    assert again != key
    with unit_of_work(other) as uow:
        service.update(uow, "oracle_deal", {deal: {"title": "South", "lines": []}})
    with pytest.raises(Forbidden), unit_of_work(other) as uow:
        service.delete(uow, "oracle_deal", [deal])
    with pytest.raises(Forbidden), unit_of_work(other) as uow:
        service.act(uow, "oracle_deal", "approve", [deal], {"reason": "good"})
    with unit_of_work(people["owner"], write=False) as uow:
        assert [one.level for one in shares_of(uow, "oracle_deal", deal)] == ["write"]


def test_a_share_adds_no_right(unit_of_work, people, deal):
    """Who may read no deal sees none; who may change none changes none."""
    for person, sees in (("stranger", False), ("reader", True)):
        _share(unit_of_work, people["owner"], deal, user=people[person], level="write")
        assert _sees(unit_of_work, people[person], deal) is sees
    with pytest.raises(Forbidden), unit_of_work(people["reader"]) as uow:
        service.update(uow, "oracle_deal", {deal: {"title": "South"}})


def test_with_a_department_and_all_below(unit_of_work, people, deal):
    with unit_of_work() as uow:
        found = query.page(uow, "department", ListQuery(fields=("name",), limit=50)).items
    places = {row["name"]: row["id"] for row in found}
    key = _share(unit_of_work, people["owner"], deal, department=places["Company"])
    assert _sees(unit_of_work, people["other"], deal)
    with unit_of_work(people["owner"]) as uow:
        unshare(uow, "oracle_deal", deal, key)
    assert not _sees(unit_of_work, people["other"], deal)
    _share(unit_of_work, people["owner"], deal, department=places["East"])
    assert not _sees(unit_of_work, people["other"], deal)


def test_it_ends_with_its_day(unit_of_work, people, deal, runtime):
    until = runtime.clock.now() + timedelta(days=2)
    _share(unit_of_work, people["owner"], deal, user=people["other"], until=until)
    assert _sees(unit_of_work, people["other"], deal)
    runtime.clock.move(timedelta(days=3))
    assert not _sees(unit_of_work, people["other"], deal)
    with pytest.raises(Invalid):
        _share(unit_of_work, people["owner"], deal, user=people["other"], until=until)


def test_who_may_share(unit_of_work, people, deal, make_person):
    """Nobody passes on what reached them by a share, nor more than their roles give."""
    with pytest.raises(NotFound):
        _share(unit_of_work, people["other"], deal, user=people["reader"])
    _share(unit_of_work, people["owner"], deal, user=people["other"], level="write")
    for ask in (
        lambda uow: share(uow, "oracle_deal", deal, user=people["reader"]),
        lambda uow: shares_of(uow, "oracle_deal", deal),
        lambda uow: unshare(uow, "oracle_deal", deal, 1),
    ):
        with pytest.raises((Forbidden, NotFound)), unit_of_work(people["other"]) as uow:
            ask(uow)
    with unit_of_work() as uow:  # the reader owns it now, and may read alone
        service.update(uow, "oracle_deal", {deal: {"owner": people["reader"]}})
    _share(unit_of_work, people["reader"], deal, user=people["stranger"])
    with pytest.raises(Forbidden):
        _share(unit_of_work, people["reader"], deal, user=people["stranger"], level="write")
    for wrong in ({}, {"user": 10**6}, {"user": people["reader"]}, {"user": 1, "department": 1}):
        with pytest.raises(Invalid):
            _share(unit_of_work, people["reader"], deal, **wrong)
    with pytest.raises(Forbidden), unit_of_work(people["owner"]) as uow:
        share(uow, "user", people["owner"], user=people["other"])


def test_other_processes_follow_at_once(runtime, unit_of_work, people, deal):
    """R: a second process that knows the person already sees the share in its next transaction."""
    second = boot(runtime.config, clock=runtime.clock)

    def there() -> int:
        with UnitOfWork(second, SYSTEM, origin=Origin("test"), write=False) as uow:
            uow.actor = load_actor(uow, people["other"])
            return query.count(uow, "oracle_deal", ListQuery())

    assert there() == 0
    key = _share(unit_of_work, people["owner"], deal, user=people["other"])
    assert there() == 1
    with unit_of_work(people["owner"]) as uow:
        unshare(uow, "oracle_deal", deal, key)
    assert there() == 0
    before = _epoch(unit_of_work)
    _share(unit_of_work, people["owner"], deal, user=people["other"])
    assert there() == 1
    with unit_of_work(people["owner"]) as uow:
        (further,) = service.create(uow, "oracle_deal", [{"title": "East"}])
    after = _epoch(unit_of_work)
    assert after > before
    _share(unit_of_work, people["owner"], further, user=people["other"])
    assert _epoch(unit_of_work) == after, "a further share of the kind drops nobody's cache"
    assert there() == 2
    second.database.dispose()


def _epoch(unit_of_work) -> int:
    with unit_of_work(write=False) as uow:
        return uow.execute(select(epoch_table.c.access)).scalar_one()


def test_nobody_pays_while_nothing_is_shared(runtime, unit_of_work, people, deal):
    """The list of who has no share asks no table of shares, and neither takes a further statement."""

    def statements(person) -> list[str]:
        seen: list[str] = []

        def note(connection, cursor, statement, *more):
            seen.append(statement)

        with unit_of_work(person, write=False) as uow:
            engine = uow.connection.engine
            event.listen(engine, "before_cursor_execute", note)
            query.page(uow, "oracle_deal", ListQuery())
            event.remove(engine, "before_cursor_execute", note)
        return seen

    before = statements(people["other"])
    assert not any("core_share" in each for each in before)
    _share(unit_of_work, people["owner"], deal, user=people["other"])
    with unit_of_work(people["other"], write=False) as uow:
        query.page(uow, "oracle_deal", ListQuery())
    after = statements(people["other"])
    assert any("core_share" in each for each in after)
    # One more for the owner's name of the row that is listed now.
    assert len(after) <= len(before) + 1


def test_it_is_written_down_and_survives_the_recycle_bin(unit_of_work, people, deal):
    _share(unit_of_work, people["owner"], deal, user=people["other"], level="write")
    with unit_of_work(people["owner"]) as uow:
        service.delete(uow, "oracle_deal", [deal])
    assert not _sees(unit_of_work, people["other"], deal)
    with unit_of_work(people["owner"]) as uow:
        service.restore(uow, "oracle_deal", [deal])
    assert _sees(unit_of_work, people["other"], deal)
    table = AuditEntry.__table__
    with unit_of_work(write=False) as uow:
        entry = uow.execute(select(table).where(table.c.action == "share")).one()
    assert (entry.actor_id, entry.record_id) == (people["owner"], deal)
    assert entry.changes == {"user": [None, people["other"]], "level": [None, "write"]}


def test_what_was_shared_with_me_is_a_filter(unit_of_work, people, deal, client, bearer):
    with unit_of_work(people["other"]) as uow:
        service.create(uow, "oracle_deal", [{"title": "Mine"}])
    condition = {"field": "id", "op": "in", "value": {"var": "shared_with_me"}}

    def found() -> list[int]:
        with unit_of_work(people["other"], write=False) as uow:
            page = query.page(uow, "oracle_deal", ListQuery(filter=condition))
        return [row["id"] for row in page.items]

    assert found() == []
    _share(unit_of_work, people["owner"], deal, user=people["other"])
    assert found() == [deal]
    answer = client.get(
        "/api/v1/records/oracle_deal",
        query_string={"filter": json.dumps(condition)},
        headers=bearer(people["other"]),
    )
    assert [row["id"] for row in answer.get_json()["items"]] == [deal]


def test_rest(people, deal, client, bearer):
    owner, path = bearer(people["owner"]), f"/api/v1/records/oracle_deal/{deal}/shares"
    made = client.post(path, json={"user": people["other"]}, headers=owner)
    assert made.status_code == 201
    body = made.get_json()
    assert body["user"] == {"id": people["other"], "label": "Other"}
    assert (body["level"], body["department"], body["until"]) == ("read", None, None)
    listed = client.get(path, headers=owner).get_json()["items"]
    assert listed == [body]
    other = bearer(people["other"])
    assert client.get(path, headers=other).status_code == 403
    assert client.post(path, json={"user": people["reader"]}, headers=other).status_code == 403
    assert client.delete(f"{path}/{body['id']}", headers=other).status_code == 403
    limited = bearer(people["owner"], ["oracle_deal.read"])
    wanted = {"user": people["reader"], "level": "write"}
    assert client.post(path, json=wanted, headers=limited).status_code == 403
    assert client.post(path, json={"level": "all"}, headers=owner).status_code == 422
    assert client.post(path, json={"who": 1}, headers=owner).status_code == 422
    assert client.delete(f"{path}/{body['id']}", headers=owner).status_code == 204
    assert client.get(f"/api/v1/records/oracle_deal/{deal}", headers=other).status_code == 404


def test_the_page(people, deal, client, bearer):
    owner, path = bearer(people["owner"]), f"/r/oracle_deal/{deal}/shares"
    assert f'href="{path}"' in client.get(f"/r/oracle_deal/{deal}", headers=owner).text
    form = {"user__label": "Other", "level": "write", "until": ""}
    assert client.post(path, data=form, headers=owner).status_code == 303
    assert "Other" in client.get(path, headers=owner).text
    other = bearer(people["other"])
    page = client.get(f"/r/oracle_deal/{deal}", headers=other)
    assert page.status_code == 200
    assert path not in page.text
    assert client.get(path, headers=other).status_code == 403
    assert client.post(path, data=form, headers=other).status_code == 403
    assert client.post(path, data={"level": "read"}, headers=owner).status_code == 422


def test_a_share_that_was_ended_is_brought_back_as_it_was(
    people, deal, unit_of_work, sign_in, runtime
):
    """With its day and by whom; by who ended it, once, and not when it is over."""
    until = runtime.clock.now() + timedelta(minutes=10)
    key = _share(unit_of_work, people["owner"], deal, user=people["other"], until=until)
    with unit_of_work(people["owner"], write=False) as uow:
        (before,) = shares_of(uow, "oracle_deal", deal)
    with unit_of_work() as uow:
        values = query.get(uow, "user", people["owner"]).values
        set_password(uow, people["owner"], PASSWORD, email=values["email"], name=values["name"])
    owner = sign_in(values["email"], PASSWORD)
    path = f"/r/oracle_deal/{deal}/shares"

    def send(what):
        return owner.post(f"{path}/{key}/{what}", data={"csrf_token": owner.csrf}).status_code

    assert send("end") == 303
    assert not _sees(unit_of_work, people["other"], deal)
    assert f'action="{path}/{key}/restore"' in owner.get(path).text
    assert send("restore") == 303
    assert _sees(unit_of_work, people["other"], deal)
    with unit_of_work(people["owner"], write=False) as uow:
        assert shares_of(uow, "oracle_deal", deal) == [before]
    assert send("restore") == 404
    send("end")
    runtime.clock.move(timedelta(minutes=20))
    assert send("restore") == 303
    assert not _sees(unit_of_work, people["other"], deal)


def test_a_share_is_read_through_indexes(runtime, unit_of_work, people, deal, database_kind):
    """One statement of which every alternative has its index; a page of it reads no table whole."""
    from core.entities.scope import scope_clause

    _share(unit_of_work, people["owner"], deal, user=people["other"])
    with unit_of_work(people["other"], write=False) as uow:
        spec = uow.entity("oracle_deal")
        clause = scope_clause(uow, spec, "read")
        statement = select(func.count()).select_from(spec.table).where(clause)
        text = statement.compile(uow.connection, compile_kwargs={"literal_binds": True})
        if database_kind == "sqlite":
            plan = uow.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all()
        else:
            uow.connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            plan = uow.connection.exec_driver_sql(f"EXPLAIN {text}").all()
    told = "\n".join(str(line) for line in plan)
    assert "SCAN oracle_sample_deal" not in told, told
    assert "Seq Scan" not in told, told
    assert "ix_core_share" in told, told

"""A leaver's records go to successors: in one step, with a protocol, once, and back for seven days."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta

import pytest
from openpyxl import load_workbook
from sqlalchemy import event, func, select

from core.entities import query, service
from core.entities.query import ListQuery
from core.handover import giving
from core.notifications.tables import notification_table
from core.testing.installation import PASSWORD
from core.work.tables import job_table

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pages = pytest.mark.databases("sqlite", later=("postgresql",))


def text_of(answer):
    return answer.get_data(as_text=True)


@pytest.fixture
def staff(make_person, unit_of_work):
    """``{"leaver", "first", "second": id}``; each in a department of their own."""
    with unit_of_work() as uow:
        homes = service.create(uow, "department", [{"name": name} for name in ("东", "西")])
    people = {
        "leaver": make_person("离老师", roles=("foreman",), password=PASSWORD),
        "first": make_person("接一", roles=("foreman",), password=PASSWORD),
        "second": make_person("接二", roles=("worker",)),
    }
    with unit_of_work() as uow:
        for who, home in zip(("first", "second"), homes, strict=True):
            service.update(uow, "user", {people[who]: {"department": home}})
    return people | {"home of first": homes[0], "home of second": homes[1]}


@pytest.fixture
def owners(unit_of_work):
    """``owners() -> {id of an order: (owner, department)}``, the recycle bin included."""

    def read():
        with unit_of_work(write=False) as uow:
            table = uow.entity("order").table
            rows = uow.execute(select(table.c.id, table.c.owner_id, table.c.department_id))
            return {row.id: (row.owner_id, row.department_id) for row in rows}

    return read


@pytest.fixture
def send(browser, staff):
    """``send(*successors, person="leaver", by=browser, **data) -> answer`` of the form."""

    def post(*successors, person="leaver", by=browser, **data):
        key = staff[person] if isinstance(person, str) else person
        sent = {"successors": list(successors), "kinds": ["order.owner"], "csrf_token": by.csrf}
        return by.post(f"/admin/people/{key}/hand-over", data=sent | data)

    return post


@pytest.fixture
def job_of(unit_of_work):
    """``job_of(address) -> row`` of the job whose page that is."""

    def read(address):
        key = int(re.search(r"/(\d+)$", address)[1])
        with unit_of_work(write=False) as uow:
            return uow.execute(select(job_table).where(job_table.c.id == key)).one()

    return read


def latest_job(unit_of_work, kind):
    with unit_of_work(write=False) as uow:
        found = select(job_table).where(job_table.c.kind == kind)
        return uow.execute(found.order_by(job_table.c.id.desc())).first()


def test_everything_goes_in_turn_with_a_protocol(
    browser, send, staff, make_orders, owners, run_jobs, job_of, unit_of_work, admin_id
):
    mine = make_orders(5, owner=staff["leaver"])
    (sealed,) = make_orders(1, owner=staff["leaver"], secret="sealed")
    (other,) = make_orders(1, owner=staff["second"])
    (gone,) = make_orders(1, owner=staff["leaver"])
    with unit_of_work() as uow:
        service.delete(uow, "order", [gone])
    before = owners()
    html = text_of(browser.get(f"/admin/people/{staff['leaver']}/hand-over"))
    assert re.search(r'value="order.owner" checked> Orders</label><b>6</b>', html)
    page = send(staff["first"], staff["second"], note="四月离职").location
    assert f'hx-get="{page}"' in text_of(browser.get(page))
    run_jobs()
    first = (staff["first"], staff["home of first"])
    second = (staff["second"], staff["home of second"])
    after = owners()
    assert [after[key] for key in mine] == [first, second, first, second, first]
    assert [after[key] for key in (sealed, other, gone)] == [
        before[key] for key in (sealed, other, gone)
    ]
    job = job_of(page)
    assert (job.state, job.done, job.total) == ("done", 6, 6)
    html = text_of(browser.get(page))
    assert 'id="hand-over" aria-live="polite">' in html
    assert "接一 3" in html
    assert "四月离职" in html

    table = text_of(browser.get(f"/files/{job.result['report']}"))
    rows = list(csv.reader(io.StringIO(table.lstrip("\ufeff"))))
    assert len(rows) == 7
    assert rows[1][:5] == ["Orders", str(mine[0]), "Order 001", "离老师", "接一"]
    (stays,) = [row for row in rows if row[1] == str(sealed)]
    assert stays[4] == ""
    assert stays[5].endswith("It is sealed.")
    book = browser.get(f"/files/{job.result['workbook']}").get_data()
    sheet = load_workbook(io.BytesIO(book)).active
    assert [[str(cell or "") for cell in row] for row in sheet.values] == rows

    with unit_of_work(write=False) as uow:
        c = notification_table.c
        told = uow.execute(select(c.user_id, c.kind, c.record_id, c.count).order_by(c.id)).all()
        asked = ListQuery(
            fields=("actor", "action"),
            filter={
                "all": [
                    {"field": "entity", "op": "eq", "value": "order"},
                    {"field": "record_id", "op": "eq", "value": mine[0]},
                ]
            },
            sort="-id",
            limit=1,
        )
        (entry,) = query.page(uow, "audit_entry", asked).items
    assert [tuple(row) for row in told] == [
        (staff["first"], "core.handed_over", staff["leaver"], 3),
        (staff["second"], "core.handed_over", staff["leaver"], 2),
    ]
    assert (entry["actor"], entry["action"]) == (admin_id, "update")


@pages
def test_each_successor_reads_how_many_there_are(
    send, staff, make_orders, run_jobs, sign_in, unit_of_work
):
    make_orders(4, owner=staff["leaver"])
    send(staff["first"])
    run_jobs()
    with unit_of_work(write=False) as uow:
        email = query.get(uow, "user", staff["first"]).values["email"]
    html = text_of(sign_in(email, PASSWORD).get("/notifications"))
    (told,) = re.findall(r"[^<>]*离老师[^<>]*", html)
    assert "4" in told


@pages
def test_the_account_is_closed_at_the_end_and_not_before(
    send, staff, make_orders, run_jobs, sign_in, bearer, client, unit_of_work, browser
):
    make_orders(2, owner=staff["leaver"])
    with unit_of_work(write=False) as uow:
        email = query.get(uow, "user", staff["leaver"]).values["email"]
    session, headers = sign_in(email, PASSWORD), bearer(staff["leaver"])
    page = send(staff["first"], close="1").location
    assert client.get("/api/v1/me", headers=headers).status_code == 200
    run_jobs()
    assert session.get("/r/order").status_code in (302, 303, 401)
    assert client.get("/api/v1/me", headers=headers).status_code == 401
    back = browser.get(f"{page}/undo")
    assert "opened again" in text_of(back) or "重新启用" in text_of(back)
    browser.post(f"{page}/undo", data={"csrf_token": browser.csrf})
    run_jobs()
    assert session.get("/r/order").status_code in (302, 303, 401), "what ended stays ended"
    assert client.get("/api/v1/me", headers=headers).status_code == 401
    assert sign_in(email, PASSWORD).get("/r/order").status_code == 200


@pages
def test_it_is_taken_back_as_a_whole_but_for_what_was_changed_since(
    browser, send, staff, make_orders, owners, run_jobs, unit_of_work, job_of
):
    keys = make_orders(3, owner=staff["leaver"])
    before = owners()
    page = send(staff["first"]).location
    running = browser.post(f"{page}/undo", data={"csrf_token": browser.csrf})
    assert running.status_code == 303
    assert latest_job(unit_of_work, "core.hand_back") is None, "not while it runs"
    run_jobs()
    with unit_of_work() as uow:
        service.update(uow, "order", {keys[1]: {"status": "done"}})
    browser.post(f"{page}/undo", data={"csrf_token": browser.csrf})
    browser.post(f"{page}/undo", data={"csrf_token": browser.csrf})
    run_jobs()
    after = owners()
    assert [after[key] for key in (keys[0], keys[2])] == [before[keys[0]], before[keys[2]]]
    assert after[keys[1]][0] == staff["first"]
    back = latest_job(unit_of_work, "core.hand_back")
    assert (back.result["done"], back.result["kept"]) == (2, 1)
    html = text_of(browser.get(page))
    assert f'href="/r/order/{keys[1]}"' in html
    assert f"{page}/undo" not in html
    with unit_of_work(write=False) as uow:
        count = select(func.count()).select_from(notification_table)
        count = count.where(notification_table.c.user_id == staff["leaver"])
        assert uow.execute(count).scalar_one() == 0


@pages
def test_after_seven_days_it_stays(
    sign_in, send, staff, make_orders, run_jobs, unit_of_work, runtime
):
    from core.entities.bulk_job import CLEAN_BULK

    make_orders(1, owner=staff["leaver"])
    page = send(staff["first"]).location
    run_jobs()
    runtime.clock.move(timedelta(days=8))
    with unit_of_work() as uow:
        uow.enqueue(CLEAN_BULK.name, {})
    run_jobs()
    browser = sign_in()
    browser.post(f"{page}/undo", data={"csrf_token": browser.csrf})
    assert latest_job(unit_of_work, "core.hand_back") is None
    html = text_of(browser.get(page))
    assert f"{page}/undo" not in html
    file = re.search(r'href="(/files/\d+)"', html)[1]
    assert browser.get(file).status_code == 200, "the protocol stays"


@pytest.mark.parametrize(
    "place", ["a batch", pytest.param("between", marks=pytest.mark.long), "the end"]
)
def test_killed_it_is_finished_and_nothing_is_done_twice(
    send, staff, make_orders, owners, run_jobs, unit_of_work, runtime, monkeypatch, place
):
    """The process is gone at that place: as a thread that never comes back, with its lease."""

    class Gone(BaseException):
        pass

    monkeypatch.setattr(giving, "BATCH", 4)
    keys = make_orders(10, owner=staff["leaver"])
    page = send(staff["first"], staff["second"]).location
    passed = []

    def dying(name, real):
        def call(*given, **more):
            passed.append(name)
            if len(passed) == 2 or name == "notify":
                raise Gone
            return real(*given, **more)

        return call

    with monkeypatch.context() as patched:
        names = {"a batch": "note_bulk", "between": "_give", "the end": "notify"}
        name = names[place]
        patched.setattr(giving, name, dying(name, getattr(giving, name)))
        with pytest.raises(Gone):
            run_jobs()
    runtime.clock.move(timedelta(minutes=30))
    run_jobs()
    after = owners()
    assert [after[key][0] for key in keys] == [staff["first"], staff["second"]] * 5
    job = latest_job(unit_of_work, "core.hand_over")
    assert (job.state, job.done) == ("done", 10), (page, job.error)
    assert sum(job.result["moved"]["order.owner"].values()) == 10
    with unit_of_work(write=False) as uow:
        table = uow.entity("audit_entry").table
        mine = (table.c.entity == "order") & (table.c.action == "update")
        assert uow.execute(select(func.count()).where(mine)).scalar_one() == 10
        assert uow.execute(select(func.count()).select_from(notification_table)).scalar_one() == 2


@pages
def test_stopped_it_keeps_what_is_done_and_is_taken_back(
    browser, send, staff, make_orders, owners, run_jobs, monkeypatch, job_of
):
    monkeypatch.setattr(giving, "BATCH", 2)
    make_orders(5, owner=staff["leaver"])
    before, page = owners(), send(staff["first"]).location
    key, real, data = job_of(page).id, giving._take_step, {"csrf_token": browser.csrf}

    def stop_after_the_first(*given):
        real(*given)
        assert browser.post(f"/admin/jobs/{key}/cancel", data=data).status_code == 302

    monkeypatch.setattr(giving, "_take_step", stop_after_the_first)
    run_jobs()
    monkeypatch.setattr(giving, "_take_step", real)
    assert (job_of(page).state, job_of(page).done) == ("cancelled", 2)
    assert sum(owner == staff["first"] for owner, _home in owners().values()) == 2
    assert f"{page}/undo" in text_of(browser.get(page))
    browser.post(f"{page}/undo", data=data)
    browser.post(f"/admin/jobs/{key}/retry", data=data)
    run_jobs()
    assert owners() == before, "what was taken back is not done any further"
    assert job_of(page).state == "failed"


@pages
def test_errors_stand_beside_what_is_wrong(send, staff, make_orders, unit_of_work, admin_id):
    nothing = send(staff["first"])
    assert nothing.status_code == 422
    make_orders(1, owner=staff["leaver"])
    with unit_of_work() as uow:
        service.update(uow, "user", {staff["second"]: {"is_active": False}})
        table = uow.entity("order").table
        (mine,) = service.create(uow, "order", [{"title": "x", "owner": admin_id}])
    wrong = [
        ((), {}, "successors"),
        ((staff["leaver"],), {}, "successors"),
        ((staff["first"], staff["second"]), {}, "successors"),
        (("10000000",), {}, "successors"),
        (("x",), {}, "successors"),
        (("9" * 30,), {}, "successors"),
        ((staff["first"],), {"kinds": []}, "kinds"),
        ((staff["first"],), {"kinds": ["user.id"]}, "kinds"),
        ((staff["first"],), {"on": "0001-01-01"}, "on"),
        ((staff["first"],), {"on": "9999-12-31"}, "on"),
        ((staff["first"],), {"on": "tomorrow"}, "on"),
        ((staff["first"],), {"note": "x" * 501}, "note"),
        ((staff["first"],), {"person": admin_id, "close": "1"}, "close"),
    ]
    for successors, data, field in wrong:
        answer = send(*successors, **data)
        assert answer.status_code == 422, (successors, data)
        html = text_of(answer)
        shown = f'href="#field-{field}"' in html or (field == "close" and "notice-bad" in html)
        assert shown, (successors, data)
    assert latest_job(unit_of_work, "core.hand_over") is None
    with unit_of_work(write=False) as uow:
        assert (
            uow.execute(select(table.c.owner_id).where(table.c.id == mine)).scalar_one() == admin_id
        )


@pages
def test_with_nothing_to_hand_over_the_page_says_so(browser, staff):
    html = text_of(browser.get(f"/admin/people/{staff['leaver']}/hand-over"))
    assert "empty" in html
    assert '<form class="form"' not in html
    assert browser.get("/admin/people/999999/hand-over").status_code == 404
    assert f'href="/admin/people/{staff["leaver"]}/hand-over"' in text_of(
        browser.get(f"/admin/people/{staff['leaver']}")
    )
    assert f'href="/admin/people/{staff["leaver"]}/hand-over"' in text_of(
        browser.get("/admin/people")
    )


@pages
def test_planned_it_begins_on_its_day_with_whoever_is_there_then(
    send, staff, make_orders, owners, run_jobs, runtime, job_of, unit_of_work, browser, sign_in
):
    (key,) = make_orders(1, owner=staff["leaver"])
    day = runtime.clock.today() + timedelta(days=10)
    page = send(staff["first"], on=day.isoformat()).location
    assert send(staff["first"]).status_code == 409, "one at a time"
    run_jobs()
    assert owners()[key][0] == staff["leaver"]
    assert str(day) in text_of(browser.get(page))
    runtime.clock.move(timedelta(days=10))
    with unit_of_work() as uow:
        service.update(uow, "user", {staff["first"]: {"is_active": False}})
    run_jobs()
    assert job_of(page).state == "failed"
    assert owners()[key][0] == staff["leaver"]
    assert "接一" in re.search(r'role="alert">(.*?)</div>', text_of(sign_in().get(page)), re.S)[1]


@pages
def test_who_is_no_administrator_any_more_hands_nothing_over(
    sign_in, make_person, send, staff, make_orders, owners, run_jobs, unit_of_work, job_of
):
    helper = make_person("副手", roles=("admin",), password=PASSWORD)
    with unit_of_work(write=False) as uow:
        email = query.get(uow, "user", helper).values["email"]
        (role,) = [
            row["id"]
            for row in query.page(uow, "role", ListQuery(fields=("name",))).items
            if row["name"] == "foreman"
        ]
    (key,) = make_orders(1, owner=staff["leaver"])
    page = send(staff["first"], by=sign_in(email, PASSWORD)).location
    with unit_of_work() as uow:
        service.update(uow, "user", {helper: {"roles": [role]}})
    run_jobs()
    assert job_of(page).state == "failed"
    assert owners()[key][0] == staff["leaver"]


@pages
def test_only_administrators_hand_over_and_read_the_protocol(
    client, bearer, staff, make_orders, owners, run_jobs, admin_id, unit_of_work, send, job_of
):
    """A manager with all records, a limited token of an administrator, and the successor themselves."""
    make_orders(2, owner=staff["leaver"])
    before, path = owners(), f"/api/v1/users/{staff['leaver']}/hand-over"
    body = {"successors": [staff["first"]]}
    for headers in (
        bearer(staff["first"]),
        bearer(admin_id, ["*.update", "*.read"]),
        bearer(admin_id, ["order.*", "user.*"]),
    ):
        assert client.get(path, headers=headers).status_code == 403
        assert client.post(path, headers=headers, json=body).status_code == 403
        page = f"/admin/people/{staff['leaver']}/hand-over"
        assert client.get(page, headers=headers).status_code == 403
        assert client.post(page, headers=headers, data=body).status_code == 403
    run_jobs()
    assert owners() == before
    page = send(staff["first"]).location
    run_jobs()
    job = job_of(page)
    for headers in (bearer(staff["first"]), bearer(admin_id, ["*.read"])):
        for name in ("report", "workbook"):
            number = job.result[name]
            assert client.get(f"/files/{number}", headers=headers).status_code == 404
            assert client.get(f"/api/v1/files/{number}", headers=headers).status_code == 404
        assert client.get(page, headers=headers).status_code == 403
        undo = client.post(f"/api/v1/hand-overs/{job.id}/undo", headers=headers)
        assert undo.status_code == 403
    assert client.get(f"/files/{job.result['report']}", headers=bearer(admin_id)).status_code == 200


@pages
def test_over_rest(client, bearer, admin_id, staff, make_orders, owners, run_jobs):
    keys, headers = make_orders(3, owner=staff["leaver"]), bearer(admin_id)
    path = f"/api/v1/users/{staff['leaver']}/hand-over"
    items = client.get(path, headers=headers).json["items"]
    assert {"kind": "order.owner", "label": "Orders", "count": 3, "usual": True} in items
    for wrong in (
        {"successors": "all"},
        {"successors": [True]},
        {"successors": [staff["first"]], "on": "soon"},
        {"successors": [staff["first"]], "note": 1},
        {"successors": [staff["first"]], "nonsense": 1},
        {"successors": [10**17]},
    ):
        answer = client.post(path, headers=headers, json=wrong)
        assert answer.status_code == 422, wrong
        assert answer.json["errors"][0]["field"] in ("successors", "on", "note", "nonsense")
    body = {"successors": [staff["first"]], "close": True, "note": "x"}
    answer = client.post(path, headers=headers, json=body)
    assert answer.status_code == 202
    run_jobs()
    job = client.get(f"/api/v1/jobs/{answer.json['job']}", headers=headers).json
    assert job["state"] == "done"
    assert job["result"]["moved"] == {"order.owner": {str(staff["first"]): 3}}
    assert job["result"]["closed"] is True
    report = client.get(f"/api/v1/files/{job['result']['report']}", headers=headers)
    assert report.status_code == 200
    undo = f"/api/v1/hand-overs/{job['id']}/undo"
    assert client.post(undo, headers=headers).status_code == 202
    assert client.post(undo, headers=headers).status_code == 409
    run_jobs()
    assert {owners()[key][0] for key in keys} == {staff["leaver"]}
    assert client.post("/api/v1/hand-overs/99999/undo", headers=headers).status_code == 404


@pages
def test_the_statements_of_a_batch_do_not_grow_with_its_records(
    send, staff, make_orders, run_jobs, runtime, make_person
):
    counted = []

    def note(connection, cursor, statement, *rest):
        counted.append(statement)

    engines = [value for value in vars(runtime.database).values() if hasattr(value, "dialect")]
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    try:
        numbers = []
        for count in (5, 10, 300):  # with the first, what is read once and kept is read
            person = make_person(f"P{count}")
            make_orders(count, owner=person)
            send(staff["first"], staff["second"], person=person)
            counted.clear()
            run_jobs()
            numbers.append(len(counted))
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", note)
    assert abs(numbers[2] - numbers[1]) <= 3, numbers

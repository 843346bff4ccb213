"""S-242: who has a module that is tried out by some, how it is opened to more, and no way around it."""

from __future__ import annotations

import io
import json
import re
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from core.audit.models import AuditEntry
from core.boot import boot
from core.entities import query, service
from core.entities.aggregate import aggregate
from core.entities.labels import resolve_labels
from core.entities.query import ListQuery
from core.errors import Forbidden, Invalid, NotFound, Refusal
from core.files.service import attach, store_upload
from core.notifications.service import latest, notify
from core.notifications.tables import notification_table
from core.ops.install import ensure_department
from core.ops.lifecycle import disable, enable
from core.ops.opening import open_to
from core.plugins.state import read_departments
from core.security.actor import SYSTEM
from core.security.directory import load_actor
from core.testing.installation import PASSWORD
from core.work.tables import job_table
from core.work.uow import Origin, UnitOfWork
from plugins.crm_leads.campaigns import won_by

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture
def status(call):
    """``status(person, path) -> the status of a GET``"""

    def ask(person, path):
        return call(person, "GET", path).status_code

    return ask


@pytest.fixture
def specimens(unit_of_work, team):
    """One of each person's."""
    found = {}
    for person in (team.head, team.inside, team.outside):
        with unit_of_work(person) as uow:
            found[person] = service.create(uow, "specimen", [{"name": f"of {person}"}])[0]
    return found


# Who has it


def test_those_of_the_departments_and_of_all_below_have_it(status, team, admin_id, east, pilot):
    pilot("crm_sales", east)
    people = (team.head, team.inside, team.outside, admin_id)
    assert [status(one, "/records/customer") for one in people] == [200, 200, 404, 200]
    assert [status(one, "/records/lead") for one in people] == [200] * 4


def test_it_is_opened_to_more_and_in_the_end_to_all(status, unit_of_work, team, east, pilot):
    def reached():
        return [status(one, "/records/customer") for one in (team.inside, team.outside)]

    with unit_of_work() as uow:
        other = ensure_department(uow, "华北")
    pilot("crm_sales", east)
    assert reached() == [200, 404]
    pilot("crm_sales", other)
    assert reached() == [404, 200]
    pilot("crm_sales", east, other)
    assert reached() == [200, 200]
    pilot("crm_sales", east)
    assert reached() == [200, 404]
    pilot("crm_sales")
    assert reached() == [200, 200]


def test_who_moves_to_another_department_follows(status, unit_of_work, team, east, pilot):
    pilot("crm_sales", east)
    with unit_of_work() as uow:
        service.update(uow, "user", {team.outside: {"departments": [east]}})
    assert status(team.outside, "/records/customer") == 200
    with unit_of_work() as uow:
        service.update(uow, "user", {team.outside: {"departments": []}})
    assert status(team.outside, "/records/customer") == 404


def test_other_processes_follow(runtime, unit_of_work, team, east, pilot):
    other = boot(runtime.config)

    def sees():
        with UnitOfWork(other, SYSTEM, origin=Origin("test"), write=False) as uow:
            actor = load_actor(uow, team.outside)
        with UnitOfWork(other, actor, origin=Origin("test"), write=False) as uow:
            return "customer" in uow.entities and "crm_sales" in uow.open_plugins

    assert sees()
    pilot("crm_sales", east)
    assert not sees()
    pilot("crm_sales")
    assert sees()
    other.database.dispose()


def test_switched_off_and_on_it_is_open_to_nobody_else(status, unit_of_work, team, east, pilot):
    pilot("crm_sales", east)
    with unit_of_work() as uow:
        disable(uow, "crm_sales")
        enable(uow, "crm_sales")
    assert [status(one, "/records/customer") for one in (team.inside, team.outside)] == [200, 404]


def test_what_needs_it_is_closed_with_it_and_no_other(
    status, unit_of_work, team, specimens, east, pilot
):
    pilot("dummy_plugin", east)
    with unit_of_work(team.outside, write=False) as uow:
        assert uow.actor.closed == {"dummy_plugin", "dummy_extension"}
        assert uow.open_plugins == {"activities", "crm_leads", "crm_sales"}
    pilot("dummy_plugin")
    pilot("dummy_extension", east)
    with unit_of_work(team.outside, write=False) as uow:
        assert uow.actor.closed == {"dummy_extension"}
    assert status(team.outside, "/records/specimen") == 200


# What it adds to others


def test_fields_that_it_adds_are_as_if_it_were_off(
    call, unit_of_work, team, specimens, east, pilot
):
    key = specimens[team.outside]
    with unit_of_work() as uow:
        service.update(uow, "specimen", {key: {"rating": "A"}})
    pilot("dummy_extension", east)

    def asked(person, mine):
        found = [
            call(person, "GET", f"/records/specimen/{mine}").json,
            call(person, "GET", "/records/specimen?sort=rating").status_code,
            call(person, "GET", "/search?q=A&entity=specimen").json,
            call(person, "GET", "/api/openapi.json").json,
            call(person, "PATCH", f"/records/specimen/{mine}", {"rating": "B"}).get_data(True),
            call(person, "POST", "/records/specimen", {"name": "x", "rating": "B"}).status_code,
        ]
        return found

    closed = asked(team.outside, key)
    assert "rating" not in closed[0]
    mine = call(team.inside, "GET", f"/records/specimen/{specimens[team.inside]}").json
    assert "rating" in mine, "positive control"
    with unit_of_work() as uow:
        disable(uow, "dummy_extension")
    off = asked(team.outside, key)
    assert [closed[0], *closed[1:4], closed[5]] == [off[0], *off[1:4], off[5]]
    with unit_of_work() as uow:
        enable(uow, "dummy_extension")
        assert query.get(uow, "specimen", key).values["rating"] == "A", "nothing was written"


def test_the_verb_that_it_puts_in_place_of_anothers_is_the_others_again(
    call, unit_of_work, team, world, east, pilot
):
    pilot("crm_sales", east)
    path = f"/records/lead/{world.fresh}/actions/convert"
    refused = call(team.outside, "POST", path, {"customer": world.customer})
    assert refused.status_code == 422, "the parameter is of the module"
    assert call(team.outside, "POST", path, {}).status_code == 200
    with unit_of_work() as uow:
        assert query.get(uow, "lead", world.fresh).values["status"] == "converted"
        assert query.count(uow, "customer", ListQuery()) == 2, "no customer was made"


# No way around it


def test_the_doors_of_the_kernel_are_shut(unit_of_work, team, world, east, pilot):
    pilot("crm_sales", east)
    below = ListQuery(filter={"field": "lead.company", "op": "eq", "value": "x"})
    with unit_of_work(team.outside) as uow:
        for refused in (
            lambda: uow.entity("customer"),
            lambda: query.page(uow, "customer", ListQuery()),
            lambda: query.page(uow, "opportunity", below),
            lambda: service.create(uow, "customer", [{"name": "x", "source": "展会"}]),
            lambda: service.update(uow, "customer", {world.customer: {"name": "x"}}),
            lambda: service.delete(uow, "customer", [world.other]),
            lambda: service.act(uow, "opportunity", "win", [world.opportunity]),
            lambda: aggregate(uow, "opportunity", (), (), ListQuery()),
        ):
            with pytest.raises(NotFound):
                refused()
        assert won_by(uow, below.filter) is None, "another module does without"
        assert not uow.actor.has_permission("crm_sales.see_funnel")
        spec = uow.snapshot.entities["customer"]
        assert not uow.actor.access(spec).may("read")
        assert uow.actor.access(spec).visible == ()
        with uow.elevated():
            assert query.count(uow, "customer", ListQuery()) == 2, "rules of the business see all"
    with unit_of_work(team.inside, write=False) as uow:
        assert won_by(uow, below.filter).deals == 0
        assert uow.actor.has_permission("crm_sales.see_funnel")


def test_writing_is_answered_as_with_the_module_off(
    app, call, unit_of_work, team, world, east, pilot
):
    """Every route that writes and takes an entity or is the module's own."""
    pilot("crm_sales", east)
    paths = []
    for rule in app.url_map.iter_rules():
        own = rule.endpoint.startswith("crm_sales.")
        if own or "<entity>" in rule.rule and "admin" not in rule.endpoint:
            path = rule.rule.replace("<entity>", "customer").replace("<action>", "win")
            path = re.sub("<[^>]*>", str(world.customer), path)
            paths += [(m, path) for m in sorted(rule.methods - {"GET", "HEAD", "OPTIONS"})]
    assert len(paths) > 30

    def answers():
        browser, headers = app.test_client(), call.headers(team.outside)
        return {
            (method, path): browser.open(path, method=method, headers=headers, json={}).status_code
            for method, path in paths
        }

    closed = answers()
    with unit_of_work() as uow:
        disable(uow, "crm_sales")
    assert closed == answers()
    assert all(300 <= found < 500 for found in closed.values())


def test_what_the_company_made_of_it_goes_with_it(
    call, unit_of_work, team, admin_id, world, east, pilot
):
    """Lines of its records, and a field of another entity that refers to them."""

    def made(path, **body):
        answer = call(admin_id, "POST", f"/schema/entities{path}", body)
        assert answer.status_code == 201, answer.text

    text = {"name": "x_what", "kind": "text", "label": "What"}
    names = {"label": {"en": "Visit"}, "label_plural": {"en": "Visits"}}
    made("", name="x_visit", parent="customer", fields=[text], **names)
    made("/lead/fields", name="x_for", kind="reference", entity="customer", label="For")
    with unit_of_work() as uow:
        lines = next(each.name for each in uow.entity("customer") if "x_visit" in each.name)
        service.update(uow, "customer", {world.customer: {lines: [{"x_what": "谈价格"}]}})
        service.update(uow, "lead", {world.fresh: {"x_for": world.customer}})

    def asked():
        lead = call(team.outside, "GET", f"/records/lead/{world.fresh}").json
        paths = (
            "/schema",
            "/records/x_visit",
            "/records/x_visit/1",
            "/records/lead?sort=x_for",
            "/records/lead/aggregate?group=x_for&measure=count",
            "/search?q=谈价格",
        )
        answers = [call(team.outside, "GET", path) for path in paths]
        filters = [{"field": f"x_for{rest}", "op": "eq", "value": "x"} for rest in ("", ".name")]
        answers += [
            call(team.outside, "GET", "/records/lead", query_string={"filter": json.dumps(one)})
            for one in filters
        ]
        sent = {"x_for": world.other}
        answers.append(call(team.outside, "PATCH", f"/records/lead/{world.fresh}", sent))
        told = [re.sub('"request_id":"[^"]*"', "", one.text) for one in answers]
        return lead["x_for"], [one.status_code for one in answers], told

    before = asked()
    pilot("crm_sales", east)
    closed = asked()
    with unit_of_work() as uow:
        disable(uow, "crm_sales")
    assert closed == asked() != before
    assert "鼎源" in str(before[0])
    assert "鼎源" not in str(closed)


def test_neither_a_share_nor_a_deputy_opens_it(
    status, runtime, unit_of_work, team, world, east, pilot
):
    pilot("crm_sales", east)
    assert status(team.outside, f"/records/customer/{world.other}") == 404, "shared for writing"
    today = runtime.clock.today()
    period = {"starts_on": today, "ends_on": today + timedelta(days=3)}
    with unit_of_work() as uow:
        pair = [(team.inside, team.outside), (team.outside, team.inside)]
        service.create(uow, "absence", [{"user": a, "deputy": b, **period} for a, b in pair])
        own = service.create(
            uow, "customer", [{"name": "只归外面", "source": "展会", "owner": team.outside}]
        )[0]
    assert status(team.outside, f"/records/customer/{world.other}") == 404
    # Who stands in for somebody has no more by it than that person.
    assert status(team.inside, f"/records/customer/{own}") == 404
    assert status(team.inside, f"/records/lead/{world.fresh}") == 200, "a deputy otherwise"
    pilot("crm_sales")
    assert status(team.inside, f"/records/customer/{own}") == 200, "positive control"


def test_tokens_and_who_signs_in_as_another(client, sign_in, bearer, team, admin_id, east, pilot):
    limited = bearer(team.outside, ["customer.read", "*.read"])
    path = "/api/v1/records/customer"
    assert client.get(path, headers=limited).status_code == 200
    pilot("crm_sales", east)
    assert client.get(path, headers=limited).status_code == 404
    assert client.get(path, headers=bearer(admin_id, ["customer.read"])).status_code == 200
    browser = sign_in()
    assert browser.get("/r/customer").status_code == 200
    for person, found in ((team.outside, 404), (team.inside, 200)):
        browser = sign_in()
        data = {"reason": "help", "csrf_token": browser.csrf}
        sent = browser.post(f"/admin/people/{person}/sign-in-as", data=data)
        assert sent.status_code == 303
        assert browser.get("/r/customer").status_code == found


def test_nobody_has_it_before_signing_in(behaving, client, unit_of_work, team, east, pilot):
    assert client.get("/dummy_plugin/open").status_code == 200
    with behaving(authenticate=lambda request: team.outside):
        assert client.get("/api/v1/me").json["id"] == team.outside
        pilot("dummy_plugin", east)
        assert client.get("/api/v1/me").status_code == 401
    with behaving(authenticate=lambda request: team.inside):
        assert client.get("/api/v1/me").json["id"] == team.inside
    assert client.get("/dummy_plugin/open").status_code == 404


def test_what_waits_or_was_made_before_it_was_closed(
    client, call, unit_of_work, run_jobs, team, world, east, pilot
):
    def send(person):
        table = {
            "entity": "customer",
            "file": (io.BytesIO("Name,Source\n济南一机,展会\n".encode()), "a.csv"),
        }
        return client.post("/api/v1/imports", data=table, headers=call.headers(person))

    queued = send(team.outside)
    assert queued.status_code == 202, queued.text
    assert call(team.outside, "GET", "/exports/customer.csv").status_code == 200
    pilot("crm_sales", east)
    run_jobs()
    with unit_of_work() as uow:
        assert query.count(uow, "customer", ListQuery()) == 2, "nothing came in"
    assert call(team.outside, "GET", "/exports/customer.csv").status_code == 404
    assert send(team.outside).status_code == 404
    assert send(team.inside).status_code == 202, "positive control"


# What goes on


def test_rules_hold_for_the_changes_of_all(behaving, unit_of_work, run_jobs, team, east, pilot):
    pilot("dummy_plugin", east)
    told = []

    def note(hook):
        def run(changes, uow):
            if changes[0].entity.name == "lead":
                told.append((hook, uow.entity("specimen").name))

        return run

    def refuse(changes, uow):
        raise Invalid("Not that.")

    hooks = ("validate_changes", "before_changes", "after_changes")
    with behaving(**{hook: note(hook) for hook in hooks}), unit_of_work(team.outside) as uow:
        service.create(uow, "lead", [{"company": "青岛三机械", "source": "展会"}])
        with pytest.raises(NotFound):
            uow.entity("specimen")
    assert told == [(hook, "specimen") for hook in hooks]
    with (
        behaving(validate_changes=refuse),
        unit_of_work(team.outside) as uow,
        pytest.raises(Invalid),
    ):
        service.create(uow, "lead", [{"company": "青岛四机械", "source": "展会"}])


def test_no_rule_of_the_kernel_is_looser_for_it(call, unit_of_work, team, world, east, pilot):
    """A file, a person's own customer and a department's content, while plugins validate with all open."""
    with unit_of_work(team.outside) as uow:
        file = store_upload(uow, io.BytesIO(b"the offer"), "offer.txt")
    with unit_of_work(team.outside) as uow:
        attach(uow, file, "customer", world.customer)
    path = f"/files/{file}"
    assert call(team.outside, "GET", path).status_code == 200
    pilot("crm_sales", east)
    assert call(team.outside, "GET", path).status_code == 404
    about = {"related_entity": "customer", "related_id": world.customer}
    lead = {"company": "青岛五机械", "source": "展会"}
    for entity, body in (
        ("task", {"title": "x", **about}),
        ("follow_up", {"body": "x", **about}),
        ("specimen", {"name": "x", "attachment": file}),
        ("opportunity", {"name": "x", "customer": world.customer}),
    ):
        assert call(team.outside, "POST", f"/records/{entity}", body).status_code in (404, 422), (
            body
        )
    assert call(team.outside, "POST", "/records/lead", lead).status_code == 201, "positive control"
    with unit_of_work(team.outside, write=False) as uow:
        known = resolve_labels(uow, {"customer": {world.customer}, "lead": {world.fresh}})
        assert list(known) == ["lead"]


def test_subscribers_and_jobs_go_on(behaving, unit_of_work, run_jobs, team, east, pilot):
    pilot("dummy_plugin", east)
    told = []

    def recount(context, **_arguments):
        with context.unit_of_work() as uow:
            told.append((uow.actor.user_id, uow.entity("specimen").name))

    with behaving(recount=recount, created=lambda event, uow: told.append(event.entity)):
        with unit_of_work(team.outside) as uow:
            uow.enqueue("dummy_plugin.recount", {})
            with uow.elevated():
                service.create(uow, "specimen", [{"name": "by a rule"}])
        run_jobs()
        with unit_of_work(write=False) as uow:
            states = uow.execute(
                select(job_table.c.state).where(job_table.c.owner == "dummy_plugin")
            )
            assert set(states.scalars()) == {"done"}
    assert sorted(told, key=str) == sorted([(team.outside, "specimen"), "specimen"], key=str)


def test_questions_are_asked_of_it_for_those_who_have_it(behaving, sign_in, team, east, pilot):
    pilot("dummy_plugin", east)
    asked = []

    def note(hook):
        return lambda actor, **_rest: asked.append((hook, actor.user_id))

    hooks = ("adjust_form", "adjust_list", "record_actions", "check_permission", "scope_query")
    with behaving(**{hook: note(hook) for hook in hooks}):
        for number in (3, 2):
            browser = sign_in(f"person{number}@example.com", PASSWORD)
            for path in ("/r/lead", "/r/lead/new", "/"):
                page = browser.get(path)
                assert page.status_code == 200
                assert ("a card of the dummy" in page.text) == (number == 2 and path == "/")
                assert ("/dummy_plugin/board" in page.text) == (number == 2)
    assert {who for _hook, who in asked} == {team.inside}
    assert {hook for hook, _who in asked} == set(hooks)


def test_nobody_is_told_of_what_they_do_not_have(unit_of_work, team, admin_id, world, east, pilot):
    people = [team.head, team.inside, team.outside, admin_id]

    def told():
        with unit_of_work() as uow:
            notify(uow, "dummy_plugin.weighed", people)
            notify(uow, "core.shared", people, entity="customer", record_ids=[world.customer])
            count = select(notification_table.c.user_id, func.count()).group_by("user_id")
            return {person: number for person, number in uow.execute(count)}

    before = told()
    pilot("crm_sales", east)
    pilot("dummy_plugin", east)
    with unit_of_work(team.outside, write=False) as uow:
        shown = latest(uow, 10)
        assert {each.kind for each in shown} == {"core.shared"}
        assert {(each.record_id, "鼎源" in each.text) for each in shown} == {(None, False)}
    after = told()
    assert after[team.outside] == before[team.outside]
    assert all(after[one] == before[one] + 2 for one in (team.head, team.inside, admin_id))


# Opening it


def test_it_is_chosen_on_a_page(sign_in, unit_of_work, status, team, east):
    browser = sign_in()
    path = "/admin/apps/crm_sales/open"
    page = browser.get(path)
    assert page.status_code == 200
    assert "销售部 / 华东组" in page.text

    def send(**values):
        return browser.post(path, data={"csrf_token": browser.csrf, **values})

    refused = send(who="departments")
    assert refused.status_code == 422
    assert send(who="departments", departments=["9999"]).status_code == 422
    assert send(who="nobody").status_code == 422
    with unit_of_work(write=False) as uow:
        assert read_departments(uow.connection) == {}
    assert send(who="departments", departments=[str(east)]).status_code == 302
    assert status(team.outside, "/records/customer") == 404
    assert "销售部" in browser.get("/admin/apps").text
    assert send(who="everybody", departments=[str(east)]).status_code == 302
    assert status(team.outside, "/records/customer") == 200
    assert browser.get("/admin/apps/nothing/open").status_code == 404
    with unit_of_work(write=False) as uow:
        table = AuditEntry.__table__.c
        acts = uow.execute(select(table.changes).where(table.action == "open_plugin")).scalars()
        assert [act["departments"][1] for act in acts] == [[east], None]


def test_it_is_chosen_over_rest(call, team, admin_id, east):
    path = "/plugins/crm_sales/open"
    for body in (
        {},
        {"departments": []},
        {"departments": ["1"]},
        {"departments": [True]},
        {"departments": [10**18 - 1]},
        {"departments": [-1]},
        {"departments": east},
        {"departments": None, "more": 1},
    ):
        assert call(admin_id, "POST", path, body).status_code == 422, body
    assert call(team.inside, "POST", path, {"departments": None}).status_code == 403
    made = call(admin_id, "POST", path, {"departments": [east, east]})
    assert (made.status_code, made.json["departments"]) == (200, [east])
    listed = call(admin_id, "GET", "/plugins").json["items"]
    assert {each["name"]: each["departments"] for each in listed}["crm_sales"] == [east]
    assert call(admin_id, "POST", "/plugins/nothing/open", {"departments": None}).status_code == 404
    document = call(admin_id, "GET", "/api/openapi.json").json
    assert "/api/v1/plugins/{name}/open" in document["paths"]


def test_only_administrators_choose(unit_of_work, team, east):
    with unit_of_work(team.inside) as uow, pytest.raises(Forbidden):
        open_to(uow, "crm_sales", [east])


def test_a_department_in_the_bin_is_none(unit_of_work, admin_id, runtime):
    with unit_of_work() as uow:
        gone = ensure_department(uow, "旧部门")
        service.delete(uow, "department", [gone])
    with unit_of_work(admin_id) as uow, pytest.raises(Refusal):
        open_to(uow, "crm_sales", [gone])


def test_why_somebody_does_not_see_a_record(call, team, admin_id, world, east, pilot):
    pilot("crm_sales", east)
    path = f"/explain?entity=customer&id={world.customer}&action=read"
    told = call(admin_id, "GET", f"{path}&person={team.outside}").json
    assert (told["allowed"], "other departments" in str(told)) == (False, True)
    assert call(admin_id, "GET", f"{path}&person={team.inside}").json["allowed"] is True

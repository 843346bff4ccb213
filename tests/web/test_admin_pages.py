"""The administrators' pages: who may open them, and people, departments, settings and audit."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from sqlalchemy import select

from core.entities import service
from core.entities.query import get
from core.ops.install import create_user
from core.security.models import session_table
from core.security.tokens import create_token

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

PASSWORD = "a calm roof of brackets"
PAGES = (
    "/admin/apps",
    "/admin/people",
    "/admin/people/new",
    "/admin/people/suggest?q=a",
    "/admin/departments",
    "/admin/departments/new",
    "/admin/roles",
    "/admin/roles/new",
    "/admin/settings",
    "/admin/settings/core_security",
    "/admin/settings/appearance",
    "/admin/audit",
    "/admin/jobs",
    "/admin/fields",
    "/admin/fields/user",
)


@pytest.fixture
def admin(sign_in):
    return sign_in()


@pytest.fixture
def person(make_person):
    """A viewer who can sign in, in a department."""
    return make_person("王芳", department="销售部/华东组", password=PASSWORD)


def send(browser, url, **data):
    """What the page's form would send."""
    return browser.post(url, data={"csrf_token": browser.csrf, **data})


def text(answer):
    return unescape(answer.get_data(as_text=True))


def error_beside(answer, field):
    """The message shown at a field, by its id."""
    found = re.search(rf'id="error-{field}">(?:<svg.*?</svg>)?(.*?)</p>', text(answer), re.S)
    return found[1].strip() if found else None


def person_form(**changes):
    form = {"name": "王芳", "email": "person1@example.com", "locale": "zh_CN", "is_active": "1"}
    return {**form, **changes}


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_for_administrators(admin, sign_in, client, person, page):
    """S-219: administrators see the page, others are refused, strangers are asked to sign in."""
    assert admin.get(page).status_code == 200
    assert sign_in("person1@example.com", PASSWORD).get(page).status_code == 403
    stranger = client.get(page)
    assert stranger.status_code == 302
    assert "/sign-in" in stranger.location


def test_writes_are_for_administrators(sign_in, person):
    browser = sign_in("person1@example.com", PASSWORD)
    for page in ("/admin/people/new", "/admin/roles/new", "/admin/settings/core"):
        assert send(browser, page, name="x").status_code == 403


# People


def test_a_person_is_added_with_a_password_and_can_sign_in(admin, sign_in):
    data = person_form(email="neu@example.com", password=PASSWORD, roles=["2"])
    answer = send(admin, "/admin/people/new", **data)
    assert answer.status_code == 302
    page = text(admin.get(answer.location))
    assert 'name="roles" value="2" checked' in page
    assert sign_in("neu@example.com", PASSWORD).get("/jobs").status_code == 200


def test_a_weak_first_password_adds_nobody(admin):
    data = person_form(email="neu@example.com", password="short")
    answer = send(admin, "/admin/people/new", **data)
    assert answer.status_code == 422
    assert "10" in (error_beside(answer, "password") or "")
    assert "neu@example.com" not in text(admin.get("/admin/people"))


def test_the_form_shows_what_is_wrong_beside_the_field_and_keeps_what_was_typed(admin, person):
    answer = send(admin, f"/admin/people/{person}", **person_form(email="no address", title="经理"))
    assert answer.status_code == 422
    assert error_beside(answer, "email")
    assert 'value="no address"' in text(answer)
    assert 'value="经理"' in text(answer)


def test_the_last_administrator_cannot_be_switched_off(admin, admin_id, unit_of_work):
    """The rule's message stands at the roles, and nothing has changed."""
    answer = send(admin, f"/admin/people/{admin_id}", **person_form(email="admin@example.com"))
    assert answer.status_code == 422
    assert error_beside(answer, "roles")
    with unit_of_work() as uow:
        assert get(uow, "user", admin_id).values["roles"] == [1]


def test_absences_are_lines_of_the_form(admin, person, unit_of_work):
    lines = {
        "absence_id": ["", ""],
        "absence_starts_on": ["2026-12-01", ""],
        "absence_ends_on": ["2026-12-05", ""],
        "absence_reason": ["年假", ""],
    }
    send(admin, f"/admin/people/{person}", **person_form(**lines))
    with unit_of_work() as uow:
        (line,) = get(uow, "user", person).values["absences"]
    assert line["reason"] == "年假"
    lines |= {"absence_id": [str(line["id"]), ""], "absence_ends_on": ["2026-11-01", ""]}
    answer = send(admin, f"/admin/people/{person}", **person_form(**lines))
    assert answer.status_code == 422
    assert 'id="field-absences.0.ends_on" value="2026-11-01" aria-invalid' in text(answer)


def test_a_stale_form_is_not_saved_over_newer_values(admin, person, unit_of_work):
    with unit_of_work() as uow:
        service.update(uow, "user", {person: {"title": "经理"}})
    answer = send(admin, f"/admin/people/{person}", **person_form(version="1", title="助理"))
    assert answer.status_code == 409
    assert 'value="助理"' in text(answer)
    with unit_of_work() as uow:
        assert get(uow, "user", person).values["title"] == "经理"


def test_the_list_filters_by_words_state_and_department(admin, person, make_person, unit_of_work):
    other = make_person("李伟", department="财务部")
    with unit_of_work() as uow:
        service.update(uow, "user", {other: {"is_active": False}})
        table = uow.entity("department").table
        sales = select(table.c.id, table.c.name).order_by(table.c.id)
        top = uow.execute(sales).first().id
    assert "李伟" not in text(admin.get("/admin/people"))
    inactive = text(admin.get("/admin/people?state=inactive"))
    assert f"/admin/people/{other}" in inactive
    assert f"/admin/people/{person}" not in inactive
    below = text(admin.get(f"/admin/people?department={top}&state=all"))
    assert f"/admin/people/{person}" in below
    assert f"/admin/people/{other}" not in below
    assert f"/admin/people/{other}" not in text(admin.get("/admin/people?search=王&state=all"))


def test_setting_a_password_ends_sessions_and_shows_what_is_weak(admin, sign_in, person):
    browser = sign_in("person1@example.com", PASSWORD)
    weak = send(admin, f"/admin/people/{person}/password", password="aaaaaaaaaaaa")
    assert weak.status_code == 422
    assert error_beside(weak, "password")
    assert browser.get("/jobs").status_code == 200
    good = send(admin, f"/admin/people/{person}/password", password="nine quiet tiles of clay")
    assert good.status_code == 302
    assert browser.get("/jobs").status_code == 302
    assert sign_in("person1@example.com", "nine quiet tiles of clay")


def test_all_sessions_of_a_person_end(admin, sign_in, person, unit_of_work):
    browser = sign_in("person1@example.com", PASSWORD)
    page = text(admin.get(f"/admin/people/{person}"))
    ends = re.findall(r'href="(/admin/people/\d+/(?:sign-out|sessions/\d+/end))"', page)
    assert len(ends) == 2
    for asked in ends:
        assert f'action="{asked}"' not in page
        assert f'action="{asked}"' in text(admin.get(asked)), "it is asked first"
    assert browser.get("/jobs").status_code == 200
    assert send(admin, f"/admin/people/{person}/sign-out").status_code == 302
    assert browser.get("/jobs").status_code == 302
    with unit_of_work() as uow:
        table = session_table
        open_ = uow.execute(
            table.select().where(table.c.user_id == person, table.c.revoked_at.is_(None))
        ).first()
    assert open_ is None
    assert admin.get("/admin/people").status_code == 200


def test_a_token_is_listed_and_revoked(admin, client, person, unit_of_work):
    with unit_of_work() as uow:
        token = create_token(uow, person, title="ERP 同步", scopes=["user.read"])
    headers = {"Authorization": f"Bearer {token.text}"}
    assert client.get("/jobs", headers=headers).status_code == 200
    page = text(admin.get(f"/admin/people/{person}"))
    assert "ERP 同步" in page
    assert "user.read" in page
    asked = f"/admin/people/{person}/tokens/{token.id}/revoke"
    assert "ERP 同步" in text(admin.get(asked))
    assert send(admin, asked).status_code == 302
    assert client.get("/jobs", headers=headers).status_code == 302
    assert asked not in text(admin.get(f"/admin/people/{person}"))


def test_a_token_is_revoked_through_its_own_person_alone(admin, admin_id, person, unit_of_work):
    with unit_of_work() as uow:
        token = create_token(uow, person, title="ERP")
    asked = f"/admin/people/{admin_id}/tokens/{token.id}/revoke"
    assert send(admin, asked).status_code == 404


# Departments


def test_departments_are_made_moved_and_given_a_head(admin, person, unit_of_work):
    send(admin, "/admin/departments/new", name="法务部", parent="", head="", head__label="")
    with unit_of_work() as uow:
        table = uow.entity("department").table
        ids = {row.name: row.id for row in uow.execute(select(table.c.id, table.c.name))}
    # Without scripts the head is found by the name that was typed.
    answer = send(
        admin,
        f"/admin/departments/{ids['法务部']}",
        name="法务组",
        parent=str(ids["销售部"]),
        head="",
        head__label="王芳",
    )
    assert answer.status_code == 302
    with unit_of_work() as uow:
        saved = get(uow, "department", ids["法务部"]).values
    assert (saved["name"], saved["parent"], saved["head"]) == ("法务组", ids["销售部"], person)
    assert saved["path"] == f"/{ids['销售部']}/{ids['法务部']}/"


def test_a_name_typed_over_the_chosen_head_counts(admin, person, make_person, unit_of_work):
    """A browser without scripts still sends the number of the one before."""
    other = make_person("李伟")
    send(admin, "/admin/departments/new", name="法务部", head=str(person), head__label="李伟")
    with unit_of_work() as uow:
        table = uow.entity("department").table
        head = uow.execute(select(table.c.head_id).where(table.c.name == "法务部")).scalar_one()
    assert head == other


def test_an_unknown_head_is_marked(admin, person):
    answer = send(admin, "/admin/departments/new", name="法务部", head="", head__label="谁")
    assert answer.status_code == 422
    assert error_beside(answer, "head")


def test_a_department_that_is_in_use_is_not_removed(admin, person, unit_of_work):
    with unit_of_work() as uow:
        home = get(uow, "user", person).values["department"]
    answer = send(admin, f"/admin/departments/{home}/delete")
    assert "(1)" in text(admin.get(answer.location))
    with unit_of_work() as uow:
        assert get(uow, "department", home).values["id"] == home
        service.update(uow, "user", {person: {"department": None}})
    send(admin, f"/admin/departments/{home}/delete")
    assert f"/admin/departments/{home}" not in text(admin.get("/admin/departments"))


# Settings


def test_settings_are_saved_and_hold_at_once(admin):
    data = {"company_name": "飞檐公司", "currency": "CNY", "locale": "zh_CN"}
    assert send(admin, "/admin/settings/core", **data).status_code == 302
    assert "飞檐公司" in text(admin.get("/admin/settings"))


def test_wrong_settings_are_marked_and_nothing_is_kept(admin):
    data = {"session_idle_minutes": "1", "session_days": "many", "token_days": "30"}
    answer = send(admin, "/admin/settings/core_security", **data)
    assert answer.status_code == 422
    assert error_beside(answer, "session_idle_minutes")
    assert error_beside(answer, "session_days")
    assert error_beside(answer, "token_days") is None
    assert 'value="365"' in text(admin.get("/admin/settings/core_security"))


def test_unknown_groups_are_not_found(admin):
    assert admin.get("/admin/settings/nothing").status_code == 404


# Audit


def entries(admin, query=""):
    return len(re.findall(r"<li>\s*<time", text(admin.get(f"/admin/audit?{query}"))))


def test_the_trail_filters_by_person_entity_record_action_and_period(
    admin, admin_id, person, unit_of_work, runtime
):
    """S-223: what somebody did with one record can be found."""
    send(admin, f"/admin/people/{person}", **person_form(title="经理"))
    about = f"entity=user&record={person}&action=update"
    assert entries(admin, about) == 1
    assert entries(admin, f"{about}&actor__label=admin@example.com") == 1
    assert entries(admin, f"{about}&actor={admin_id}") == 1
    assert entries(admin, f"{about}&actor={person}") == 0
    today = runtime.clock.today()
    assert entries(admin, f"{about}&since={today}&until={today}") == 1
    assert entries(admin, f"{about}&until={today - timedelta(days=1)}") == 0
    page = text(admin.get(f"/admin/audit?{about}"))
    assert "<ins>经理</ins>" in page
    assert f'href="/admin/people/{person}"' in page


def test_filters_that_cannot_be_used_are_marked(admin):
    answer = admin.get("/admin/audit?record=seven&since=yesterday&actor__label=谁")
    assert answer.status_code == 200
    for field in ("record", "since", "actor"):
        assert error_beside(answer, field)


def test_the_trail_goes_on_page_by_page(admin, unit_of_work):
    with unit_of_work() as uow:
        names = [{"name": f"部门{i}"} for i in range(60)]
        service.create(uow, "department", names)
    first = admin.get("/admin/audit?entity=department")
    following = unescape(
        re.search(r'href="([^"]+)"[^>]* rel="next"', first.get_data(as_text=True))[1]
    )
    assert entries(admin, "entity=department") == 50
    assert entries(admin, following.partition("?")[2]) == 10


def test_nobody_edits_the_trail(admin):
    assert send(admin, "/admin/audit").status_code == 405


# Fields


def test_a_field_is_added_and_is_at_once_on_the_form(admin, person, unit_of_work):
    """S-043: a field of the company's own, without code."""
    data = {
        "kind": "choice",
        "name": "x_grade",
        "label_zh_CN": "级别",
        "label_en": "Grade",
        "choices": "A\r\nB\r\n",
    }
    assert send(admin, "/admin/fields/user", **data).status_code == 302
    assert "级别" in text(admin.get("/admin/fields/user"))
    send(admin, f"/admin/people/{person}", **person_form(x_grade="B"))
    with unit_of_work() as uow:
        assert get(uow, "user", person).values["x_grade"] == "B"


def test_what_is_wrong_with_a_new_field_is_marked(admin):
    data = {"kind": "choice", "name": "grade", "label_zh_CN": "级别", "choices": ""}
    answer = send(admin, "/admin/fields/user", **data)
    assert answer.status_code == 422
    assert error_beside(answer, "name")
    assert error_beside(answer, "choices")
    assert 'value="级别"' in text(answer)


def test_entities_that_take_no_fields_have_no_form(admin):
    assert 'id="new-field"' not in text(admin.get("/admin/fields/role"))
    assert 'id="new-field"' in text(admin.get("/admin/fields/department"))


def test_the_use_of_the_suite_counts_days_and_warns(
    browser, sign_in_as, people, unit_of_work, make_orders
):
    """S-239, S-251: by person, heads included; a word when few are there."""
    for _twice in range(2):
        with unit_of_work(people["foreman"]) as uow:
            service.create(uow, "order", [{"title": "Written by the head"}])
    html = browser.get("/admin/usage").get_data(as_text=True)
    row = re.search(r"<tr[^>]*>(?:(?!</tr>).)*李工长.*?</tr>", html, re.S)[0]
    assert re.findall(r'cell-number"[^>]*>([\d,]+)<', row) == ["1", "2"]
    assert "67%" in html  # the administrator and the head of three
    with unit_of_work() as uow:
        for n in range(8):
            create_user(uow, f"idle{n}@example.com", name=f"Idle {n}", password=None)
    html = browser.get("/admin/usage").get_data(as_text=True)
    assert "notice-warn" in html
    assert "18%" in html
    assert sign_in_as("worker").get("/admin/usage").status_code == 403

"""Roles as a matrix: what was saved is what the form shows, and what people may do."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from core.entities import service
from core.entities.query import ListQuery, get, page
from core.security.actor import FieldAccess
from core.security.directory import load_actor

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

TESTS = Path(__file__).parent.parent
CONDITION = {"condition": {"field": "state", "op": "eq", "value": "new"}}


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("dummy_plugin",)


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return (TESTS,)


@pytest.fixture
def admin(sign_in):
    return sign_in()


class Form(HTMLParser):
    """What a browser would send from a page without touching it."""

    def __init__(self, page):
        super().__init__()
        self.sent, self.select, self.area = {}, None, None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "select":
            self.select = given.get("name")
        elif (
            tag == "option"
            and self.select
            and ("selected" in given or self.select not in self.sent)
        ):
            self.sent[self.select] = given["value"]
        elif tag == "textarea":
            self.area = given.get("name")
            self.sent[self.area] = ""
        elif tag == "input" and given.get("name"):
            if given.get("type") != "checkbox":
                self.sent[given["name"]] = given.get("value", "")
            elif "checked" in given:
                self.sent.setdefault(given["name"], []).append(given.get("value", "on"))

    def handle_endtag(self, tag):
        self.select = None if tag == "select" else self.select
        self.area = None if tag == "textarea" else self.area

    def handle_data(self, data):
        if self.area:
            self.sent[self.area] += data


def form_of(browser, url):
    answer = browser.get(url)
    assert answer.status_code == 200
    sent = Form(answer.get_data(as_text=True)).sent
    return {
        name: value
        for name, value in sent.items()
        if name.startswith(("scope:", "field:", "condition:"))
        or name in ("title", "version", "permissions", "csrf_token")
    }


def role(unit_of_work, name):
    with unit_of_work(write=False) as uow:
        found = page(uow, "role", ListQuery(filter={"field": "name", "op": "eq", "value": name}))
        return get(uow, "role", found.items[0]["id"]).values


@pytest.fixture
def keeper(unit_of_work):
    return role(unit_of_work, "keeper")


def test_saving_the_untouched_form_changes_nothing(admin, unit_of_work):
    """Roles as delivered, with rows for all entities and with rows of their own."""
    for name in ("keeper", "viewer"):
        before = role(unit_of_work, name)
        url = f"/admin/roles/{before['id']}/edit"
        assert admin.post(url, data=form_of(admin, url)).status_code == 302
        after = role(unit_of_work, name)
        for part in ("grants", "field_rules", "permissions"):
            assert after[part] == before[part], (name, part)


def test_several_named_scopes_are_words_and_stay(admin, keeper, unit_of_work):
    """S-219: as the roles of modules have them; nobody need read JSON for that."""
    with unit_of_work() as uow:
        grants = {"specimen": {"read": ["own", "department"]}}
        service.update(uow, "role", {keeper["id"]: {"grants": grants}})
    url = f"/admin/roles/{keeper['id']}/edit"
    form = form_of(admin, url)
    assert form["scope:specimen.read"] == "own+department"
    assert "condition:specimen.read" not in form
    assert admin.post(url, data=form).status_code == 302
    assert role(unit_of_work, "keeper")["grants"] == grants


def test_what_was_saved_is_what_the_form_shows_and_what_people_may_do(
    admin, keeper, make_person, unit_of_work
):
    """S-219, S-220: scopes by action and access by field."""
    person = make_person("王芳", roles=["keeper"])
    url = f"/admin/roles/{keeper['id']}/edit"
    form = form_of(admin, url) | {
        "scope:specimen.read": "department_below",
        "scope:specimen.update": "none",
        "scope:specimen.export": "all",
        "scope:specimen.keep": "all",
        "field:specimen.price": "hidden",
        "field:specimen.phone": "write",
        "field:specimen_part.amount": "read",
    }
    form.pop("permissions", None)
    assert admin.post(url, data=form).status_code == 302
    shown = form_of(admin, f"{url}?more=specimen")
    for name in ("read", "update", "export", "keep"):
        assert shown[f"scope:specimen.{name}"] == form[f"scope:specimen.{name}"]
    assert shown["field:specimen.price"] == "hidden"
    assert "permissions" not in shown
    with unit_of_work(write=False) as uow:
        actor, spec = load_actor(uow, person), uow.entity("specimen")
        access, lines = actor.access(spec), actor.access(uow.entity("specimen_part"))
    assert access.scopes["read"] == ("department_below",)
    assert not access.may("update")
    assert access.is_unlimited("export")
    assert access.is_unlimited("keep")
    assert access.field("price") == FieldAccess.HIDDEN
    assert access.field("phone") == FieldAccess.WRITE
    assert access.field("email") == FieldAccess.HIDDEN
    assert lines.field("amount") == FieldAccess.READ
    assert not actor.has_permission("dummy_plugin.see_board")


def test_a_condition_from_the_api_stays_and_can_be_changed(admin, keeper, unit_of_work):
    grants = {"specimen": {"read": CONDITION, "create": ["own", CONDITION]}}
    with unit_of_work() as uow:
        service.update(uow, "role", {keeper["id"]: {"grants": grants}})
    url = f"/admin/roles/{keeper['id']}/edit"
    form = form_of(admin, url)
    assert form["scope:specimen.read"] == "condition"
    assert admin.post(url, data=form).status_code == 302
    assert role(unit_of_work, "keeper")["grants"] == grants
    form = form_of(admin, url)
    form["condition:specimen.read"] = '{"field": "state", "op": "eq", "value": "kept"}'
    admin.post(url, data=form)
    saved = role(unit_of_work, "keeper")["grants"]["specimen"]["read"]
    assert saved["condition"]["value"] == "kept"


@pytest.mark.parametrize("wrong", ["{not json", '{"field": "gone", "op": "eq", "value": 1}'])
def test_a_wrong_condition_is_marked_at_its_cell(admin, keeper, unit_of_work, wrong):
    with unit_of_work() as uow:
        new = {"grants": {"specimen": {"read": CONDITION}}}
        service.update(uow, "role", {keeper["id"]: new})
    url = f"/admin/roles/{keeper['id']}/edit"
    answer = admin.post(url, data=form_of(admin, url) | {"condition:specimen.read": wrong})
    assert answer.status_code == 422
    shown = unescape(answer.get_data(as_text=True))
    place = shown.index('name="condition:specimen.read"')
    assert wrong in shown[place : place + 400]
    assert 'class="error"' in shown[place : place + 700]
    assert role(unit_of_work, "keeper")["grants"]["specimen"]["read"] == CONDITION


def test_one_cell_of_an_entity_that_followed_the_first_row(admin, unit_of_work, make_person):
    """The other cells keep what they had from the row for everything."""
    person = make_person("王芳", roles=["viewer"])
    viewer = role(unit_of_work, "viewer")
    url = f"/admin/roles/{viewer['id']}/edit"
    form = form_of(admin, url)
    assert form["scope:specimen.read"] == "inherit"
    admin.post(url, data=form | {"scope:specimen.create": "own"})
    with unit_of_work(write=False) as uow:
        access = load_actor(uow, person).access(uow.entity("specimen"))
    assert access.scopes["read"] == ("all",)
    assert access.scopes["create"] == ("own",)
    assert not access.may("delete")


def test_a_row_is_opened_when_it_is_asked_for(admin, keeper, unit_of_work):
    """Q1: verbs and fields come with the row that is opened, and are saved as they were shown."""
    with unit_of_work() as uow:
        rules = {"specimen": {"phone": "masked"}}
        grants = {"specimen": {"read": "all", "keep": "own"}}
        service.update(uow, "role", {keeper["id"]: {"grants": grants, "field_rules": rules}})
    url = f"/admin/roles/{keeper['id']}/edit"
    closed = form_of(admin, url)
    assert not any(name.startswith(("field:", "scope:specimen.keep")) for name in closed)
    part = form_of(admin, f"{url}/specimen")
    assert part["field:specimen.phone"] == "masked"
    assert part["scope:specimen.keep"] == "own"
    assert admin.get(f"{url}/specimen_part").status_code == 404
    assert (
        admin.post(url, data=closed | part | {"field:specimen.phone": "hidden"}).status_code == 302
    )
    saved = role(unit_of_work, "keeper")
    assert saved["field_rules"]["specimen"]["phone"] == "hidden"
    assert saved["grants"] == grants


def test_a_row_that_was_not_opened_keeps_its_verbs(admin, keeper, unit_of_work):
    """Also when all that is shown of it goes back to following the row for everything."""
    with unit_of_work() as uow:
        grants = {"*": {"read": "all"}, "specimen": {"read": "own", "keep": "own"}}
        service.update(uow, "role", {keeper["id"]: {"grants": grants}})
    url = f"/admin/roles/{keeper['id']}/edit"
    form = form_of(admin, url)
    shown = [name for name in form if name.startswith("scope:specimen.")]
    admin.post(url, data=form | dict.fromkeys(shown, "inherit"))
    saved = role(unit_of_work, "keeper")["grants"]["specimen"]
    assert saved == {"read": "all", "keep": "own"}
    form = form_of(admin, f"{url}?more=specimen")
    shown = [name for name in form if name.startswith("scope:specimen.")]
    assert "scope:specimen.keep" in shown
    admin.post(url, data=form | dict.fromkeys(shown, "inherit"))
    assert "specimen" not in role(unit_of_work, "keeper")["grants"]


def test_what_the_form_does_not_show_is_kept(admin, keeper, unit_of_work):
    with unit_of_work() as uow:
        rules = {"specimen": {"phone": "masked"}, "elsewhere": {"secret": "hidden"}}
        new = {
            "grants": {"elsewhere": {"read": "all"}},
            "field_rules": rules,
            "permissions": ["x.y"],
        }
        service.update(uow, "role", {keeper["id"]: new})
    url = f"/admin/roles/{keeper['id']}/edit"
    admin.post(url, data=form_of(admin, url) | {"scope:specimen.read": "own"})
    saved = role(unit_of_work, "keeper")
    assert saved["grants"]["elsewhere"] == {"read": "all"}
    assert saved["grants"]["specimen"]["read"] == "own"
    assert saved["field_rules"] == rules
    assert "x.y" in saved["permissions"]


def test_a_change_made_meanwhile_is_not_overwritten(admin, keeper, unit_of_work):
    url = f"/admin/roles/{keeper['id']}/edit"
    form = form_of(admin, url)
    with unit_of_work() as uow:
        service.update(uow, "role", {keeper["id"]: {"title": "保管"}})
    answer = admin.post(url, data=form | {"title": "管家"})
    assert answer.status_code == 409
    assert role(unit_of_work, "keeper")["title"] == "保管"


def test_the_role_in_words_and_its_people(admin, keeper, make_person):
    make_person("王芳", roles=["keeper"])
    make_person("李伟", roles=["viewer"])
    shown = unescape(admin.get(f"/admin/roles/{keeper['id']}").get_data(as_text=True))
    words = shown[shown.index('class="words"') :]
    specimens = re.search(r"<li>(.*?)</li>", words, re.S)[1]
    assert "Specimens" in specimens
    assert "Keep" in specimens
    assert "Phone" in specimens
    assert "王芳" in shown
    assert "李伟" not in shown


def test_a_role_is_made_copied_and_removed(admin, keeper, unit_of_work):
    token = {"csrf_token": admin.csrf}
    wrong = admin.post("/admin/roles/new", data=token | {"title": "助理", "name": "Sales Team"})
    assert wrong.status_code == 422
    assert 'id="error-name"' in wrong.get_data(as_text=True)
    made = admin.post("/admin/roles/new", data=token | {"title": "助理", "name": "assistant"})
    assert made.status_code == 302
    for _time in range(2):  # the code is free each time
        copied = admin.post(f"/admin/roles/{keeper['id']}/copy", data=token)
        assert copied.status_code == 302
    copy = role(unit_of_work, "keeper_copy2")
    assert copy["grants"] == keeper["grants"]
    assert admin.get(f"/admin/roles/{copy['id']}/delete").status_code == 200
    admin.post(f"/admin/roles/{copy['id']}/delete", data=token)
    assert "keeper_copy2" not in admin.get("/admin/roles").get_data(as_text=True)


def test_the_administrators_role_stays(admin, unit_of_work):
    found = role(unit_of_work, "admin")
    answer = admin.post(f"/admin/roles/{found['id']}/delete", data={"csrf_token": admin.csrf})
    assert answer.status_code == 302
    assert role(unit_of_work, "admin")["id"] == found["id"]
    assert "scope:" not in admin.get(f"/admin/roles/{found['id']}/edit").get_data(as_text=True)

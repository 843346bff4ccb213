"""The administrators' pages of the structure, as a browser uses them."""

from __future__ import annotations

import json

import pytest

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

NEW = {
    "name": "x_vehicle",
    "label_zh_CN": "车辆",
    "label_en": "Vehicle",
    "plural_zh_CN": "全部车辆",
    "icon": "package",
    "field_zh_CN": "车牌",
    "owned": "1",
}


@pytest.fixture
def browser(sign_in):
    found = sign_in()

    def post(path, data=None, status=302):
        answer = found.post(path, data={**(data or {}), "csrf_token": found.csrf})
        assert answer.status_code == status, answer.get_data(as_text=True)[-2000:]
        return answer

    def get(path, status=200):
        answer = found.get(path)
        assert answer.status_code == status
        return answer.get_data(as_text=True)

    found.send, found.page = post, get
    return found


def test_an_entity_is_made_changed_retired_and_restored(browser, api):
    assert 'name="field_zh_CN"' in browser.page("/admin/entities/new")
    browser.send("/admin/entities/new", {**NEW, "name": "vehicle"}, 422)
    browser.send("/admin/entities/new", {**NEW, "label_zh_CN": "", "label_en": ""}, 422)
    browser.send("/admin/entities/new", NEW)
    assert (api.schema("x_vehicle")["label"], api.schema("x_vehicle")["owned"]) == ("Vehicle", True)
    page = browser.page("/admin/entities/x_vehicle")
    assert 'value="全部车辆"' in page
    changed = {**NEW, "label_en": "Car", "plural_en": "Cars", "label_field": "x_name"}
    browser.send("/admin/entities/x_vehicle", {**changed, "list_columns": ["x_name", "owner"]})
    assert api.schema("x_vehicle")["list_columns"] == ["x_name", "owner"]
    browser.send("/admin/entities/x_vehicle", {**changed, "icon": "<x>"}, 422)
    browser.page("/admin/entities/note", 404)
    assert "全部车辆" in browser.page("/admin/entities/x_vehicle/retire")
    browser.send("/admin/entities/x_vehicle/retire")
    assert api.schema("x_vehicle") is None
    assert "x_vehicle" in browser.page("/admin/fields")
    browser.send("/admin/entities/x_vehicle/restore")
    assert api.schema("x_vehicle")["label"] == "Car"


def test_a_field_is_changed_retired_and_restored(browser, api):
    options = [{"value": "A", "label": {"en": "Best"}, "tone": "good"}, "B"]
    body = {"name": "x_grade", "kind": "choice", "label": "Grade", "choices": options}
    api.post("/schema/entities/note/fields", body)
    place = "/admin/fields/note/x_grade"
    assert "A\nB" in browser.page(place)
    browser.send(place, {"label_zh_CN": "等级", "label_en": "Class", "choices": ""}, 422)
    browser.send(place, {"label_zh_CN": "等级", "label_en": "Class", "choices": "A\nC"})
    (field,) = [f for f in api.schema("note")["fields"] if f["name"] == "x_grade"]
    assert field["label"] == "Class"
    assert [each["label"] for each in field["choices"]] == ["Best", "C", "B"]
    assert "B" in browser.page(place)
    browser.page("/admin/fields/note/title", 404)
    browser.page(f"{place}/retire")
    browser.send(f"{place}/retire")
    assert f"{place}/restore" in browser.page("/admin/fields/note")
    browser.send(f"{place}/restore")
    assert "x_grade" in json.dumps(api.schema("note"))


def test_what_is_still_used_is_named_before_anything_is_asked(browser, vehicles):
    page = browser.page("/admin/fields/x_vehicle/x_seats/retire")
    assert "Twice" in page
    assert 'action="/admin/fields/x_vehicle/x_seats/retire"' not in page
    browser.send("/admin/fields/x_vehicle/x_seats/retire", status=409)


def test_only_administrators_see_them(vehicles, make_person, sign_in):
    """API5: pages and posts alike."""
    make_person("文员", roles=("clerk", "writer"), password="a calm roof of brackets")
    browser = sign_in("person1@example.com", "a calm roof of brackets")
    for path in (
        *("/admin/entities/new", "/admin/entities/x_vehicle", "/admin/entities/x_vehicle/retire"),
        *("/admin/fields/x_vehicle/x_seats", "/admin/fields/x_vehicle/x_seats/retire"),
    ):
        assert browser.get(path).status_code == 403, path
        sent = browser.post(path, data={**NEW, "csrf_token": browser.csrf})
        assert sent.status_code == 403, path
    for path in ("/admin/entities/x_vehicle/restore", "/admin/fields/x_vehicle/x_seats/restore"):
        assert browser.post(path, data={"csrf_token": browser.csrf}).status_code == 403

"""Visits checked in where they are, with pictures: through the form, the verb, and not otherwise (S-247)."""

from __future__ import annotations

import io
import json
import re
import zipfile
from datetime import timedelta
from decimal import Decimal
from html import unescape

import pytest

from core.entities import query, service
from core.privacy.erasing import erase_person
from core.privacy.exporting import write_person
from core.privacy.finding import find_person

#: The long tier asks PostgreSQL as well: what is told does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
HERE = {"latitude": "36.7069", "longitude": "-119.1618004", "accuracy": "15"}
PLACE = ("checked_in_at", "latitude", "longitude", "accuracy")


@pytest.fixture
def lead(make_lead, team):
    return make_lead(team.fu, company="潍坊恒源食品有限公司")


@pytest.fixture
def form(unit_of_work, lead):
    """``form(**changed)``: what the short form of a visit sends, checked in two minutes ago."""

    def make(minutes=-2, **changed):
        with unit_of_work(write=False) as uow:
            now = uow.now()
        return {
            **{"about": f"lead:{lead}", "kind": "visit", "content": "看了现场，量了立柱间距"},
            "opened_at": (now - timedelta(minutes=10)).isoformat(),
            "checked_in_at": (now + timedelta(minutes=minutes)).isoformat(),
            **HERE,
            **changed,
        }

    return make


def post(browser, path="/activities/follow-up", **data):
    return browser.post(path, data={"csrf_token": browser.csrf, **data})


def test_a_visit_is_checked_in_with_its_pictures(browser_of, team, form, find, lead, client):
    """The moment is that of the check-in, the place exact; pictures are seen by who reads the visit."""
    browser = browser_of(team.fu)
    sent = form(back="record")
    pictures = [(io.BytesIO(PNG), "门头.png"), (io.BytesIO(PNG), "设备.png")]
    answer = post(browser, **sent, photos=pictures)
    assert answer.status_code == 303, answer.get_data(as_text=True)
    (row,) = find("follow_up")
    assert row["checked_in_at"].isoformat() == sent["checked_in_at"]
    assert (row["latitude"], row["longitude"]) == (Decimal("36.706900"), Decimal("-119.161800"))
    assert row["accuracy"] == 15
    html = unescape(browser.get(f"/r/lead/{lead}").get_data(as_text=True))
    assert re.search(r"\d\d:\d\d 签到，误差 ±15 米", html)
    assert 'href="geo:36.706900,-119.161800;u=15"' in html
    (shown,) = re.findall(r'(?s)<div class="timeline-pictures">(.*?)</div>', html)
    addresses = re.findall(r'<img src="([^"]+)"', shown)
    assert len(addresses) == 2
    own = unescape(browser.get(f"/r/follow_up/{row['id']}").get_data(as_text=True))
    assert "签到，误差 ±15 米" in own
    assert "geo:36.706900,-119.161800" in own
    assert browser.get(addresses[0]).data == PNG
    assert browser_of(team.ning).get(addresses[0]).status_code == 404, "who may not read the lead"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"latitude": "90.5"}, "地球"),
        ({"longitude": "-180.1"}, "地球"),
        ({"latitude": ""}, "不完整"),
        ({"accuracy": "-3"}, "不完整"),
        ({"longitude": "NaN"}, "不完整"),
        ({"checked_in_at": "2026-01-01T09:00:00"}, "不完整"),
        ({"minutes": 30}, "不能晚于"),
        ({"minutes": -60}, "早于本表单"),
        ({"minutes": -60 * 24 * 8, "opened_at": "2001-01-01T00:00:00+00:00"}, "太久"),
    ],
)
def test_what_cannot_be_is_told_at_its_place_and_nothing_is_lost(
    browser_of, team, form, find, changed, code
):
    """Ranges, all or none, not ahead of time, not before the form: the pictures are kept meanwhile."""
    browser = browser_of(team.fu)
    answer = post(browser, **form(**changed), photos=[(io.BytesIO(PNG), "门头.png")])
    html = unescape(answer.get_data(as_text=True))
    assert answer.status_code == 422
    assert re.search(rf'id="error-place">[^<]*{code}', html), html
    assert "看了现场" in html
    assert find("follow_up") == []
    (kept,) = re.findall(r'name="photos__kept" value="(\d+)" checked', html)
    assert post(browser, **form(), photos__kept=kept).status_code == 303
    (row,) = find("follow_up")
    (file,) = find("file", record_id=row["id"])
    assert (file["entity"], file["name"]) == ("follow_up", "门头.png")


def test_a_picture_is_ones_own_and_a_picture(browser_of, team, form, find):
    """Somebody else's upload is none to be taken along; what is no picture is refused."""
    first, second = browser_of(team.fu), browser_of(team.yan)
    refused = post(first, **form(latitude="91"), photos=[(io.BytesIO(PNG), "门头.png")])
    (kept,) = re.findall(r'photos__kept" value="(\d+)"', refused.get_data(as_text=True))
    assert post(second, **form(about=""), photos__kept=kept).status_code == 404
    page = post(first, **form(), photos=[(io.BytesIO(b"MZ not a picture"), "x.png")])
    assert page.status_code == 422
    assert find("follow_up") == []


def test_of_other_kinds_nothing_is_noted(browser_of, team, form, find):
    assert post(browser_of(team.fu), **form(kind="call")).status_code == 303
    (row,) = find("follow_up")
    assert [row[name] for name in PLACE] == [None] * 4


@pytest.mark.parametrize("name", PLACE)
def test_no_field_of_it_is_written_over_rest(client, bearer, team, lead, write, name, read):
    """Neither in a new visit nor in one that is there."""
    headers, value = bearer(team.fu), {"checked_in_at": "2026-05-31T02:32:00Z"}.get(name, 15)
    about = {"related_entity": "lead", "related_id": lead}
    new = {"kind": "visit", "content": "看了现场，量了立柱间距", **about, name: value}
    answer = client.post("/api/v1/records/follow_up", json=new, headers=headers)
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "readonly")
    key = write(team.fu, lead, kind="visit")
    body = {name: value, "version": read("follow_up", key)["version"]}
    changed = client.patch(f"/api/v1/records/follow_up/{key}", json=body, headers=headers)
    assert (changed.status_code, changed.json["errors"][0]["field"]) == (422, name)


def test_the_verb_is_for_who_was_there_and_once(client, bearer, team, lead, write, read):
    """Not for others of the department, not for their manager, not twice, not for a call."""
    visit, call = write(team.fu, lead, kind="visit"), write(team.fu, lead)

    def check_in(person, key, **changed):
        path = f"/api/v1/records/follow_up/{key}/actions/check_in"
        return client.post(path, json={**HERE, **changed}, headers=bearer(person)).status_code

    assert check_in(team.yan, visit) in (403, 404)
    assert check_in(team.manager, visit) in (403, 404)
    assert check_in(team.viewer, visit) in (403, 404)
    assert check_in(team.fu, call) == 409
    assert check_in(team.fu, visit, latitude="91") == 422
    assert check_in(team.fu, visit, checked_in_at="2999-01-01T00:00:00Z") == 422
    assert read("follow_up", visit)["checked_in_at"] is None
    assert check_in(team.fu, visit, longitude="119.1618") == 200
    assert read("follow_up", visit)["longitude"] == Decimal("119.161800")
    assert check_in(team.fu, visit) == 409


def test_without_the_right_the_form_neither_offers_nor_takes_it(
    browser_of, make_person, form, find, unit_of_work, lead
):
    with unit_of_work() as uow:
        grants = {"follow_up": {"read": "all", "create": "own"}, "lead": {"read": "all"}}
        service.create(uow, "role", [{"name": "clerk", "title": "文员", "grants": grants}])
    browser = browser_of(make_person("姜文", roles=("clerk",)))
    html = browser.get(f"/activities/follow-up?about=lead:{lead}").get_data(as_text=True)
    assert "data-check-in" not in html
    assert 'name="photos"' not in html
    assert post(browser, **form()).status_code == 403
    assert find("follow_up") == []


def test_a_visit_that_is_written_already_has_a_page_for_it(
    browser_of, team, lead, write, form, read
):
    browser, key = browser_of(team.fu), write(team.fu, lead, kind="visit")
    html = browser.get(f"/activities/check-in?entity=follow_up&ids={key}").get_data(as_text=True)
    assert "data-check-in" in html
    path = f"/activities/check-in/{key}"
    assert post(browser, path, **form(longitude="")).status_code == 422
    assert post(browser, path, **form()).status_code == 303
    assert read("follow_up", key)["accuracy"] == 15
    assert post(browser, path, **form()).status_code == 409
    assert browser_of(team.ning).get(f"/activities/check-in?ids={key}").status_code == 404


def test_whoever_may_not_see_the_place_is_not_told_it(browser_of, team, form, unit_of_work, lead):
    """Rights of fields: the coordinates are hidden from the role, the moment is not."""
    post(browser_of(team.fu), **form())
    with unit_of_work() as uow:
        named = {"field": "name", "op": "eq", "value": "sales_manager"}
        (role,) = query.page(uow, "role", query.ListQuery(filter=named)).items
        hidden = dict.fromkeys(("latitude", "longitude", "accuracy"), "hidden")
        rules = {**(role["field_rules"] or {}), "follow_up": hidden}
        service.update(uow, "role", {role["id"]: {"field_rules": rules}})
    html = unescape(browser_of(team.manager).get(f"/r/lead/{lead}").get_data(as_text=True))
    assert re.search(r"\d\d:\d\d 签到", html)
    assert "geo:" not in html
    assert "±15" not in html


def test_statistics_count_what_was_checked_in_beside_the_visits(
    browser_of, team, form, write, lead
):
    browser = browser_of(team.fu)
    post(browser, **form())
    write(team.fu, lead, kind="visit")
    html = unescape(browser.get("/activities/statistics").get_data(as_text=True))
    columns = [text.strip() for text in re.findall(r"<th[^>]*>(?:\s*<[^>]+>)*([^<]*)", html)]
    place = columns.index("拜访")
    assert columns[place + 1] == "已签到"
    (line,) = re.findall(r"(?s)<tbody.*?</tbody>", html)
    numbers = re.findall(r">(\d+)</", line)
    assert numbers[:3] == ["0", "2", "1"], line
    (address,) = [unescape(a) for a in re.findall(r'href="(/r/follow_up[^"]*is_set[^"]*)"', line)]
    assert browser.get(address).get_data(as_text=True).count('class="record-link"') == 1


def test_an_erased_person_leaves_no_place_behind(
    browser_of, team, form, unit_of_work, find, admin_id
):
    """It goes out with what is personal of a follow-up, and goes with it; the trail included."""
    post(browser_of(team.fu), **form())
    (before,) = find("follow_up")
    with unit_of_work(admin_id) as uow:
        person = find_person(uow, "follow_up", before["id"])
        out = io.BytesIO()
        write_person(uow, person, out)
    with zipfile.ZipFile(out) as archive:
        assert "36.7069" in archive.read("data.json").decode()
    with unit_of_work(admin_id) as uow:
        erase_person(uow, find_person(uow, "follow_up", before["id"]))
    (row,) = find("follow_up")
    assert [row[name] for name in PLACE] == [None] * 4
    entries = [each["changes"] for each in find("audit_entry", record_id=row["id"])]
    assert "36.7069" not in str(entries)
    assert "119.1618" not in str(entries)


def test_where_somebody_was_goes_with_their_account(
    browser_of, team, form, unit_of_work, find, admin_id, write, lead
):
    """V2, V3: who made visits is told where they were, and it goes with them; the visit stays."""
    post(browser_of(team.fu), **form())
    other = write(team.yan)
    with unit_of_work(admin_id) as uow:
        person = find_person(uow, "user", team.fu)
        assert person.counts()["places"] == 1
        out = io.BytesIO()
        write_person(uow, person, out)
    with zipfile.ZipFile(out) as archive:
        told = json.loads(archive.read("data.json"))
    (place,) = told["places"]
    assert (place["entity"], place["values"]["latitude"]) == ("follow_up", "36.706900")
    sign_in = next(each for each in told["account"] if each["kind"] == "session")
    assert {"address", "agent", "created_at"} <= set(sign_in["values"])
    with unit_of_work(admin_id) as uow:
        erase_person(uow, find_person(uow, "user", team.fu))
    row, second = find("follow_up")
    assert [row[name] for name in PLACE] == [None] * 4
    assert (row["content"], second["id"]) == ("看了现场，量了立柱间距", other)
    entries = [each["changes"] for each in find("audit_entry", record_id=row["id"])]
    assert "36.7069" not in str(entries)
    assert "看了现场" in str(entries)
    with unit_of_work(admin_id, write=False) as uow:
        assert find_person(uow, "user", team.fu).counts()["places"] == 0


def test_the_browser_is_let_ask_for_its_place_by_our_own_pages_alone(client):
    policy = client.get("/sign-in").headers["Permissions-Policy"]
    assert "geolocation=(self)" in policy.split(", ")
    assert "camera=(self)" in policy.split(", ")

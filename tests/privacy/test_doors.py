"""The page, REST and the commands for one person's data: what they do, and for whom."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from core.audit.sealing import seal_pending
from core.cli import privacy as commands
from core.entities import query, service
from core.errors import Forbidden
from core.privacy.erasing import erase_person
from core.privacy.finding import find_person
from core.privacy.tables import erasure_table
from core.testing.installation import PASSWORD

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

MOBILE = "13911112222"


@pytest.fixture
def specimen(unit_of_work, admin_id):
    with unit_of_work(admin_id) as uow:
        (key,) = service.create(uow, "specimen", [{"name": "甲", "phone": MOBILE}])
    return key


def _phone(unit_of_work, admin_id, key):
    with unit_of_work(admin_id, write=False) as uow:
        return query.get(uow, "specimen", key).values["phone"]


def test_the_page_finds_exports_and_erases(specimen, sign_in, unit_of_work, admin_id):
    """V2 and V3 through the administrator's pages; the rehearsal tells what goes."""
    browser = sign_in()
    place = f"/admin/privacy/specimen/{specimen}"
    page = browser.get(f"/admin/privacy?entity=specimen&record=%23{specimen}")
    assert page.status_code == 200
    assert f"{place}/erase" in page.get_data(as_text=True)
    form = {"csrf_token": browser.csrf}
    archive = browser.post(f"{place}/export", data=form)
    assert zipfile.ZipFile(io.BytesIO(archive.data)).namelist()[:2] == ["data.json", "data.xlsx"]
    assert browser.get(f"{place}/erase").status_code == 200
    refused = browser.post(f"{place}/erase", data={**form, "records": "7"})
    assert refused.status_code == 409
    assert _phone(unit_of_work, admin_id, specimen) == MOBILE
    done = browser.post(f"{place}/erase", data={**form, "records": "1"}, follow_redirects=True)
    assert done.status_code == 200
    assert _phone(unit_of_work, admin_id, specimen) is None


@pytest.mark.parametrize("record", ["x", "99999999", ""])
def test_what_cannot_be_found_is_said(specimen, sign_in, record):
    page = sign_in().get(f"/admin/privacy?entity=specimen&record={record}")
    assert page.status_code == 200
    assert "/erase" not in page.get_data(as_text=True)


def test_rest_counts_exports_and_erases(specimen, client, bearer, admin_id, unit_of_work):
    """The same for programs; an erasure names how many records it expects."""
    headers, place = bearer(admin_id), f"/api/v1/privacy/specimen/{specimen}"
    counted = client.get(place, headers=headers)
    assert counted.json["records"] == 1
    archive = client.post(f"{place}/export", headers=headers)
    told = json.loads(zipfile.ZipFile(io.BytesIO(archive.data)).read("data.json"))
    assert told["records"][0]["values"]["phone"] == MOBILE
    wrong = client.post(f"{place}/erase", headers=headers, json={"records": 2})
    assert wrong.status_code == 409
    assert client.post(f"{place}/erase", headers=headers, json={"records": 1}).status_code == 200
    assert _phone(unit_of_work, admin_id, specimen) is None
    assert client.get("/api/v1/privacy/department/1", headers=headers).status_code == 422


def test_nobody_else_gets_in(specimen, client, sign_in, make_person, bearer, runtime, admin_id):
    """Every door, tried by who may read the records, by nobody, and by a narrowed token."""
    viewer = make_person("阅者", roles=("viewer",), password=PASSWORD)
    browser, form = sign_in("person1@example.com"), {"records": "1"}
    narrow = bearer(admin_id, ["specimen.read"])
    for place in (f"/admin/privacy/specimen/{specimen}", f"/api/v1/privacy/specimen/{specimen}"):
        for headers in (bearer(viewer), narrow, {}):
            for end in ("export", "erase"):
                answer = client.post(f"{place}/{end}", headers=headers, json={"records": 1})
                assert answer.status_code in (302, 400, 401, 403), (place, end, headers)
    form["csrf_token"] = browser.csrf
    place = f"/admin/privacy/specimen/{specimen}"
    assert browser.get(f"/admin/privacy?entity=specimen&record={specimen}").status_code == 403
    assert browser.get(f"{place}/erase").status_code == 403
    assert browser.post(f"{place}/erase", data=form).status_code == 403
    assert browser.post(f"{place}/export", data=form).status_code == 403
    with runtime.read_connection() as connection:
        assert connection.execute(select(erasure_table)).all() == []


@pytest.fixture
def command(runtime, monkeypatch):
    """Commands over this runtime."""
    from contextlib import contextmanager

    @contextmanager
    def opened(**_options):
        yield runtime

    monkeypatch.setattr(commands, "open_runtime", opened)
    return lambda *words: CliRunner().invoke(
        commands.privacy, list(map(str, words)), catch_exceptions=False
    )


def test_commands_export_rehearse_and_erase(specimen, command, tmp_path, unit_of_work, admin_id):
    """``dougong privacy``: nothing is erased without --yes."""
    about = ("--entity", "specimen", "--id", specimen, "--json")
    out = tmp_path / "person.zip"
    assert command("export", *about, "--out", out).exit_code == 0
    assert "data.json" in zipfile.ZipFile(out).namelist()
    rehearsed = json.loads(command("erase", *about).output)
    assert (rehearsed["erased"], rehearsed["records"]) == (False, 1)
    assert _phone(unit_of_work, admin_id, specimen) == MOBILE
    assert json.loads(command("erase", *about, "--yes").output)["erased"] is True
    assert _phone(unit_of_work, admin_id, specimen) is None
    assert json.loads(command("replay", "--json").output) == {"replayed": 0}


def test_the_audit_page_filters_by_way_and_exports(specimen, sign_in, runtime):
    """Period, person, entity, record, action and way; the exporter takes the same filters."""
    browser = sign_in()
    with_entry = browser.get("/admin/audit?channel=test&entity=specimen").get_data(as_text=True)
    without = browser.get("/admin/audit?channel=api&entity=specimen").get_data(as_text=True)
    assert ('class="trail"' in with_entry, 'class="trail"' in without) == (True, False)
    condition = {"all": [{"field": "channel", "op": "eq", "value": "test"}]}
    form = {
        **{"csrf_token": browser.csrf, "format": "csv", "columns": "all"},
        **{"filter": json.dumps(condition)},
    }
    exported = browser.post("/r/audit_entry/export", data=form)
    assert exported.status_code == 200
    assert MOBILE in exported.get_data(as_text=True)


def test_rest_filters_the_trail(specimen, client, bearer, admin_id):
    """By period, person, entity, record, action and way."""
    headers = bearer(admin_id)
    conditions = [
        {"field": "channel", "op": "eq", "value": "test"},
        {"field": "entity", "op": "eq", "value": "specimen"},
        {"field": "record_id", "op": "eq", "value": specimen},
        {"field": "action", "op": "eq", "value": "create"},
        {"field": "actor", "op": "eq", "value": admin_id},
        {"field": "at", "op": "ge", "value": "2020-01-01"},
    ]
    where = {"filter": json.dumps({"all": conditions})}
    found = client.get("/api/v1/records/audit_entry", headers=headers, query_string=where)
    assert [row["record_id"] for row in found.json["items"]] == [specimen]
    conditions[0]["value"] = "api"
    where = {"filter": json.dumps({"all": conditions})}
    found = client.get("/api/v1/records/audit_entry", headers=headers, query_string=where)
    assert found.json["items"] == []


def test_commands_verify_the_trail(specimen, runtime, monkeypatch):
    """``dougong audit``: status 0 when it holds, 1 and the place when it does not."""
    from contextlib import contextmanager

    from core.cli import audit
    from core.db.base import metadata

    @contextmanager
    def opened(**_options):
        yield runtime

    monkeypatch.setattr(audit, "open_runtime", opened)
    run = CliRunner().invoke
    assert "0" not in run(audit.audit, ["seal"]).output.split()[0]
    seal_pending(runtime)
    fine = run(audit.audit, ["verify", "--json", "--since", "2020-01-01"])
    assert (fine.exit_code, json.loads(fine.output)["holds"]) == (0, True)
    entries = metadata.tables["core_audit_entry"]
    with runtime.database.connect(write=True) as connection, connection.begin():
        mine = entries.c.entity == "specimen"
        connection.execute(entries.update().where(mine).values(channel="api"))
    broken = run(audit.audit, ["verify"])
    assert broken.exit_code == 1
    assert "edited" in broken.output
    restored = run(audit.audit, ["restored", "--reason", "磁带"])
    assert restored.exit_code == 0
    assert "磁带" in run(audit.audit, ["verify"]).output


def test_the_store_asks_for_the_right_itself(unit_of_work, make_person, admin_id):
    """Whatever page or plugin calls them: what was found does not open the erasing to somebody else."""
    stranger = make_person()
    with unit_of_work(admin_id, write=False) as uow:
        person = find_person(uow, "user", stranger)
    with unit_of_work(stranger) as uow:
        with pytest.raises(Forbidden):
            find_person(uow, "user", stranger)
        with pytest.raises(Forbidden):
            erase_person(uow, person)

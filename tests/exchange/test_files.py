"""Stored files: theirs who may read the record and the field, at that moment (Z8, Z9)."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest

from core.entities import query, service
from core.entities.query import ListQuery
from core.errors import Forbidden, Invalid, NotFound, TooLarge
from core.exchange.exporting import ExportRequest
from core.exchange.jobs import start_export
from core.files.service import attach, open_file, store_upload

#: The long tier asks PostgreSQL as well.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


def upload(unit_of_work, person, content=b"hello", name="paper.txt", **more):
    with unit_of_work(person) as uow:
        return store_upload(uow, io.BytesIO(content), name, **more)


def can_read(unit_of_work, person, file_id):
    with unit_of_work(person, write=False) as uow:
        try:
            _row, stream = open_file(uow, file_id)
        except NotFound:
            return False
        stream.close()
        return True


def test_an_upload_is_its_maker_s_alone(unit_of_work, make_person, admin_id):
    """Z9: by id, and through the entity's list."""
    own, other = make_person(roles=["own"]), make_person(roles=["own"])
    file_id = upload(unit_of_work, own)
    assert can_read(unit_of_work, own, file_id)
    assert not can_read(unit_of_work, other, file_id)
    assert not can_read(unit_of_work, admin_id, file_id)
    with unit_of_work(other, write=False) as uow:
        assert query.page(uow, "file", ListQuery()).items == []


def test_the_content_decides_the_type_and_the_limit_holds(unit_of_work, admin_id):
    file_id = upload(unit_of_work, admin_id, PNG, "x.html")
    with unit_of_work(admin_id, write=False) as uow:
        row, stream = open_file(uow, file_id)
        with stream:
            assert stream.read() == PNG
        assert (row.media_type, row.size) == ("image/png", len(PNG))
        assert row.name == "x.html"
    with pytest.raises(TooLarge):
        upload(unit_of_work, admin_id, b"x" * 11, max_bytes=10)


def test_the_record_and_its_field_decide(unit_of_work, make_person):
    """A file of a hidden field is not read by its id; nor after the field has another value."""
    maker, reader = make_person(roles=["typist"]), make_person(roles=["masked"])
    file_id = upload(unit_of_work, maker)
    with unit_of_work(maker) as uow:
        (thing,) = service.create(uow, "thing", [{"name": "a", "paper": file_id}])
    assert can_read(unit_of_work, maker, file_id)
    assert not can_read(unit_of_work, reader, file_id)
    second = upload(unit_of_work, maker)
    with unit_of_work(maker) as uow:
        service.update(uow, "thing", {thing: {"paper": second}})
    assert not can_read(unit_of_work, reader, file_id)
    with unit_of_work(maker) as uow:
        service.update(uow, "thing", {thing: {"paper": file_id}})


def test_foreign_and_used_files_are_refused(unit_of_work, make_person):
    """Z9, CVE-2026-75505: no file is read by linking it to a record of one's own."""
    maker, other = make_person(roles=["own"]), make_person(roles=["own"])
    foreign, used, free = (upload(unit_of_work, maker) for _n in range(3))
    with unit_of_work(maker) as uow:
        (thing,) = service.create(uow, "thing", [{"name": "a", "paper": used}])
    with pytest.raises(Invalid), unit_of_work(other) as uow:
        service.create(uow, "thing", [{"name": "b", "paper": foreign}])
    for values in ([{"name": "c", "paper": used}], [{"name": n, "paper": free} for n in "de"]):
        with pytest.raises(Invalid), unit_of_work(maker) as uow:
            service.create(uow, "thing", values)
    with pytest.raises(Invalid), unit_of_work(maker) as uow:
        service.create(uow, "thing", [{"name": "f", "picture": free}])
    with unit_of_work(other) as uow:
        (theirs,) = service.create(uow, "thing", [{"name": "g"}])
        for file_id in (foreign, used):
            with pytest.raises(NotFound):
                attach(uow, file_id, "thing", theirs)
    with pytest.raises(NotFound), unit_of_work(maker) as uow:
        attach(uow, free, "thing", theirs)
    with unit_of_work(maker) as uow:
        attach(uow, free, "thing", thing)
    assert not can_read(unit_of_work, other, free)


def test_an_export_s_file_is_bound_to_its_starter_and_right(
    unit_of_work, make_person, run_jobs, runtime, admin_id, client, bearer, find_job
):
    """Z8: other user, right withdrawn, and after 24 hours."""

    own, other = make_person(roles=["own"]), make_person(roles=["own"])
    with unit_of_work(own) as uow:
        service.create(uow, "thing", [{"name": "secret"}])
        job_id = start_export(uow, ExportRequest("thing", "csv"))
    run_jobs()
    result = find_job(job_id).result
    assert result["rows"] == 1
    report = result["report"]
    assert can_read(unit_of_work, own, report)
    assert can_read(unit_of_work, admin_id, report)
    assert not can_read(unit_of_work, other, report)
    assert client.get(f"/api/v1/files/{report}", headers=bearer(other)).status_code == 404
    with unit_of_work() as uow:
        roles = query.page(uow, "role", ListQuery()).items
        role = next(row for row in roles if row["name"] == "own")
        grants = {**role["grants"], "thing": {**role["grants"]["thing"], "export": "none"}}
        service.update(uow, "role", {role["id"]: {"grants": grants}})
    assert not can_read(unit_of_work, own, report)
    runtime.clock.offset += timedelta(hours=25)
    assert not can_read(unit_of_work, admin_id, report)


def test_pages_upload_and_download(sign_in, unit_of_work):
    browser = sign_in()
    data = {"file": (io.BytesIO(PNG), '../..\\evil"\r\n.png'), "csrf_token": browser.csrf}
    answer = browser.post("/files", data=data)
    assert answer.status_code == 201, answer.text
    got = browser.get(f"/files/{answer.json['id']}")
    assert got.data == PNG
    assert got.headers["Content-Disposition"].startswith("inline")
    assert "\n" not in got.headers["Content-Disposition"]
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    page = {"file": (io.BytesIO(b"<html><script>1</script>"), "x.png"), "csrf_token": browser.csrf}
    second = browser.post("/files", data=page).json["id"]
    got = browser.get(f"/files/{second}")
    assert got.data.startswith(b"<html>")
    assert got.headers["Content-Disposition"].startswith("attachment")
    refused = browser.post("/files", data={"file": (io.BytesIO(PNG), "x.png")})
    assert refused.status_code == 403, "a form of ours carries the CSRF token"


def test_switched_off_exports_are_refused(unit_of_work, admin_id):
    from core.settings.service import put_settings

    with unit_of_work() as uow:
        put_settings(uow, "core_security", {"export_allowed": False})
    with pytest.raises(Forbidden), unit_of_work(admin_id) as uow:
        start_export(uow, ExportRequest("thing", "csv"))

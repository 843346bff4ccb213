"""Uploads: what is taken, whose it is, how it is handed out, and when it goes (Z9, I10, I12, R3)."""

from __future__ import annotations

import gc
import io
import re
import tracemalloc
from datetime import timedelta
from pathlib import Path

import pytest
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from core.entities import query, service
from core.entities.query import ListQuery
from core.errors import Invalid, NotFound
from core.files.cleaning import CLEAN_UPLOADS
from core.files.service import attach, open_file, store_upload
from core.testing.installation import PASSWORD
from core.work.schedule import start_due
from core.work.tables import job_table

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
PDF = b"%PDF-1.4 x"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
HTML = b"<!doctype html><script>alert(1)</script>"


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("workshop",)


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return (Path(__file__).parents[1] / "web" / "workshop_plugins",)


@pytest.fixture
def people(make_person):
    """Two foremen, who may do all with all orders, and a worker, who sees only their own."""
    return {
        name: make_person(roles=(role,), password=PASSWORD)
        for name, role in (("maker", "foreman"), ("other", "foreman"), ("worker", "worker"))
    }


@pytest.fixture
def as_(sign_in, people):
    """``as_("maker")``: that person's browser."""
    numbers = {name: n for n, name in enumerate(people, start=1)}
    return lambda name: sign_in(f"person{numbers[name]}@example.com", PASSWORD)


@pytest.fixture
def upload(unit_of_work, people):
    """``upload("maker", content, name) -> id``"""

    def make(who, content=PDF, name="plan.pdf", **more):
        with unit_of_work(people[who]) as uow:
            return store_upload(uow, io.BytesIO(content), name, **more)

    return make


@pytest.fixture
def order_of(unit_of_work):
    def read(key):
        with unit_of_work(write=False) as uow:
            return query.get(uow, "order", key, archived=None).values

    return read


class Zeros(io.RawIOBase):
    """A body without an end, which counts what was read of it."""

    def __init__(self, head=b"", size=1 << 40):
        self.head, self.left, self.taken = head, size, 0

    def readable(self):
        return True

    def readinto(self, buffer):
        size = min(len(buffer), self.left)
        piece = self.head[:size] + b"\0" * (size - len(self.head[:size]))
        self.head = self.head[size:]
        buffer[:size] = piece
        self.left -= size
        self.taken += size
        return size


def text_of(answer):
    return answer.get_data(as_text=True)


def form_of(browser, path, **values):
    html = text_of(browser.get(path))
    kept = {
        name: match[1]
        for name in ("csrf_token", "form_key", "version", "seen")
        if (match := re.search(rf'name="{name}" value="([^"]*)"', html))
    }
    return {**kept, **values}


def send(browser, path, data, **files):
    """A form with files, put together in memory: the client's own way leaves a file open."""
    parts = {
        name: FileStorage(io.BytesIO(content), filename=sent)
        for name, (content, sent) in files.items()
    }
    boundary, body = encode_multipart({**data, **parts})
    return browser.post(path, data=body, content_type=f"multipart/form-data; boundary={boundary}")


# Size


@pytest.mark.parametrize("path", ["/r/order/new", "/files", "/api/v1/imports"])
def test_a_body_beyond_the_limit_is_refused_before_it_is_read(
    app, as_, bearer, people, unit_of_work, path
):
    """R3: 200 MB answer 413 with the limit in words, on pages and in the REST interface."""
    with unit_of_work() as uow:
        service.update(uow, "user", {people["maker"]: {"locale": "en"}})
    body = Zeros()
    browser = app.test_client() if path.startswith("/api/") else as_("maker")
    headers = bearer(people["maker"]) if path.startswith("/api/") else {}
    answer = browser.post(
        path,
        headers={**headers, "Accept-Language": "en"},
        environ_overrides={"wsgi.input": body, "CONTENT_LENGTH": "200000000"},
        content_type="multipart/form-data; boundary=x",
    )
    assert answer.status_code == 413, text_of(answer)[:300]
    assert "larger than 100 MB" in text_of(answer)
    assert body.taken < 1_000_000
    if path.startswith("/api/"):
        assert answer.content_type == "application/problem+json"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # its half file
def test_a_body_of_unknown_length_is_stopped_at_the_limit(app, as_, monkeypatch):
    """R3: nor does it take memory until then."""
    browser = as_("maker")
    monkeypatch.setitem(app.config, "MAX_CONTENT_LENGTH", 8_000_000)
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'

    def post(body):
        return browser.post(
            "/files",
            environ_overrides={"wsgi.input": body, "wsgi.input_terminated": True},
            headers={"Transfer-Encoding": "chunked"},
            content_type="multipart/form-data; boundary=x",
        )

    assert post(Zeros(head)).status_code == 413  # what the first refusal loads is loaded
    body = Zeros(head)
    tracemalloc.start()
    try:
        answer = post(body)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    gc.collect()
    assert answer.status_code == 413
    assert body.taken < 9_000_000
    assert peak < 4_000_000


def test_a_file_beyond_its_field_s_limit_is_told_beside_it(as_, runtime, order_of):
    browser = as_("maker")
    data = form_of(browser, "/r/order/new", title="A", parts__shown="1")
    data |= {"parts.0.id": "", "parts.0.name": "shaft", "parts.0.paper__kept": ""}
    before = set(runtime.storage.iter_keys())
    big = (b"x" * 2_000_001, "big.txt")
    answer = send(browser, "/r/order/new", data, **{"parts.0.paper": big})
    assert answer.status_code == 422
    assert 'id="error-parts.0.paper"' in text_of(answer)
    assert set(runtime.storage.iter_keys()) == before
    body = {"csrf_token": browser.csrf, "entity": "order", "input": "parts.0.paper"}
    answer = send(browser, "/files", body, file=big)
    assert answer.status_code == 413
    assert "2" in answer.json["message"]


# What is taken


@pytest.mark.parametrize("name", ["drawing", "photo"])
def test_an_empty_file_is_refused(as_, runtime, name):
    browser = as_("maker")
    before = set(runtime.storage.iter_keys())
    data = form_of(browser, "/r/order/new", title="A")
    answer = send(browser, "/r/order/new", data, **{name: (b"", "empty.png")})
    assert answer.status_code == 422
    assert f'id="error-{name}"' in text_of(answer)
    assert send(browser, "/files", {"csrf_token": browser.csrf}, file=(b"", "x")).status_code == 422
    assert set(runtime.storage.iter_keys()) == before


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (SVG, "a.svg"),
        (SVG, "a.png"),
        (HTML, "a.png"),
        (HTML, "photo.png.html"),
        (b"\xef\xbb\xbf" + SVG, "a.jpg"),
        (PDF, "a.png"),
        (PNG[:8], "a.png.svg"),
    ],
)
def test_pictures_are_what_browsers_show_as_such(as_, unit_of_work, people, upload, content, name):
    """I12: neither SVG nor HTML gets into an image field: by form, by script, or by the service."""
    is_picture = content.startswith(PNG[:8])
    browser = as_("maker")
    data = form_of(browser, "/r/order/new", title="A")
    answer = send(browser, "/r/order/new", data, photo=(content, name))
    assert answer.status_code == (303 if is_picture else 422)
    body = {"csrf_token": browser.csrf, "entity": "order", "input": "photo"}
    answer = send(browser, "/files", body, file=(content, name))
    assert answer.status_code == (201 if is_picture else 422)
    if not is_picture:
        assert answer.json["message"]
        file_id = upload("maker", content, name)
        with pytest.raises(Invalid), unit_of_work(people["maker"]) as uow:
            service.create(uow, "order", [{"title": "B", "photo": file_id}])


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\x\\plan.pdf", "plan.pdf"),
        ("a\r\nX-Evil: 1.txt", "aX-Evil_ 1.txt"),
        ("in\u202evoice\u202efdp.exe", "invoicefdp.exe"),
        ("contract.pdf.exe", "contract.pdf.exe"),
        ("名" * 300 + ".pdf", "名" * 59 + ".pdf"),
        ("x" * 300, "x" * 180),
    ],
)
def test_names_are_only_names(as_, unit_of_work, upload, people, sent, kept):
    """I10: no path, no header, no hidden direction; and no name says what a file is."""
    file_id = upload("maker", b"MZ\x90\x00\x03\x00", sent)
    with unit_of_work(people["maker"], write=False) as uow:
        row, stream = open_file(uow, file_id)
        stream.close()
    assert row.name == kept
    assert re.fullmatch(r"[0-9a-f/]+", row.storage_key)
    answer = as_("maker").get(f"/files/{file_id}")
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "X-Evil" not in answer.headers


@pytest.mark.parametrize(
    ("content", "name", "kind"),
    [
        (PNG, "a.html", "inline"),
        (SVG, "a.png", "attachment"),
        (HTML, "a.txt", "attachment"),
        (b"a,b\n1,2\n", "a.csv", "attachment"),
        (b"%PDF-1.7\n%\xe2\xe3", "a.pdf", "attachment"),
        (b"hello", "a.txt", "attachment"),
    ],
)
def test_only_pictures_open_in_the_browser(as_, upload, content, name, kind):
    """I12: a download runs nothing."""
    answer = as_("maker").get(f"/files/{upload('maker', content, name)}")
    assert answer.data == content
    assert answer.headers["Content-Disposition"].startswith(f"{kind};")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]


# Verbs that ask for a file

HAND_OVER = "/r/order/actions/hand_over"


def test_a_verb_takes_an_upload(as_, order_of, unit_of_work, people):
    """Sent with its form, without scripts; kept when something else is wrong."""
    browser = as_("maker")
    with unit_of_work() as uow:
        (key,) = service.create(uow, "order", [{"title": "A"}])
    asked = browser.post(HAND_OVER, data={"ids": key, "csrf_token": browser.csrf})
    assert 'enctype="multipart/form-data"' in text_of(asked)
    data = {"ids": str(key), "csrf_token": browser.csrf, "confirmed": "1", "param.remark": "r"}
    wrong = send(browser, HAND_OVER, data, **{"param.plan": (PDF, "plan.pdf")})
    assert wrong.status_code == 422
    kept = re.search(r'name="param.plan__kept" value="(\d+)"', text_of(wrong))[1]
    assert "plan.pdf" in text_of(wrong)
    data |= {"param.to": str(people["other"]), "param.plan__kept": kept}
    assert send(browser, HAND_OVER, data).status_code == 303
    assert order_of(key)["drawing"] == int(kept)
    big = send(browser, HAND_OVER, data, **{"param.plan": (PDF + bytes(1_000_000), "b.pdf")})
    assert big.status_code == 422
    assert 'id="error-param.plan"' in text_of(big)


def test_a_verb_takes_no_file_of_others(client, bearer, people, upload, order_of, unit_of_work):
    """Z9: not another's upload, not one that belongs to a record by now, nor one that never was."""
    with unit_of_work() as uow:
        key, other = service.create(uow, "order", [{"title": "A"}, {"title": "B"}])
    theirs, used, own = upload("other"), upload("maker"), upload("maker")
    with unit_of_work(people["maker"]) as uow:
        attach(uow, used, "order", other)

    def hand_over(plan):
        body = {"to": people["maker"], "plan": plan}
        path = f"/api/v1/records/order/{key}/actions/hand_over"
        return client.post(path, json=body, headers=bearer(people["maker"]))

    for plan in (theirs, used, 10**9):
        answer = hand_over(plan)
        assert answer.status_code == 422
        assert [each["field"] for each in answer.json["errors"]] == ["plan"]
        assert order_of(key)["drawing"] is None
    assert hand_over(own).status_code == 200
    assert order_of(key)["drawing"] == own


# Whose it is


def test_nobody_else_reads_or_uses_an_upload(as_, sign_in, upload, bearer, client, unit_of_work):
    """Z9: not by its id, not by a form, not in a line, not through REST; nor an administrator."""
    file_id = upload("maker")
    with unit_of_work() as uow:
        (key,) = service.create(uow, "order", [{"title": "A"}])
    for browser in (as_("other"), sign_in()):
        assert browser.get(f"/files/{file_id}").status_code == 404
        data = form_of(browser, f"/r/order/{key}/edit", title="A", parts__shown="1")
        for inputs in (
            {"drawing__kept": str(file_id)},
            {"parts.0.id": "", "parts.0.name": "x", "parts.0.paper__kept": str(file_id)},
        ):
            answer = browser.post(f"/r/order/{key}/edit", data={**data, **inputs})
            assert answer.status_code == 422
            assert "plan.pdf" not in text_of(answer)
    with unit_of_work(write=False) as uow:
        assert query.get(uow, "order", key).values["drawing"] is None
        row = query.get(uow, "file", file_id).values
        assert row["entity"] is None


def test_nobody_attaches_another_s_upload(unit_of_work, people, upload):
    file_id = upload("maker")
    with unit_of_work() as uow:
        (key,) = service.create(uow, "order", [{"title": "A"}])
    for person in ("other", "worker"):
        with pytest.raises(NotFound), unit_of_work(people[person]) as uow:
            attach(uow, file_id, "order", key)
    with unit_of_work(people["maker"]) as uow:
        attach(uow, file_id, "order", key)


def test_an_upload_is_for_a_form_that_one_may_fill_in(as_, runtime, unit_of_work, people):
    """Z6: a field that is hidden or does not exist is answered alike, and nothing is stored."""
    with unit_of_work() as uow:
        (site,) = service.create(uow, "site", [{"name": "East"}])
    browser = as_("worker")
    before = set(runtime.storage.iter_keys())
    for name in ("secret", "nothing", "parts.0.nothing", "parts.x.paper", "title"):
        body = {"csrf_token": browser.csrf, "entity": "order", "input": name}
        assert send(browser, "/files", body, file=(PDF, "a.pdf")).status_code == 404
    data = {"csrf_token": browser.csrf, "version": "1", "name": "West"}
    answer = send(browser, f"/r/site/{site}/edit", data, drawing=(PDF, "a.pdf"))
    assert answer.status_code == 403
    assert set(runtime.storage.iter_keys()) == before


def test_a_file_of_a_line_is_as_open_as_its_parent_at_that_moment(as_, unit_of_work, people):
    """Z3: the line has no rights of its own."""
    maker = as_("maker")
    data = form_of(maker, "/r/order/new", title="A", parts__shown="1", owner=str(people["maker"]))
    data |= {"parts.0.id": "", "parts.0.name": "shaft"}
    answer = send(maker, "/r/order/new", data, **{"parts.0.paper": (PDF, "plan.pdf")})
    key = int(answer.location.rsplit("/", 1)[1])
    with unit_of_work(write=False) as uow:
        (part,) = query.get(uow, "order", key).values["parts"]
        row = query.get(uow, "file", part["paper"]).values
    assert (row["entity"], row["record_id"], row["field"]) == ("part", part["id"], "paper")
    worker = as_("worker")
    address = f"/files/{part['paper']}"
    assert maker.get(address).data == PDF
    assert worker.get(address).status_code == 404
    with unit_of_work() as uow:
        service.update(uow, "order", {key: {"owner": people["worker"]}})
    assert worker.get(address).status_code == 200
    with unit_of_work() as uow:
        service.delete(uow, "order", [key])
    assert worker.get(address).status_code in (200, 404)
    with unit_of_work() as uow:
        service.restore(uow, "order", [key])
        service.update(uow, "order", {key: {"owner": people["maker"]}})
    assert worker.get(address).status_code == 404


# When it goes


def test_uploads_that_no_record_was_given_go_after_a_day(
    runtime, unit_of_work, upload, people, run_jobs
):
    """The row and the bytes; not what is attached, is young, or belongs to an import."""
    start_due(runtime)  # the schedule is remembered from now on
    old, used, imported = (upload("maker") for _n in range(3))
    with unit_of_work(people["maker"]) as uow:
        service.create(uow, "order", [{"title": "A", "drawing": used}])
        uow.enqueue("core.import", {"file": imported}, title="later")
    with unit_of_work() as uow:
        later = uow.now() + timedelta(days=3)
        uow.execute(job_table.update().values(run_at=later))
    runtime.clock.offset += timedelta(hours=26)
    young = upload("maker")
    with unit_of_work(write=False) as uow:
        rows = {
            row["id"]: row["storage_key"]
            for row in query.page(uow, "file", ListQuery(fields=("storage_key",))).items
        }
    assert start_due(runtime) >= 1
    run_jobs()
    with unit_of_work(write=False) as uow:
        left = {row["id"] for row in query.page(uow, "file", ListQuery(fields=("name",))).items}
        done = uow.execute(job_table.select().where(job_table.c.kind == CLEAN_UPLOADS.name)).one()
    assert done.state == "done", done.error
    assert done.result == {"dropped": 1}
    assert left == {used, imported, young}
    assert not runtime.storage.exists(rows[old])
    assert all(runtime.storage.exists(rows[key]) for key in left)

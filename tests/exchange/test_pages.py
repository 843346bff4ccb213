"""The wizard and the export dialog, as a browser without scripts goes through them (S-254 to S-257)."""

from __future__ import annotations

import io
import re

import pytest
from sqlalchemy import select

from core.entities import service
from core.testing.installation import PASSWORD

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def _email_of(uow, person):
    users = uow.entity("user").table
    return uow.execute(select(users.c.email).where(users.c.id == person)).scalar_one()


def send(browser, content, name="list.csv"):
    data = {"file": (io.BytesIO(content), name), "csrf_token": browser.csrf}
    return browser.post("/r/prospect/import", data=data)


def test_from_the_file_to_the_new_records(sign_in, run_jobs, all_rows, make_person, unit_of_work):
    browser = sign_in()
    assert browser.get("/r/prospect/import").status_code == 200
    content = "客户名称,手机,预计金额\n甲公司,+86 13800001111,1.2万\n,13800002222,\n乙公司,,3k\n"
    where = send(browser, content.encode()).headers["Location"]
    columns = browser.get(where).get_data(as_text=True)
    chosen = re.findall(r'<option value="([a-z_]+)" selected>', columns)
    assert {"company", "mobile", "expected_amount"} <= set(chosen)
    assert "1.2万" in columns
    fields = ["company", "mobile", "expected_amount"]
    query = {"field": fields, "duplicates": "skip"}
    preview = browser.get(f"{where}/preview", query_string=query).get_data(as_text=True)
    assert "13800001111" in preview
    assert "¥12,000.00" in preview, "as a reader sees it"
    assert "1.2万" in preview, "with what stood in the file beside it"
    assert preview.count('class="refused"') == 1
    assert all_rows() == [], "a preview writes nothing"
    form = {**query, "csrf_token": browser.csrf}
    job = browser.post(f"{where}/start", data=form).headers["Location"]
    waiting = browser.get(job, headers={"HX-Request": "true"}).get_data(as_text=True)
    assert 'hx-trigger="every 1s"' in waiting
    run_jobs()
    result = browser.get(job, headers={"HX-Request": "true"}).get_data(as_text=True)
    assert "hx-trigger" not in result
    report = re.search(r'href="(/files/[0-9]+)"', result)
    assert report is not None
    text = browser.get(report[1]).get_data().decode("utf-8-sig")
    assert "13800002222" in text
    listed = re.search(r'href="(/r/prospect\?filter=[^"]+)"', result)
    assert listed is not None
    found = browser.get(listed[1].replace("&amp;", "&")).get_data(as_text=True)
    assert "甲公司" in found
    assert [row["company"] for row in all_rows()] == ["甲公司", "乙公司"]
    other = make_person("外人", roles=["own"], password=PASSWORD)
    with unit_of_work(write=False) as uow:
        email = _email_of(uow, other)
    stranger = sign_in(email)
    assert stranger.get(job).status_code == 404
    assert stranger.get(where).status_code == 404
    assert stranger.get(report[1]).status_code == 404


def test_a_refused_file_is_told_on_the_page(sign_in):
    browser = sign_in()
    where = send(browser, b"a\0b\n\0").headers["Location"]
    page = browser.get(where)
    assert page.status_code == 422
    assert 'name="file"' in page.get_data(as_text=True), "another file can be chosen at once"
    assert browser.post("/r/prospect/import", data={"csrf_token": browser.csrf}).status_code == 422


def test_exporting_what_is_listed_or_ticked(sign_in, unit_of_work, admin_id):
    with unit_of_work(admin_id) as uow:
        ids = service.create(uow, "prospect", [{"company": n} for n in ("甲", "乙", "丙")])
    browser = sign_in()
    assert browser.get("/r/prospect/export?search=乙").status_code == 200
    form = {"csrf_token": browser.csrf, "format": "csv", "columns": "shown", "search": "乙"}
    text = browser.post("/r/prospect/export", data=form).get_data().decode("utf-8-sig")
    assert [line.split(",")[1] for line in text.splitlines()[1:]] == ["乙"]
    ticked = {"csrf_token": browser.csrf, "ids": [str(ids[0]), str(ids[2])]}
    dialog = browser.post("/r/prospect/export", data=ticked, follow_redirects=True)
    condition = re.search(r'name="filter" value="([^"]+)"', dialog.get_data(as_text=True))
    assert condition is not None
    form = {"csrf_token": browser.csrf, "format": "csv", "columns": "all", "sort": "id"}
    form["filter"] = condition[1].replace("&#34;", '"')
    text = browser.post("/r/prospect/export", data=form).get_data().decode("utf-8-sig")
    assert [line.split(",")[1] for line in text.splitlines()[1:]] == ["甲", "丙"]


def start(browser, run_jobs, content, **choices):
    """Through the wizard in one go; the address of the job's page."""
    where = send(browser, content.encode()).headers["Location"]
    form = {"duplicates": "skip", **choices, "csrf_token": browser.csrf}
    job = browser.post(f"{where}/start", data=form).headers["Location"]
    run_jobs()
    return job


def test_the_preview_marks_what_cleaning_changed(sign_in, unit_of_work, admin_id, all_rows):
    """S-254: values as a reader sees them, the original beside; blank e-mails and short names."""
    with unit_of_work(admin_id) as uow:
        service.create(uow, "prospect", [{"company": "潍坊鸢衡机械有限公司"}])
    browser = sign_in()
    content = (
        "company,mobile,email,province,expected_amount\n"
        "鸢衡,138-0000-1111,,370700,8000\n甲公司,13800002222,a@example.com,山东省,1.5万\n"
    )
    where = send(browser, content.encode()).headers["Location"]
    fields = ["company", "mobile", "email", "province", "expected_amount"]
    query = {"field": fields, "duplicates": "skip", "default_field": "source"}
    query["default_value"] = "展会"
    page = browser.get(f"{where}/preview", query_string=query).get_data(as_text=True)
    assert re.search(r"13800001111</span><del>.*?138-0000-1111</del>", page)
    assert "山东省 潍坊市</span>" in page, "regions by name"
    assert "¥8,000.00" in page
    assert "8000</del>" not in page, "what is only written with its currency was not changed"
    assert "1 row has no e-mail address" in page or "1 行没有邮箱" in page
    assert page.count("展会</td>") == 2, "values for the whole file are a column"
    hint = re.search(r'name="meant" value="([^"]+)">', page)
    assert hint is not None
    assert "潍坊鸢衡机械有限公司</b>" in page
    query["meant"] = hint[1].replace("&#34;", '"')
    page = browser.get(f"{where}/preview", query_string=query).get_data(as_text=True)
    assert re.search(r"潍坊鸢衡机械有限公司</span><del>.*?鸢衡</del>", page)
    assert "checked" in page, "it can be taken back"
    form = {**query, "csrf_token": browser.csrf}
    assert browser.post(f"{where}/start", data=form).status_code == 303
    assert len(all_rows()) == 1, "not before the job runs"


def test_keys_and_values_that_cannot_be_are_told_on_the_columns(sign_in):
    browser = sign_in()
    where = send(browser, "公司名称,手机\n甲公司,13800001111\n".encode()).headers["Location"]
    query = {"field": ["company", "mobile"], "key": ["email"]}
    page = browser.get(f"{where}/preview", query_string=query)
    assert page.status_code == 422
    assert 'value="email" checked' in page.get_data(as_text=True), "with what was chosen"
    query = {"field": ["company", "mobile"], "key": ["mobile", "company"]}
    page = browser.get(f"{where}/preview", query_string=query)
    assert page.status_code == 200, "the declared keys in another order are the declared ones"
    page = browser.get(f"{where}/preview", query_string={"field": ["company", "company"]})
    assert page.status_code == 422
    assert "每个字段只对应一列" in page.get_data(as_text=True)


def test_choices_are_kept_and_offered_for_the_next_file(sign_in, run_jobs, all_rows):
    """S-255: for the next file with the same headings, and no other."""
    browser = sign_in()
    content = "Firma,Tel\n甲公司,13800001111\n"
    where = send(browser, content.encode()).headers["Location"]
    form = {"field": ["company", "mobile"], "duplicates": "update", "key": ["company"]}
    form |= {"default_field": "source", "default_value": "展会", "name": "名单", "shared": "1"}
    kept = browser.post(f"{where}/keep", data={**form, "csrf_token": browser.csrf})
    assert kept.status_code == 303
    assert "名单" in browser.get("/r/prospect/import").get_data(as_text=True)
    again = send(browser, "Tel,Firma\n13800002222,乙公司\n".encode()).headers["Location"]
    page = browser.get(again).get_data(as_text=True)
    offer = re.search(r'class="exchange-offered">.*?href="([^"]+)"', page, re.DOTALL)
    assert offer is not None
    used = browser.get(offer[1].replace("&amp;", "&")).get_data(as_text=True)
    chosen = re.findall(r'name="field"[^>]*>.*?<option value="([a-z_]+)" selected>', used)
    assert chosen == ["mobile", "company"]
    assert 'value="展会"' in used
    assert 'value="update" selected' in used
    other = send(browser, "Tel,Name\n13800002222,乙公司\n".encode()).headers["Location"]
    assert "exchange-offered" not in browser.get(other).get_data(as_text=True)
    forget = re.search(r'action="(/r/prospect/import/presets/[0-9]+/delete)"',
                       browser.get("/r/prospect/import").get_data(as_text=True))  # fmt: skip
    assert forget is not None
    assert browser.post(forget[1], data={"csrf_token": browser.csrf}).status_code == 303
    gone = browser.get("/r/prospect/import").get_data(as_text=True)
    assert "名单" not in gone
    back = re.search(r'action="(/r/prospect/import/presets/[0-9]+/restore)"', gone)
    assert browser.post(back[1], data={"csrf_token": browser.csrf}).status_code == 303
    assert "名单" in browser.get("/r/prospect/import").get_data(as_text=True)
    assert browser.post(back[1], data={"csrf_token": browser.csrf}).status_code == 404
    assert "exchange-offered" in browser.get(again).get_data(as_text=True)


def test_past_imports_and_undoing_one(sign_in, run_jobs, all_rows, unit_of_work, make_person):
    """S-258: listed with its counts; rehearsed, confirmed, done, and not offered again."""
    browser = sign_in()
    content = "company,mobile\n甲公司,13800001111\n乙公司,13800002222\n,13800003333\n"
    job = start(browser, run_jobs, content, field=["company", "mobile"])
    page = browser.get(job).get_data(as_text=True)
    undo = re.search(r'href="(/r/prospect/exchange/[0-9]+/undo)"', page)
    assert undo is not None
    for address in ("/imports", "/r/prospect/imports", "/imports?everyone=1"):
        listed = browser.get(address).get_data(as_text=True)
        assert "list.csv" in listed
        assert undo[1] in listed
        assert re.search(r'href="/files/[0-9]+"', listed), "the refused rows again"
    assert "list.csv" not in browser.get("/r/thing/imports").get_data(as_text=True)
    first = all_rows()[0]["id"]
    someone = make_person("小王", roles=["typist"])
    with unit_of_work(someone) as uow:
        service.update(uow, "prospect", {first: {"note": "谈过"}})
    rehearsed = browser.get(undo[1]).get_data(as_text=True)
    assert "小王" in rehearsed
    assert "甲公司" in rehearsed
    assert len(all_rows()) == 2, "a rehearsal writes nothing"
    started = browser.post(undo[1], data={"csrf_token": browser.csrf})
    assert started.status_code == 303
    run_jobs()
    result = browser.get(started.headers["Location"]).get_data(as_text=True)
    assert re.search(r'href="/files/[0-9]+"', result), "what was left, and why"
    assert [row["id"] for row in all_rows()] == [first]
    assert undo[1] not in browser.get(job).get_data(as_text=True)
    assert undo[1] not in browser.get("/imports").get_data(as_text=True)
    assert browser.get(undo[1]).status_code == 200, "why it cannot be undone is told"
    assert browser.post(undo[1], data={"csrf_token": browser.csrf}).status_code == 409


def test_imports_of_others_are_not_there(sign_in, run_jobs, make_person, unit_of_work):
    """Another person's import: 404, on each of its pages."""
    browser = sign_in()
    job = start(browser, run_jobs, "company\n甲公司\n", field=["company"])
    other = make_person("外人", roles=["own"], password=PASSWORD)
    with unit_of_work(write=False) as uow:
        email = _email_of(uow, other)
    stranger = sign_in(email)
    assert stranger.get(job).status_code == 404
    assert stranger.get(f"{job}/undo").status_code == 404
    assert stranger.post(f"{job}/undo", data={"csrf_token": stranger.csrf}).status_code == 404
    assert "list.csv" not in stranger.get("/imports?everyone=1").get_data(as_text=True)


def test_an_empty_table_to_download(sign_in, make_person, unit_of_work, tmp_path):
    from core.tabular.reader import open_table

    answer = sign_in().get("/r/prospect/import/template.xlsx")
    path = tmp_path / "t.xlsx"
    path.write_bytes(answer.get_data())
    assert "Company *" in open_table(path, path.name).header
    typist = make_person("打字", roles=["typist"], password=PASSWORD)
    with unit_of_work(write=False) as uow:
        email = _email_of(uow, typist)
    assert sign_in(email).get("/r/prospect/import/template.xlsx").status_code == 403

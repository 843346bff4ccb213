"""The wizard and the export dialog, as a browser without scripts goes through them (S-254 to S-257)."""

from __future__ import annotations

import io
import re

from core.entities import service
from core.testing.installation import PASSWORD


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
    assert "12000" in preview
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
        email = uow.execute(uow.entity("user").table.select().filter_by(id=other)).one().email
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

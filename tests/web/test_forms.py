"""Forms: every type, errors that keep what was typed, lines without scripts, two editors."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from decimal import Decimal
from html import unescape

import pytest

from core.entities import query, service
from core.entities.query import ListQuery

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def text_of(answer):
    return answer.get_data(as_text=True)


def hidden(html, name):
    return unescape(re.search(rf'name="{name}" value="([^"]*)"', html)[1])


@pytest.fixture
def form(browser):
    """``form(path, **values)``: the page's hidden values with ours, ready to be sent."""

    def fill(path, **values):
        html = text_of(browser.get(path))
        kept = {
            name: hidden(html, name)
            for name in ("csrf_token", "form_key", "version", "seen")
            if f'name="{name}"' in html
        }
        return {**kept, **values}

    return fill


def test_every_type_is_read_as_it_is_typed(browser, form, unit_of_work, order_of, admin_id):
    with unit_of_work() as uow:
        (site,) = service.create(uow, "site", [{"name": "East"}])
    data = form(
        "/r/order/new",
        **{
            "title": "  A  pump ",
            "status": "working",
            "site": "",
            "site__label": "east",
            "amount": "￥１２,345.678",
            "hours": "1,5",
            "pieces": "1,200",
            "is_urgent__shown": "1",
            "is_urgent": "1",
            "due_on": "2026-05-06",
            "starts_at": "2026-05-06T08:30",
            "topics__shown": "1",
            "topics": ["welding", "milling"],
            "tags": "轨道，重点, 轨道",
            "region": "",
            "region__label": "重庆市 渝中区",
            "mobile": "138 0013 8000",
            "email": "A@Example.com",
            "website": "https://example.com/x",
            "note": "one\r\ntwo",
            "story": "<p>hi<script>alert(1)</script></p>",
            "watchers__shown": "1",
            "watchers": [str(admin_id)],
            "owner": str(admin_id),
            "parts__shown": "1",
            "parts.0.id": "",
            "parts.0.name": "shaft",
            "parts.0.quantity": "2.5",
            "parts.0.site": str(site),
            "parts.0.site__label": "East",
            "parts.1.id": "",
            "parts.1.name": "",
            "parts.1.quantity": "1",
        },
    )
    data["drawing"] = (io.BytesIO(b"%PDF-1.4 x"), "plan.pdf")
    answer = browser.post("/r/order/new", data=data, content_type="multipart/form-data")
    assert answer.status_code == 303, text_of(answer)
    values = order_of(int(answer.location.rsplit("/", 1)[1]))
    expected = {
        "title": "A pump",
        "status": "working",
        "site": site,
        "amount": Decimal("12345.68"),
        "hours": Decimal(15),
        "pieces": 1200,
        "is_urgent": True,
        "starts_at": datetime(2026, 5, 6, 0, 30, tzinfo=UTC),
        "topics": ["milling", "welding"],
        "tags": ["轨道", "重点"],
        "region": "500103",
        "mobile": "13800138000",
        "note": "one\ntwo",
        "story": "<p>hi</p>",
        "watchers": [admin_id],
        "owner": admin_id,
    }
    assert {name: values[name] for name in expected} == expected
    assert values["drawing"] is not None
    assert [(p["name"], p["quantity"], p["site"]) for p in values["parts"]] == [
        ("shaft", Decimal("2.5"), site)
    ]


def test_an_unchanged_form_changes_nothing(browser, form, make_orders, order_of):
    (key,) = make_orders(
        1,
        amount="5",
        starts_at="2026-05-06T00:30:45Z",
        tags=["a", "b"],
        region="500103",
        parts=[{"name": "shaft"}],
    )
    before = order_of(key)
    html = text_of(browser.get(f"/r/order/{key}/edit"))
    data = {}
    for name, value in re.findall(r'<input[^>]*? name="([^"]+)"[^>]*? value="([^"]*)"', html):
        data.setdefault(name, unescape(value))
    data |= {"title": "Order 001", "status": "open"}
    for name in ("then", "q", "is_urgent", "topics", "watchers", "color_scheme", "locale"):
        data.pop(name, None)
    data = {name: value for name, value in data.items() if "NEW" not in name}
    answer = browser.post(f"/r/order/{key}/edit", data=data)
    assert answer.status_code == 303
    assert order_of(key)["version"] == before["version"]
    assert order_of(key)["starts_at"].second == 45


def test_errors_stand_beside_the_field_and_nothing_typed_is_lost(browser, form, unit_of_work):
    data = form(
        "/r/order/new",
        title="",
        amount="many",
        email="no mail",
        note="a <long> story",
        parts__shown="1",
        **{"parts.0.name": "", "parts.0.quantity": "7", "parts.0.id": ""},
    )
    answer = browser.post("/r/order/new", data=data)
    html = text_of(answer)
    assert answer.status_code == 422
    assert {"error-title", "error-amount"} <= set(re.findall(r'id="(error-[a-z.0-9]+)"', html))
    assert 'href="#field-amount"' in html
    assert 'value="many"' in html
    assert "a &lt;long&gt; story" in html
    assert 'name="parts.0.quantity"' in html
    assert 'value="7"' in html
    with unit_of_work(write=False) as uow:
        assert query.count(uow, "order", ListQuery()) == 0


def test_errors_of_lines_stand_in_their_line(browser, form):
    data = form("/r/order/new", title="A", parts__shown="1")
    data |= {"parts.3.id": "", "parts.3.name": "ok", "parts.3.quantity": "1"}
    data |= {"parts.9.id": "", "parts.9.name": "", "parts.9.quantity": "4"}
    answer = browser.post("/r/order/new", data=data)
    assert answer.status_code == 422
    assert 'id="error-parts.1.name"' in text_of(answer)


def test_lines_are_added_and_removed_without_scripts(browser, form, make_orders, order_of):
    (key,) = make_orders(1, parts=[{"name": "one"}, {"name": "two"}])
    ids = [str(part["id"]) for part in order_of(key)["parts"]]
    data = form(f"/r/order/{key}/edit", parts__shown="1", title="typed")
    for place, (line, name) in enumerate(zip(ids, ("one", "two"), strict=True)):
        data |= {f"parts.{place}.id": line, f"parts.{place}.name": name}
        data |= {f"parts.{place}.quantity": "1"}
    html = text_of(browser.post(f"/r/order/{key}/edit", data={**data, "add_line": "parts"}))
    assert 'name="parts.2.name"' in html
    assert 'value="typed"' in html
    html = text_of(browser.post(f"/r/order/{key}/edit", data={**data, "remove_line": "parts.0"}))
    assert 'name="parts.1.name"' not in html
    assert [p["name"] for p in order_of(key)["parts"]] == ["one", "two"]
    rest = {n: v for n, v in data.items() if not n.startswith("parts.0.")}
    assert browser.post(f"/r/order/{key}/edit", data=rest).status_code == 303
    assert [(p["name"], str(p["id"])) for p in order_of(key)["parts"]] == [("two", ids[1])]


def test_a_form_sent_twice_makes_one_record(browser, form, unit_of_work):
    """A10: a double click."""
    data = form("/r/order/new", title="Once")
    first, second = (browser.post("/r/order/new", data=data) for _ in range(2))
    assert first.status_code == second.status_code == 303
    assert first.location == second.location
    assert browser.post("/r/order/new", data={**data, "title": "Twice"}).location != first.location
    with unit_of_work(write=False) as uow:
        assert query.count(uow, "order", ListQuery()) == 2


def test_two_editors_see_both_versions_and_choose(
    browser, form, make_orders, unit_of_work, order_of
):
    """A10: two editors. What only the other one changed is never undone."""
    (key,) = make_orders(1, note="old", pieces=1, amount="5")
    mine = form(f"/r/order/{key}/edit", title="Mine", note="mine", pieces="1", amount="5.00")
    with unit_of_work() as uow:
        service.update(uow, "order", {key: {"note": "theirs", "pieces": 9}})
    answer = browser.post(f"/r/order/{key}/edit", data=mine)
    html = text_of(answer)
    assert answer.status_code == 409
    assert set(re.findall(r'name="take\.([a-z_]+)"', html)) == {"title", "note"}
    assert "theirs" in html
    assert order_of(key)["note"] == "theirs"
    again = {
        **mine,
        "version": hidden(html, "version"),
        "take.note": "theirs",
        "take.title": "mine",
    }
    assert browser.post(f"/r/order/{key}/edit", data=again).status_code == 303
    values = order_of(key)
    assert (values["title"], values["note"], values["pieces"]) == ("Mine", "theirs", 9)


def test_a_form_without_its_version_is_refused(browser, form, make_orders, order_of):
    (key,) = make_orders(1)
    data = {**form(f"/r/order/{key}/edit", title="x"), "version": ""}
    assert browser.post(f"/r/order/{key}/edit", data=data).status_code == 422
    assert order_of(key)["title"] == "Order 001"


def test_a_name_that_means_several_records_is_asked_for(browser, form, unit_of_work):
    with unit_of_work() as uow:
        service.create(uow, "site", [{"name": "North 1"}, {"name": "North 2"}])
    data = form("/r/order/new", title="A", site="", site__label="north")
    answer = browser.post("/r/order/new", data=data)
    assert answer.status_code == 422
    assert 'id="error-site"' in text_of(answer)
    assert 'value="north"' in text_of(answer)


def test_the_address_fills_a_new_form(browser, unit_of_work):
    with unit_of_work() as uow:
        (site,) = service.create(uow, "site", [{"name": "East"}])
    html = text_of(browser.get(f"/r/order/new?site={site}&status=done&amount=rubbish"))
    assert f'name="site" value="{site}"' in html
    assert 'value="East"' in html
    assert '<option value="done" selected>' in html


def test_the_form_hook_explains_a_field(browser):
    assert "How many to make" in text_of(browser.get("/r/order/new"))


def test_who_signs_in_again_returns_to_the_form(client):
    answer = client.get("/r/order/new?status=done")
    assert answer.status_code == 302
    assert "next=/r/order/new?status%3Ddone" in answer.location.replace("%2F", "/").replace(
        "%3F", "?"
    )


def test_a_file_stays_until_it_is_removed(browser, form, order_of):
    data = form("/r/order/new", title="A")
    data["drawing"] = (io.BytesIO(b"%PDF-1.4 x"), "plan.pdf")
    answer = browser.post("/r/order/new", data=data, content_type="multipart/form-data")
    key = int(answer.location.rsplit("/", 1)[1])
    assert "plan.pdf" in text_of(browser.get(f"/r/order/{key}"))
    kept = form(f"/r/order/{key}/edit", title="B", drawing__kept=str(order_of(key)["drawing"]))
    assert browser.post(f"/r/order/{key}/edit", data=kept).status_code == 303
    assert order_of(key)["drawing"] is not None
    gone = form(f"/r/order/{key}/edit", title="B", drawing__kept=str(order_of(key)["drawing"]))
    gone["drawing__remove"] = "1"
    assert browser.post(f"/r/order/{key}/edit", data=gone).status_code == 303
    assert order_of(key)["drawing"] is None


# Files


PDF = b"%PDF-1.4 x"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


def send(browser, path, data, **files):
    parts = {name: (io.BytesIO(content), sent) for name, (content, sent) in files.items()}
    return browser.post(path, data={**data, **parts}, content_type="multipart/form-data")


def test_a_file_survives_an_error_elsewhere(browser, form, order_of, unit_of_work):
    """A10: it is stored at once, the form carries its id, and it is given to the record in the end."""
    data = form("/r/order/new", title="A", amount="much", parts__shown="1")
    data |= {"parts.0.id": "", "parts.0.name": "", "parts.2.id": "", "parts.2.name": "shaft"}
    files = {"drawing": (PDF, "plan.pdf"), "parts.2.paper": (PDF, "part <1>.pdf")}
    answer = send(browser, "/r/order/new", data, **files, photo=(PDF, "no.png"))
    html = text_of(answer)
    assert answer.status_code == 422
    assert {"error-amount", "error-photo"} <= set(re.findall(r'id="(error-[a-z.0-9]+)"', html))
    assert "plan.pdf" in html
    assert "part &lt;1&gt;.pdf" in html or "part _1_.pdf" in html
    kept = {n: hidden(html, n) for n in ("drawing__kept", "photo__kept", "parts.0.paper__kept")}
    assert kept["drawing__kept"].isdecimal()
    assert kept["photo__kept"] == ""
    again = {**data, **kept, "amount": "5", "parts.0.name": "shaft"}
    again = {n: v for n, v in again.items() if not n.startswith("parts.2")}
    answer = browser.post("/r/order/new", data=again)
    assert answer.status_code == 303, text_of(answer)
    values = order_of(int(answer.location.rsplit("/", 1)[1]))
    assert str(values["drawing"]) == kept["drawing__kept"]
    assert str(values["parts"][0]["paper"]) == kept["parts.0.paper__kept"]
    with unit_of_work(write=False) as uow:
        row = query.get(uow, "file", values["drawing"]).values
    assert (row["entity"], row["record_id"], row["field"]) == ("order", values["id"], "drawing")


def test_a_file_survives_another_line_and_somebody_elses_change(
    browser, form, make_orders, unit_of_work, order_of
):
    (key,) = make_orders(1, note="old")
    path = f"/r/order/{key}/edit"
    mine = form(path, title="A", note="mine", parts__shown="1", **{"parts.0.name": "x"})
    answer = send(browser, path, {**mine, "add_line": "parts"}, drawing=(PDF, "plan.pdf"))
    assert answer.status_code == 200
    kept = hidden(text_of(answer), "drawing__kept")
    assert "plan.pdf" in text_of(answer)
    with unit_of_work() as uow:
        service.update(uow, "order", {key: {"note": "theirs"}})
    answer = send(browser, path, {**mine, "drawing__kept": kept}, photo=(PNG, "red.png"))
    html = text_of(answer)
    assert answer.status_code == 409
    names = ("version", "seen", "drawing__kept", "photo__kept", "parts__shown", "csrf_token")
    again = {name: hidden(html, name) for name in names}
    again |= {"take.drawing": "mine", "take.photo": "mine", "take.note": "theirs", "note": "mine"}
    answer = browser.post(path, data=again)
    assert answer.status_code == 303, text_of(answer)
    values = order_of(key)
    assert (str(values["drawing"]), values["note"]) == (kept, "theirs")
    assert values["photo"] is not None


def test_a_line_s_file_is_replaced_kept_and_removed(browser, form, make_orders, order_of):
    (key,) = make_orders(1, parts=[{"name": "shaft"}])
    (line,) = order_of(key)["parts"]
    path = f"/r/order/{key}/edit"
    base = {"title": "A", "parts__shown": "1", "parts.0.id": str(line["id"])}
    base |= {"parts.0.name": "shaft", "parts.0.quantity": "1"}
    papers = []
    for name in ("first.pdf", "second.pdf"):
        data = form(path, **base)
        data["parts.0.paper__kept"] = str(papers[-1]) if papers else ""
        sent = send(browser, path, data, **{"parts.0.paper": (PDF, name)})
        assert sent.status_code == 303, text_of(sent)
        papers.append(order_of(key)["parts"][0]["paper"])
    assert papers[0] != papers[1]
    kept = form(path, **{**base, "parts.0.name": "axle", "parts.0.paper__kept": str(papers[1])})
    assert browser.post(path, data=kept).status_code == 303
    assert order_of(key)["parts"][0]["paper"] == papers[1]
    gone = form(path, **base, **{"parts.0.paper__kept": str(papers[1])})
    assert browser.post(path, data={**gone, "parts.0.paper__remove": "1"}).status_code == 303
    assert order_of(key)["parts"][0]["paper"] is None


# Documents


def test_a_document_is_typed_as_json(browser, form, make_orders, order_of):
    (key,) = make_orders(1, layout={"columns": ["a", "ü"], "wide": True})
    path = f"/r/order/{key}/edit"
    html = text_of(browser.get(path))
    shown = unescape(re.search(r'name="layout"[^>]*>\n(.*?)</textarea>', html, re.S)[1])
    assert '"ü"' in shown
    assert browser.post(path, data=form(path, title="Order 001", layout=shown)).status_code == 303
    assert order_of(key)["version"] == 1, "what was not changed is not written"
    answer = browser.post(path, data=form(path, title="A", layout='[1, {"n": 2.50, "big": 9007}]'))
    assert answer.status_code == 303
    assert order_of(key)["layout"] == [1, {"n": 2.5, "big": 9007}]
    assert browser.post(path, data=form(path, title="A", layout=" ")).status_code == 303
    assert order_of(key)["layout"] is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{\n "a": }', "2"),
        ('{"a": 1, "a": 2}', "“a”"),
        ("[NaN]", "JSON"),
        ("5", "JSON"),
        ("[" * 100_000, "JSON"),
        ('{"n": ' + "9" * 5000 + "}", "JSON"),
        ("{'a': 1}", "1"),
    ],
)
def test_what_is_no_document_is_told_beside_it(browser, form, text, told):
    answer = browser.post("/r/order/new", data=form("/r/order/new", title="A", layout=text))
    assert answer.status_code == 422
    html = text_of(answer)
    message = re.search(r'id="error-layout">(.*?)</p>', html, re.S)
    assert message
    assert told in message[1]
    assert unescape(re.search(r'name="layout"[^>]*>\n(.*?)</textarea>', html, re.S)[1]) == text


# Errors


def test_all_errors_are_told_at_once_and_each_leads_to_its_field(browser, form):
    data = form("/r/order/new", title="", amount="many", layout="{", email="no mail", region="")
    data |= {"region__label": "Atlantis", "topics__shown": "1", "topics": "singing"}
    html = text_of(browser.post("/r/order/new", data=data))
    targets = re.findall(r'<li><a href="#(field-[^"]+)"', html)
    wrong = {"title", "amount", "layout", "email", "region", "topics"}
    assert set(targets) == {f"field-{name}" for name in wrong}
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert set(targets) <= set(ids)
    assert len(ids) == len(set(ids)), "no id stands twice"
    for name in ("title", "amount", "layout", "email"):
        tag = re.search(rf'<(?:input|textarea)[^>]*id="field-{name}"[^>]*>', html)[0]
        assert 'aria-invalid="true"' in tag
        assert f"error-{name}" in re.search(r'aria-describedby="([^"]*)"', tag)[1]


def test_phones_offer_the_right_keys(browser):
    html = text_of(browser.get("/r/order/new"))
    wanted = {
        "amount": 'inputmode="decimal"',
        "hours": 'inputmode="decimal"',
        "pieces": 'inputmode="numeric"',
        "mobile": 'type="tel"',
        "email": 'type="email"',
        "website": 'type="url"',
        "due_on": 'type="date"',
        "starts_at": 'type="datetime-local"',
    }
    for name, attribute in wanted.items():
        assert attribute in re.search(rf'<input[^>]*id="field-{name}"[^>]*>', html)[0], name


# Two editors


def test_lines_of_both_versions_are_shown_and_none_typed_is_lost(
    browser, form, make_orders, unit_of_work, order_of
):
    """N1: a line that the other one removed is made anew when one's own version is chosen."""
    (key,) = make_orders(1, parts=[{"name": "shaft"}, {"name": "axle"}])
    ids = [part["id"] for part in order_of(key)["parts"]]
    path = f"/r/order/{key}/edit"
    mine = form(path, title="Order 001", parts__shown="1")
    for place, (line, name) in enumerate(zip(ids, ("shaft", "my axle"), strict=True)):
        mine |= {f"parts.{place}.id": str(line), f"parts.{place}.name": name}
        mine |= {f"parts.{place}.quantity": "1"}
    with unit_of_work() as uow:
        service.update(
            uow, "order", {key: {"pieces": 4, "parts": [{"id": ids[0], "name": "their shaft"}]}}
        )
    html = text_of(browser.post(path, data=mine))
    assert set(re.findall(r'name="take\.([a-z_]+)"', html)) == {"parts"}
    assert re.search(r"their shaft · 1", html)
    assert re.search(r"my axle · 1", html)
    assert re.search(r"<dt>Pieces</dt><dd>\s*4", html), "what only the other changed is told"
    again = {**mine, "version": hidden(html, "version"), "take.parts": "mine"}
    assert browser.post(path, data=again).status_code == 303
    values = order_of(key)
    assert [part["name"] for part in values["parts"]] == ["shaft", "my axle"]
    assert values["pieces"] == 4


def test_what_was_given_up_does_not_come_back_with_an_error(
    browser, form, make_orders, unit_of_work, order_of
):
    """N1: after choosing the other version of one field, another field may still be wrong."""
    (key,) = make_orders(1, note="old")
    path = f"/r/order/{key}/edit"
    mine = form(path, title="", note="mine")
    with unit_of_work() as uow:
        service.update(uow, "order", {key: {"note": "theirs", "title": "New"}})
        version = 2
    sent = {**mine, "version": str(version), "take.note": "theirs", "take.title": "mine"}
    answer = browser.post(path, data=sent)
    html = text_of(answer)
    assert answer.status_code == 422
    assert "theirs" in html
    assert 'name="take.note"' not in html
    fixed = {**mine, "title": "Mine", "note": "theirs", "version": hidden(html, "version")}
    assert browser.post(path, data=fixed).status_code == 303
    assert (order_of(key)["title"], order_of(key)["note"]) == ("Mine", "theirs")


def test_the_same_change_sent_twice_is_saved_once(browser, form, make_orders, order_of):
    """A10: a double click on save meets its own first saving, which is no conflict."""
    (key,) = make_orders(1)
    data = form(f"/r/order/{key}/edit", title="Once", parts__shown="1", tags="b, a")
    answers = [browser.post(f"/r/order/{key}/edit", data=data) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    assert (order_of(key)["title"], order_of(key)["version"]) == ("Once", 2)

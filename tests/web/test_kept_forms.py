"""Forms lose nothing: to the end of the session, another tab, a second click, or a senseless number."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest

from core.entities import query
from core.entities.drafts import draft_table
from core.security.models import session_table
from core.testing.installation import ADMIN, PASSWORD

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))
MANY = "9" * 5_000


def text_of(answer):
    return answer.get_data(as_text=True)


def form_of(browser, path, **values):
    """The hidden inputs of a page's form, with what is typed."""
    html = text_of(browser.get(path))
    names = ("csrf_token", "form_key", "version", "seen")
    found = {name: re.search(rf'name="{name}" value="([^"]*)"', html) for name in names}
    return {name: unescape(match[1]) for name, match in found.items() if match} | values


def way_back(address):
    """Where the sign-in page leads on to."""
    parts = urlsplit(address)
    assert parts.path == "/sign-in"
    return parse_qs(parts.query)["next"][0]


def sign_in_again(browser, target, email=ADMIN):
    assert "info" in re.search(r'class="notice notice-(\w+)', text_of(browser.get(target)))[1]
    data = {"email": email, "password": PASSWORD, "next": way_back(target)}
    return browser.post("/sign-in", data=data).location


@pytest.fixture
def end_sessions(unit_of_work):
    def end():
        with unit_of_work() as uow:
            uow.execute(session_table.delete())

    return end


@pytest.fixture
def kept(unit_of_work):
    """``kept() -> inputs`` of each draft that there is."""

    def read():
        with unit_of_work(write=False) as uow:
            return [dict(row.inputs) for row in uow.execute(draft_table.select()).all()]

    return read


@pytest.fixture
def orders(unit_of_work):
    def read():
        with unit_of_work(write=False) as uow:
            return query.page(uow, "order", query.ListQuery(fields=("id", "title", "note"))).items

    return read


def test_who_saves_after_the_session_ended_is_back_in_the_form(browser, end_sessions, kept, orders):
    data = form_of(browser, "/r/order/new", title="Half an order", amount="1,2")
    end_sessions()
    answer = browser.post("/r/order/new", data=data)
    assert answer.status_code == 303
    assert way_back(answer.location).startswith("/r/order/new?draft=")
    assert kept() == [{"title": "Half an order", "amount": "1,2"}], "no token, no key"
    back = sign_in_again(browser, answer.location)
    html = text_of(browser.get(back))
    assert 'value="Half an order"' in html
    assert orders() == [], "it is the person who saves"
    again = form_of(browser, back, title="Half an order", amount="1.2")
    assert browser.post("/r/order/new", data=again).status_code == 303
    assert [each["title"] for each in orders()] == ["Half an order"]
    assert kept() == []


def test_a_record_s_form_comes_back_with_its_version(browser, end_sessions, make_orders, orders):
    (key,) = make_orders(1, note="old", pieces=1)
    path = f"/r/order/{key}/edit"
    data = form_of(browser, path, title="Order 001", note="typed", pieces="1")
    end_sessions()
    back = sign_in_again(browser, browser.post(path, data=data).location)
    again = form_of(browser, back, title="Order 001", note="typed", pieces="1")
    assert (again["version"], again["seen"]) == (data["version"], data["seen"])
    assert browser.post(path, data=again).status_code == 303
    assert orders()[0]["note"] == "typed"


def test_nobody_else_is_shown_it(browser, sign_in_as, people, end_sessions, kept):
    """Who signs in next on that browser has a form of their own."""
    data = form_of(browser, "/r/order/new", title="Quiet plan")
    end_sessions()
    back = way_back(browser.post("/r/order/new", data=data).location)
    assert len(kept()) == 1
    other = sign_in_as("foreman")
    page = other.get(back)
    assert page.status_code == 200
    assert "Quiet plan" not in text_of(page)
    stale = {**data, "title": "Another plan"}
    assert other.post("/r/order/new", data=stale).status_code == 403
    assert kept()[0]["title"] == "Quiet plan", "nor does anybody else write into it"


def test_only_what_our_own_form_sends_is_kept(
    browser, client, end_sessions, kept, runtime, make_orders
):
    (key,) = make_orders(1)
    path, headers = "/r/order/new", {"Sec-Fetch-Site": "cross-site"}
    data = form_of(browser, path, title="x")
    first, who, second, proof = data["form_key"].split(".")
    end_sessions()
    assert client.post(path, data=data, headers=headers).status_code == 403, "another site's page"
    assert client.post(f"/r/order/{key}/edit", data=data).status_code == 302, "another form"
    forged = {
        "another person": f"{first}.{int(who) + 1}.{second}.{proof}",
        "another moment": f"{first}.{who}.{int(second) + 1}.{proof}",
        "another proof": f"{first}.{who}.{second}.{proof[:-1]}",
        "no proof": first,
        "nothing": "",
    }
    for what, text in forged.items():
        answer = client.post(path, data={**data, "form_key": text})
        assert answer.status_code == 302, what
    runtime.clock.offset += timedelta(days=7, minutes=1)
    assert client.post(path, data=data).status_code == 302, "too old"
    assert kept() == []
    runtime.clock.offset -= timedelta(minutes=2)
    assert client.post(path, data=data).status_code == 303, "what was sent would have been kept"
    assert len(kept()) == 1


def test_who_signs_in_again_in_another_tab_goes_on(browser, end_sessions, kept, orders):
    data = form_of(browser, "/r/order/new", title="Half an order", amount="1")
    end_sessions()
    draft = browser.post("/r/order/draft", data=data)
    assert draft.status_code == 401, "the page is told"
    assert re.fullmatch(r"\d\d:\d\d", draft.json["at"]), "and it is kept all the same"
    browser.post("/sign-in", data={"email": ADMIN, "password": PASSWORD})
    draft = browser.post("/r/order/draft", data={**data, "title": "A whole order"})
    assert draft.status_code == 200
    assert [each["title"] for each in kept()] == ["A whole order"]
    renewed = {**data, "csrf_token": draft.json["token"], "title": "x"}
    assert browser.post("/r/order/draft", data=renewed).json.keys() == {"at"}, "the page goes on"
    answer = browser.post("/r/order/new", data=data)
    assert answer.status_code == 303
    assert orders() == [], "a token of the session before saves nothing"
    again = form_of(browser, answer.location, title="Half an order", amount="1")
    assert browser.post("/r/order/new", data=again).status_code == 303
    assert len(orders()) == 1


def test_a_file_that_was_chosen_is_asked_for_again(browser, end_sessions):
    data = form_of(browser, "/r/order/new", title="x")
    end_sessions()
    data["drawing"] = (io.BytesIO(b"%PDF-1.4"), "a.pdf")
    back = sign_in_again(browser, browser.post("/r/order/new", data=data).location)
    assert "请重新选择" in text_of(browser.get(back))
    assert "请重新选择" not in text_of(browser.get("/r/order/new"))


def test_what_a_page_asks_for_leads_back_to_it(client):
    headers = {"HX-Request": "true", "HX-Current-URL": "http://localhost/r/order/new?a=1"}
    answer = client.get("/suggest/site?q=x", headers=headers)
    assert answer.status_code == 401
    (back,) = parse_qs(urlsplit(answer.headers["HX-Redirect"]).query)["next"]
    assert back == "/r/order/new?a=1"
    headers["HX-Current-URL"] = "http://elsewhere.example/"
    answer = client.get("/suggest/site?q=x", headers=headers)
    assert answer.headers["HX-Redirect"] == "/sign-in"
    answer = client.post("/keyboard", headers={"Referer": "http://localhost/r/order"})
    assert parse_qs(urlsplit(answer.location).query)["next"] == ["/r/order"]


@pytest.mark.parametrize(
    ("back", "wanted"), [("/r/order/7", "/r/order/7"), ("//evil.example", "/")]
)
def test_who_sends_a_page_in_between_without_a_session_is_told_and_led_back(client, back, wanted):
    """The page that asks for a reason answered a form: nobody can open it."""
    path = "/r/order/actions/approve"
    data = {"ids": "7", "confirmed": "1", "param.reason": "x", "back": back}
    answer = client.post(path, data=data, headers={"Referer": f"http://localhost{path}"})
    page = client.get(answer.location).get_data(as_text=True)
    assert f'name="next" value="{wanted}"' in page
    assert "没有执行" in page
    assert "没有执行" not in client.get("/sign-in").get_data(as_text=True), "once"


def test_a_comment_is_written_once_and_outlives_the_session(
    browser, end_sessions, make_orders, unit_of_work
):
    def written():
        with unit_of_work(write=False) as uow:
            return [each["text"] for each in query.page(uow, "comment", query.ListQuery()).items]

    (key,) = make_orders(1)
    path = f"/r/order/{key}"
    data = form_of(browser, path, text="once")
    for _click in range(2):
        assert browser.post(f"{path}/comments", data=data).status_code == 303
    assert written() == ["once"]
    data = form_of(browser, path, text="typed at length")
    end_sessions()
    back = sign_in_again(browser, browser.post(f"{path}/comments", data=data).location)
    assert ">typed at length</textarea>" in text_of(browser.get(back.partition("#")[0]))
    assert written() == ["once"]


def test_a_number_of_five_thousand_digits_is_bad_input(browser, make_orders):
    """int() takes no more than 4,300."""
    (key,) = make_orders(1)
    path = f"/r/order/{key}/edit"
    data = form_of(browser, path, title="x", pieces="1")
    assert browser.post(path, data={**data, "version": MANY}).status_code == 422
    reference = {**data, "site": MANY, "site__label": "", "watchers": MANY, "watchers__shown": "1"}
    assert browser.post(path, data=reference).status_code < 500
    draft = {**data, "version": MANY, "record": str(key)}
    assert browser.post("/r/order/draft", data=draft).status_code == 200
    assert browser.get(path).status_code == 200
    sent = {"csrf_token": data["csrf_token"], "ids": MANY}
    assert browser.post("/r/order/export", data=sent).status_code == 303
    board = f"layout=board&filter_field=site&filter_op=eq&filter_value={MANY}"
    assert browser.get(f"/r/order?{board}").status_code < 500


def test_a_picture_may_be_taken_as_well_as_chosen(browser, make_orders):
    (key,) = make_orders(1)
    form = text_of(browser.get(f"/r/order/{key}/edit"))
    photo = re.search(r'<input class="input input-file"[^>]*name="photo"[^>]*>', form)[0]
    assert "capture" not in photo, "a picture at hand may be chosen"
    assert re.search(r'capture="environment" data-camera-for="photo"', form)
    assert 'data-camera-for="drawing"' not in form, "a document is no picture"
    page = text_of(browser.get(f"/r/order/{key}"))
    timeline = re.search(r'(?s)<form class="file-form".*?</form>', page)[0]
    assert timeline.count('name="files"') == 2
    assert timeline.count("capture") == 1

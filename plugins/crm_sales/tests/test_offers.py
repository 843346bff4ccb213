"""A quote on its way out: the mail, links by which customers answer, and what is refused."""

from __future__ import annotations

import email
import email.policy
import io
import re
from datetime import timedelta
from html import unescape

import pypdf
import pytest
from sqlalchemy import select

from core.errors import Forbidden, Invalid, NotFound, Refused
from core.settings.service import put_settings
from plugins.crm_sales.products.models import quote_link_table

#: The long tier asks PostgreSQL as well: what is told does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def text_of(answer):
    return unescape(answer.get_data(as_text=True))


@pytest.fixture
def quote(act, make, team):
    """Submitted by the seller, for a customer with a contact."""
    customer = make("customer", team.fu, name="潍坊鼎源农机有限公司")
    make("contact", team.fu, customer=customer, name="别人", email="other@example.com")
    make(
        "contact", team.fu, customer=customer, name="李喆", email="li@example.com", is_primary=True
    )
    robot = make("product", name="码垛机", code="MD", list_price="33.33", cost="7.77")
    lines = [{"product": robot, "quantity": "3", "discount": "5"}]
    key = make("quote", team.fu, customer=customer, lines=lines, terms="预付 30 %")
    act(team.fu, "quote", "submit", [key])
    return key


@pytest.fixture
def new_link(browser_of, quote, team):
    """``new_link()``: the path of a new link, as the seller is shown it."""
    browser = browser_of(team.fu)

    def make_one():
        answer = browser.post(f"/crm_sales/quotes/{quote}/link", data={"csrf_token": browser.csrf})
        (path,) = re.findall(r'value="http[^"]*(/crm_sales/offers/[\w-]{43})"', text_of(answer))
        return path

    return make_one


def digest(unit_of_work, quote):
    with unit_of_work(write=False) as uow:
        table = uow.entity("quote").table
        links = uow.execute(select(quote_link_table)).all()
        return links, uow.execute(select(table).where(table.c.id == quote)).one()


def test_a_customer_accepts_by_a_link_once(
    browser_of, client, new_link, quote, read, team, unit_of_work
):
    path = new_link()
    before = digest(unit_of_work, quote)
    page = text_of(client.get(path))
    for shown in ("码垛机", "¥94.99", "¥84.06", "¥10.93", "预付 30 %"):
        assert shown in page
    for hidden in ("7.77", "潍坊鼎源", "李喆", "li@example.com", "傅宇恒"):
        assert hidden not in page
    assert digest(unit_of_work, quote) == before, "nothing is written by looking"
    answer = client.post(path, data={"answer": "accept", "name": " 李  喆 ", "note": "请尽快发货"})
    assert (answer.status_code, answer.headers["Location"]) == (303, path)
    values = read("quote", quote)
    found = [values[name] for name in ("status", "answered_by", "answer_note")]
    assert found == ["accepted", "李 喆", "请尽快发货"]
    page = text_of(client.get(path))
    assert "此报价单已被接受" in page
    assert "<textarea" not in page
    again = client.post(path, data={"answer": "decline", "name": "别人", "note": "不要了"})
    assert again.status_code == 303
    assert read("quote", quote) == values, "the second answer changes nothing"
    bell = re.sub("<[^>]*>", "", text_of(browser_of(team.fu).get("/notifications")))
    assert f"客户接受了报价单“{values['number']}”" in bell
    timeline = text_of(browser_of(team.fu).get(f"/r/quote/{quote}?tab=timeline"))
    assert "请尽快发货" in timeline


def test_a_customer_declines_with_a_reason(client, new_link, quote, read):
    path = new_link()
    answer = client.post(path, data={"answer": "decline", "name": "", "note": " "})
    assert answer.status_code == 422
    assert "请告诉我们原因" in text_of(answer)
    assert read("quote", quote)["status"] == "submitted"
    long = {"answer": "accept", "name": "李" * 81, "note": "x" * 1001}
    assert client.post(path, data=long).status_code == 422
    assert client.post(path, data={"answer": "accept", "name": "a\x00b"}).status_code == 422
    client.post(path, data={"answer": "decline", "name": "李喆", "note": "太贵"})
    values = read("quote", quote)
    assert (values["status"], values["answer_note"]) == ("declined", "太贵")


def test_links_end_with_a_new_version_withdrawal_and_validity(
    act, client, new_link, quote, read, runtime, team, unit_of_work
):
    accept = {"answer": "accept", "name": "李喆"}
    path = new_link()
    with unit_of_work() as uow:
        (row,) = uow.execute(select(quote_link_table)).all()
    assert path.rpartition("/")[2] not in str(row), "only its hash is stored"
    act(team.fu, "quote", "withdraw", [quote])
    assert client.get(path).status_code == 404
    assert client.post(path, data=accept).status_code == 404
    path = new_link()
    act(team.fu, "quote", "revise", [quote])
    page = text_of(client.get(path))
    assert "已有新版本" in page
    assert "码垛机" not in page
    act(team.fu, "quote", "submit", [quote])
    client.post(path, data=accept)
    assert read("quote", quote)["status"] == "submitted", "the new version has links of its own"
    path, days = new_link(), read("quote", quote)["valid_until"] - runtime.clock.today()
    runtime.clock.offset += days
    assert "<textarea" in text_of(client.get(path)), "on its last day it still works"
    runtime.clock.offset += timedelta(days=1)
    assert "已过期" in text_of(client.get(path))
    client.post(path, data=accept)
    assert read("quote", quote)["status"] == "submitted"
    other = path[:-1] + ("A" if path[-1] != "A" else "B")
    assert client.get(other).status_code == 404
    assert client.post(other, data=accept).status_code == 404


def test_the_page_speaks_the_visitors_language(client, new_link):
    path = new_link()
    assert "Accept the quotation" in text_of(client.get(path, headers={"Accept-Language": "en-GB"}))
    assert "接受报价" in text_of(client.get(path, headers={"Accept-Language": "zh-CN,en;q=0.5"}))
    client.set_cookie("locale", "en")
    assert "Total with tax" in text_of(client.get(path, headers={"Accept-Language": "zh-CN"}))


def test_answers_are_counted(client, new_link, unit_of_work):
    with unit_of_work() as uow:
        put_settings(uow, "core_limits", {"form": 3})
    path = new_link()
    sent = [client.post(path, data={"answer": "accept"}).status_code for _ in range(5)]
    assert sent == [422, 422, 422, 429, 429]


def mails(runtime):
    folder = runtime.config.home / "mail"
    return [
        email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        for path in sorted(folder.glob("*.eml"))
    ]


def test_a_quote_goes_out_by_mail(
    browser_of, client, quote, read, run_jobs, runtime, team, unit_of_work
):
    browser, known = browser_of(team.fu), len(mails(runtime))
    verb = {"csrf_token": browser.csrf, "ids": quote}
    answer = browser.post("/r/quote/actions/send", data=verb)
    page = text_of(browser.get(answer.headers["Location"]))
    assert 'value="li@example.com"' in page, "the primary contact is offered"
    number = read("quote", quote)["number"]
    sent = verb | {
        "to": "li@example.com",
        "subject": f"报价单 {number}",
        "message": "请查阅。\n傅宇恒",
        "language": "zh_CN",
        "with_link": "1",
    }
    assert browser.post("/crm_sales/quotes/send", data=sent | {"to": "li"}).status_code == 422
    answer = browser.post("/crm_sales/quotes/send", data=sent)
    assert answer.status_code == 303
    assert len(mails(runtime)) == known, "within the request nothing is sent"
    run_jobs()
    (letter,) = mails(runtime)[known:]
    assert (letter["To"], letter["Subject"]) == ("li@example.com", f"报价单 {number}")
    assert letter["Reply-To"] == read("user", team.fu)["email"]
    (pdf,) = letter.iter_attachments()
    assert pdf.get_filename() == f"报价单 {number}.pdf"
    printed = pypdf.PdfReader(io.BytesIO(pdf.get_content())).pages[0].extract_text()
    assert "¥94.99" in printed
    (link,) = re.findall(r"/crm_sales/offers/[\w-]{43}", letter.get_body().get_content())
    assert client.get(link).status_code == 200
    assert read("quote", quote)["sent_to"] == "li@example.com"
    assert "li@example.com" in text_of(browser.get(f"/r/quote/{quote}?tab=timeline"))


def test_what_changed_meanwhile_is_not_sent(act, quote, run_jobs, runtime, team):
    known, given = len(mails(runtime)), {"to": "li@example.com", "subject": "S", "message": "T"}
    act(team.fu, "quote", "send", [quote], **given)
    act(team.fu, "quote", "revise", [quote])
    run_jobs()
    assert len(mails(runtime)) == known
    with pytest.raises(Refused):
        act(team.fu, "quote", "send", [quote], **given)


def test_only_who_may_sends_and_makes_links(act, bearer, browser_of, client, quote, team):
    given = {"to": "li@example.com", "subject": "S", "message": "T"}
    for stranger in (team.ning, team.yan):
        with pytest.raises(NotFound):
            act(stranger, "quote", "send", [quote], **given)
    with pytest.raises(Forbidden):
        act(team.viewer, "quote", "send", [quote], **given)
    for person, status in ((team.ning, 404), (team.viewer, 403)):
        headers = bearer(person)
        pages = (f"/crm_sales/quotes/send?ids={quote}", f"/crm_sales/quotes/{quote}/link")
        for page in pages:
            assert client.get(page, headers=headers).status_code == status, page
            assert client.post(page, headers=headers).status_code == status, page
    for wrong in ({"subject": "=?utf-8?q?a?="}, {"to": "a@example.com, b@example.com"}):
        with pytest.raises(Invalid):
            act(team.fu, "quote", "send", [quote], **given | wrong)
    assert "/link" in text_of(browser_of(team.fu).get(f"/r/quote/{quote}"))
    assert f"/quotes/{quote}/link" not in text_of(browser_of(team.viewer).get(f"/r/quote/{quote}"))

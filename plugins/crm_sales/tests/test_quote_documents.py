"""The printed quote: figures to the cent, over several pages, in two languages, for who may read it."""

from __future__ import annotations

import io
import re
from decimal import Decimal

import pypdf
import pytest

from core.i18n import use_locale
from core.i18n.formats import format_money
from core.settings.service import put_settings
from plugins.crm_sales.products.capitals import in_capitals

#: The long tier asks PostgreSQL as well: what is printed does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("0", "零元整"),
        ("0.05", "伍分"),
        ("0.30", "叁角整"),
        ("1.05", "壹元零伍分"),
        ("10", "壹拾元整"),
        ("1409.50", "壹仟肆佰零玖元伍角整"),
        ("6007.14", "陆仟零柒元壹角肆分"),
        ("16409.02", "壹万陆仟肆佰零玖元零贰分"),
        ("325.04", "叁佰贰拾伍元零肆分"),
        ("100000", "壹拾万元整"),
        ("107000.53", "壹拾万柒仟元伍角叁分"),
        ("20030000", "贰仟零叁万元整"),
        ("1000000010.50", "壹拾亿零壹拾元伍角整"),
        ("1000050000", "壹拾亿零伍万元整"),
        (
            "1234567890123456.78",
            "壹仟贰佰叁拾肆万伍仟陆佰柒拾捌亿玖仟零壹拾贰万叁仟肆佰伍拾陆元柒角捌分",
        ),
        ("-88", "负捌拾捌元整"),
    ],
)
def test_amounts_in_capital_figures(amount, words):
    assert in_capitals(Decimal(amount)) == words


@pytest.mark.parametrize("amount", ["0.005", "1E16"])
def test_what_is_no_amount_has_no_words(amount):
    with pytest.raises(ValueError, match="no amount"):
        in_capitals(Decimal(amount))


@pytest.fixture
def customer(make, team):
    key = make("customer", team.fu, name="潍坊鼎源农机有限公司")
    person = {"name": "李喆", "title": "采购经理", "email": "li.zhe@example.com"}
    make("contact", team.fu, customer=key, is_primary=True, **person)
    return key


@pytest.fixture
def long_quote(make, team, customer):
    """80 lines whose cents are worth adding up."""
    goods = [
        make("product", name=f"码垛机 {n}", code=f"MD{n}", list_price=f"{n + 1}33.33", unit="台")
        for n in range(4)
    ]
    lines = [
        {"product": goods[n % 4], "quantity": str(n % 7 + 1), "discount": str(n % 3)}
        for n in range(80)
    ]
    terms = "一、交货期 30 天。\n二、预付 30 %。"
    return make("quote", team.fu, customer=customer, lines=lines, terms=terms)


def read_pdf(answer):
    assert (answer.status_code, answer.content_type) == (200, "application/pdf")
    reader = pypdf.PdfReader(io.BytesIO(answer.get_data()))
    return [page.extract_text() for page in reader.pages]


def test_a_long_quote_is_printed_to_the_cent(
    act, bearer, client, long_quote, read, team, unit_of_work
):
    with unit_of_work() as uow:
        address = "重庆市渝北区 1 号"
        put_settings(uow, "core", {"company_name": "飞檐机械有限公司", "company_address": address})
    act(team.fu, "quote", "submit", [long_quote])
    quote = read("quote", long_quote, team.fu)
    path = f"/api/v1/records/quote/{long_quote}/documents/quote.pdf?language=zh_CN"
    pages = read_pdf(client.get(path, headers=bearer(team.fu)))
    whole = "\n".join(pages)
    assert len(pages) >= 3
    assert f"第 2 页 / 共 {len(pages)} 页" in pages[1]
    for text in ("飞檐机械有限公司", "重庆市渝北区 1 号", "李喆 采购经理", "li.zhe@example.com"):
        assert text in pages[0]
    assert "潍坊鼎源农机有限公司" in pages[0]
    assert quote["valid_until"].isoformat() in pages[0]
    with use_locale("zh_CN"):
        amounts = re.findall(r"¥[\d,]+\.\d\d", whole)
        printed = [Decimal(each[1:].replace(",", "")) for each in amounts]
        wanted = [v for line in quote["lines"] for v in (line["unit_price"], line["amount"])]
        assert printed == [*wanted, quote["net_total"], quote["tax_total"], quote["total"]]
        assert sum(printed[1:160:2]) == quote["total"]
        assert format_money(quote["total"], "CNY") in pages[-1]
    assert in_capitals(quote["total"]) in whole
    assert "二、预付 30 %。" in whole
    assert "草稿" not in whole
    english = read_pdf(client.get(path.replace("zh_CN", "en"), headers=bearer(team.fu)))
    assert "Quotation" in english[0]
    assert f"Page 1 of {len(english)}" in english[0]
    assert "Total with tax" in english[-1]
    assert in_capitals(quote["total"]) not in "".join(english)


def test_a_draft_says_so_and_hidden_fields_are_not_printed(
    bearer, browser_of, client, customer, make, make_person, team
):
    robot = make("product", name="码垛机", code="MD", list_price="100")
    lines = [{"product": robot, "quantity": "2"}]
    quote = make("quote", team.fu, customer=customer, lines=lines, terms="内部条款")
    hidden = {"quote": {"terms": "hidden", "total": "hidden"}, "quote_line": {"amount": "hidden"}}
    make("role", name="blind", title="盲审", grants={"quote": {"read": "all"}}, field_rules=hidden)
    blind = make_person("盲审员", roles=("blind",))
    path = f"/r/quote/{quote}/documents/quote.pdf"
    (own,) = read_pdf(browser_of(team.fu).get(path))
    assert "草稿" in own
    assert "¥200.00" in own
    assert "内部条款" in own
    (page,) = read_pdf(client.get(path, headers=bearer(blind)))
    assert "码垛机" not in page  # who may not read products learns no names of them
    assert "¥100.00" in page
    assert "¥200.00" not in page
    assert "贰佰元整" not in page
    assert "内部条款" not in page


def test_nobody_prints_another_ones_quote(bearer, browser_of, client, long_quote, team):
    """Neither by its page nor over REST, nor whoever is not signed in; and there is no button."""
    page, rest = (f"{start}/quote/{long_quote}" for start in ("/r", "/api/v1/records"))
    path = "documents/quote.pdf"
    assert f"{page}/{path}" in browser_of(team.fu).get(page).get_data(as_text=True)
    for stranger in (team.ning, team.yan, team.service):
        for start in (page, rest):
            answer = client.get(f"{start}/{path}", headers=bearer(stranger))
            assert answer.status_code in (403, 404), stranger
    assert client.get(f"{rest}/{path}").status_code == 401
    assert client.get(f"{page}/{path}").status_code in (302, 303)
    assert client.get(f"{rest}/documents/other.pdf", headers=bearer(team.fu)).status_code == 404

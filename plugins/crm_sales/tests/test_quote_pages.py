"""Pages of quotes and prices: the form that works lines out, why a price is what it is, versions."""

from __future__ import annotations

import re
import time
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import event

from core.entities import query, service
from core.testing.installation import PASSWORD

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def text_of(answer):
    return unescape(answer.get_data(as_text=True))


@pytest.fixture
def browser(browser_of, team):
    return browser_of(team.fu)


@pytest.fixture
def customer(make, team):
    return make("customer", team.fu, name="潍坊鼎源农机有限公司")


@pytest.fixture
def robot(make):
    return make("product", name="码垛机", code="MD", list_price="100", unit="台")


@pytest.fixture
def motor(make):
    return make(
        "product",
        name="电机",
        code="DJ",
        parameters=[{"name": "功率", "unit": "kW", "maximum": "90", "default_value": "4"}],
        price_formula="1000 / 功率",
    )


@pytest.fixture
def post(browser):
    def send(path, **data):
        sent = {name if "." in name else name.replace("__", "."): data[name] for name in data}
        return browser.post(path, data=sent | {"csrf_token": browser.csrf})

    return send


def test_a_quote_is_made_on_one_page(browser, customer, make, motor, post, read, robot, rows, team):
    """S-077: from the opportunity, with its lines, and no line that nobody filled in."""
    deal = make("opportunity", team.fu, name="码垛机", customer=customer, amount="1")
    page = text_of(browser.get(f"/r/opportunity/{deal}"))
    (address,) = set(re.findall(r'href="(/crm_sales/quotes/new\?opportunity=\d+)"', page))
    page = text_of(browser.get(address))
    assert 'value="潍坊鼎源农机有限公司"' in page
    answer = post(
        "/crm_sales/quotes/new",
        customer=customer,
        opportunity=deal,
        lines__0__product=robot,
        lines__0__quantity="1,000",
        lines__0__discount="5",
        lines__1__quantity="2",
        lines__2__product="",
        lines__2__quantity="1",
        **{"lines.1.product__label": "DJ"},  # typed, and not picked
    )
    assert answer.status_code == 303, text_of(answer)
    (key,) = [row["id"] for row in rows("quote")]
    quote = read("quote", key)
    assert [str(line["amount"]) for line in quote["lines"]] == ["95000.00", "500.00"]
    assert str(read("opportunity", deal)["amount"]) == "95500.00"


def test_what_is_wrong_is_told_at_its_line_and_nothing_is_lost(customer, motor, post, rows):
    answer = post(
        "/crm_sales/quotes/new",
        customer=customer,
        lines__0__product=motor,
        lines__0__shown=motor,
        lines__0__p__功率="0",
        lines__0__quantity="-3",
        **{"lines.1.product__label": "没有的"},
    )
    page = text_of(answer)
    assert answer.status_code == 422
    assert "从列表" in page
    assert 'value="没有的"' in page
    answer = post(
        "/crm_sales/quotes/new",
        customer=customer,
        lines__0__product=motor,
        lines__0__shown=motor,
        lines__0__p__功率="0",
        lines__0__quantity="3",
    )
    page = text_of(answer)
    assert answer.status_code == 422
    assert "除数为零：1000 / 功率" in page
    assert re.search(r'name="lines\.0\.p\.功率"[^>]* value="0"', page)
    assert rows("quote") == []


def test_lines_are_worked_out_while_one_types(customer, motor, post, robot, rows):
    """Totals come back with each line's amount; another product brings its own parameters."""
    sent = {
        "customer": customer,
        "lines__3__product": motor,
        "lines__3__shown": motor,
        "lines__3__p__功率": "8",
        "lines__3__quantity": "2",
        "lines__5__product": motor,
        "lines__5__shown": robot,
        "lines__5__quantity": "1",
    }
    page = text_of(post("/crm_sales/quotes/calculate", **sent))
    assert "¥250.00" in re.search(r'id="amount-lines.3".*?</div>', page, re.S)[0]
    assert "¥500.00" in page  # in all
    assert 'id="asked-lines.3"' not in page
    assert 'name="lines.5.p.功率"' in re.search(r'id="asked-lines.5".*?</div>', page, re.S)[0]
    assert "8" in re.search(r'id="reasons-lines.3".*?</div>', page, re.S)[0]
    page = text_of(post("/crm_sales/quotes/calculate", **(sent | {"lines__3__p__功率": "91"})))
    assert "90" in re.search(r'id="problems-lines.3".*?</div>', page, re.S)[0]
    page = text_of(post("/crm_sales/quotes/calculate", **(sent | {"lines__3__quantity": "x"})))
    assert "error" in re.search(r'id="problems-lines.3".*?</div>', page, re.S)[0]
    assert rows("quote") == []


def test_lines_of_a_draft_are_changed_unless_somebody_was_faster(
    browser, customer, make, post, read, robot, team, unit_of_work
):
    lines = [{"product": robot, "quantity": "1"}, {"product": robot, "quantity": "2"}]
    key = make("quote", team.fu, customer=customer, lines=lines)
    page = text_of(browser.get(f"/crm_sales/quotes/{key}/lines"))
    version = re.search(r'name="version" value="(\d+)"', page)[1]
    first, second = read("quote", key)["lines"]
    path = f"/crm_sales/quotes/{key}/lines"
    sent = {
        "version": version,
        "lines__0__id": second["id"],
        "lines__0__product": robot,
        "lines__0__quantity": "7",
        "lines__0__unit_price": "90",
    }
    assert post(path, **sent).status_code == 303
    (line,) = read("quote", key)["lines"]
    assert (line["id"], str(line["amount"])) == (second["id"], "630.00")
    again = post(path, **(sent | {"lines__0__quantity": "9"}))
    assert again.status_code == 409
    assert 'value="9"' in text_of(again)
    page = text_of(browser.get(path))
    assert re.search(r'name="lines\.0\.unit_price"[^>]* value="90"', page)
    added = post(path, **(sent | {"add_line": "lines"}))
    assert "lines.1.quantity" in text_of(added)
    with unit_of_work(team.fu) as uow:
        service.act(uow, "quote", "submit", [key])
    assert browser.get(path).status_code in (403, 409, 422)


def test_yen_have_no_cents(browser, customer, make, robot, team):
    make("exchange_rate", currency="JPY", valid_from="2020-01-01", rate="0.05")
    lines = [{"product": robot, "quantity": "1.5"}]
    key = make("quote", team.fu, customer=customer, currency="JPY", lines=lines)
    page = text_of(browser.get(f"/r/quote/{key}"))
    assert "¥3,000<" in page
    assert "3,000.00" not in page


def test_what_is_no_longer_valid_is_marked(browser, customer, make, robot, team):
    lines = [{"product": robot}]
    past = {"quoted_on": "2026-01-01", "valid_until": "2026-01-31"}
    make("quote", team.fu, customer=customer, lines=lines)
    assert "已过有效期" not in text_of(browser.get("/r/quote"))
    key = make("quote", team.fu, customer=customer, lines=lines, **past)
    assert "已过有效期" in text_of(browser.get("/r/quote"))
    assert "2026-01-31" in text_of(browser.get(f"/r/quote/{key}"))


def test_why_and_versions_are_shown(act, browser, customer, make, motor, read, team, unit_of_work):
    """S-081: what differs between two versions, line by line."""
    line = {"product": motor, "parameters": {"功率": "10"}}
    key = make("quote", team.fu, customer=customer, lines=[line])
    assert browser.get(f"/crm_sales/quotes/{key}/versions").status_code == 200
    act(team.fu, "quote", "submit", [key])
    act(team.fu, "quote", "revise", [key])
    (stored,) = read("quote", key)["lines"]
    changed = {"id": stored["id"], "quantity": "3", "parameters": {"功率": "8"}}
    with unit_of_work(team.fu) as uow:
        both = [changed, {"product": motor, "quantity": "1"}]
        service.update(uow, "quote", {key: {"lines": both}})
    page = text_of(browser.get(f"/crm_sales/quotes/{key}/versions"))
    assert "第 1 版" in page
    assert "第 2 版（草稿）" in page
    difference = page[page.index("差异") :]
    for word in ("功率 10 kW", "功率 8 kW", "¥100.00", "¥375.00", "新增", "已修改"):
        assert word in difference
    why = text_of(browser.get(f"/crm_sales/quotes/{key}/prices"))
    for word in ("1000 / 功率", "功率 8 kW", "125"):
        assert word in why
    page = text_of(browser.get(f"/r/quote/{key}"))
    for part in ("lines", "prices", "versions"):
        assert f"/crm_sales/quotes/{key}/{part}" in page


def test_a_price_is_explained_on_a_page_and_to_programs(
    browser, client, bearer, customer, make, motor, robot, team
):
    make(
        "price_list",
        name="年度",
        currency="CNY",
        valid_from="2026-01-01",
        items=[{"product": robot, "minimum_quantity": "10", "price": "95"}],
    )
    page = text_of(browser.get(f"/crm_sales/price?product={robot}&quantity=10&day=2026-05-01"))
    assert "¥95.00" in page
    assert "年度" in page
    page = text_of(browser.get(f"/crm_sales/price?product={motor}"))
    assert 'name="p.功率"' in page
    headers = bearer(team.fu)
    path = f"/crm_sales/price.json?product={robot}&customer={customer}&day=2026-05-01&quantity="
    found = client.get(f"{path}9", headers=headers).json
    assert (found["unit_price"], found["currency"]) == ("100.00", "CNY")
    assert [each["code"] for each in found["reasons"]] == ["passed", "own", "price"]
    assert client.get(f"{path}10", headers=headers).json["unit_price"] == "95.00"
    for wrong in (f"{path}0", f"{path}x", f"{path}1&currency=XXX", "/crm_sales/price.json"):
        assert client.get(wrong, headers=headers).status_code == 422, wrong
    zero = client.get(f"/crm_sales/price.json?product={motor}&p.功率=0", headers=headers)
    assert zero.status_code == 422


def test_who_may_not_sees_nothing(browser_of, client, bearer, customer, make, robot, team):
    key = make("quote", team.fu, customer=customer, lines=[{"product": robot}])
    other = browser_of(team.ning)
    for part in ("lines", "prices", "versions"):
        assert other.get(f"/crm_sales/quotes/{key}/{part}").status_code == 404
    sent = {"csrf_token": other.csrf, "quote": key, "lines.0.product": robot}
    assert other.post("/crm_sales/quotes/calculate", data=sent).status_code == 404
    assert other.post(f"/crm_sales/quotes/{key}/lines", data=sent).status_code == 404
    service_man = browser_of(team.service)
    assert service_man.get("/crm_sales/quotes/new").status_code == 403
    assert (
        service_man.post("/crm_sales/quotes/new", data={"csrf_token": service_man.csrf}).status_code
        == 403
    )
    # A customer out of reach is as one that is not there: what it pays is not told.
    path = f"/crm_sales/price.json?product={robot}&customer={customer}"
    assert client.get(path, headers=bearer(team.ning)).status_code == 404


def test_pages_do_without_what_is_hidden(act, browser_of, customer, make, make_person, robot, team):
    key = make("quote", team.fu, customer=customer, lines=[{"product": robot, "quantity": "7"}])
    act(team.fu, "quote", "submit", [key])
    act(team.fu, "quote", "revise", [key])
    hidden = dict.fromkeys(("unit_price", "base_price", "amount", "reasons"), "hidden")
    make(
        "role",
        name="guest",
        title="客座",
        grants={"quote": {"read": "all", "update": "all"}, "product": {"read": "all"}},
        field_rules={
            "quote_line": hidden,
            "quote": {"total": "hidden", "number": "hidden"},
            "quote_version": {"total": "hidden", "contents": "hidden"},
        },
    )
    guest = browser_of(make_person("客", roles=("guest",)))
    for path in (
        f"/r/quote/{key}",
        *(f"/crm_sales/quotes/{key}/{p}" for p in ("prices", "versions")),
    ):
        answer = guest.get(path)
        assert answer.status_code == 200, path
        assert "700.00" not in text_of(answer), path
    assert guest.get(f"/crm_sales/quotes/{key}/lines").status_code == 403
    sent = {"csrf_token": guest.csrf, "quote": key, "lines.0.product": robot}
    assert guest.post("/crm_sales/quotes/calculate", data=sent).status_code == 403


def test_a_hidden_formula_is_not_told(client, bearer, make, make_person, motor):
    rules = {"product": {"price_formula": "hidden"}}
    grants = {"product": {"read": "all"}}
    make("role", name="guest", title="客座", grants=grants, field_rules=rules)
    guest = make_person("客", roles=("guest",))
    path = f"/crm_sales/price.json?product={motor}&p.功率=8"
    found = client.get(path, headers=bearer(guest)).json
    assert found["unit_price"] == "125.00"
    assert not any("steps" in each or "formula" in each for each in found["reasons"])
    page = text_of(client.get(path.replace(".json", ""), headers=bearer(guest)))
    assert "¥125.00" in page
    assert "1000 / 功率" not in page


def test_calculating_costs_the_same_few_statements_for_many_lines(customer, motor, post, runtime):
    """No statement a line, and a whole answer in a fraction of a second."""
    counted = []
    engine = runtime.database.engine
    event.listen(engine, "before_cursor_execute", lambda *args: counted.append(args[2]))

    def cost(lines):
        sent = {"customer": customer}
        for n in range(lines):
            sent |= {
                f"lines__{n}__product": motor,
                f"lines__{n}__shown": motor,
                f"lines__{n}__p__功率": str(n % 80 + 1),
                f"lines__{n}__quantity": "1",
            }
        counted.clear()
        began = time.process_time()
        assert post("/crm_sales/quotes/calculate", **sent).status_code == 200
        return len(counted), time.process_time() - began

    cost(1)
    few, _spent = cost(2)
    many, spent = cost(60)
    assert many == few
    assert spent < 1.0, spent


# What is typed is not lost


def hidden(page, *names):
    return {name: re.search(rf'name="{name}" value="([^"]*)"', page)[1] for name in names}


def test_a_quote_outlives_the_session_and_is_one_though_it_is_sent_twice(
    browser, customer, robot, rows, team, unit_of_work
):
    from core.security.models import session_table

    path = "/crm_sales/quotes/new"
    sent = hidden(text_of(browser.get(path)), "csrf_token", "form_key")
    sent |= {"customer": customer, "lines.0.product": robot, "lines.0.quantity": "37"}
    sent["lines.0.product__label"] = "码垛机"
    address = re.search(r'data-draft="([^"]+)"', text_of(browser.get(path)))[1]
    assert browser.post(address, data=sent).status_code == 200
    (offer,) = re.findall(r'href="([^"]*\?draft=[^"]+)"', text_of(browser.get(path)))
    page = text_of(browser.get(offer))
    assert 'value="37"' in page
    assert "码垛机" in page
    assert 'value="潍坊鼎源农机有限公司"' in page
    assert len({browser.post(path, data=sent).location for _click in range(2)}) == 1
    assert len(rows("quote")) == 1
    sent |= hidden(text_of(browser.get(path)), "form_key") | {"lines.1.quantity": "5"}
    with unit_of_work() as uow:
        uow.execute(session_table.delete())
    answer = browser.post(path, data=sent)
    (back,) = parse_qs(urlsplit(answer.location).query)["next"]
    assert len(rows("quote")) == 1
    with unit_of_work(write=False) as uow:
        email = query.get(uow, "user", team.fu).values["email"]
    browser.post("/sign-in", data={"email": email, "password": PASSWORD})
    page = text_of(browser.get(back))
    assert re.search(r'name="lines\.1\.quantity"[^>]* value="5"', page), "without a product too"


@pytest.mark.parametrize("entity", ["quote", "opportunity"])
def test_lines_that_two_have_changed_are_both_shown(
    entity, browser, customer, make, post, read, robot, team, unit_of_work
):
    """Each may be taken; nothing typed is lost, and what is saved once more is saved."""
    values = {} if entity == "quote" else {"name": "码垛机"}
    key = make(
        entity, team.fu, customer=customer, lines=[{"product": robot, "quantity": "1"}], **values
    )
    path = f"/crm_sales/{'quotes' if entity == 'quote' else 'opportunities'}/{key}/lines"
    (line,) = read(entity, key)["lines"]
    sent = hidden(text_of(browser.get(path)), "form_key", "version", "seen")
    sent |= {"lines.0.id": line["id"], "lines.0.product": robot, "lines.0.quantity": "7"}
    with unit_of_work() as uow:
        theirs = [{"id": line["id"], "product": robot, "quantity": "53"}]
        service.update(uow, entity, {key: {"lines": theirs}})
    answer = post(path, **sent)
    page = text_of(answer)
    assert answer.status_code == 409
    assert re.search(r"(?s)conflict-also.*53.*5,300\.00", page), "what is saved now"
    assert re.search(r'name="lines\.0\.quantity"[^>]* value="7"', page), "what was typed"
    assert f'href="{path}"' in page, "the other's may be kept"
    assert str(read(entity, key)["lines"][0]["quantity"]) == "53.000"
    again = sent | hidden(page, "form_key", "version", "seen")
    assert post(path, **again).status_code == 303
    assert str(read(entity, key)["lines"][0]["quantity"]) == "7.000"
    assert post(path, **again).status_code == 303, "a second click is no conflict"


def test_lines_stand_although_something_else_was_changed(
    browser, customer, make, post, read, robot, team, unit_of_work
):
    lines = [{"product": robot, "quantity": "1"}]
    key = make("opportunity", team.fu, name="码垛机", customer=customer, lines=lines)
    path = f"/crm_sales/opportunities/{key}/lines"
    (line,) = read("opportunity", key)["lines"]
    sent = hidden(text_of(browser.get(path)), "form_key", "version", "seen")
    sent |= {"lines.0.id": line["id"], "lines.0.product": robot, "lines.0.quantity": "7"}
    with unit_of_work() as uow:
        service.update(uow, "opportunity", {key: {"name": "码垛机二期"}})
    assert post(path, **sent).status_code == 303
    values = read("opportunity", key)
    assert (values["name"], str(values["lines"][0]["quantity"])) == ("码垛机二期", "7.000")


def test_lines_are_not_saved_without_the_version_they_are_of(
    customer, make, post, read, robot, team
):
    key = make("quote", team.fu, customer=customer, lines=[{"product": robot, "quantity": "1"}])
    sent = {"lines.0.product": robot, "lines.0.quantity": "7"}
    for version in ({}, {"version": ""}, {"version": "x"}, {"version": "9" * 5_000}):
        answer = post(f"/crm_sales/quotes/{key}/lines", **sent, **version)
        assert answer.status_code == 422
        assert 'value="7"' in text_of(answer)
    assert str(read("quote", key)["lines"][0]["quantity"]) == "1.000"

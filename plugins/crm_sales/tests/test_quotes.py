"""Quotes: what their lines come to, what is refused, verbs, versions, limits, and the opportunity."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest

from core.entities import service
from core.errors import Forbidden, Invalid, NotFound, Refused
from core.handover.giving import start_hand_over
from core.handover.taking_back import start_taking_back
from plugins.crm_sales import api

#: The long tier asks PostgreSQL as well: what is told does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def fields_of(error):
    return {problem.field for problem in error.value.problems}


@pytest.fixture
def shop(make, team):
    """A customer with an opportunity, a plain product, and a configured one."""
    customer = make("customer", team.fu, name="潍坊鼎源农机有限公司", level="A")
    return SimpleNamespace(
        customer=customer,
        deal=make("opportunity", team.fu, name="码垛机三台", customer=customer, amount="1"),
        robot=make("product", name="码垛机", code="MD", list_price="33.33"),
        motor=make(
            "product",
            name="电机",
            code="DJ",
            unit="只",
            tax_rate="6",
            parameters=[{"name": "功率", "unit": "kW"}, {"name": "级数", "is_optional": True}],
            price_formula="IFNULL(级数, 4) * 1000 / 功率",
        ),
    )


@pytest.fixture
def offer(make, team, shop):
    """``offer(lines, person=…, **values)``: a quote of the seller."""

    def run(lines, person=team.fu, **values):
        values = {"customer": shop.customer, "opportunity": shop.deal} | values
        return make("quote", person, lines=lines, **values)

    return run


@pytest.fixture
def three(offer, shop):
    """Three pieces less 5 %, and a motor."""
    lines = [
        {"product": shop.robot, "quantity": "3", "discount": "5"},
        {"product": shop.motor, "parameters": {"功率": "16"}},
    ]
    return offer(lines)


def test_a_quote_begins_with_what_is_known_and_adds_up(read, three, team, unit_of_work):
    """S-077: numbered, with prices by the rules, net, tax and total to the cent."""
    quote = read("quote", three, team.fu)
    assert quote["number"].startswith("Q")
    assert quote["number"].endswith("-0001")
    assert (quote["status"], quote["revision"], quote["currency"]) == ("draft", 1, "CNY")
    assert quote["valid_until"] - quote["quoted_on"] == timedelta(days=30)
    robot, motor = quote["lines"]
    found = [str(robot[name]) for name in ("unit_price", "net_amount", "tax_amount", "amount")]
    assert found == ["33.33", "84.06", "10.93", "94.99"]
    assert (str(motor["amount"]), str(motor["net_amount"])) == ("250.00", "235.85")
    assert (motor["specification"], motor["unit"]) == ("功率 16 kW", "只")
    assert [str(quote[name]) for name in ("net_total", "tax_total", "total")] == [
        *("319.91", "25.08", "344.99")
    ]


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ({"quantity": "-1"}, "lines.0.quantity"),
        ({"quantity": "0"}, "lines.0.quantity"),
        ({"discount": "100.5"}, "lines.0.discount"),
        ({"tax_rate": "-1"}, "lines.0.tax_rate"),
        ({"unit_price": "-5"}, "lines.0.unit_price"),
        ({"quantity": "99999999999", "unit_price": "99999999"}, "lines.0.quantity"),
        ({"parameters": {"功率": "5"}}, "lines.0.parameters"),
        ({"product": "motor", "parameters": {}}, "lines.0.parameters"),
        ({"product": "motor", "parameters": {"功率": "0"}}, "lines.0.parameters"),
        (
            {"product": "motor", "parameters": {"功率": "x"}, "unit_price": "9"},
            "lines.0.parameters",
        ),
        ({"product": "motor", "parameters": [1]}, "lines.0.parameters"),
        ({"product": "free"}, "lines.0.unit_price"),
    ],
)
def test_bad_lines_are_told_at_their_field_and_save_nothing(offer, make, rows, shop, line, field):
    shop.free = make("product", name="未定价", code="F")
    line = {"product": "robot"} | line
    with pytest.raises(Invalid) as error:
        offer([line | {"product": getattr(shop, line["product"])}])
    assert fields_of(error) == {field}
    assert (rows("quote"), rows("quote_line")) == ([], [])


def test_a_currency_without_a_rate_is_told(offer, make, read, rows, shop, team, unit_of_work):
    line = {"product": shop.robot, "quantity": "7"}
    typed = line | {"unit_price": "1"}  # is no way around the limit of discounts
    for lines in ([line], [typed], []):
        with pytest.raises(Invalid) as error:
            offer(lines, currency="JPY", opportunity=None)
        assert [(p.field, p.code) for p in error.value.problems] == [("currency", "no_rate")]
        assert "JPY" in error.value.problems[0].message
    yen = make("price_list", name="出口", currency="JPY", valid_from="2026-01-01")
    with pytest.raises(Invalid) as error:
        offer([], price_list=yen, opportunity=None)  # whose currency it would have
    assert fields_of(error) == {"currency"}
    assert rows("quote") == []
    make("exchange_rate", currency="JPY", valid_from="2020-01-01", rate="0.05")
    quote = read("quote", offer([line], currency="JPY", opportunity=None))
    (found,) = quote["lines"]
    assert [int(found[name]) for name in ("unit_price", "net_amount", "tax_amount")] == [
        *(667, 4132, 537)
    ]
    assert quote["total"] == 4669
    with pytest.raises(Invalid) as error, unit_of_work(team.fu) as uow:
        service.update(uow, "quote", {quote["id"]: {"quoted_on": "2019-12-31"}})
    assert fields_of(error) == {"quoted_on"}


def test_heads_are_held_together(offer, make, shop, team):
    other = make("customer", team.fu, name="青岛润泽食品有限公司")
    dollars = make("price_list", name="出口", currency="USD", valid_from="2026-01-01")
    for values, field in (
        ({"customer": other}, "opportunity"),
        ({"price_list": dollars, "currency": "CNY"}, "price_list"),
        ({"quoted_on": "2026-05-02", "valid_until": "2026-05-01"}, "valid_until"),
        ({"customer": None, "opportunity": None}, "customer"),
    ):
        with pytest.raises(Invalid) as error:
            offer([], **values)
        assert fields_of(error) == {field}


def test_an_opportunity_keeps_the_customer_of_its_quotes(
    act, make, read, shop, three, team, unit_of_work
):
    """Else they could be submitted no more."""
    other = make("customer", team.fu, name="青岛润泽食品有限公司")
    with pytest.raises(Invalid) as error, unit_of_work(team.fu) as uow:
        service.update(uow, "opportunity", {shop.deal: {"customer": other}})
    assert [(p.field, p.code) for p in error.value.problems] == [("customer", "quoted")]
    act(team.fu, "quote", "submit", [three])
    act(team.manager, "customer", "merge", [other], others=[shop.customer])  # goes for both
    assert read("opportunity", shop.deal)["customer"] == read("quote", three)["customer"] == other
    act(team.fu, "quote", "accept", [three])


def test_what_is_not_on_sale_is_not_quoted_but_stays(offer, read, shop, three, team, unit_of_work):
    """S-075"""
    with unit_of_work() as uow:
        service.update(uow, "product", {shop.robot: {"is_active": False}})
    with pytest.raises(Invalid) as error:
        offer([{"product": shop.robot}])
    assert fields_of(error) == {"lines.0.product"}
    line = read("quote", three)["lines"][0]
    with unit_of_work(team.fu) as uow:
        service.update(uow, "quote_line", {line["id"]: {"quantity": "4"}})
    assert str(read("quote", three)["lines"][0]["amount"]) == "126.65"


def test_old_quotes_keep_their_price_and_drafts_follow_their_head(
    make, read, shop, three, team, unit_of_work
):
    """S-076"""
    with unit_of_work() as uow:
        service.update(uow, "product", {shop.robot: {"list_price": "50"}})
    assert str(read("quote", three)["lines"][0]["unit_price"]) == "33.33"
    items = [{"product": shop.robot, "price": "20"}]
    make(
        "price_list",
        name="去年",
        currency="CNY",
        valid_from="2025-01-01",
        valid_to="2025-12-31",
        items=items,
    )
    line = read("quote", three)["lines"][1]
    with unit_of_work(team.fu) as uow:
        service.update(uow, "quote_line", {line["id"]: {"unit_price": "240"}})
        service.update(uow, "quote", {three: {"quoted_on": "2025-06-01"}})
    robot, motor = read("quote", three)["lines"]
    assert (str(robot["unit_price"]), str(robot["amount"])) == ("20.00", "57.00")
    assert (str(motor["unit_price"]), str(motor["base_price"])) == ("240.00", "250.00")
    with unit_of_work(team.fu) as uow:  # emptied, it is the rules' again
        service.update(uow, "quote_line", {motor["id"]: {"unit_price": None}})
    assert str(read("quote", three)["lines"][1]["unit_price"]) == "250.00"


def test_parameters_change_the_price_unless_it_was_typed(read, three, team, unit_of_work):
    """S-078: the formula and its steps are kept on the line."""
    motor = read("quote", three)["lines"][1]
    with unit_of_work(team.fu) as uow:
        changed = {"parameters": {"功率": "10", "级数": "2"}}
        service.update(uow, "quote_line", {motor["id"]: changed})
    motor = read("quote", three)["lines"][1]
    assert (str(motor["unit_price"]), motor["specification"]) == ("200.00", "功率 10 kW, 级数 2")
    (formula,) = [each for each in motor["reasons"] if each["code"] == "formula"]
    assert formula["formula"] == "IFNULL(级数, 4) * 1000 / 功率"
    assert {"text": "功率", "value": "10"} in formula["steps"]


def test_a_head_that_leaves_lines_without_a_price_is_told_at_its_field(
    three, team, read, unit_of_work
):
    with pytest.raises(Invalid) as error, unit_of_work(team.fu) as uow:
        service.update(uow, "quote", {three: {"currency": "USD"}})
    assert fields_of(error) == {"currency"}
    assert read("quote", three)["currency"] == "CNY"


def test_over_rest_it_is_the_same(client, bearer, shop, team):
    """S-077: lines go nested, money comes as text, and problems name line and field."""
    headers, path = bearer(team.fu), "/api/v1/records/quote"
    body = {"customer": shop.customer, "lines": [{"product": shop.robot, "quantity": "-1"}]}
    answer = client.post(path, json=body, headers=headers)
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json["errors"]] == ["lines.0.quantity"]
    body["lines"] = [
        {"product": shop.robot, "quantity": "3", "discount": "5"},
        {"product": shop.motor, "parameters": {"功率": "16"}},
    ]
    made = client.post(path, json=body, headers=headers)
    assert made.status_code == 201, made.json
    assert (made.json["total"], made.json["status"]) == ("344.99", "draft")
    assert made.json["lines"][1]["parameters"] == {"功率": "16"}
    assert [each["code"] for each in made.json["lines"][0]["reasons"]] == ["own", "price"]
    key = made.json["id"]
    for verb in ("submit", "accept"):
        answer = client.post(f"{path}/{key}/actions/{verb}", json={}, headers=headers)
        assert answer.status_code == 200, answer.json
    assert client.get(f"{path}/{key}", headers=headers).json["status"] == "accepted"
    kept = client.get("/api/v1/records/quote_version", headers=headers).json["items"]
    assert [(each["revision"], each["total"]) for each in kept] == [(1, "344.99")]


# Verbs and versions


def test_submitted_it_stays_and_a_version_is_kept(act, read, rows, shop, three, team, unit_of_work):
    """S-081: both versions are readable, one is current."""
    act(team.fu, "quote", "submit", [three])
    line = read("quote", three)["lines"][0]
    for change in (
        lambda uow: service.update(uow, "quote", {three: {"terms": "x"}}),
        lambda uow: service.update(uow, "quote", {three: {"lines": []}}),
        lambda uow: service.update(uow, "quote_line", {line["id"]: {"quantity": "9"}}),
        lambda uow: service.delete(uow, "quote_line", [line["id"]]),
        lambda uow: service.create(uow, "quote_line", [{"quote": three, "product": shop.robot}]),
    ):
        with pytest.raises(Invalid), unit_of_work(team.fu) as uow:
            change(uow)
    with pytest.raises(Refused):
        act(team.fu, "quote", "submit", [three])
    act(team.fu, "quote", "revise", [three])
    with unit_of_work(team.fu) as uow:
        service.update(uow, "quote_line", {line["id"]: {"quantity": "4"}})
    act(team.fu, "quote", "submit", [three])
    quote = read("quote", three)
    assert (quote["revision"], quote["status"]) == (2, "submitted")
    first, second = rows("quote_version", team.fu, sort="revision")
    assert (first["revision"], str(first["total"])) == (1, "344.99")
    assert (second["revision"], second["total"]) == (2, quote["total"])
    kept = first["contents"]["lines"][0]
    assert (kept["code"], kept["quantity"], kept["amount"]) == ("MD", "3.000", "94.99")


def test_what_is_empty_or_over_does_not_go_out(act, offer, three, team, unit_of_work):
    empty = offer([])
    with pytest.raises(Refused):
        act(team.fu, "quote", "submit", [empty])
    act(team.fu, "quote", "submit", [three])
    with unit_of_work() as uow:
        past = {"quoted_on": "2026-01-01", "valid_until": "2026-01-31"}
        service.update(uow, "quote", {three: past})
    with pytest.raises(Refused) as error:
        act(team.fu, "quote", "accept", [three])
    assert "2026-01-31" in str(error.value)


def test_declined_it_comes_again(act, read, three, team):
    act(team.fu, "quote", "submit", [three])
    act(team.fu, "quote", "decline", [three])
    with pytest.raises(Refused):
        act(team.fu, "quote", "accept", [three])
    act(team.fu, "quote", "revise", [three])
    assert read("quote", three)["status"] == "draft"


def test_a_copy_is_a_new_draft_at_todays_prices(act, make, read, shop, three, team, unit_of_work):
    motor = read("quote", three)["lines"][1]
    other = make("customer", team.fu, name="青岛润泽食品有限公司")
    with unit_of_work() as uow:
        service.update(uow, "quote_line", {motor["id"]: {"unit_price": "240"}})
        service.update(uow, "product", {shop.robot: {"list_price": "50"}})
    (key,) = act(team.fu, "quote", "copy", [three], customer=other)["copies"]
    copy = read("quote", key)
    assert (copy["customer"], copy["opportunity"], copy["status"]) == (other, None, "draft")
    assert copy["number"] != read("quote", three)["number"]
    robot, motor = copy["lines"]
    assert (str(robot["unit_price"]), str(robot["discount"])) == ("50.00", "5.00")
    assert (str(motor["unit_price"]), motor["parameters"]) == ("240.00", {"功率": "16"})


# Limits of discounts


@pytest.fixture
def limit(make, rows):
    def set_(name, percent):
        (role,) = rows("role", filter={"field": "name", "op": "eq", "value": name})
        return make("discount_limit", role=role["id"], limit=percent)

    return set_


def test_beyond_their_limit_nobody_submits(act, limit, offer, read, shop, team):
    """S-072: a discount and a lower price typed in count alike, against the price by the rules."""
    limit("sales", "5")
    limit("sales_manager", "15")
    fair = offer([{"product": shop.robot, "discount": "5"}])
    act(team.fu, "quote", "submit", [fair])
    low = offer([{"product": shop.robot, "discount": "5", "unit_price": "33.32"}])
    with pytest.raises(Refused) as error:
        act(team.fu, "quote", "submit", [low])
    assert "5.03" in str(error.value)
    assert read("quote", low)["status"] == "draft"
    act(team.manager, "quote", "submit", [low])
    lower = offer([{"product": shop.robot, "unit_price": "28"}])
    with pytest.raises(Refused):
        act(team.manager, "quote", "submit", [lower])


def test_a_limit_is_held_against_what_the_customer_would_get_today(
    act, limit, make, offer, read, shop, team, unit_of_work
):
    """Neither a list for other customers nor a day on which it cost less makes a discount vanish."""
    limit("sales", "5")
    cheap = [{"product": shop.robot, "price": "20"}]
    rule = {"currency": "CNY", "valid_from": "2020-01-01"}
    others = make("price_list", name="B 级", customer_level="B", items=cheap, **rule)
    make("price_list", name="去年", valid_to="2026-01-31", items=cheap, **rule)
    named = offer([{"product": shop.robot}], price_list=others)
    past = offer([{"product": shop.robot}], quoted_on="2026-01-15", valid_until="2099-12-31")
    for key in (named, past):
        assert str(read("quote", key)["lines"][0]["unit_price"]) == "20.00"
        with pytest.raises(Refused) as error:
            act(team.fu, "quote", "submit", [key])
        assert "39.99" in str(error.value)  # of 33.33
        assert "33.33" in str(error.value)
        assert read("quote", key)["status"] == "draft"
    own = make("price_list", name="A 级", customer_level="A", items=cheap, **rule)
    act(team.fu, "quote", "submit", [named])  # by now it is what the rules give this customer
    with unit_of_work() as uow:
        service.update(uow, "price_list", {own: {"is_active": False}})
    dear = [{"product": shop.robot, "price": "33"}]
    make("price_list", name="优先", priority=5, items=dear, **rule)
    mine = make("price_list", name="全部", items=cheap, currency="CNY", valid_from="2026-02-01")
    act(team.fu, "quote", "submit", [offer([{"product": shop.robot}], price_list=mine)])


@pytest.mark.long
def test_no_price_is_lowered_while_its_quote_goes_out(offer, read, shop, team, unit_of_work):
    """Between the look at the limit and the end of it."""
    key = offer([{"product": shop.robot}])
    (line,) = (each["id"] for each in read("quote", key)["lines"])

    def lower():
        try:
            with unit_of_work(team.fu) as uow:
                service.update(uow, "quote_line", {line: {"unit_price": "1"}})
        except Invalid as error:
            return [problem.code for problem in error.problems]
        return []

    with ThreadPoolExecutor(1) as threads:
        with unit_of_work(team.fu) as uow:
            service.act(uow, "quote", "submit", [key])
            lowered = threads.submit(lower)
            wait([lowered], timeout=0.5)  # it stands before the quote, until that is written
        assert lowered.result() == ["locked"]
    assert str(read("quote", key)["lines"][0]["unit_price"]) == "33.33"


@pytest.mark.long
def test_a_line_comes_back_as_its_quote_is_now(make, offer, read, shop, team, unit_of_work):
    make("exchange_rate", currency="USD", valid_from="2020-01-01", rate="8")
    lines = [{"product": shop.robot}, {"product": shop.robot, "quantity": "2"}]
    key = offer(lines, opportunity=None)
    _first, second = (line["id"] for line in read("quote", key)["lines"])
    with unit_of_work(team.fu) as uow:
        service.delete(uow, "quote_line", [second])
        service.update(uow, "quote", {key: {"currency": "USD"}})
        service.restore(uow, "quote_line", [second])
    found = [(each["currency"], str(each["amount"])) for each in read("quote", key)["lines"]]
    assert found == [("USD", "4.17"), ("USD", "8.34")]


def test_a_module_may_ask_for_consent(
    act, limit, monkeypatch, offer, read, rows, runtime, shop, team, unit_of_work
):
    """Taken by the hook it waits, and ``api.py`` says how it ended."""
    limit("sales", "5")
    asked = []
    ask = runtime.plugins.call_in_transaction

    def taking(hook, enabled, /, **arguments):
        if hook != "request_consent":
            return ask(hook, enabled, **arguments)
        asked.append(arguments["reasons"])
        return [record["id"] for record in arguments["records"]]

    monkeypatch.setattr(runtime.plugins, "call_in_transaction", taking)
    low = offer([{"product": shop.robot, "discount": "20"}])
    assert act(team.fu, "quote", "submit", [low]) == {"submitted": [], "asked": [low]}
    assert "20" in asked[0][low][0]
    assert read("quote", low)["status"] == "in_approval"
    with pytest.raises(Refused):
        act(team.fu, "quote", "accept", [low])
    with unit_of_work(team.manager) as uow, uow.elevated():
        assert api.send_back_quotes(uow, [low]) == [low]
    assert read("quote", low)["status"] == "draft"
    act(team.fu, "quote", "submit", [low])
    with unit_of_work(team.manager) as uow, uow.elevated():
        assert api.release_quotes(uow, [low]) == [low]
    assert read("quote", low)["status"] == "submitted"
    (version,) = rows("quote_version")
    assert version["submitted_by"] == team.manager


# The opportunity


def test_the_opportunity_follows_its_quote(act, make, offer, read, shop, three, team, unit_of_work):
    """S-083: the newest quote counts until one is accepted."""

    def amount():
        return str(read("opportunity", shop.deal)["amount"])

    assert amount() == "344.99"
    line = read("quote", three)["lines"][1]
    with unit_of_work(team.fu) as uow:
        service.delete(uow, "quote_line", [line["id"]])
    assert amount() == "94.99"
    second = offer([{"product": shop.robot}])
    assert amount() == "33.33"
    act(team.fu, "quote", "submit", [three])
    act(team.fu, "quote", "accept", [three])
    assert amount() == "94.99"
    with unit_of_work(team.fu) as uow:
        (row,) = read("quote", second)["lines"]
        service.update(uow, "quote", {second: {"lines": [{"id": row["id"], "quantity": "5"}]}})
    assert amount() == "94.99"
    make("exchange_rate", currency="USD", valid_from="2020-01-01", rate="7")
    other = make("opportunity", team.fu, name="出口", customer=shop.customer, amount="1")
    offer([{"product": shop.robot}], opportunity=other, currency="USD")
    values = read("opportunity", other)
    assert (str(values["amount"]), values["currency"]) == ("4.76", "USD")


def test_it_does_not_undo_a_won_deal(act, read, offer, shop, three, team):
    act(team.fu, "opportunity", "win", [shop.deal])
    offer([{"product": shop.robot}])
    assert str(read("opportunity", shop.deal)["amount"]) == "344.99"


# Rights


def test_quotes_are_their_sellers_and_the_managers(act, make, read, rows, shop, three, team):
    assert [each["id"] for each in rows("quote", team.fu)] == [three]
    assert [each["id"] for each in rows("quote", team.manager)] == [three]
    assert rows("quote", team.ning) == []
    assert rows("quote_line", team.ning) == []
    act(team.fu, "quote", "submit", [three])
    assert len(rows("quote_version", team.manager)) == 1
    assert rows("quote_version", team.ning) == []
    with pytest.raises((Forbidden, NotFound)):
        act(team.ning, "quote", "accept", [three])
    with pytest.raises(Forbidden):
        rows("quote", team.service)


def test_the_totals_of_many_lines_are_the_sums(offer, read, shop):
    """Two hundred lines with cents that do not come out even."""
    lines = [
        {"product": shop.robot, "quantity": f"{n}.{n % 7}", "discount": f"{n % 13}.5"}
        for n in range(1, 201)
    ]
    quote = read("quote", offer(lines))
    for total, name in (
        ("net_total", "net_amount"),
        ("tax_total", "tax_amount"),
        ("total", "amount"),
    ):
        assert quote[total] == sum(line[name] for line in quote["lines"])
    assert quote["net_total"] + quote["tax_total"] == quote["total"]
    assert quote["total"] == quote["total"].quantize(Decimal("0.01"))


def test_a_version_holds_what_its_reader_may_see(act, make, make_person, rows, three, team):
    """A field that is hidden of lines is hidden of the lines that are kept."""
    act(team.fu, "quote", "submit", [three])
    make(
        "role",
        name="guest",
        title="客座",
        grants={"quote": {"read": "all"}, "product": {"read": "all"}},
        field_rules={"quote_line": {"discount": "hidden", "reasons": "hidden"}},
    )
    (version,) = rows("quote_version", make_person("客", roles=("guest",)))
    kept = version["contents"]["lines"][0]
    assert kept["quantity"] == "3.000"
    assert {"discount", "reasons"}.isdisjoint(kept)
    (whole,) = rows("quote_version", team.fu)
    assert whole["contents"]["lines"][0]["discount"] == "5.00"


def test_what_was_accepted_is_not_revised(act, read, three, team):
    act(team.fu, "quote", "submit", [three])
    act(team.fu, "quote", "accept", [three])
    with pytest.raises(Refused):
        act(team.fu, "quote", "revise", [three])
    assert read("quote", three)["status"] == "accepted"


def test_who_leaves_hands_over_quotes_and_all_of_it_comes_back(
    three, shop, team, unit_of_work, run_jobs, rows, admin_id
):
    entities = ("customer", "opportunity", "quote")

    def owners():
        return {
            (entity, row["id"]): (row["owner"], row["department"])
            for entity in entities
            for row in rows(entity)
        }

    before = owners()
    with unit_of_work(admin_id) as uow:
        job = start_hand_over(uow, team.fu, [team.ning])
    run_jobs()
    assert before != owners()
    assert team.fu not in {owner for owner, _home in owners().values()}
    with unit_of_work(admin_id) as uow:
        start_taking_back(uow, job)
    run_jobs()
    assert owners() == before

"""What breaks a rule over several records is told at its field over HTTP, and nothing of it is saved."""

from __future__ import annotations

import pytest

#: The rules themselves are asked in every run, see `test_customers`, `test_products` and `test_quotes`.
pytestmark = pytest.mark.long


@pytest.fixture
def send(client, bearer, team):
    """``send(method, path, **values)``: by the manager; the status, and fields with codes."""
    headers = bearer(team.manager)

    def run(method, path, **values):
        answer = client.open(f"/api/v1/records/{path}", method=method, json=values, headers=headers)
        told = (answer.json or {}).get("errors", ())
        return answer.status_code, [(each["field"], each["code"]) for each in told]

    return run


def test_circular_parents(send, make, read, team):
    top = make("customer", team.manager, name="集团")
    low = make("customer", team.manager, name="工厂", parent=top)
    boss = make("contact", team.manager, name="王总", customer=top)
    clerk = make("contact", team.manager, name="小李", customer=top, reports_to=boss)
    above = make("product_category", name="输送设备")
    below = make("product_category", name="皮带线", parent=above)
    for entity, key, field, value in (
        ("customer", top, "parent", low),
        ("customer", top, "parent", top),
        ("contact", boss, "reports_to", clerk),
        ("product_category", above, "parent", below),
    ):
        assert send("PATCH", f"{entity}/{key}", **{field: value}) == (422, [(field, "circle")])
        assert read(entity, key)[field] is None


def test_overlapping_lists(send, make, rows):
    rule = {"currency": "CNY", "customer_level": "A", "valid_from": "2026-01-01"}
    key = make("price_list", name="A 级", **rule)
    other = make("price_list", name="B 级", **(rule | {"customer_level": "B"}))
    overlap = (422, [("valid_from", "overlap")])
    assert send("POST", "price_list", name="又一张", **rule) == overlap
    assert send("PATCH", f"price_list/{other}", customer_level="A") == overlap
    assert send("DELETE", f"price_list/{key}")[0] in (200, 204)
    assert send("PATCH", f"price_list/{other}", customer_level="A")[0] == 200
    assert send("POST", f"price_list/{key}/restore") == overlap
    assert [row["id"] for row in rows("price_list")] == [other]


def test_a_missing_rate(send, make, read, rows, team):
    customer = make("customer", team.manager, name="潍坊鼎源农机有限公司")
    product = make("product", name="码垛机", code="MD", list_price="10")
    no_rate = (422, [("currency", "no_rate")])
    line = {"product": product, "unit_price": "9"}
    mine = {"customer": customer, "currency": "USD"}
    for lines in ([], [line]):
        assert send("POST", "quote", **mine, lines=lines) == no_rate
        assert send("POST", "opportunity", **mine, name="x", lines=lines) == no_rate
    key = make("quote", team.manager, customer=customer, lines=[line])
    assert send("PATCH", f"quote/{key}", currency="USD") == no_rate
    assert read("quote", key)["currency"] == "CNY"
    assert (len(rows("quote")), rows("opportunity")) == (1, [])

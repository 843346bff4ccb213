"""Writing into a cell of a list, and a look at a record beside it (S-253)."""

from __future__ import annotations

import re

import pytest

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

COLUMNS = "title,status,amount,pieces,twice"


def text_of(answer):
    return answer.get_data(as_text=True)


def version_of(html):
    return re.search(r'name="version" value="(\d+)"', html)[1]


@pytest.fixture
def write(browser):
    """``write(id, cell, then="", **values) -> answer``: opens the cell and sends its form."""

    def send(key, cell, then="", version="", **values):
        opened = text_of(browser.get(f"/r/order/{key}/row?columns={COLUMNS}&cell={cell}"))
        data = {"cell": cell, "columns": COLUMNS, "then": then, "csrf_token": browser.csrf}
        data |= {"version": version or version_of(opened), **values}
        return browser.post(f"/r/order/{key}/row", data=data)

    return send


def test_a_cell_is_written_and_the_row_comes_back(write, make_orders, order_of):
    (key,) = make_orders(1, amount="10")
    answer = write(key, "amount", amount="1,250.50")
    assert answer.status_code == 200
    assert "¥1,250.50" in text_of(answer)
    assert "cell-form" not in text_of(answer)
    assert str(order_of(key)["amount"]) == "1250.50"


def test_what_is_worked_out_from_a_cell_changes_with_it(write, make_orders):
    (key,) = make_orders(1, amount="4")
    assert "¥14.00" in text_of(write(key, "amount", amount="7"))


def test_the_next_cell_opens_when_it_is_named(write, make_orders):
    (key,) = make_orders(1)
    html = text_of(write(key, "amount", then="pieces", amount="5"))
    assert 'name="pieces"' in html
    assert "cell-form" not in text_of(write(key, "amount", then="secret.nonsense", amount="5"))


def test_what_cannot_be_read_comes_back_with_its_error(write, make_orders, order_of):
    (key,) = make_orders(1, amount="10")
    answer = write(key, "amount", amount="a lot")
    assert answer.status_code == 422
    assert 'value="a lot"' in text_of(answer)
    assert 'aria-invalid="true"' in text_of(answer)
    assert str(order_of(key)["amount"]) == "10.00"


def test_who_was_overtaken_is_told_and_overwrites_nothing(write, browser, make_orders, order_of):
    (key,) = make_orders(1, amount="10")
    version = version_of(text_of(browser.get(f"/r/order/{key}/row?cell=amount&columns={COLUMNS}")))
    assert write(key, "amount", amount="20").status_code == 200
    answer = write(key, "amount", version=version, amount="30")
    assert answer.status_code == 409
    assert str(order_of(key)["amount"]) == "20.00"
    told = re.search(r'id="error-amount">(?:<svg.*?</svg>)?([^<]*)', text_of(answer), re.S)[1]
    assert "¥20.00" in told, "what is there now"
    assert 'value="30"' in text_of(answer), "and what was typed"
    again = write(key, "amount", version=version_of(text_of(answer)), amount="30")
    assert again.status_code == 200
    assert str(order_of(key)["amount"]) == "30.00"


@pytest.mark.parametrize(
    "cell", ["secret", "amount", "title", "twice", "version", "nonsense", "parts"]
)
def test_no_cell_opens_that_its_reader_may_not_write(
    sign_in_as, make_orders, people, order_of, cell
):
    (key,) = make_orders(1, owner=people["worker"], amount="10", secret="deep")
    worker = sign_in_as("worker")
    assert worker.get(f"/r/order/{key}/row?cell={cell}").status_code == 404
    data = {"cell": cell, cell: "99", "version": "1", "csrf_token": worker.csrf}
    assert worker.post(f"/r/order/{key}/row", data=data).status_code == 404
    values = order_of(key)
    assert (str(values["amount"]), values["secret"], values["title"]) == (
        "10.00",
        "deep",
        "Order 001",
    )


def test_a_record_out_of_reach_has_neither_row_nor_look(sign_in_as, make_orders, people):
    (key,) = make_orders(1, owner=people["foreman"])
    worker = sign_in_as("worker")
    assert worker.get(f"/r/order/{key}/row").status_code == 404
    assert worker.get(f"/r/order/{key}/look").status_code == 404
    data = {"cell": "pieces", "pieces": "9", "version": "1", "csrf_token": worker.csrf}
    assert worker.post(f"/r/order/{key}/row", data=data).status_code == 404


def test_masked_values_stay_masked_in_row_and_look(sign_in_as, make_orders, people):
    (key,) = make_orders(1, owner=people["worker"], mobile="13800138000", secret="deep")
    worker = sign_in_as("worker")
    for address in (f"/r/order/{key}/row?columns=title,mobile,secret", f"/r/order/{key}/look"):
        html = text_of(worker.get(address))
        assert "138****8000" in html
        assert "13800138000" not in html
        assert "deep" not in html


def test_the_heads_say_which_columns_can_be_written(sign_in_as, make_orders, people):
    make_orders(1, owner=people["worker"])
    html = text_of(sign_in_as("worker").get("/r/order"))
    editable = re.findall(r'data-column="(\w+)" data-editable', html)
    assert "status" in editable
    assert not {"amount", "mobile", "title"} & set(editable)


@pytest.mark.parametrize("version", ["abc", "-1", "9" * 30, "²"])
def test_a_version_that_is_no_number_is_an_old_one(write, make_orders, order_of, version):
    (key,) = make_orders(1, amount="10")
    assert write(key, "amount", version=version, amount="11").status_code == 409
    assert str(order_of(key)["amount"]) == "10.00"


def test_a_file_is_chosen_in_the_form_alone(browser, make_orders):
    """The list has not the scripts that send it."""
    (key,) = make_orders(1)
    html = text_of(browser.get("/r/order?columns=title,drawing,status"))
    assert re.findall(r'data-column="(\w+)" data-editable', html) == ["status"]
    assert browser.get(f"/r/order/{key}/row?cell=drawing").status_code == 404

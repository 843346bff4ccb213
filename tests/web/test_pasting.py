"""A block from a spreadsheet, pasted into the cells of a list (S-253)."""

from __future__ import annotations

import re
from html import unescape

import pytest

from core.entities import service

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

PAGE = "/r/order?sort=title"


def text_of(answer):
    return unescape(answer.get_data(as_text=True))


@pytest.fixture
def paste(browser, order_of):
    """``paste(rows, names, *lines, person=browser, versions=None, **more)``: the lines go into these
    rows; without ``confirmed`` it is only asked about."""

    def send(ids, names, *lines, person=browser, versions=None, **more):
        cells = [
            (f"{row}:{name}", text)
            for row, line in enumerate(lines)
            for name, text in zip(names, line, strict=True)
        ]
        data = {
            "ids": ids,
            "versions": versions or [order_of(key)["version"] for key in ids],
            "cells": [place for place, _text in cells],
            "texts": [text for _place, text in cells],
            "back": PAGE,
            "csrf_token": person.csrf,
            **more,
        }
        return person.post("/r/order/paste", data=data)

    return send


def test_rows_say_what_they_are_so_that_a_block_finds_them(browser, make_orders):
    (key,) = make_orders(1)
    assert f'<tr data-record="{key}" data-version="1">' in text_of(browser.get("/r/order"))


def test_a_block_is_asked_about_then_written_and_taken_back(
    browser, make_orders, order_of, paste, unit_of_work
):
    with unit_of_work() as uow:
        (site,) = service.create(uow, "site", [{"name": "East"}])
    ids = make_orders(3, amount="10", status="open")
    names = ("amount", "status", "site", "is_urgent", "due_on")
    lines = [
        ("1,250.50", "Done", "East", "是", "2026/2/3"),
        ("10", "open", "", "", ""),
        ("", "working", "", "否", ""),
    ]
    asked = text_of(paste(ids, names, *lines))
    assert "7 个单元格" in asked
    assert "2 条记录" in asked
    assert str(order_of(ids[0])["amount"]) == "10.00"
    answer = paste(ids, names, *lines, confirmed="1")
    assert answer.location == PAGE
    first, second, third = map(order_of, ids)
    assert [str(first["amount"]), first["status"], first["site"], first["is_urgent"]] == [
        "1250.50",
        "done",
        site,
        True,
    ]
    assert str(first["due_on"]) == "2026-02-03"
    assert second["version"] == 1, "it holds the same already"
    assert (third["amount"], third["status"]) == (None, "working")
    undo = re.search(r'action="([^"]+/undo[^"]*)"', text_of(browser.get(PAGE)))[1]
    browser.post(undo, data={"csrf_token": browser.csrf})
    for key in ids:
        values = order_of(key)
        assert (str(values["amount"]), values["status"], values["site"]) == ("10.00", "open", None)


def test_each_cell_that_cannot_be_is_told_and_the_others_are_written(
    browser, make_orders, order_of, paste
):
    ids = make_orders(2, amount="10")
    lines = [("lots", "3"), ("20", "few")]
    asked = text_of(paste(ids, ("amount", "pieces"), *lines, left_out="4"))
    for record, label in (("Order 001", "Amount"), ("Order 002", "Pieces")):
        assert re.search(rf"<b>{record}</b>[^<]*{label}", asked)
    assert "2 个单元格" in asked
    assert re.search(r"略过[^<]*4", asked)
    paste(ids, ("amount", "pieces"), *lines, confirmed="1")
    page = text_of(browser.get(PAGE))
    assert re.search(r"toast-warn.*Order 001[^<]*Amount.*Order 002[^<]*Pieces", page, re.S)
    assert (str(order_of(ids[0])["amount"]), order_of(ids[0])["pieces"]) == ("10.00", 3)
    assert (str(order_of(ids[1])["amount"]), order_of(ids[1])["pieces"]) == ("20.00", None)


def test_what_the_company_forbids_stays_and_the_rest_of_its_record_is_written(
    make_orders, order_of, paste, unit_of_work, admin_id
):
    from core.customize.ruling import set_rules

    with unit_of_work(admin_id) as uow:
        set_rules(uow, "order", "pieces", {"validation": "pieces < 100"})
    ids = make_orders(2, amount="10")
    lines = [("20", "500"), ("30", "5")]
    asked = text_of(paste(ids, ("amount", "pieces"), *lines))
    assert re.search(r"<b>Order 001</b>[^<]*Pieces", asked)
    assert "3 个单元格" in asked
    paste(ids, ("amount", "pieces"), *lines, confirmed="1")
    assert (str(order_of(ids[0])["amount"]), order_of(ids[0])["pieces"]) == ("20.00", None)
    assert (str(order_of(ids[1])["amount"]), order_of(ids[1])["pieces"]) == ("30.00", 5)


def test_a_record_that_was_changed_meanwhile_stays(make_orders, order_of, paste, unit_of_work):
    ids = make_orders(2, pieces=1)
    with unit_of_work() as uow:
        service.update(uow, "order", {ids[0]: {"pieces": 2}})
    asked = text_of(paste(ids, ("pieces",), ("7",), ("8",), versions=[1, 1]))
    assert "Order 001" in asked
    paste(ids, ("pieces",), ("7",), ("8",), versions=[1, 1], confirmed="1")
    assert [order_of(key)["pieces"] for key in ids] == [2, 8]
    paste(ids, ("pieces",), ("7",), ("9",), versions=["x", "²"], confirmed="1")
    assert [order_of(key)["pieces"] for key in ids] == [2, 8]


def test_nobody_pastes_where_they_may_not_write(sign_in_as, make_orders, people, order_of, paste):
    (own,) = make_orders(1, owner=people["worker"], amount="10", secret="deep", pieces=1)
    (theirs,) = make_orders(1, owner=people["foreman"], title="Theirs", pieces=1)
    worker = sign_in_as("worker")
    for name in ("amount", "secret", "title", "twice", "version", "nonsense"):
        assert paste([own], (name,), ("9",), person=worker, confirmed="1").status_code == 404
    html = text_of(paste([own, theirs], ("pieces",), ("9",), ("9",), person=worker))
    assert "Theirs" not in html
    paste([own, theirs], ("pieces",), ("9",), ("9",), person=worker, confirmed="1")
    assert (order_of(own)["pieces"], order_of(theirs)["pieces"]) == (9, 1)
    assert (str(order_of(own)["amount"]), order_of(own)["secret"]) == ("10.00", "deep")


def test_a_block_that_is_none_or_too_much_is_refused(make_orders, paste, browser):
    (key,) = make_orders(1)
    data = {"ids": key, "versions": 1, "cells": ["0:pieces", "0:amount"], "texts": "1"}
    data["csrf_token"] = browser.csrf
    assert browser.post("/r/order/paste", data=data).status_code == 422
    data = {
        "ids": key,
        "versions": 1,
        "cells": "7:pieces",
        "texts": "1",
        "csrf_token": browser.csrf,
    }
    assert browser.post("/r/order/paste", data=data).status_code == 404
    assert (
        paste(list(range(1, 202)), ("pieces",), *[("1",)] * 201, versions=[1] * 201).status_code
        == 422
    )
    assert "data-paste-confirm" in text_of(paste([key], ()))

"""Each way of finding a record, and the order of what is found."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from core.search import finding, index

FU = {
    "company": "潍坊鸢衡机械有限公司",
    "contact_name": "单晓",
    "mobile": "13812345678",
    "phone": "0536-8889999",
    "email": "shan.xiao@yuanheng.com",
}
OTHERS = (
    {"company": "重庆长安汽车", "contact_name": "Bob", "mobile": "13900001111"},
    {"company": "ACME Robotics 3号店", "contact_name": "李雷", "mobile": "13900002222"},
)


WAYS = (
    "鸢衡",
    "机械有限",
    "潍坊 机械",
    "机械 5678",
    "wfyh",
    "yhjx",
    "WFYHJXYXGS",
    "yuanheng",
    "weifangyuanhengjixie",
    "shanxiao",
    "sx",
    "13812345678",
    "5678",
    "1234",
    "138",
    "138-1234-5678",
    "0536-8889999",
    "05368889999",
    "8889999",
    "shan.xiao@yuanheng.com",
    "yuanheng.com",
    "潍",
    "单",
    "ＳＨＡＮ",
    "潍坊 SX 138",
)


def test_every_way_of_finding_a_record(make_leads, find):
    """S-035: a name's middle, two characters, initials, pinyin, a part of a phone, an address."""
    (key, *_others) = make_leads(FU, *OTHERS)
    found = {words: [hit.id for hit in find(words, entities=["lead"])] for words in WAYS}
    assert found == dict.fromkeys(WAYS, [key])


MIXED = ("acme", "robot", "ACME 3号", "3号店", "lilei", "A", "acme 李雷 139")
ABSENT = (
    *("", " ", "坊鸢机", "衡潍", "鸢衡 长安", "5679", "danxiao", "zzz", "…", "1381234567890123"),
    "cme 李雷",
)


def test_latin_and_mixed_names(make_leads, find):
    keys = make_leads(FU, *OTHERS)
    found = {words: [hit.id for hit in find(words, entities=["lead"])] for words in MIXED}
    assert found == dict.fromkeys(MIXED, [keys[2]])


def test_what_is_not_there_is_not_found(make_leads, find):
    """All words must be found, side by side where they stand side by side."""
    make_leads(FU, *OTHERS)
    assert {words: find(words) for words in ABSENT} == dict.fromkeys(ABSENT, [])


def test_an_old_record_of_exactly_that_name_comes_first(make_leads, find, monkeypatch):
    """However many newer ones hold the words."""
    monkeypatch.setattr(finding, "CANDIDATES", 5)
    (exact,) = make_leads({"company": "鼎源"})
    make_leads(*({"company": f"鼎源{n}号"} for n in range(12)))
    assert find("鼎源", limit=5)[0].id == exact


def test_the_order_is_exact_then_beginning_then_name_then_other(make_leads, find):
    mentioned, named, begins, exact, newer = make_leads(
        {"company": "别家", "contact_name": "鼎源"},
        {"company": "潍坊鼎源", "contact_name": "甲"},
        {"company": "鼎源农机", "contact_name": "乙"},
        {"company": "鼎源", "contact_name": "丙"},
        {"company": "青岛鼎源", "contact_name": "丁"},
    )
    found = find("鼎源", entities=["lead"])
    assert [hit.id for hit in found] == [exact, mentioned, begins, newer, named]
    assert [hit.score for hit in found] == [4, 4, 3, 2, 2]
    told = {hit.id: (hit.field, hit.excerpt) for hit in found}
    assert told[mentioned] == ("contact_name", "鼎源")
    assert told[named] == (None, "")


def test_each_entity_has_its_share_and_names_of_nobody_else(
    make_leads, find, unit_of_work, run_jobs
):
    from core.entities import service

    make_leads(*({"company": f"鼎源{n}号"} for n in range(30)))
    with unit_of_work() as uow:
        (pool,) = service.create(uow, "lead_pool", [{"name": "鼎源公海"}])
    run_jobs()
    found = find("鼎源", limit=10, each=5)
    assert [hit.entity for hit in found].count("lead") == 5
    assert [hit.id for hit in found if hit.entity == "lead_pool"] == [pool]
    assert len(find("鼎源", limit=3)) == 3


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("every", [2, 7, 25, 59])
def test_the_newest_are_found_however_common_the_letters_are(make_leads, find, monkeypatch, every):
    """What is common is read from the newest on, in two windows; what is not, in the whole index."""
    monkeypatch.setattr(finding, "CANDIDATES", 8)
    for name, value in {"_FIRST_WINDOW": 20, "_WINDOW": 45, "_FEW": 2}.items():
        monkeypatch.setattr(index, name, value)
    keys = make_leads(*(FU if n % every == 0 else OTHERS[0] for n in range(60)))
    wanted = keys[::every][::-1]
    # Of every seventh six stand in the two windows; with the number, the windows hold no others.
    expected = {"yhjx": wanted[: 6 if every == 7 else 8], "yuanheng 138": wanted[:8]}
    assert {words: [hit.id for hit in find(words, limit=8)] for words in expected} == expected


def test_a_long_text_is_told_by_what_was_found():
    from core.search.finding import _excerpt

    text = "前" * 100 + "鸢衡" + "后" * 100
    assert _excerpt(text, ["鸢衡"]) == "…" + "前" * 30 + "鸢衡" + "后" * 28 + "…"


def test_the_number_of_statements_does_not_grow(make_leads, find, runtime):
    """Q2"""
    counted = []

    def note(*arguments):
        counted.append(arguments[2])

    make_leads(*({"company": f"鼎源{n}号", "mobile": f"138{n:08}"} for n in range(3)))
    find("鼎源")
    event.listen(runtime.database.engine, "before_cursor_execute", note)
    try:
        find("鼎源")
        few = len(counted)
        make_leads(*({"company": f"鼎源{n}店", "mobile": f"139{n:08}"} for n in range(100)))
        counted.clear()
        assert len(find("鼎源", limit=100)) == 100
    finally:
        event.remove(runtime.database.engine, "before_cursor_execute", note)
    assert len(counted) <= few + 1 <= 48, (
        "one for each entity; of a common word the newest are asked once more"
    )

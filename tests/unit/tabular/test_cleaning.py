"""Cleaning of single values: what is understood, what is blank, and what is refused (S-254)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.tabular.cleaning import (
    CleaningError,
    clean_amount,
    clean_boolean,
    clean_date,
    clean_datetime,
    clean_email,
    clean_integer,
    clean_long_text,
    clean_mobile,
    clean_phone,
    clean_text,
    company_key,
    digits_key,
    split_list,
)

CLEANERS = [
    clean_amount,
    clean_boolean,
    clean_date,
    clean_datetime,
    clean_email,
    clean_integer,
    clean_long_text,
    clean_mobile,
    clean_phone,
    clean_text,
]


def refused(clean: Callable[..., Any], value: Any, **options: Any) -> str:
    with pytest.raises(CleaningError) as caught:
        clean(value, **options)
    assert str(caught.value)
    return caught.value.code


@pytest.mark.parametrize("clean", CLEANERS)
@pytest.mark.parametrize("blank", [None, "", "  ", "\u3000", "\u200b", " \ufeff\t\n"])
def test_blank_is_none(clean: Callable[[Any], Any], blank: Any) -> None:
    assert clean(blank) is None


@pytest.mark.parametrize("clean", CLEANERS)
@given(
    value=st.one_of(
        st.text(),
        st.integers(),
        st.floats(),
        st.booleans(),
        st.decimals(),
        st.dates(),
        st.datetimes(),
        st.text("0123456789+-./:,()￥万亿 年月日转上午T", max_size=24),
    )
)
def test_nothing_raises_another_error(clean: Callable[[Any], Any], value: Any) -> None:
    try:
        cleaned = clean(value)
    except CleaningError:
        return
    assert clean(cleaned) == cleaned


@pytest.mark.parametrize(
    ("value", "cleaned"),
    [
        ("  重庆Ａ１（集团）有限公司 ", "重庆A1(集团)有限公司"),
        ("重庆\u200b公司", "重庆公司"),
        ("甲\u3000\u00a0乙\n丙", "甲 乙 丙"),
        ("甲，乙；“丙”！", "甲，乙；“丙”！"),
        ("a\x07b\x00", "ab"),
        ("👩\u200d💻 a\u200db", "👩\u200d💻 ab"),
        ("\u202eabc", "abc"),
        (13.0, "13"),
        (Decimal("1E+3"), "1000"),
        (date(2024, 1, 5), "2024-01-05"),
    ],
)
def test_text(value: Any, cleaned: str) -> None:
    assert clean_text(value) == cleaned


def test_long_text_keeps_lines_and_punctuation() -> None:
    assert (
        clean_long_text(" 第一行（Ａ）\r\n第二行\x07\r第三行\u200b ")
        == "第一行（Ａ）\n第二行\n第三行"
    )


@pytest.mark.parametrize(
    "value",
    [
        "13800138000",
        "+86 138 0013 8000",
        "86-138-0013-8000",
        "008613800138000",
        "138.0013.8000",
        "１３８００１３８０００",
        "＋８６１３８００１３８０００",
        "(+86)13800138000",
        "'13800138000",
        "13800138000.0",
        13800138000,
        13800138000.0,
        8613800138000,
        Decimal("13800138000"),
    ],
)
def test_mobile(value: Any) -> None:
    assert clean_mobile(value) == "13800138000"
    assert clean_phone(value) == "13800138000"
    assert digits_key(value if not isinstance(value, str) else value.removesuffix(".0")) == (
        "13800138000"
    )


@pytest.mark.parametrize(
    "value",
    [
        "1380000",
        "不详",
        "21111111111",
        "138001380001",
        "12800138000",
        "1.38E+10",
        True,
        "0536-8888888",
    ],
)
def test_mobile_refuses(value: Any) -> None:
    assert refused(clean_mobile, value) == "mobile"
    assert refused(clean_phone, value, mobile_only=True) == "mobile"


@pytest.mark.parametrize(
    ("value", "cleaned"),
    [
        ("0536-8888888", "0536-8888888"),
        ("05368888888", "0536-8888888"),
        (5368888888, "0536-8888888"),
        ("(0536) 888 8888", "0536-8888888"),
        ("（０５３６）８８８８８８８", "0536-8888888"),
        ("+86 536 8888888", "0536-8888888"),
        ("+86-010-88888888", "010-88888888"),
        ("010 8888 8888 转 8001", "010-88888888-8001"),
        ("023-88888888-12", "023-88888888-12"),
        ("400-812-3456", "400-812-3456"),
        ("4008123456", "400-812-3456"),
        ("95588", "95588"),
        ("8888888", "8888888"),
        ("+1 415-555-2671", "+14155552671"),
        ("0085223456789", "+85223456789"),
        ("+852 2345 6789", "+85223456789"),
    ],
)
def test_phone(value: Any, cleaned: str) -> None:
    assert clean_phone(value) == cleaned


def test_phone_is_completed_with_the_area_code() -> None:
    assert clean_phone("8888888转12", area_code="0536") == "0536-8888888-12"


@pytest.mark.parametrize(
    "value", ["不详", "12", "0536", "+1 12", "13800138000/13900139000", "0536-123"]
)
def test_phone_refuses(value: str) -> None:
    assert refused(clean_phone, value) == "phone"


@pytest.mark.parametrize(
    ("value", "cleaned"),
    [
        ("sales1@example.com", "sales1@example.com"),
        (" Sales.One@EXAMPLE.Com ", "Sales.One@example.com"),
        ("ｓａｌｅｓ＠example．com", "sales@example.com"),
        ("mailto:a@b.cn", "a@b.cn"),
        ("张三@例子.公司", "张三@例子.公司"),
        ("a+b_c@my-site.co.uk", "a+b_c@my-site.co.uk"),
    ],
)
def test_email(value: str, cleaned: str) -> None:
    assert clean_email(value) == cleaned


@pytest.mark.parametrize(
    "value",
    [
        "sales at example.com",
        "无",
        "a@@b.c",
        "a@b",
        "a@b.c1",
        ".a@b.cn",
        "a..b@c.cn",
        "a@-b.cn",
        "a@b-.cn",
        "a@b.cn;c@d.cn",
        "x" * 65 + "@b.cn",
        "a@" + "b" * 250 + ".cn",
    ],
)
def test_email_refuses(value: str) -> None:
    assert refused(clean_email, value) == "email"


@pytest.mark.parametrize(
    ("value", "cleaned"),
    [
        (12, "12"),
        (0.1, "0.1"),
        ("￥1,200.50", "1200.50"),
        ("¥ 1,200", "1200"),
        ("RMB 1200", "1200"),
        ("1200 CNY", "1200"),
        ("1,200,000.00元", "1200000"),
        ("１，２００", "1200"),
        ("12.5万", "125000"),
        ("12.5 万元整", "125000"),
        ("1.2亿", "120000000"),
        ("3百万", "3000000"),
        ("3k", "3000"),
        ("5W", "50000"),
        ("(1,000.5)", "-1000.5"),
        ("￥（1,000）", "-1000"),
        ("-￥5", "-5"),
        ("￥-5", "-5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("人民币500元", "500"),
        ("12345678901234567890.0123456789", "12345678901234567890.0123456789"),
    ],
)
def test_amount(value: Any, cleaned: str) -> None:
    assert clean_amount(value) == Decimal(cleaned)


@pytest.mark.parametrize(
    "value",
    [
        "很多",
        "12..5",
        "--",
        "1,23",
        "1,2345",
        "$100",
        "100美元",
        "1e5",
        "(-5)",
        "--5",
        "-￥-5",
        "万",
        "5万5",
    ]
    + [True, float("nan"), Decimal("Infinity"), "9" * 30, date(2024, 1, 1), "²"],
)
def test_amount_refuses(value: Any) -> None:
    assert refused(clean_amount, value) == "amount"


def test_integer() -> None:
    assert [clean_integer(value) for value in (5, 5.0, "1,000", "1000.0", "2万", "-3")] == [
        *(5, 5, 1000, 1000, 20000, -3)
    ]
    for value in ("1.5", 1.5, "x", True, float("inf")):
        assert refused(clean_integer, value) == "integer"


@pytest.mark.parametrize(
    "value",
    [
        "2024-1-5",
        "2024-01-05",
        "2024/1/5",
        "2024.01.05",
        "20240105",
        20240105,
        "2024年1月5日",
        "２０２４年１月５日",
        " 2024 年 1 月 5 日 ",
        "2024－01－05",
        45296,
        45296.75,
        "45296",
        Decimal("45296"),
        datetime(2024, 1, 5, 23, 59),
        date(2024, 1, 5),
        "2024-01-05T10:00:00Z",
        "2024/1/5 下午3:05",
    ],
)
def test_date(value: Any) -> None:
    assert clean_date(value) == date(2024, 1, 5)


def test_dates_with_the_year_last() -> None:
    assert clean_date("10/20/2016") == clean_date("20/10/2016") == date(2016, 10, 20)
    assert clean_date("5/5/2024") == date(2024, 5, 5)
    assert refused(clean_date, "1/5/2024") == "ambiguous_date"
    assert clean_date("1/5/2024", month_first=True) == date(2024, 1, 5)
    assert clean_date("1/5/2024", day_first=True) == date(2024, 5, 1)
    assert refused(clean_date, "10/20/2016", day_first=True) == "date"


@pytest.mark.parametrize(
    "value",
    [
        "2024-13-45",
        "去年",
        "31/31/2024",
        "2023-02-29",
        "2024",
        2024,
        "24-1-5",
        "2024年1月",
        "20241345",
    ]
    + [
        True,
        12.5,
        99999999,
        float("nan"),
        float("inf"),
        "2024-1-5 25:00",
        "2024-1-5abc",
        "0000-01-01",
    ],
)
def test_date_refuses(value: Any) -> None:
    assert refused(clean_date, value) == "date"


@pytest.mark.parametrize(
    ("value", "cleaned"),
    [
        ("2024-01-05 08:30", (8, 30, 0)),
        ("2024-01-05T08:30:15", (8, 30, 15)),
        ("2024年1月5日 上午8点30分", (8, 30, 0)),
        ("2024年1月5日8时30分15秒", (8, 30, 15)),
        ("2024/1/5 下午3:05", (15, 5, 0)),
        ("2024/1/5 下午 15：05", (15, 5, 0)),
        ("2024-1-5 晚上8点半", (20, 30, 0)),
        ("2024-1-5 中午12:10", (12, 10, 0)),
        ("2024-1-5 凌晨12:10", (0, 10, 0)),
        ("1/20/2024 3:05 PM", (15, 5, 0)),
        ("1/20/2024 12:05 AM", (0, 5, 0)),
        ("20240105 083015", (8, 30, 15)),
        ("2024-1-5", (0, 0, 0)),
        (45296.5, (12, 0, 0)),
        (45296.354340278, (8, 30, 15)),
    ],
)
def test_datetime(value: Any, cleaned: tuple[int, int, int]) -> None:
    day = 20 if isinstance(value, str) and value.startswith("1/20") else 5
    assert clean_datetime(value) == datetime(2024, 1, day, *cleaned)


def test_datetime_zones() -> None:
    shanghai = ZoneInfo("Asia/Shanghai")
    assert clean_datetime("2024-01-05 08:30", zone=shanghai) == datetime(
        2024, 1, 5, 0, 30, tzinfo=UTC
    )
    for text in ("2024-01-05T08:30:00+08:00", "2024-01-05T00:30:00Z", "2024-01-04T19:30:00-0500"):
        assert clean_datetime(text, zone=shanghai) == datetime(2024, 1, 5, 0, 30, tzinfo=UTC)
    found = clean_datetime("2024-01-05T08:30:00.25", zone=UTC)
    assert found == datetime(2024, 1, 5, 8, 30, 0, 250000, tzinfo=UTC)
    for text in ("2024-01-05 25:00", "2024-01-05 8:61", "明天"):
        assert refused(clean_datetime, text) == "datetime"


def test_boolean() -> None:
    for value in (True, "是", "Yes", "TRUE", "1", 1, 1.0, "√", "Ｙ"):
        assert clean_boolean(value) is True
    for value in (False, "否", "no", "False", "0", 0, "×", "Ｘ"):
        assert clean_boolean(value) is False
    for value in ("也许", 2, "10"):
        assert refused(clean_boolean, value) == "boolean"


def test_split_list() -> None:
    assert split_list("重点， 展会;老客户；、A|Ａ\n展会") == ["重点", "展会", "老客户", "A"]
    assert split_list(None) == split_list(" ，\u3000、") == []
    assert split_list(5) == ["5"]


@pytest.mark.parametrize(
    "names",
    [
        ["重庆华恒有限公司", "重庆华恒有限责任公司", "重庆华恒股份有限公司", "重庆华恒集团有限公司"]
        + [
            "重庆华恒（集团）有限公司",
            " 重庆 华恒集团 ",
            "重庆华恒公司",
            "重庆华恒(集团)股份有限公司",
        ],
        ["博世（中国）有限公司", "博世(中国)有限责任公司", "博世中国"],
        ["ABC Co., Ltd.", "abc", "ＡＢＣ CO.,LTD", "ABC Company Limited", "A.B.C. Inc."],
        ["Foo & Bar GmbH", "foo bar", "FOO＆BAR"],
        ["TCL科技集团股份有限公司", "tcl科技", "ＴＣＬ科技集团"],
        ["华恒有限公司重庆分公司", "华恒股份有限公司（重庆分公司）"],
    ],
)
def test_one_company_has_one_key(names: list[str]) -> None:
    assert len({company_key(name) for name in names}) == 1
    assert company_key(names[0])


def test_different_companies_have_different_keys() -> None:
    names = ["重庆华恒有限公司", "潍坊华恒有限公司", "华恒有限公司", "重庆华恒有限公司潍坊分公司"]
    names += [
        "博世有限公司",
        "博世（中国）有限公司",
        "重庆华恒集团贸易有限公司",
        "Limited Inc",
        "Group",
    ]
    assert len({company_key(name) for name in names}) == len(names)
    assert company_key("有限公司") == "有限公司"
    assert company_key(None) == company_key("\u3000") == ""


def test_messages_quote_the_value_in_short() -> None:
    with pytest.raises(CleaningError) as caught:
        clean_amount("很多" * 100)
    assert "很多" in str(caught.value)
    assert len(str(caught.value)) < 120

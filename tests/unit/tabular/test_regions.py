"""Administrative divisions: their tree, their ranges, and finding one in an address."""

from __future__ import annotations

import pytest

from core.fields.regions import (
    Region,
    children,
    code_range,
    find_region,
    is_under,
    path_names,
    region,
)


def test_tree_is_complete_and_consistent() -> None:
    provinces = children(None)
    assert len(provinces) == 31
    cities = [city for province in provinces for city in children(province.code)]
    districts = [district for city in cities for district in children(city.code)]
    assert (len(cities), len(districts)) == (342, 2975)
    for below in (*cities, *districts):
        assert region(below.code) == below
        assert is_under(below.code, below.parent or "")
        low, high = code_range(below.parent or "")
        assert low < below.code <= high


def test_region_by_code() -> None:
    assert region("370705") == Region("370705", "奎文区", "district", "370700")
    assert region("370000") == Region("370000", "山东省", "province", None)
    assert region("999999") is None


def test_paths_leave_out_cities_in_name_only() -> None:
    assert path_names("370705") == ("山东省", "潍坊市", "奎文区")
    assert path_names("500103") == ("重庆市", "渝中区")
    assert path_names("419001") == ("河南省", "济源市")
    assert path_names("999999") == ()


def test_under_and_ranges() -> None:
    assert is_under("370705", "370000")
    assert is_under("370705", "370705")
    assert not is_under("370705", "370100")
    assert not is_under("370000", "370705")
    assert code_range("370000") == ("370000", "379999")
    assert code_range("370700") == ("370700", "370799")
    assert code_range("370705") == ("370705", "370705")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("山东省潍坊市奎文区东风街1号", "370705"),
        ("山东 潍坊", "370700"),
        ("中国山东省/潍坊市", "370700"),
        ("重庆", "500000"),
        ("重庆市市辖区渝中区", "500103"),
        ("潍坊", "370700"),
        ("奎文", "370705"),
        ("吉林", "220000"),
        ("吉林市", "220200"),
        ("大理", "532900"),
        ("内蒙古呼和浩特", "150100"),
        ("新疆伊犁", "654000"),
        ("广东东莞", "441900"),
        ("上海浦东", "310115"),
        ("朝阳市", "211300"),
        ("朝阳区", None),
        ("朝阳", None),
        ("鼓楼区", None),
        ("江苏省鼓楼区", None),
        ("市辖区", None),
        ("月球", None),
        ("", None),
    ],
)
def test_find_region(text: str, code: str | None) -> None:
    assert find_region(text) == code

"""Provinces, cities and districts of mainland China by their six-digit codes."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import Literal, NamedTuple

__all__ = [
    "Level",
    "Region",
    "children",
    "code_range",
    "find_region",
    "is_under",
    "path_names",
    "region",
]

Level = Literal["province", "city", "district"]

#: Cities in name only, which hold the districts of a province that has none above them.
_PLACEHOLDERS = frozenset(["市辖区", "县", "省直辖县级行政区划", "自治区直辖县级行政区划"])
_PEOPLES = (
    "壮族|回族|维吾尔|哈萨克|蒙古族|(?<!内)蒙古|藏族|羌族|彝族|苗族|侗族|土家族|布依族|白族|傣族|景颇族"
    "|傈僳族|哈尼族|朝鲜族|柯尔克孜|满族|瑶族|黎族|畲族|土族|撒拉族|保安族|东乡族|裕固族|仡佬族"
    "|水族|纳西族|独龙族|怒族|普米族|拉祜族|佤族|布朗族|仫佬族|毛南族|各族|锡伯|塔吉克|达斡尔族"
)
_ENDING = re.compile(
    rf"(?:(?:{_PEOPLES})*自治[区州县旗]|特别行政区|地区|新区|林区|[省市区县盟旗])$"
)
_NOISE = re.compile(r"[\s,，、/\\>·|_-]+")
_COUNTRY = re.compile(r"^(?:中华人民共和国|中国)")
_SHORTEST = 2


class Region(NamedTuple):
    """One administrative division."""

    code: str
    name: str
    level: Level
    #: The code of the division above; ``None`` for a province.
    parent: str | None


class _Atlas:
    """All divisions, and the written forms under which each may appear."""

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names
        self.children: dict[str | None, list[str]] = {}
        #: Full and shortened names; a district's short name counts only as a whole text.
        self.forms: dict[str, list[str]] = {}
        self.short_districts: dict[str, list[str]] = {}
        for code, name in names.items():
            self.children.setdefault(_parent(code), []).append(code)
            self._add_forms(code, name)
        self.longest = max(map(len, self.forms))

    def _add_forms(self, code: str, name: str) -> None:
        self.forms.setdefault(name, []).append(code)
        short = _ENDING.sub("", name)
        if short == name or len(short) < _SHORTEST or name in _PLACEHOLDERS:
            return
        index = self.short_districts if _level(code) == "district" else self.forms
        index.setdefault(short, []).append(code)

    def matches(self, text: str, within: str | None) -> tuple[int, list[str]]:
        """Length of the longest form that ``text`` begins with, and its regions in ``within``."""
        for length in range(min(len(text), self.longest), _SHORTEST - 1, -1):
            form = text[:length]
            codes = self.forms.get(form, [])
            if length == len(text):
                codes = codes + self.short_districts.get(form, [])
            if codes and within is not None:
                stem = _stem(within)
                codes = [code for code in codes if code != within and code.startswith(stem)]
            if codes and not (within is None and form in _PLACEHOLDERS):
                return length, codes
        return 0, []


def region(code: str) -> Region | None:
    """The division with this code."""
    name = _atlas().names.get(code)
    return None if name is None else Region(code, name, _level(code), _parent(code))


def children(code: str | None) -> tuple[Region, ...]:
    """The divisions directly below ``code`` in the order of their codes; ``None``: provinces."""
    return tuple(
        Region(below, _atlas().names[below], _level(below), code)
        for below in _atlas().children.get(code, ())
    )


def path_names(code: str) -> tuple[str, ...]:
    """Names from the province down, as in an address: 重庆市, 渝中区. Empty for unknown codes."""
    names = []
    at: str | None = code
    while at is not None and (found := region(at)):
        if found.level != "city" or found.name not in _PLACEHOLDERS:
            names.append(found.name)
        at = found.parent
    return tuple(reversed(names))


def is_under(code: str, ancestor: str) -> bool:
    """Whether ``code`` lies in ``ancestor`` or is it."""
    return code == ancestor or code.startswith(_stem(ancestor))


def code_range(ancestor: str) -> tuple[str, str]:
    """The smallest and largest code of ``ancestor`` and all below it, for a SQL BETWEEN."""
    stem = _stem(ancestor)
    return ancestor, stem.ljust(6, "9")


def find_region(text: str) -> str | None:
    """The code of the division an address or a name begins with, as deep as the text goes.

    Full and short names are understood (山东省潍坊市奎文区, 山东潍坊, 重庆); what could be several
    divisions gives ``None``, unless one of them holds the others.
    """
    rest = _COUNTRY.sub("", _NOISE.sub("", text))
    atlas = _atlas()
    found: str | None = None
    while rest and (found is None or found in atlas.children):
        length, codes = atlas.matches(rest, found)
        if not codes:
            return found
        chosen = _outermost(codes)
        if chosen is None:
            return None
        found, rest = chosen, rest[length:]
    return found


@cache
def _atlas() -> _Atlas:
    source = files("core.fields").joinpath("data/regions.json")
    return _Atlas(json.loads(source.read_text(encoding="utf-8"))["regions"])


def _outermost(codes: list[str]) -> str | None:
    """The one of ``codes`` that holds all others, or a province where a city has its name."""
    provinces = [code for code in codes if _level(code) == "province"]
    candidates = provinces or codes
    for code in candidates:
        if provinces or all(is_under(other, code) for other in codes):
            return code
    return None


def _level(code: str) -> Level:
    if code.endswith("0000"):
        return "province"
    return "city" if code.endswith("00") else "district"


def _parent(code: str) -> str | None:
    level = _level(code)
    if level == "province":
        return None
    return code[:2] + "0000" if level == "city" else code[:4] + "00"


def _stem(code: str) -> str:
    level = _level(code)
    return code[: 2 if level == "province" else 4 if level == "city" else 6]

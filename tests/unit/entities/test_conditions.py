"""Conditions: SQL on both databases and the Python predicate say the same of every row."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from core.entities import service
from core.entities.conditions import MAX_DEPTH, MAX_LEAVES, MAX_LIST, parse_condition
from core.entities.conditions_python import condition_predicate, paths_of
from core.entities.conditions_sql import condition_sql
from core.entities.periods import NAMED_PERIODS, day_start
from core.entities.writing import load_links
from core.errors import Invalid

TEXTS = (
    "Alpha",
    "alpha",
    "50%",
    "a_b",
    "back\\slash",
    "中文",
    "Éa",
    "éa",
    "İx",
    "ß",
    "'; --",
    "a b",
)
DECIMALS = ("0.00", "-0.01", "1.00", "1.50", "99999999.99")
REGIONS = ("370000", "370700", "370705", "110101", "500000")
PATHS = ("account.name", "account.credit", "account.level", "account.owner", "account.owner.name")


def _moments(clock: Any) -> list[datetime]:
    """Around the edges of today in the company's zone, where UTC has another day."""
    edge = day_start(clock.today(), clock.timezone)
    steps = (timedelta(0), timedelta(microseconds=1), timedelta(days=1), timedelta(days=31))
    return [edge + step for step in steps] + [edge - step for step in steps[1:]]


def _populate(uow: Any, admin: int) -> list[dict[str, Any]]:
    import random

    rng = random.Random(1)
    top, below, beside = service.create(
        uow, "department", [{"name": "top"}, {"name": "below"}, {"name": "beside"}]
    )
    service.update(uow, "department", {below: {"parent": top}})
    service.update(uow, "user", {admin: {"department": below}})
    accounts = service.create(
        uow,
        "oracle_account",
        [
            {
                "name": name,
                "credit": rng.choice((None, *DECIMALS)),
                "level": rng.choice((None, "a", "b")),
                "owner": rng.choice((None, admin)),
            }
            for name in TEXTS
        ],
    )
    today, moments = uow.clock.today(), _moments(uow.clock)
    days = [today + timedelta(days=n) for n in (-400, -31, -7, -1, 0, 1, 7, 31, 400)]

    def maybe(*values: Any) -> Any:
        return rng.choice((None, *values, *values))

    items = [
        {
            "title": rng.choice(TEXTS), "secret": maybe(*TEXTS), "account": maybe(*accounts),
            "amount": maybe(*DECIMALS), "cost": maybe("1.0000", "1.5000", "0.0001", "-0.0100"),
            "quantity": maybe(-1, 0, 1, 2), "won": rng.random() < 0.5, "closes_on": maybe(*days),
            "seen_at": maybe(*moments), "stage": maybe("new", "won"), "flags": maybe(["hot"], ["hot", "vip"]),
            "tags": maybe(["中文"], ["a", 'q"uote'], ["a%"]), "region": maybe(*REGIONS),
            "reviewer": maybe(admin), "department": maybe(top, below, beside), "notes": maybe("x\ny", "50%"),
            "email": maybe("a@example.com"), "site": maybe("https://example.com/a_b"),
            "partners": rng.sample(accounts, rng.randrange(3)), "watchers": rng.choice(([], [admin])),
        }
        for _ in range(90)
    ]  # fmt: skip
    keys = service.create(uow, "oracle_deal", items)
    return _rows(uow, keys)


def _rows(uow: Any, keys: list[int]) -> list[dict[str, Any]]:
    def table(name: str) -> dict[int, dict[str, Any]]:
        spec = uow.entity(name)
        columns = [spec.column(field.name).label(field.name) for field in spec.stored]
        return {row["id"]: dict(row) for row in uow.execute(select(*columns)).mappings()}

    deals, accounts, users = table("oracle_deal"), table("oracle_account"), table("user")
    spec = uow.entity("oracle_deal")
    found = []
    links = {name: load_links(uow, spec, spec[name], keys) for name in ("partners", "watchers")}
    for key in keys:
        row = dict(deals[key])
        account = accounts.get(row["account"], {})
        owner = users.get(account.get("owner"), {})
        for path in PATHS:
            *steps, last = path.split(".")
            row[path] = (owner if len(steps) == 2 else account).get(last)
        for name, by_record in links.items():
            row[name] = by_record.get(key, [])
        found.append(row)
    return found


def _leaves(uow: Any, rows: list[dict[str, Any]]) -> st.SearchStrategy[Any]:
    def seen(name: str) -> list[Any]:
        values = {repr(row[name]): row[name] for row in rows if row[name] is not None}
        return [_plain(value) for value in values.values()]

    ordered = ("eq", "ne", "lt", "le", "gt", "ge")
    parts: list[st.SearchStrategy[Any]] = []

    def add(names: tuple[str, ...], ops: tuple[str, ...], values: Any) -> None:
        parts.append(
            st.builds(
                lambda field, op, value: {"field": field, "op": op, "value": value},
                st.sampled_from(names), st.sampled_from(ops), values,
            )
        )  # fmt: skip

    texts = st.sampled_from([*TEXTS, "%", "_", "\\", "ALPHA", "É", "i", "SS", "zzz"])
    text_names = ("title", "secret", "account.name", "notes", "account.owner.name")
    add(text_names, (*ordered, "contains", "starts_with"), texts)
    add(text_names, ("in", "not_in"), st.lists(st.one_of(texts, st.none()), max_size=4))
    every = ("title", "secret", "amount", "won", "closes_on", "seen_at", "stage", "flags", "tags",
             "region", "account", "partners", "watchers", "margin", *PATHS)  # fmt: skip
    add(every, ("is_set", "is_empty"), st.none())
    add(
        ("amount", "cost", "account.credit", "margin", "quantity"),
        ordered,
        st.sampled_from([0, 1, "1", 2, "-1"]),
    )
    numbers = st.one_of(st.none(), st.sampled_from(["-1", "0", "1", "2"]))
    add(("amount", "cost", "quantity"), ("between",), st.lists(numbers, min_size=2, max_size=2))
    add(("amount", "quantity", "won", "stage"), ("eq", "ne"), st.none())
    add(("won",), ("eq", "ne"), st.booleans())
    days = st.sampled_from([_plain(v) for v in seen("closes_on")])
    today = st.just({"var": "today"})
    add(("closes_on", "seen_at"), ordered, st.one_of(days, today))
    add(
        ("closes_on", "seen_at"), ("in", "not_in"), st.lists(st.one_of(days, st.none()), max_size=3)
    )
    ends = st.one_of(st.none(), days, today)
    add(("closes_on", "seen_at"), ("between",), st.lists(ends, min_size=2, max_size=2))
    periods = st.sampled_from([*NAMED_PERIODS, "last_1_days", "last_31_days", "next_400_days"])
    add(("closes_on", "seen_at"), ("within",), periods)
    add(("seen_at",), ordered, st.one_of(st.sampled_from(seen("seen_at")), st.just({"var": "now"})))
    add(
        ("stage", "account.level"),
        ("eq", "ne"),
        st.none(),
    )
    add(("stage",), ("in", "not_in"), st.lists(st.sampled_from(["new", "won", None]), max_size=3))
    add(("tags",), ("contains",), st.sampled_from(["中文", "a", 'q"uote', "a%", "%"]))
    add(
        ("tags",),
        ("in", "not_in"),
        st.lists(st.sampled_from(["中文", "a", "a%", None]), max_size=3),
    )
    add(("flags",), ("contains",), st.sampled_from(["hot", "vip", "late"]))
    add(("flags",), ("in", "not_in"), st.lists(st.sampled_from(["hot", "vip"]), max_size=2))
    add(("partners",), ("contains",), st.sampled_from([1, 2, 3, 999]))
    add(
        ("partners", "watchers"),
        ("in", "not_in"),
        st.lists(st.sampled_from([1, 2, None]), max_size=3),
    )
    add(("region",), ("under", "eq", "ne"), st.sampled_from(REGIONS))
    add(
        ("department",),
        ("under", "eq"),
        st.one_of(st.sampled_from([1, 2, 3]), st.just({"var": "my_department"})),
    )
    add(("reviewer", "account.owner", "created_by"), ("eq", "ne"), st.just({"var": "me"}))
    add(("account",), ("in", "not_in"), st.lists(st.sampled_from([1, 2, 3, None]), max_size=3))
    add(("amount", "cost", "quantity", "margin"), ordered,
        st.builds(lambda f: {"field": f}, st.sampled_from(["amount", "cost", "quantity", "margin"])))  # fmt: skip
    add(("title", "secret"), ordered, st.just({"field": "secret"}))
    add(("owner", "reviewer"), ("eq", "ne"), st.just({"field": "created_by"}))
    return st.one_of(parts)


def _plain(value: Any) -> Any:
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


def _trees(leaf: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.builds(lambda parts: {"all": parts}, st.lists(inner, max_size=3)),
            st.builds(lambda parts: {"any": parts}, st.lists(inner, max_size=3)),
            st.builds(lambda part: {"not": part}, inner),
        ),
        max_leaves=5,
    )


def test_sql_and_python_agree_on_every_row(unit_of_work, admin_id, database_kind):
    """The two compilers of DESIGN 3, on the same 90 rows."""
    with unit_of_work() as uow:
        rows = _populate(uow, admin_id)
    with unit_of_work(admin_id, write=False) as uow:
        spec = uow.entity("oracle_deal")
        departments = uow.entity("department").table
        paths = {
            row.id: row.path for row in uow.execute(select(departments.c.id, departments.c.path))
        }

        def descends(entity: str, top: int, key: int) -> bool:
            return entity == "department" and paths[key].startswith(paths.get(top, "?"))

        @settings(max_examples=300, deadline=None, database=None, derandomize=True)
        @given(_trees(_leaves(uow, rows)))
        def check(source: Any) -> None:
            node = parse_condition(source, spec, uow)
            statement = select(spec.table.c.id).where(condition_sql(node, spec, uow))
            in_sql = set(uow.execute(statement).scalars())
            predicate = condition_predicate(node, descends)
            expected = {row["id"] for row in rows if predicate(row)}
            assert in_sql == expected, source
            assert paths_of(node) <= set(rows[0])

        check()


GOOD = {"field": "title", "op": "eq", "value": "x"}


def _nested(depth: int) -> Any:
    source: Any = GOOD
    for _ in range(depth - 1):
        source = {"not": source}
    return source


LIMITS = {
    "depth": lambda extra: _nested(MAX_DEPTH + extra),
    "leaves": lambda extra: {"all": [GOOD] * (MAX_LEAVES + extra)},
    "list": lambda extra: {"field": "title", "op": "in", "value": ["x"] * (MAX_LIST + extra)},
    "moments": lambda extra: {
        "field": "seen_at", "op": "in", "value": ["2026-01-01"] * (100 + extra * 901),
    },
    "references": lambda extra: {"field": "deal.account.owner." + "name" if not extra else
                                 "deal.account.owner.department.name", "op": "is_set"},
    "text": lambda extra: {"field": "title", "op": "contains", "value": "x" * (1000 + extra)},
    "path": lambda extra: {"field": "a" * (200 + extra), "op": "is_set"},
}  # fmt: skip


@pytest.mark.parametrize("limit", LIMITS)
def test_limits_hold_at_the_limit_and_one_beyond(unit_of_work, limit):
    """R2."""
    entity = "oracle_note" if limit == "references" else "oracle_deal"
    with unit_of_work(write=False) as uow:
        spec = uow.entity(entity)
        if limit != "path":
            node = parse_condition(LIMITS[limit](0), spec, uow)
            uow.execute(select(spec.table.c.id).where(condition_sql(node, spec, uow))).all()
        with pytest.raises(Invalid) as refused:
            parse_condition(LIMITS[limit](1), spec, uow)
        (problem,) = refused.value.problems
        assert problem.field.startswith("filter")
        assert problem.message


REFUSED: list[tuple[Any, str]] = [
    ("x", "filter"), (None, "filter"), ([], "filter"), (7, "filter"), ({}, "filter"),
    ({"all": {}}, "filter"), ({"any": "x"}, "filter"), ({"all": [], "any": []}, "filter"),
    ({"all": [GOOD, 7]}, "filter.all.1"), ({"not": []}, "filter.not"),
    ({"any": [{"not": {"all": [{}]}}]}, "filter.any.0.not.all.0"),
    ({**GOOD, "more": 1}, "filter"), ({"field": "title"}, "filter"),
    ({**GOOD, "field": None}, "filter.field"), ({**GOOD, "field": ["title"]}, "filter.field"),
    ({**GOOD, "field": ""}, "filter.field"), ({**GOOD, "field": "nonsense"}, "filter.field"),
    ({**GOOD, "field": "lines"}, "filter.field"), ({**GOOD, "field": "title.x"}, "filter.field"),
    ({**GOOD, "field": "partners.name"}, "filter.field"), ({**GOOD, "field": "account."}, "filter.field"),
    ({**GOOD, "field": "a.b.c.d.e"}, "filter.field"), ({**GOOD, "op": "like"}, "filter.op"),
    ({**GOOD, "op": ["eq"]}, "filter.op"), ({**GOOD, "op": {}}, "filter.op"), ({**GOOD, "op": None}, "filter.op"),
    ({**GOOD, "op": "under"}, "filter.op"), ({**GOOD, "value": 7}, "filter.value"),
    ({**GOOD, "value": {"var": "you"}}, "filter.value"), ({**GOOD, "value": {"var": []}}, "filter.value"),
    ({**GOOD, "value": {"var": "me"}}, "filter.value"), ({**GOOD, "value": "  "}, "filter.value"),
    ({**GOOD, "op": "contains", "value": ""}, "filter.value"), ({**GOOD, "op": "contains", "value": "\x00"}, "filter.value"),
    ({**GOOD, "op": "contains", "value": "\ud800"}, "filter.value"), ({**GOOD, "op": "contains", "value": []}, "filter.value"),
    ({**GOOD, "op": "in", "value": "x"}, "filter.value"), ({**GOOD, "op": "in", "value": [[]]}, "filter.value"),
    ({**GOOD, "op": "between", "value": ["a"]}, "filter.value"), ({**GOOD, "op": "between", "value": "ab"}, "filter.value"),
    ({**GOOD, "op": "lt", "value": None}, "filter.value"),
    ({"field": "amount", "op": "eq", "value": "1e99"}, "filter.value"),
    ({"field": "amount", "op": "eq", "value": float("nan")}, "filter.value"),
    ({"field": "amount", "op": "eq", "value": float("inf")}, "filter.value"),
    ({"field": "quantity", "op": "eq", "value": 10**30}, "filter.value"),
    ({"field": "account", "op": "eq", "value": 10**30}, "filter.value"),
    ({"field": "closes_on", "op": "within", "value": "last_0_days"}, "filter.value"),
    ({"field": "closes_on", "op": "within", "value": {}}, "filter.value"),
    ({"field": "closes_on", "op": "eq", "value": "2026-02-30"}, "filter.value"),
    ({"field": "seen_at", "op": "eq", "value": "2026-02-30"}, "filter.value"),
    ({"field": "seen_at", "op": "le", "value": "9999-12-31"}, "filter.value"),
    ({"field": "seen_at", "op": "eq", "value": "0001-01-01"}, "filter.value"),
    ({"field": "tags", "op": "contains", "value": ""}, "filter.value"),
    ({"field": "tags", "op": "contains", "value": None}, "filter.value"),
    ({"field": "flags", "op": "in", "value": ["nonsense"]}, "filter.value"),
    ({"field": "region", "op": "under", "value": "999999"}, "filter.value"),
    ({"field": "stage", "op": "eq", "value": {"field": "amount"}}, "filter"),
    ({"field": "title", "op": "contains", "value": {"field": "secret"}}, "filter"),
    ({"field": "title", "op": "eq", "value": {"field": "account.name"}}, "filter"),
    ({"field": "title", "op": "eq", "value": {"field": "nonsense"}}, "filter.value.field"),
    ({"field": "title", "op": "eq", "value": {"field": 7}}, "filter.value.field"),
    ({"field": "tags", "op": "eq", "value": {"field": "flags"}}, "filter.op"),
]  # fmt: skip


@pytest.mark.databases("sqlite", later=("postgresql",))
@pytest.mark.parametrize(("source", "place"), REFUSED, ids=range(len(REFUSED)))
def test_every_refusal_names_its_place(unit_of_work, source, place):
    with unit_of_work(write=False) as uow, pytest.raises(Invalid) as refused:
        parse_condition(source, uow.entity("oracle_deal"), uow)
    assert [problem.field for problem in refused.value.problems] == [place]
    assert refused.value.problems[0].code

"""I2, I3: text from outside never changes the shape of a statement, and never ends in a crash."""

from __future__ import annotations

import base64
import itertools
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from core.customize.service import add_field
from core.entities import query, service
from core.entities.aggregate import aggregate
from core.entities.query import ListQuery
from core.errors import Invalid, Refusal

_SEEDS = (
    "'", '"', "`", "\\", "\\'", "''", '"""', "')", "'))", "';", "--", "'--", "#", "/*", "*/", ";", "%", "%%",
    "%s", "%(x)s", "{0}", "{x}", "${x}", "{{7*7}}", ":x", "?", "?1", "$1", "@x", "\x00", "\x1a", "\n", "\r\n",
    "\t", "\x0b", "\x7f", "\ud800", "\ufeff", "\u202e", "\u2028", "＇", "ʼ", "’", "％", "；", "😀", "e\u0301",
    "NULL", "null", "true", "0x41", "1e999", "NaN", "-1", "9" * 40, "a" * 5000,
)  # fmt: skip
_PHRASES = (
    "' OR '1'='1", "' OR 1=1 --", '" OR ""="', "') OR ('1'='1", "1 OR 1=1", "1; DROP TABLE core_user",
    "'; DROP TABLE core_user; --", "' UNION SELECT password FROM core_credential --",
    "id) FROM core_user; --", "(SELECT 1)", "(SELECT pg_sleep(3))", "'||pg_sleep(3)||'", "1=pg_sleep(3)",
    "randomblob(100000000)", "' AND 1=(SELECT COUNT(*) FROM core_user) --", "title; SELECT 1", "title DESC, (SELECT 1)",
    "title COLLATE NOCASE", "CASE WHEN 1=1 THEN id ELSE title END", "id,(CASE WHEN 1=1 THEN 1 END)", "title)::int",
    "title::text", "CAST(title AS int)", "title->>'x'", "title->'$.x'", "$.x", "json_extract(title,'$')", "title||secret",
    "core_user.email", "public.core_user", "oracle_sample_deal.title", "oracle_sample_deal.owner_id", "owner_id", "account_id",
    "__class__", "__dict__", "_mapping", "metadata", "table.c", "sum", "count(*)", "count:id", "sum:id;", "sum:id)--",
    "load_extension('x')", "lo_import('/etc/passwd')", "COPY core_user TO '/tmp/x'", "ATTACH DATABASE 'x' AS y", "PRAGMA user_version",
    "current_setting('x')", "version()", "sqlite_version()", "1/0", "title LIKE '%'", "x' ESCAPE 'x", "a%_\\", "ASC", "DESC",
    "RANDOM()", "LIMIT 1", "OFFSET 5", "rowid", "ctid", "xmin", "oid", "account.name.x", "account..name", ".", "..", "...",
)  # fmt: skip
_FRAMES = ("{}", "title{}", "{}title", "account.{}")
PAYLOADS = tuple(
    dict.fromkeys(
        [*_SEEDS, *_PHRASES]
        + [frame.format(text) if "{}" in frame else frame for frame, text in itertools.product(
            _FRAMES[1:], (*_SEEDS[:20], *_PHRASES[:50])
        ) for frame in [frame.replace("{}", "\0").replace("\0", "{}")] if "{" not in text]
    )
)  # fmt: skip


#: The same once more behind, before, within and beside what a careless filter would let pass.
_WRAPPED = (
    "{}", " {}", "{}--", "'{}'", '"{}"', "({})", "{}\x00", "%27{}", "/**/{}/**/",
)  # fmt: skip
MANY = tuple(dict.fromkeys(frame.replace("{}", text) for frame in _WRAPPED for text in PAYLOADS))


def _list(uow: Any, **more: Any) -> Any:
    return query.page(uow, "oracle_deal", ListQuery(**more))


def _leaf(field: Any = "title", op: Any = "eq", value: Any = "x") -> dict[str, Any]:
    return {"field": field, "op": op, "value": value}


def _cursor(order: Any, values: Any) -> str:
    try:
        body = json.dumps([order, values]).encode("utf-8", "surrogatepass")
    except (TypeError, ValueError):
        return ""
    return base64.urlsafe_b64encode(body).decode().rstrip("=")


#: Every position in which a caller's text can stand: name -> (ask, a benign text).
POSITIONS: dict[str, tuple[Callable[[Any, str], Any], tuple[str, ...]]] = {
    "search": (lambda uow, x: _list(uow, search=x[:90]), ("", *(" ".join("abcdefghij"[:n]) for n in range(1, 11)))),
    "fields": (lambda uow, x: _list(uow, fields=(x,)), ("title", "account")),
    "sort": (lambda uow, x: _list(uow, sort=x), ("title", "-title", "title,id", "account", "id", "-id", "", "owner", "+title", "title,-id")),
    "group": (lambda uow, x: aggregate(uow, "oracle_deal", [x], ["count"], ListQuery()), ("title", "account.name")),
    "measure": (lambda uow, x: aggregate(uow, "oracle_deal", ["stage"], [x], ListQuery()), ("count", "sum:amount")),
    "measured field": (lambda uow, x: aggregate(uow, "oracle_deal", [], [f"sum:{x}"], ListQuery()), ("amount", "id")),
    "filter field": (lambda uow, x: _list(uow, filter=_leaf(field=x)), ("title", "account.name")),
    "operator": (lambda uow, x: _list(uow, filter=_leaf(op=x)), ("eq",)),
    "text": (lambda uow, x: _list(uow, filter=_leaf(value=x)), ("x",)),
    "contains": (lambda uow, x: _list(uow, filter=_leaf(op="contains", value=x)), ("x",)),
    "starts with": (lambda uow, x: _list(uow, filter=_leaf(op="starts_with", value=x)), ("x",)),
    "list": (lambda uow, x: _list(uow, filter=_leaf(op="in", value=["y", x])), ("x", "y")),
    "behind a reference": (lambda uow, x: _list(uow, filter=_leaf(field="account.name", value=x)), ("x",)),
    "tag": (lambda uow, x: _list(uow, filter=_leaf("tags", "contains", x)), ("x",)),
    "choice": (lambda uow, x: _list(uow, filter=_leaf("stage", "eq", x)), ("new",)),
    "number": (lambda uow, x: _list(uow, filter=_leaf("amount", "gt", x)), ("1",)),
    "whole number": (lambda uow, x: _list(uow, filter=_leaf("quantity", "gt", x)), ("1",)),
    "reference": (lambda uow, x: _list(uow, filter=_leaf("account", "eq", x)), ("1",)),
    "day": (lambda uow, x: _list(uow, filter=_leaf("closes_on", "lt", x)), ("2026-01-01",)),
    "moment": (lambda uow, x: _list(uow, filter=_leaf("seen_at", "lt", x)), ("2026-01-01T00:00:00Z",)),
    "period": (lambda uow, x: _list(uow, filter=_leaf("closes_on", "within", x)), ("today",)),
    "region": (lambda uow, x: _list(uow, filter=_leaf("region", "under", x)), ("370700",)),
    "boolean": (lambda uow, x: _list(uow, filter=_leaf("won", "eq", x)), ("true",)),
    "variable": (lambda uow, x: _list(uow, filter=_leaf("reviewer", "eq", {"var": x})), ("me",)),
    "other field": (lambda uow, x: _list(uow, filter=_leaf("title", "eq", {"field": x})), ("secret",)),
    "word of a group": (lambda uow, x: _list(uow, filter={x: [_leaf()]}), ("all", "any")),
    "cursor": (lambda uow, x: _list(uow, sort="title", after=x), (_cursor(["title", "id"], ["x", 1]), "")),
    "order in a cursor": (lambda uow, x: _list(uow, sort="title", after=_cursor([x, "id"], ["x", 1])), ("title",)),
    "text in a cursor": (lambda uow, x: _list(uow, sort="title", after=_cursor(["title", "id"], [x, 1])), ("x",)),
    "id in a cursor": (lambda uow, x: _list(uow, sort="title", after=_cursor(["title", "id"], ["x", x])), ("1", " ")),
    "moment in a cursor": (lambda uow, x: _list(uow, sort="seen_at", after=_cursor(["seen_at", "id"], [x, 1])), ("2026-01-01T00:00:00Z", " ")),
    "amount in a cursor": (lambda uow, x: _list(uow, sort="-amount", after=_cursor(["-amount", "-id"], [x, 1])), ("1", " ")),
    "label in a cursor": (lambda uow, x: _list(uow, sort="account", after=_cursor(["account", "id"], [x, 1])), ("x",)),
    "count": (lambda uow, x: _list(uow, count=x), ("exact", "estimate", "none")),
    "entity": (lambda uow, x: query.count(uow, x, ListQuery()), ("oracle_deal",)),
    "verb": (lambda uow, x: service.act(uow, "oracle_deal", x, [1], {}), ("nothing",)),
}  # fmt: skip


class Shapes:
    """The statements that were sent, without their numbers of placeholders."""

    def __init__(self, runtime: Any) -> None:
        self.engine, self.seen = runtime.database.engine, set()

    def __enter__(self) -> Shapes:
        event.listen(self.engine, "before_cursor_execute", self._note)
        return self

    def __exit__(self, *error: object) -> None:
        event.remove(self.engine, "before_cursor_execute", self._note)

    def _note(self, connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        self.seen.add(_shape(statement))


def _shape(statement: str) -> str:
    """A statement with numbered names and lists of placeholders made alike.

    Which of LIKE and ILIKE is sent depends on whether the pattern has letters: both bind it.
    """
    text = re.sub(r"%\(\w+\)s(::[A-Z]+(\(\d+\))?)?|\?", "?", statement)
    text = re.sub(r"\(\s*(\?|NULL)(,\s*(\?|NULL))*\)", "(?)", text)
    text = text.replace(" ILIKE ", " LIKE ")
    return re.sub(r"\s+", " ", re.sub(r"_\d+\b", "", text))


@pytest.mark.databases("sqlite", later=("postgresql",))
@pytest.mark.parametrize("place", POSITIONS)
@pytest.mark.parametrize(
    "payloads", [PAYLOADS, pytest.param(MANY, marks=pytest.mark.long)], ids=len
)
def test_no_text_changes_the_shape_of_a_statement(runtime, unit_of_work, admin_id, place, payloads):
    """I2: the statements sent are among those of benign texts; refusals are refusals.

    About 12,000 on each database; in the long tier more than 100,000 on each.
    """
    ask, benign = POSITIONS[place]
    with unit_of_work() as uow:
        (account,) = service.create(uow, "oracle_account", [{"name": "x"}])
        service.create(
            uow,
            "oracle_deal",
            [{"title": f"x{n}", "account": account, "tags": ["x"]} for n in range(3)],
        )
    answered = 0
    with unit_of_work(admin_id, write=False) as uow, Shapes(runtime) as good:
        for text in benign:
            try:
                ask(uow, text)
            except Refusal:
                assert place == "verb"
            except ValueError:
                assert place == "cursor"
        if place == "boolean":
            ask(uow, "false")
    with unit_of_work(admin_id, write=False) as uow, Shapes(runtime) as hostile:
        for payload in payloads:
            try:
                ask(uow, payload)
                answered += 1
            except Refusal:
                continue
    assert hostile.seen <= good.seen
    assert len(payloads) >= 300
    assert place in ("search", "text", "contains", "sort", "list") or answered < len(payloads)


@pytest.mark.databases("sqlite")
def test_the_long_run_asks_two_hundred_thousand(runtime):
    """I2: on both databases together."""
    assert 2 * len(MANY) * len(POSITIONS) >= 200_000


def test_a_statement_built_of_text_would_be_noticed(runtime, unit_of_work, admin_id):
    """Positive control: shapes do differ when text is pasted in."""
    with unit_of_work(admin_id, write=False) as uow, Shapes(runtime) as shapes:
        for text in ("x", "x' OR '1'='1"):
            uow.connection.exec_driver_sql(f"SELECT 1 WHERE 'a' = '{text}'")
    assert len(shapes.seen) == 2


def test_hostile_texts_are_kept_as_they_are(unit_of_work, admin_id):
    """What may be stored comes back to the letter; what may not is refused by name."""
    refusals = []
    for payload in PAYLOADS:
        try:
            with unit_of_work(admin_id) as uow:
                (key,) = service.create(uow, "oracle_deal", [{"title": "t", "notes": payload}])
                kept = query.get(uow, "oracle_deal", key).values["notes"]
            assert kept == (payload.strip() or None)
        except Invalid as refused:
            refusals.append([problem.field for problem in refused.problems])
    assert refusals
    assert all(fields == ["notes"] for fields in refusals)


NAMES = [
    "select", "x_", "X_A", "x_a b", "x_a;--", 'x_"', "x_'", "x_" + "a" * 41, "x_é", "x_e\u0301", "x_\u202ea", "x_\x00", "x_😀",
    "x_a\n", "x_ａ", "title", "owner_id", "", None, 7, ["x_a"], "x_a.b", "x_a)", "x_%s", "x_{a}",
]  # fmt: skip


@pytest.mark.databases("sqlite", later=("postgresql",))
@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_names_of_fields_are_of_one_plain_form(runtime, unit_of_work, admin_id, name):
    """I3: nothing else ever becomes an identifier."""
    with pytest.raises(Invalid) as refused, unit_of_work(admin_id) as uow:
        add_field(uow, "oracle_deal", {"name": name, "kind": "text", "label": "A"})
    assert {problem.field for problem in refused.value.problems} == {"name"}


@pytest.mark.parametrize("name", ["x_select", "x_order", "x_1", "x_" + "a" * 40, "x_null", "x___"])
def test_reserved_words_and_long_names_work(unit_of_work, admin_id, name):
    """I3: a plain name is quoted where it must be, and works in every position."""
    with unit_of_work(admin_id) as uow:
        add_field(
            uow, "oracle_deal", {"name": name, "kind": "text", "label": "'; DROP TABLE x; --"}
        )
    with unit_of_work(admin_id) as uow:
        (key,) = service.create(uow, "oracle_deal", [{"title": "t", name: "v'"}])
        assert query.get(uow, "oracle_deal", key).values[name] == "v'"
        for more in (
            {"filter": {"field": name, "op": "eq", "value": "v'"}},
            {"sort": name},
            {"fields": (name,)},
        ):
            assert [row["id"] for row in _list(uow, **more).items] == [key]
        groups = aggregate(uow, "oracle_deal", [name], ["count"], ListQuery())
        assert groups[0][name]["id"] == "v'"

"""Conditions as SQL, for SQLite and PostgreSQL."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    String,
    and_,
    exists,
    false,
    func,
    not_,
    or_,
    select,
    true,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement

from core.entities.conditions import Leaf, Node
from core.entities.links import link_table
from core.entities.veils import seen
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.fields.regions import code_range

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["condition_sql", "like_pattern", "matches"]

_LETTER = re.compile("[A-Za-z]")
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}


class json_contains(FunctionElement[bool]):
    """True when a JSON list of texts has the member."""

    name = "json_contains"
    inherit_cache = True


@compiles(json_contains, "postgresql")
def _json_contains_postgresql(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    column, member = element.clauses
    listed = func.jsonb_build_array(type_coerce(member, String), type_=JSONB)
    return compiler.process(type_coerce(column, JSONB).contains(listed), **options)


@compiles(json_contains, "sqlite")
def _json_contains_sqlite(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    column, member = (compiler.process(clause, **options) for clause in element.clauses)
    return f"EXISTS (SELECT 1 FROM json_each({column}) WHERE json_each.value = {member})"


def like_pattern(text: str) -> str:
    """``text`` with the wildcards of LIKE taken literally (escape character ``\\``)."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def matches(column: ColumnElement[Any], pattern: str, *, is_sqlite: bool) -> ColumnElement[bool]:
    """True when a text matches a pattern of LIKE, with only the 26 letters taken in either case.

    SQLite's LIKE does so by itself; PostgreSQL's ILIKE copies each text in lower case first, which
    is left out for a pattern without such letters.
    """
    if is_sqlite or not _LETTER.search(pattern):
        return column.like(pattern, escape="\\")
    return column.ilike(pattern, escape="\\")


def condition_sql(
    node: Node, spec: EntitySpec, uow: UnitOfWork, table: FromClause | None = None
) -> ColumnElement[bool]:
    """The condition over ``table`` (the entity's own unless given, e.g. an alias)."""
    return _Compiler(uow).node(node, spec, spec.table if table is None else table)


class _Compiler:
    def __init__(self, uow: UnitOfWork) -> None:
        self.uow = uow

    def node(self, node: Node, spec: EntitySpec, table: FromClause) -> ColumnElement[bool]:
        if isinstance(node, Leaf):
            return self.leaf(node, spec, table)
        parts = [self.node(part, spec, table) for part in node.parts]
        return and_(true(), *parts) if node.all else or_(false(), *parts)

    def leaf(self, leaf: Leaf, spec: EntitySpec, table: FromClause) -> ColumnElement[bool]:
        if leaf.op == "same":
            return self.same_record(leaf, spec, table)
        return self.reach(leaf, list(leaf.path.steps), spec, table)

    def same_record(self, leaf: Leaf, spec: EntitySpec, table: FromClause) -> ColumnElement[bool]:
        op, other = leaf.value
        left, right = (seen(self.uow, spec, path.field, table) for path in (leaf.path, other))
        if self.uow.runtime.database.is_sqlite:
            left, right = _one_unit(left, right)
        if op == "eq":
            same = left.is_not_distinct_from(right)
            return left.is_distinct_from(right) if leaf.negated else same
        found: ColumnElement[bool] = _OPERATORS[op](left, right)
        return or_(left.is_(None), right.is_(None), not_(found)) if leaf.negated else found

    def reach(
        self,
        leaf: Leaf,
        steps: list[tuple[FieldSpec, EntitySpec]],
        spec: EntitySpec,
        table: FromClause,
    ) -> ColumnElement[bool]:
        """The test on the field itself, or on the records that the first reference leads to.

        Records that the actor may not read count as if there were none.
        """
        from core.entities.scope import scope_clause

        if not steps:
            return self.test(leaf, spec, table)
        (field, target), *rest = steps
        reference = _column(table, field)
        other = self.uow.alias(target.table)
        positive = Leaf(leaf.path, leaf.op, leaf.value)
        inner = select(other.c.id).where(self.reach(positive, rest, target, other))
        scope = scope_clause(self.uow, target, "read", other)
        if scope is not None:
            inner = inner.where(scope)
        if leaf.negated:
            return or_(reference.is_(None), reference.not_in(inner))
        return reference.in_(inner)

    def test(self, leaf: Leaf, spec: EntitySpec, table: FromClause) -> ColumnElement[bool]:
        field = leaf.path.field
        if isinstance(field.type, t.References):
            found = _link_test(leaf, spec, field, table)
            return not_(found) if leaf.negated else found
        column = seen(self.uow, spec, field, table)
        if leaf.op == "is_set":
            return column.is_(None) if leaf.negated else column.is_not(None)
        found = self.positive(leaf, field, column)
        return or_(column.is_(None), not_(found)) if leaf.negated else found

    def positive(
        self, leaf: Leaf, field: FieldSpec, column: ColumnElement[Any]
    ) -> ColumnElement[bool]:
        value = leaf.value
        match leaf.op:
            case "in" if isinstance(field.value_type, (t.MultiChoice, t.Tags)):
                return or_(false(), *(json_contains(column, item) for item in value))
            case "in":
                return column.in_(value)
            case "contains" if isinstance(field.value_type, (t.MultiChoice, t.Tags)):
                return json_contains(column, value)
            case "contains":
                return self.like(column, f"%{like_pattern(value)}%")
            case "starts_with":
                return self.like(column, f"{like_pattern(value)}%")
            case "span":
                return and_(column >= value[0], column < value[1])
            case "under":
                return self.under(field.value_type, column, value)
            case op:
                return _OPERATORS[op](column, value)  # type: ignore[no-any-return]

    def like(self, column: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
        return matches(column, pattern, is_sqlite=self.uow.runtime.database.is_sqlite)

    def under(
        self, type_: t.FieldType, column: ColumnElement[Any], value: Any
    ) -> ColumnElement[bool]:
        """The value itself and all below it, in regions or in a tree of records with a path."""
        if isinstance(type_, t.Region):
            low, high = code_range(value)
            return column.between(low, high)
        assert isinstance(type_, t.Reference)
        target = self.uow.snapshot.installed_entities[type_.entity]
        if "path" not in target:
            same: ColumnElement[bool] = column == value
            return same
        node, top = self.uow.alias(target.table), self.uow.alias(target.table)
        prefix = select(top.c.path.concat("%")).where(top.c.id == value).scalar_subquery()
        return column.in_(select(node.c.id).where(node.c.path.like(prefix)))


def _column(table: FromClause, field: FieldSpec) -> ColumnElement[Any]:
    assert field.column is not None
    return table.c[field.column]


def _one_unit(
    left: ColumnElement[Any], right: ColumnElement[Any]
) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """Decimals of different scales, which SQLite holds as integers, in the smaller unit."""
    scales = [getattr(side.type, "scale", None) or 0 for side in (left, right)]
    if scales[0] == scales[1]:
        return left, right
    both = [
        type_coerce(side, BigInteger) * 10 ** (max(scales) - scale)
        for side, scale in zip((left, right), scales, strict=True)
    ]
    return both[0], both[1]


def _link_test(
    leaf: Leaf, spec: EntitySpec, field: FieldSpec, table: FromClause
) -> ColumnElement[bool]:
    link = link_table(spec, field).alias()
    tests = [link.c.source_id == table.c.id]
    if leaf.op == "contains":
        tests.append(link.c.target_id == leaf.value)
    elif leaf.op == "in":
        tests.append(link.c.target_id.in_(leaf.value))
    return exists().where(*tests)

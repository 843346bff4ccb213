"""Conditions as a Python predicate over one record's values."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from core.entities.conditions import Group, Leaf, Node
from core.fields import types as t
from core.fields.regions import is_under

__all__ = ["Predicate", "condition_predicate", "paths_of"]

Predicate = Callable[[Mapping[str, Any]], bool]
#: ``(entity, ancestor id, id) -> is the second below the first?``, for trees of records.
Descends = Callable[[str, int, int], bool]

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}
#: As LIKE does on both databases: only the 26 letters have two cases.
_FOLD = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def condition_predicate(node: Node, descends: Descends | None = None) -> Predicate:
    """A function that says whether a record fulfils the condition.

    It is given values by path: the record's own fields by name, and ``customer.province`` for what
    lies behind a reference. ``descends`` answers ``under`` for trees; regions need none.
    """
    if isinstance(node, Group):
        parts = [condition_predicate(part, descends) for part in node.parts]
        if node.all:
            return lambda values: all(part(values) for part in parts)
        return lambda values: any(part(values) for part in parts)
    return _leaf(node, descends)


def paths_of(node: Node) -> frozenset[str]:
    """All paths that a condition looks at."""
    if isinstance(node, Group):
        return frozenset().union(*(paths_of(part) for part in node.parts))
    if node.op == "same":
        return frozenset({node.path.text, node.value[1].text})
    return frozenset({node.path.text})


def _leaf(leaf: Leaf, descends: Descends | None) -> Predicate:
    name, negated = leaf.path.text, leaf.negated
    if leaf.op == "same":
        op, right = leaf.value
        other = right.text
        compare = _null_safe_equal if op == "eq" else _null_is_false(_OPERATORS[op])
        return lambda values: compare(values.get(name), values.get(other)) is not negated
    test = _test(leaf, descends)

    def predicate(values: Mapping[str, Any]) -> bool:
        value = values.get(name)
        return (value is not None and value != [] and test(value)) is not negated

    return predicate


def _test(leaf: Leaf, descends: Descends | None) -> Callable[[Any], bool]:
    wanted, type_ = leaf.value, leaf.path.field.value_type
    listed = isinstance(type_, (t.MultiChoice, t.Tags, t.References))
    match leaf.op:
        case "is_set":
            return lambda value: True
        case "in" if listed:
            return lambda value: any(item in value for item in wanted)
        case "in":
            return lambda value: value in wanted
        case "contains" if listed:
            return lambda value: wanted in value
        case "contains":
            folded = wanted.translate(_FOLD)
            return lambda value: folded in value.translate(_FOLD)
        case "starts_with":
            folded = wanted.translate(_FOLD)
            return lambda value: value.translate(_FOLD).startswith(folded)
        case "span":
            return lambda value: wanted[0] <= value < wanted[1]
        case "under" if isinstance(type_, t.Region):
            return lambda value: is_under(value, wanted)
        case "under":
            assert isinstance(type_, t.Reference)
            entity = type_.entity
            return lambda value: (
                value == wanted or (descends is not None and descends(entity, wanted, value))
            )
        case op:
            compare = _OPERATORS[op]
            return lambda value: compare(value, wanted)


def _null_safe_equal(left: Any, right: Any) -> bool:
    return bool(left == right)


def _null_is_false(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda left, right: left is not None and right is not None and compare(left, right)

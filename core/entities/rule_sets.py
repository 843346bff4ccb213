"""The rules of an entity's fields, compiled once for each structure."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.entities.dependencies import Formula, graph_of
from core.entities.rule_tests import RuleTest, compile_condition, compile_validation
from core.errors import Invalid
from core.expressions import ExpressionError
from core.fields import EntitySpec, FieldSpec
from core.fields.rules import FieldRules

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["PARTS", "EntityRules", "Rule", "broken_rules", "readers_of", "rules_of"]

log = logging.getLogger("dougong.rules")
#: What of a rule looks at other values than its field's own.
PARTS = ("visible_when", "required_when", "validation")


@dataclass(frozen=True, eq=False)
class Rule:
    """The rules of one field, with its tests by part."""

    field: FieldSpec
    rules: FieldRules
    tests: Mapping[str, RuleTest]


@dataclass
class EntityRules:
    """The rules of one entity."""

    rules: list[Rule] = field(default_factory=list)
    #: Computed fields that rules look at, each after those that it reads.
    formulas: list[Formula] = field(default_factory=list)
    broken: dict[tuple[str, str], str] = field(default_factory=dict)


def rules_of(uow: UnitOfWork, spec: EntitySpec) -> EntityRules | None:
    """The compiled rules of an entity, None when it has none; kept with the structure."""
    if not spec.ruled:
        return None
    memo = uow.snapshot.memo
    found: EntityRules | None = memo.get(("field rules", spec.name))
    if found is None:
        found = memo["field rules", spec.name] = _compile(uow, spec)
    return found


def _compile(uow: UnitOfWork, spec: EntitySpec) -> EntityRules:
    done = EntityRules()
    for item in spec.ruled:
        assert item.rules is not None
        tests = {}
        for part in PARTS:
            source = getattr(item.rules, part)
            try:
                if part == "validation" and source:
                    tests[part] = compile_validation(uow, spec, source)
                elif source:
                    tests[part] = compile_condition(uow, spec, source)
            except (Invalid, ExpressionError) as error:
                # What it looked at is gone, e.g. with its module: work goes on, and it is told.
                log.warning("%s.%s: the rule %s no longer fits", spec.name, item.name, part)
                done.broken[item.name, part] = error.message
        done.rules.append(Rule(item, item.rules, tests))
    read = {name for rule in done.rules for test in rule.tests.values() for name in test.own}
    by_name = {
        each.field.name: each for each in graph_of(uow.snapshot).by_entity.get(spec.name, ())
    }
    read.update(*(by_name[name].inputs for name in read & by_name.keys()))
    done.formulas = [each for name, each in by_name.items() if name in read]
    return done


def broken_rules(uow: UnitOfWork, spec: EntitySpec) -> dict[tuple[str, str], str]:
    """Rules that no longer fit the entity and are not asked: why, by field and part of the rule."""
    rules = rules_of(uow, spec)
    return {} if rules is None else rules.broken


def readers_of(uow: UnitOfWork, entity: str, name: str) -> list[tuple[EntitySpec, FieldSpec]]:
    """The other fields whose rules read a field."""
    return [
        (spec, rule.field)
        for spec in uow.snapshot.installed_entities.values()
        if (rules := rules_of(uow, spec)) is not None
        for rule in rules.rules
        if (spec.name, rule.field.name) != (entity, name)
        and any(
            (owner.name, item.name) == (entity, name)
            for test in rule.tests.values()
            for owner, item in test.uses
        )
    ]

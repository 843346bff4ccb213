"""Conditions and expressions of rules, compiled: what they read, and how a record is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.entities.conditions import Group, Node, Path, parse_condition
from core.entities.conditions_python import condition_predicate
from core.entities.dependencies import graph_of
from core.entities.formulas import expression_scope
from core.errors import Invalid, Problem
from core.expressions import Expression, ExpressionError, Kind, compile_expression
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.i18n import gettext as _
from core.reference.reading import evaluation_context

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Ask", "RuleTest", "compile_condition", "compile_validation"]

#: ``(values by path) -> does it hold?``
Ask = Callable[[Mapping[str, Any]], bool]
#: Set when a record is written, so that a rule would see another value than what is kept.
_UNSET = frozenset(
    {"id", "version", "created_at", "created_by", "updated_at", "updated_by", "archived_at"}
)


@dataclass(frozen=True, eq=False)
class RuleTest:
    """A condition or an expression, ready to be bound to a transaction."""

    #: All that it reads; it is asked only for somebody to whom all of it is open.
    uses: tuple[tuple[EntitySpec, FieldSpec], ...]
    #: The record's own fields that it reads, also through computed ones and as references on the way.
    own: frozenset[str]
    #: (reference, field behind it)
    behind: frozenset[tuple[str, str]]
    #: The actor and the day are filled in here.
    bind: Callable[[UnitOfWork], Ask]

    @property
    def through(self) -> frozenset[str]:
        """The references behind which it looks."""
        return frozenset(reference for reference, _name in self.behind)


def compile_condition(uow: UnitOfWork, spec: EntitySpec, source: Any) -> RuleTest:
    """A condition in the grammar of filters; raises `Invalid` for what no rule may ask."""
    node = parse_condition(source, spec, uow)
    reads = [_of_path(uow, spec, path) for path in _paths(node)]
    if _varies(source):
        return _test(
            uow, reads, lambda uow: condition_predicate(parse_condition(source, spec, uow))
        )
    predicate = condition_predicate(node)
    return _test(uow, reads, lambda _uow: predicate)


def compile_validation(uow: UnitOfWork, spec: EntitySpec, source: str) -> RuleTest:
    """An expression that gives yes or no; raises `ExpressionError`.

    Nothing known, as of an empty amount, counts as yes: that it is filled in is another rule.
    """
    entities = {**uow.snapshot.installed_entities, spec.name: spec}
    expression = compile_expression(source, expression_scope(entities, spec), Kind.BOOLEAN)
    try:
        reads = [_of_names(uow, spec, path, entities) for path in sorted(expression.dependencies)]
    except Invalid as error:
        raise ExpressionError(error.message, 1, len(source)) from None
    return _test(uow, reads, lambda uow: _asking(expression, uow))


def _asking(expression: Expression, uow: UnitOfWork) -> Ask:
    context = evaluation_context(uow)

    def ask(values: Mapping[str, Any]) -> bool:
        try:
            return expression.evaluate(values, context) is not False
        except ExpressionError:  # beyond the limits of work: not shown to hold
            return False

    return ask


#: One path of a test: the reference on the way, if any, and the field at its end.
Read = tuple[tuple[EntitySpec, FieldSpec] | None, tuple[EntitySpec, FieldSpec]]


def _test(uow: UnitOfWork, reads: list[Read], bind: Callable[[UnitOfWork], Ask]) -> RuleTest:
    through = [(step, end) for step, end in reads if step is not None]
    formulas = graph_of(uow.snapshot).formulas
    own = {(spec.name, field.name) for spec, field in (step or end for step, end in reads)}
    inputs = [formulas[node].inputs for node in own & formulas.keys()]
    return RuleTest(
        uses=tuple(each for read in reads for each in read if each is not None),
        own=frozenset(name for _spec, name in own).union(*inputs),
        behind=frozenset((step[1].name, end[1].name) for step, end in through),
        bind=bind,
    )


def _varies(source: Any) -> bool:
    """True when the actor or the day decides what the condition means."""
    if isinstance(source, Mapping):
        return "var" in source or source.get("op") == "within" or any(map(_varies, source.values()))
    return isinstance(source, list) and any(map(_varies, source))


def _paths(node: Node) -> Iterator[Path]:
    if isinstance(node, Group):
        for part in node.parts:
            yield from _paths(part)
        return
    if node.op == "under" and isinstance(node.path.field.value_type, t.Reference):
        raise _refusal(_("A rule cannot ask what lies below a record."))
    yield node.path
    if node.op == "same":
        yield node.value[1]


def _of_path(uow: UnitOfWork, spec: EntitySpec, path: Path) -> Read:
    if len(path.steps) > 1:
        raise _too_far()
    if not path.steps:
        return None, (spec, _own(uow, spec, path.field))
    ((reference, target),) = path.steps
    return (spec, reference), (target, _stored(path.field))


def _of_names(
    uow: UnitOfWork, spec: EntitySpec, path: str, entities: Mapping[str, EntitySpec]
) -> Read:
    first, *rest = path.split(".")
    field = spec[first]
    if not rest:
        return None, (spec, _own(uow, spec, field))
    if len(rest) > 1 or not isinstance(field.type, t.Reference):
        raise _too_far()
    target = entities[field.type.entity]
    return (spec, field), (target, _stored(target[rest[0]]))


def _own(uow: UnitOfWork, spec: EntitySpec, field: FieldSpec) -> FieldSpec:
    """Only what is known before the record is written, and in a form that is being filled in."""
    if field.name in _UNSET or isinstance(field.type, t.AutoNumber):
        raise _refusal(_("%(field)s is not known before saving.", field=str(field.label)))
    if isinstance(field.type, t.Computed):
        formulas = graph_of(uow.snapshot).formulas
        formula = formulas.get((spec.name, field.name))
        names = () if formula is None else (field.name, *formula.inputs)
        found = [formulas[spec.name, name] for name in names if (spec.name, name) in formulas]
        if not found or any(each.late or each.looks_elsewhere for each in found):
            message = _("%(field)s is computed from other records.", field=str(field.label))
            raise _refusal(message)
    return _stored(field)


def _stored(field: FieldSpec) -> FieldSpec:
    if not field.is_stored:
        raise _refusal(_("%(field)s cannot be tested.", field=str(field.label)))
    return field


def _too_far() -> Invalid:
    return _refusal(_("A rule looks at the record itself and at what it refers to, no further."))


def _refusal(message: str) -> Invalid:
    return Invalid(message, [Problem("filter", "condition", message)])

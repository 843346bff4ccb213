"""The rules of fields as the one door asks them: for one actor, a batch of changes at a time.

A rule may look at a field or a record that is closed to whoever writes. It holds all the same, and
its refusal says no more than that a rule refuses; or, where its author chose so (``unseen: "skip"``),
it is not asked of them, so that nothing they are answered hangs on it. Forms never ask such a rule.
docs/adr/0010.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.entities.changes import Change
from core.entities.formulas import evaluated
from core.entities.incoming import missing, readable
from core.entities.patterns import limit_problem
from core.entities.rule_sets import PARTS, EntityRules, Rule, rules_of
from core.entities.rule_tests import Ask, RuleTest
from core.entities.scope import may_use
from core.errors import Problem
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.i18n import gettext as _
from core.reference.reading import evaluation_context

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "FieldState",
    "apply_rules",
    "field_states",
    "open_rules",
]

log = logging.getLogger("dougong.rules")
_IN_CHUNK = 900
#: The code of a refusal that tells no reason.
BLIND = "refused_by_rule"
#: The parts that decide whether a field must be filled in.
_OF_REQUIRED = ("visible_when", "required_when")


@dataclass(frozen=True)
class FieldState:
    """How a field stands in a form: whether it applies to the record, and must be filled in."""

    applies: bool = True
    required: bool = False


def apply_rules(
    uow: UnitOfWork, changes: Sequence[Change], wrong: Set[tuple[int, str]] = frozenset()
) -> list[Problem]:
    """What is wrong with the changes by the company's rules.

    Defaults of fields that do not apply to a new record are taken back. ``wrong`` names values that
    could not be read, as (item, field): what hangs on them is not known.
    """
    book = _book(uow, changes[0].entity) if changes else None
    return [] if book is None else book.judge(changes, wrong)


def field_states(
    uow: UnitOfWork, spec: EntitySpec, values: Mapping[str, Any]
) -> dict[str, FieldState]:
    """How the fields with conditions stand in a form that holds ``values``; without others."""
    book = _book(uow, spec)
    return {} if book is None else book.states(values)


def open_rules(uow: UnitOfWork, spec: EntitySpec, item: FieldSpec) -> Mapping[str, Any]:
    """The rules of a field as they are written, without those that look at what the actor may not see."""
    book = _book(uow, spec)
    bound = next((each for each in book.bound if each.rule.field is item), None) if book else None
    if bound is None:
        return {}
    broken = {part for part in PARTS if part not in bound.rule.tests}
    closed = broken | bound.blind
    closed |= {"message"} if "validation" in closed else set()
    closed |= {"unseen"} if bound.blind else set()
    return {key: value for key, value in bound.rule.rules.source.items() if key not in closed}


# Bound: to one actor in one transaction


@dataclass(frozen=True)
class _View:
    """A record as rules see it."""

    values: Mapping[str, Any]
    #: References to records that the actor may not see.
    closed: frozenset[str] = frozenset()
    #: Shown to the actor while they fill in: what is closed to them decides nothing here.
    in_form: bool = False


@dataclass(frozen=True, eq=False)
class _Bound:
    """One rule, with those of its tests that are asked of the actor."""

    rule: Rule
    tests: Mapping[str, tuple[RuleTest, Ask]]
    #: The parts that look at fields closed to the actor.
    blind: Set[str]

    def holds(self, part: str, view: _View, unknown: Set[str] = frozenset()) -> bool | None:
        """Whether the part's test holds; None where there is none or it is not asked."""
        found = self.tests.get(part)
        if found is None:
            return None
        test, ask = found
        if not test.own.isdisjoint(unknown):
            return None
        if (view.in_form or self.rule.rules.skips_unseen) and self.is_blind(part, view):
            return None
        return ask(view.values)

    def is_blind(self, part: str, view: _View) -> bool:
        """True when a part that is there looks at what the actor may not see."""
        found = self.tests.get(part)
        return found is not None and (
            part in self.blind or not found[0].through.isdisjoint(view.closed)
        )

    def applies(self, view: _View, unknown: Set[str] = frozenset()) -> bool:
        return self.holds("visible_when", view, unknown) is not False

    def requires(self, view: _View, unknown: Set[str] = frozenset()) -> bool:
        if not self.applies(view, unknown):
            return False
        return self.rule.field.required or self.holds("required_when", view, unknown) is True


def _book(uow: UnitOfWork, spec: EntitySpec) -> _Book | None:
    """The rules of an entity for the actor, kept for the transaction; None when it has none."""
    rules = rules_of(uow, spec)
    if rules is None:
        return None
    key = ("field rules", spec.name, uow.actor.user_id, uow.actor.is_system)
    book: _Book | None = uow.memo.get(key)
    if book is None or book.rules is not rules or book.actor is not uow.actor:
        book = uow.memo[key] = _Book(uow, spec, rules)
    return book


class _Book:
    """The rules of an entity for one actor."""

    def __init__(self, uow: UnitOfWork, spec: EntitySpec, rules: EntityRules) -> None:
        self.uow, self.spec, self.rules, self.actor = uow, spec, rules, uow.actor
        self.bound = [self._bind(rule) for rule in rules.rules]
        self.behind: dict[str, set[str]] = defaultdict(set)
        for bound in self.bound:
            for test, _ask in bound.tests.values():
                for reference, name in test.behind:
                    self.behind[reference].add(name)

    def _bind(self, rule: Rule) -> _Bound:
        blind = {
            part
            for part, test in rule.tests.items()
            if not all(may_use(self.uow, owner, item) for owner, item in test.uses)
        }
        asked = rule.tests.keys() - (blind if rule.rules.skips_unseen else set())
        tests = {part: (rule.tests[part], rule.tests[part].bind(self.uow)) for part in asked}
        return _Bound(rule, tests, blind)

    # Writing

    def judge(self, changes: Sequence[Change], wrong: Set[tuple[int, str]]) -> list[Problem]:
        after = self._views([change.after for change in changes])
        if changes[0].kind == "create":
            before: Sequence[_View | None] = [None] * len(changes)
            self._withdraw_defaults(changes, after)
        else:
            before = self._views([change.before for change in changes])
        unknown: dict[int, set[str]] = defaultdict(set)
        for item, name in wrong:
            unknown[item].add(name)
        found = [
            problem
            for change, view, old in zip(changes, after, before, strict=True)
            for bound in self.bound
            if bound.rule.field.name not in unknown[change.item]
            for problem in self._problems(bound, change, view, old, unknown[change.item])
        ]
        if blind := sum(problem.code == BLIND for problem in found):
            log.warning(
                "%s: rules refused person %s %s changes for what they may not see",
                *(self.spec.name, self.uow.actor.user_id, blind),
            )
        return found

    def _withdraw_defaults(self, changes: Sequence[Change], views: list[_View]) -> None:
        for bound in self.bound:
            item = bound.rule.field
            if not item.is_stored or item.default is None or "visible_when" not in bound.tests:
                continue
            for place, (change, view) in enumerate(zip(changes, views, strict=True)):
                if item.name in change.given or bound.applies(view):
                    continue
                blank = False if isinstance(item.type, t.Boolean) else None
                change.after[item.name] = blank
                views[place] = replace(view, values={**view.values, item.name: blank})

    def _problems(
        self, bound: _Bound, change: Change, view: _View, old: _View | None, unknown: Set[str]
    ) -> Iterator[Problem]:
        item = bound.rule.field
        name, seen = item.name, self.uow.actor.access(self.spec).can_see(item)
        place = name if seen or self.uow.actor.is_system else ""
        value = change.after.get(name) if item.is_stored else change.detached.get(name)
        changed = change.changed(name)
        if not bound.applies(view, unknown):
            if changed and value not in (None, []) and value is not False:
                if bound.is_blind("visible_when", view):
                    yield self._blindly(change, place)
                else:
                    message = _("This field does not apply here.")
                    yield change.problem(place, "not_applicable", message)
            return
        if bound.rule.rules.is_conditional and self._is_missing(bound, change, view, old, unknown):
            blind = not bound.rule.rules.skips_unseen and any(
                bound.is_blind(part, view) for part in _OF_REQUIRED
            )
            yield self._blindly(change, place) if blind else missing(self.uow, change, item)
        elif changed and value is not None and (why := limit_problem(bound.rule.rules, value)):
            yield change.problem(place, *why)
            return
        test = bound.tests.get("validation")
        touched = test is not None and any(map(change.changed, {name, *test[0].own}))
        if (old is None or touched) and bound.holds("validation", view, unknown) is False:
            if bound.is_blind("validation", view):
                yield self._blindly(change, place)
            else:
                message = str(bound.rule.rules.message) or _("This does not fit the other values.")
                yield change.problem(place, "rule", message)

    def _blindly(self, change: Change, place: str) -> Problem:
        """The refusal of a rule that looks at what the actor may not see: that there is one."""
        return change.problem(place, BLIND, _("A rule of the company refuses this."))

    def _is_missing(
        self, bound: _Bound, change: Change, view: _View, old: _View | None, unknown: Set[str]
    ) -> bool:
        """An update is held to what it empties, and to what it makes a field required by."""
        item = bound.rule.field
        if not item.is_stored:
            touched = old is None or item.name in change.detached
            return touched and not change.detached.get(item.name) and bound.requires(view, unknown)
        if change.after.get(item.name) is not None or not bound.requires(view, unknown):
            return False
        if old is None or change.before.get(item.name) is not None:
            return True
        # Whether a field that the actor does not see is filled in is not told to them.
        access = self.uow.actor.access(self.spec)
        return (self.uow.actor.is_system or access.can_see(item)) and not bound.requires(old)

    # Forms

    def states(self, values: Mapping[str, Any]) -> dict[str, FieldState]:
        (view,) = self._views([values], in_form=True)
        return {
            bound.rule.field.name: FieldState(bound.applies(view), bound.requires(view))
            for bound in self.bound
            if bound.rule.rules.is_conditional
        }

    # What rules look at

    def _views(self, rows: Sequence[Mapping[str, Any]], *, in_form: bool = False) -> list[_View]:
        """The records with what is computed in them and what lies behind their references.

        A form holds only what its reader sees; what is computed of more stays as it was stored.
        """
        if not self.rules.formulas and not self.behind:
            return [_View(row, in_form=in_form) for row in rows]
        values = [dict(row) for row in rows]
        context = evaluation_context(self.uow)
        for formula in self.rules.formulas:
            if in_form and not all(self._is_open(name) for name in formula.inputs):
                continue
            name, type_ = formula.field.name, formula.field.value_type
            for row in values:
                row[name] = evaluated(formula.expression, type_, row, context)
        closed: list[set[str]] = [set() for _row in rows]
        for reference, names in self.behind.items():
            self._follow(reference, names, values, closed)
        return [
            _View(row, frozenset(out), in_form) for row, out in zip(values, closed, strict=True)
        ]

    def _is_open(self, name: str) -> bool:
        return may_use(self.uow, self.spec, self.spec[name])

    def _follow(
        self,
        reference: str,
        names: Set[str],
        rows: Sequence[dict[str, Any]],
        closed: Sequence[set[str]],
    ) -> None:
        """Put what lies behind a reference into the rows: one statement for all of them."""
        target = self.uow.snapshot.installed_entities[self.spec[reference].type.entity]  # type: ignore[attr-defined]
        keys = {row[reference] for row in rows if row.get(reference) is not None}
        open_ = readable(self.uow, target.name, keys)
        columns = [target.column(name).label(name) for name in sorted(names - {"id"})]
        found: dict[int, Mapping[str, Any]] = {}
        ordered = sorted(keys)
        for start in range(0, len(ordered), _IN_CHUNK):
            chunk = target.table.c.id.in_(ordered[start : start + _IN_CHUNK])
            statement = select(target.table.c.id.label("id"), *columns).where(chunk)
            found.update((row["id"], dict(row)) for row in self.uow.execute(statement).mappings())
        for row, out in zip(rows, closed, strict=True):
            key = row.get(reference)
            if key in found:
                row.update((f"{reference}.{name}", found[key][name]) for name in names)
            if key is not None and key not in open_:
                out.add(reference)

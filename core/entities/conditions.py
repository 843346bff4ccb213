"""Conditions: one JSON grammar, checked once into a small tree that two compilers read.

After checking, a tree has only AND, OR and leaves. A leaf's own test is never true for null;
"not", ``ne``, ``not_in`` and ``is_empty`` become negated leaves, so SQL and Python agree on null
without three-valued logic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from core.entities.periods import is_period, moments, span
from core.entities.values import BadValue, check_value, is_text
from core.errors import Invalid, Problem
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.i18n import gettext as _
from core.security.shared import shared_keys

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["SHARED_WITH_ME", "Group", "Leaf", "Node", "Path", "operators", "parse_condition"]

MAX_DEPTH = 10
MAX_LEAVES = 200
MAX_LIST = 1000

VARIABLES = ("me", "my_department", "today", "now")
#: What ``in`` is given for the field ``id`` to find what was shared with the reader.
SHARED_WITH_ME = {"var": "shared_with_me"}


@dataclass(frozen=True)
class Path:
    """A field, or a field of a record it refers to: ``customer.province``."""

    text: str
    #: The reference fields on the way, each with the entity it leads to.
    steps: tuple[tuple[FieldSpec, EntitySpec], ...]
    field: FieldSpec


@dataclass(frozen=True)
class Leaf:
    """One test. ``op`` is one of ``eq lt le gt ge in contains starts_with is_set span under
    same``; ``value`` is bound: variables are filled in. ``same`` compares with another field."""

    path: Path
    op: str
    value: Any = None
    negated: bool = False


@dataclass(frozen=True)
class Group:
    """All (AND) or any (OR) of its parts; an empty AND is true, an empty OR is false."""

    all: bool
    parts: tuple[Node, ...]


Node = Leaf | Group

_COMPARE = frozenset({"eq", "ne", "lt", "le", "gt", "ge", "in", "not_in", "between"})
_SET = frozenset({"is_empty", "is_set"})
_TEXT = frozenset({"eq", "ne", "in", "not_in", "contains", "starts_with"}) | _SET


def operators(type_: t.FieldType) -> frozenset[str]:
    """The operators that a filter on this type offers."""
    match type_:
        case t.Computed():
            return operators(type_.result)
        case t.Text() | t.LongText() | t.AutoNumber():
            return _TEXT | {"lt", "le", "gt", "ge", "between"}
        case t.Number() | t.Integer():
            return _COMPARE | _SET
        case t.Date() | t.DateTime():
            return _COMPARE | _SET | {"within"}
        case t.Boolean():
            return frozenset({"eq", "ne"}) | _SET
        case t.MultiChoice() | t.Tags() | t.References():
            return frozenset({"contains", "in", "not_in"}) | _SET
        case t.ChoiceField():
            return frozenset({"eq", "ne", "in", "not_in"}) | _SET
        case t.Region():
            return frozenset({"eq", "ne", "in", "not_in", "under"}) | _SET
        case t.Reference():
            return frozenset({"eq", "ne", "in", "not_in", "under"}) | _SET
        case _:
            return _SET


def parse_condition(
    source: Any,
    spec: EntitySpec,
    uow: UnitOfWork,
    *,
    may_use: Callable[[EntitySpec, FieldSpec], bool] | None = None,
) -> Node:
    """Check a condition against an entity and bind its variables to the actor and the clock.

    ``may_use`` says which fields the author may test. Raises `Invalid` with one problem whose
    ``field`` is the place in the condition, e.g. ``filter.all.2``.
    """
    return _Parser(spec, uow, may_use).node(source, "filter", 1, negated=False)


class _Parser:
    def __init__(
        self,
        spec: EntitySpec,
        uow: UnitOfWork,
        may_use: Callable[[EntitySpec, FieldSpec], bool] | None,
    ) -> None:
        self.spec = spec
        self.uow = uow
        self.may_use = may_use
        self.leaves = 0

    def node(self, source: Any, place: str, depth: int, *, negated: bool) -> Node:
        if not isinstance(source, Mapping):
            raise _bad(place, "condition", _("A condition is a JSON object."))
        if depth > MAX_DEPTH:
            raise _bad(place, "too_deep", _("At most %(n)s levels of conditions.", n=MAX_DEPTH))
        keys = set(source)
        if keys == {"all"} or keys == {"any"}:
            (word,) = keys
            parts = source[word]
            if not isinstance(parts, list):
                raise _bad(place, "condition", _("“%(word)s” takes a list.", word=word))
            nodes = tuple(
                self.node(part, f"{place}.{word}.{index}", depth + 1, negated=negated)
                for index, part in enumerate(parts)
            )
            return Group((word == "all") is not negated, nodes)
        if keys == {"not"}:
            return self.node(source["not"], f"{place}.not", depth + 1, negated=not negated)
        if not {"field", "op"} <= keys or keys - {"field", "op", "value"}:
            message = _("A condition has “field”, “op” and “value”, or “all”, “any” or “not”.")
            raise _bad(place, "condition", message)
        return self.leaf(source, place, negated)

    def leaf(self, source: Mapping[str, Any], place: str, negated: bool) -> Node:
        self.leaves += 1
        if self.leaves > MAX_LEAVES:
            raise _bad(place, "too_many", _("At most %(n)s conditions.", n=MAX_LEAVES))
        path = self.path(source["field"], place)
        op, value = source["op"], source.get("value")
        if not isinstance(op, str) or op not in operators(path.field.type):
            allowed = ", ".join(sorted(operators(path.field.type)))
            raise _bad(
                f"{place}.op", "operator", _("Use one of these operators: %(ops)s.", ops=allowed)
            )
        if isinstance(value, Mapping) and set(value) == {"field"}:
            return self.comparison(path, op, value["field"], place, negated)
        try:
            return self.test(path, op, value, negated)
        except BadValue as error:
            raise _bad(f"{place}.value", error.code, str(error)) from None

    def comparison(self, path: Path, op: str, other: Any, place: str, negated: bool) -> Leaf:
        right = self.path(other, f"{place}.value")
        if op not in {"eq", "ne", "lt", "le", "gt", "ge"} or path.steps or right.steps:
            message = _("Two fields of the same record can be compared by eq, ne, lt, le, gt, ge.")
            raise _bad(place, "operator", message)
        kinds = [_comparable(item.field) for item in (path, right)]
        if kinds[0] != kinds[1] or not (path.field.is_stored and right.field.is_stored):
            raise _bad(place, "type", _("The two fields hold different kinds of values."))
        if op == "ne":
            op, negated = "eq", not negated
        return Leaf(path, "same", (op, right), negated)

    def test(self, path: Path, op: str, value: Any, negated: bool) -> Node:
        if op == "ne":
            op, negated = "eq", not negated
        elif op == "not_in":
            op, negated = "in", not negated
        elif op == "is_empty":
            op, negated = "is_set", not negated
        if op == "is_set":
            return Leaf(path, op, None, negated)
        if op == "eq" and value is None:
            return Leaf(path, "is_set", None, not negated)
        type_ = path.field.value_type
        if op == "in":
            return self.any_of(path, type_, value, negated)
        if op == "within":
            return self.within(path, type_, value, negated)
        if op == "between":
            return self.between(path, type_, value, negated)
        if op == "contains" and isinstance(type_, (t.MultiChoice, t.Tags, t.References)):
            return Leaf(path, op, self.item(type_, value), negated)
        if op in ("contains", "starts_with"):
            if not is_text(value) or not value or len(value) > 1000:
                raise BadValue("type", _("Give a text to look for."))
            return Leaf(path, op, value, negated)
        if isinstance(type_, t.DateTime) and (day := _as_day(self.variable(value))) is not None:
            return self.day_test(path, op, day, negated)
        return Leaf(path, op, self.bound(type_, value), negated)

    def any_of(self, path: Path, type_: t.FieldType, value: Any, negated: bool) -> Node:
        if value == SHARED_WITH_ME and path.field.name == "id":
            value = shared_keys(self.uow, path.steps[-1][1] if path.steps else self.spec, MAX_LIST)
        if not isinstance(value, list) or len(value) > MAX_LIST:
            raise BadValue("type", _("Give a list of at most %(n)s values.", n=MAX_LIST))
        listed = isinstance(type_, (t.MultiChoice, t.Tags, t.References))
        if isinstance(type_, t.DateTime):
            tests = tuple(self.test(path, "eq", item, negated) for item in value)
            return Group(negated, tests)
        check = self.item if listed else self.bound
        known = tuple(dict.fromkeys(check(type_, item) for item in value if item is not None))
        leaf = Leaf(path, "in", known, negated)
        if None not in value:
            return leaf
        return Group(negated, (leaf, Leaf(path, "is_set", None, not negated)))

    def within(self, path: Path, type_: t.FieldType, value: Any, negated: bool) -> Leaf:
        if not is_period(value):
            raise BadValue("period", _("Give a period such as today, this_month or last_30_days."))
        try:
            days = span(value, self.uow.clock.today())
        except (OverflowError, ValueError):
            raise BadValue("period", _("The period is out of range.")) from None
        if isinstance(type_, t.DateTime):
            return Leaf(path, "span", moments(days, self.uow.clock.timezone), negated)
        return Leaf(path, "span", days, negated)

    def between(self, path: Path, type_: t.FieldType, value: Any, negated: bool) -> Node:
        if not isinstance(value, list) or len(value) != 2:
            raise BadValue("type", _("Give a list of two values; null leaves an end open."))
        ends = [(op, end) for op, end in zip(("ge", "le"), value, strict=True) if end is not None]
        if not ends:
            return Leaf(path, "is_set", None, negated)
        return Group(not negated, tuple(self.test(path, op, end, negated) for op, end in ends))

    def day_test(self, path: Path, op: str, day: date, negated: bool) -> Leaf:
        """A day against a moment: the day is the span of its hours in the company's zone."""
        try:
            start, end = moments((day, day + timedelta(days=1)), self.uow.clock.timezone)
        except OverflowError:
            raise BadValue("date", _("The day is out of range.")) from None
        if op == "eq":
            return Leaf(path, "span", (start, end), negated)
        op, edge = {"lt": ("lt", start), "ge": ("ge", start), "le": ("lt", end), "gt": ("ge", end)}[
            op
        ]
        return Leaf(path, op, edge, negated)

    def item(self, type_: t.FieldType, value: Any) -> Any:
        """One member of a list-valued field."""
        found = check_value(type_, [self.variable(value)])
        if not found:
            raise BadValue("type", _("Give a value to look for."))
        return found[0]

    def bound(self, type_: t.FieldType, value: Any) -> Any:
        found = check_value(type_, self.variable(value))
        if found is None:
            raise BadValue("type", _("Give a value to compare with."))
        return found

    def variable(self, value: Any) -> Any:
        if not (isinstance(value, Mapping) and set(value) == {"var"}):
            return value
        actor, clock = self.uow.actor, self.uow.clock
        match value["var"]:
            case "me":
                return actor.user_id or 10**17  # nobody: an id that no record has
            case "my_department":
                return actor.departments[0] if actor.departments else 10**17
            case "today":
                return clock.today()
            case "now":
                return clock.now()
        raise BadValue("variable", _("Use one of: %(names)s.", names=", ".join(VARIABLES)))

    def path(self, text: Any, place: str) -> Path:
        if not isinstance(text, str) or not text or len(text) > 200:
            raise _bad(f"{place}.field", "unknown_field", _("Name a field."))
        *names, last = text.split(".")
        if len(names) > 3:
            raise _bad(f"{place}.field", "too_deep", _("At most three references in a row."))
        spec, steps = self.spec, []
        for name in names:
            field = self.field(spec, name, place)
            if not isinstance(field.type, t.Reference):
                raise _bad(
                    f"{place}.field",
                    "unknown_field",
                    _("%(field)s does not refer to another record.", field=name),
                )
            # A rule of the business goes where somebody's filter does not.
            known = self.uow.snapshot.entities if self.may_use is None else self.uow.entities
            target = known.get(field.type.entity)
            if target is None:
                raise _unknown(place, name)
            steps.append((field, target))
            spec = target
        field = self.field(spec, last, place)
        if not (field.is_stored or isinstance(field.type, t.References)):
            raise _bad(
                f"{place}.field", "unknown_field", _("%(field)s cannot be tested.", field=last)
            )
        return Path(text, tuple(steps), field)

    def field(self, spec: EntitySpec, name: str, place: str) -> FieldSpec:
        field = spec.by_name.get(name)
        # A field that the reader may not use is answered like one that does not exist.
        if field is None or (self.may_use is not None and not self.may_use(spec, field)):
            raise _unknown(place, name)
        return field


def _as_day(value: Any) -> date | None:
    from datetime import datetime

    if isinstance(value, str) and len(value) == 10:
        try:
            return date.fromisoformat(value)
        except ValueError:
            return None
    return value if isinstance(value, date) and not isinstance(value, datetime) else None


def _comparable(field: FieldSpec) -> str:
    match field.value_type:
        case t.Integer() | t.Number():
            return "number"
        case t.Text() | t.LongText() | t.ChoiceField() | t.AutoNumber():
            return "text"
        case t.Reference() as reference:
            return f"reference {reference.entity}"
        case other:
            return type(other).__name__


def _bad(place: str, code: str, message: str) -> Invalid:
    return Invalid(message, [Problem(place, code, message)])


def _unknown(place: str, name: str) -> Invalid:
    return _bad(f"{place}.field", "unknown_field", _("There is no field %(name)s.", name=name[:60]))

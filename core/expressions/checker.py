"""The one typing pass: names are resolved, kinds are checked, and the syntax becomes a typed tree."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import NamedTuple, TypeGuard

from core.expressions.errors import ExpressionError, Refused
from core.expressions.functions import LOCAL_DAY, OPERATORS, PRINTERS, functions_by_name
from core.expressions.limits import MAX_REFERENCES
from core.expressions.parser import Apply, Name, Syntax, Value, refusal
from core.expressions.symbols import Kind, Scope, Symbol, fold
from core.expressions.tree import (
    Aggregate,
    Call,
    Choice,
    Column,
    Const,
    Function,
    Node,
    Spec,
    specs_for,
)
from core.i18n import gettext as _

__all__ = ["Checked", "Found", "Source", "check", "resolver"]

_DOT = re.compile(r"[.．]")
_KINDS = {kind.value: kind for kind in Kind}
#: The variables of `Spec` and the kinds each may stand for.
_VARIABLES: dict[str, tuple[Kind, ...]] = {
    "T": tuple(Kind),
    "U": tuple(Kind),
    "O": (Kind.NUMBER, Kind.TEXT, Kind.DATE, Kind.DATETIME),
    "M": (Kind.NUMBER, Kind.DATE, Kind.DATETIME),
}
_DATEADD = functions_by_name()["dateadd"][0]
_DATEDIFF = functions_by_name()["datediff"][0]


class Source(NamedTuple):
    """What an expression looks into beside the record; without a ``name`` any table of the kind."""

    kind: str
    name: str | None


class Found(NamedTuple):
    """What a name means: its canonical path, and its key in a line when it belongs to one."""

    path: str
    kind: Kind
    collection: str | None = None
    row_key: str | None = None
    is_collection: bool = False


Resolve = Callable[[Name], Found]


class Checked(NamedTuple):
    """The outcome of the typing pass."""

    tree: Node
    kind: Kind
    dependencies: frozenset[str]
    #: Where the first function stands whose result changes with the time alone, if any.
    volatile: tuple[int, int] | None
    #: What it looks into, and where that is first said.
    sources: dict[Source, tuple[int, int]]
    #: The first function that has no SQL form, if any.
    python_only: str | None
    #: Each name as it was written, and what it means.
    names: dict[tuple[str, ...], Found]


def resolver(scope: Scope) -> Resolve:
    """What finds the meaning of a name in ``scope``, or says what is wrong with it."""

    def resolve(name: Name) -> Found:
        parts = _parts(scope, name)
        first = _one(scope, *parts[0])
        symbol, path, inner = first, [first.name], first.lines or first.target
        for spelling, span in parts[1:]:
            if len(path) > MAX_REFERENCES:
                message = _("A path leads over at most %(n)s records.", n=MAX_REFERENCES)
                raise refusal(message, *span)
            if inner is None:
                message = _("%(name)s has no fields of its own.", name=symbol.name)
                raise refusal(message, *span)
            symbol = _one(inner, spelling, span)
            path.append(symbol.name)
            inner = symbol.target
        dotted = ".".join(path)
        if first.lines is None:
            return Found(dotted, symbol.kind)
        if len(path) == 1:
            return Found(dotted, symbol.kind, first.name, None, True)
        return Found(dotted, symbol.kind, first.name, ".".join(path[1:]))

    return resolve


def _parts(scope: Scope, name: Name) -> list[tuple[str, tuple[int, int]]]:
    """The names of a path and their places; ``[a.b]`` is ``[a].[b]`` unless a label reads so."""
    parts: list[tuple[str, tuple[int, int]]] = []
    for spelling, span in zip(name.parts, name.spans, strict=True):
        words = _DOT.split(spelling)
        if len(words) == 1 or not all(words) or (not parts and scope.find(spelling)):
            parts.append((spelling, span))
        else:
            parts += [(word.strip(), span) for word in words]
    return parts


def _one(scope: Scope, spelling: str, span: tuple[int, int]) -> Symbol:
    """The one symbol that ``spelling`` means in ``scope``."""
    symbols = scope.find(spelling)
    if len(symbols) == 1:
        return symbols[0]
    near = scope.suggest(spelling)
    if symbols:
        message = _(
            "[%(label)s] may mean %(names)s; write the name of the one you mean.",
            label=spelling[:80],
            names=", ".join(symbol.name for symbol in symbols),
        )
    elif near is None:
        message = _("There is no field %(name)s here.", name=spelling[:80])
    else:
        message = _(
            "There is no field %(name)s here; did you mean %(suggestion)s?",
            name=spelling[:80],
            suggestion=near,
        )
    raise refusal(message, *span)


def check(syntax: Syntax, resolve: Resolve, expected: Kind | None) -> Checked:
    """Type ``syntax``; a result that is always null has the kind that is expected, or text."""
    checker = _Checker(resolve)
    tree = checker.check(syntax)
    kind = tree.kind or expected or Kind.TEXT
    if expected is not None:
        tree = _fit(tree, expected, syntax)
    elif tree.kind is None:
        tree = Const(None, kind)
    return Checked(
        tree,
        kind,
        frozenset(checker.dependencies),
        checker.volatile,
        checker.sources,
        checker.python_only,
        checker.names,
    )


def _fit(node: Node, spec: Kind | str, syntax: Syntax) -> Node:
    """``node`` as what ``spec`` asks for; null fits everywhere."""
    kind = node.kind
    wanted = spec if isinstance(spec, Kind) else _KINDS.get(spec)
    if spec == "day":
        if kind is Kind.DATETIME:
            return Call(LOCAL_DAY, (node,), Kind.DATE, syntax.start, syntax.end)
        wanted = Kind.DATE
    elif spec == "printed":
        if kind is not None and kind is not Kind.TEXT:
            return Call(PRINTERS[kind], (node,), Kind.TEXT, syntax.start, syntax.end)
        wanted = Kind.TEXT
    elif spec == "any":
        wanted = kind or Kind.TEXT
    assert wanted is not None
    if kind is None:
        return Const(None, wanted)
    if kind is not wanted:
        message = _(
            "This is %(actual)s, but %(wanted)s is needed here.",
            actual=kind.label,
            wanted=wanted.label,
        )
        raise refusal(message, syntax.start, syntax.end)
    return node


def _choose(choice: Choice, node: Node, syntax: Syntax) -> Node:
    value = node.value if isinstance(node, Const) else None
    chosen = choice.options.get(fold(value)) if isinstance(value, str) else None
    if chosen is None:
        options = ", ".join(f'"{option}"' for option in sorted(set(choice.options.values())))
        message = _("Write one of %(options)s here.", options=options)
        raise refusal(message, syntax.start, syntax.end)
    return Const(chosen, Kind.TEXT)


class _Checker:
    __slots__ = (
        "_collection",
        "_inside",
        "_nodes",
        "_resolve",
        "dependencies",
        "names",
        "python_only",
        "sources",
        "volatile",
    )

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._inside = False
        self._collection: str | None = None
        self._nodes = 0
        self.dependencies: set[str] = set()
        self.names: dict[tuple[str, ...], Found] = {}
        self.python_only: str | None = None
        self.sources: dict[Source, tuple[int, int]] = {}
        self.volatile: tuple[int, int] | None = None

    def check(self, syntax: Syntax) -> Node:
        self._nodes += 1
        if isinstance(syntax, Value):
            return Const(syntax.value, syntax.kind)
        if isinstance(syntax, Name):
            return self._name(syntax)
        if syntax.name == "+":
            return self._sum(syntax)
        operator = OPERATORS.get(syntax.name)
        if operator is not None:
            return self._apply(operator, syntax)
        return self._function(syntax)

    def _name(self, syntax: Name) -> Node:
        found = self._resolve(syntax)
        if found.is_collection:
            message = _(
                "%(name)s is a list of lines; use SUM(%(name)s.…) or COUNT(%(name)s).",
                name=found.path,
            )
            raise refusal(message, syntax.start, syntax.end)
        if found.collection is not None:
            self._enter_lines(found, syntax)
        self.dependencies.add(found.path)
        self.names[syntax.parts] = found
        return Column(found.path, found.kind, found.row_key, syntax.start, syntax.end)

    def _enter_lines(self, found: Found, syntax: Name) -> None:
        if not self._inside:
            message = _(
                "%(path)s has a value for each line; put it into SUM, COUNT, AVG, MIN or MAX.",
                path=found.path,
            )
            raise refusal(message, syntax.start, syntax.end)
        if self._collection not in (None, found.collection):
            message = _("Only one list of lines can be added up at a time.")
            raise refusal(message, syntax.start, syntax.end)
        self._collection = found.collection

    def _function(self, syntax: Apply) -> Node:
        name = syntax.name.removeprefix("call ")
        functions = functions_by_name().get(fold(name))
        if functions is None:
            raise _unknown_function(name, syntax)
        count = len(syntax.operands)
        function = next((f for f in functions if specs_for(f, count) is not None), None)
        if function is None:
            shown = _(" or ").join(function.signature for function in functions)
            message = _("Write it as %(signature)s.", signature=shown)
            raise refusal(message, syntax.start, syntax.end)
        if function.aggregate is not None and not self._inside:
            return self._aggregate(function, syntax)
        if function.implementation is None:
            message = _("One function over lines cannot stand inside another.")
            raise refusal(message, syntax.start, syntax.end)
        return self._apply(function, syntax)

    def _aggregate(self, function: Function, syntax: Apply) -> Node:
        """A function over lines; MIN and MAX of values that are not of lines are ordinary calls."""
        whole = self._whole_collection(function, syntax)
        if whole is not None:
            return whole
        self._inside, before = True, self._nodes
        nodes = [self.check(operand) for operand in syntax.operands]
        collection, size = self._collection, self._nodes - before + 1
        self._inside, self._collection = False, None
        if collection is None:
            if function.implementation is not None:
                return self._call(function, syntax, nodes)
            message = _(
                "%(name)s works on lines, such as %(signature)s; use + for single values.",
                name=function.name,
                signature=function.signature,
            )
            raise refusal(message, syntax.start, syntax.end)
        if len(nodes) > 1:
            message = _("Over lines this takes one operand.")
            raise refusal(message, syntax.start, syntax.end)
        body, kind = self._typed(function, syntax, nodes)
        self.python_only = self.python_only or function.name
        return Aggregate(function, collection, body[0], kind, size, syntax.start, syntax.end)

    def _whole_collection(self, function: Function, syntax: Apply) -> Node | None:
        operand = syntax.operands[0]
        if function.name != "COUNT" or not isinstance(operand, Name):
            return None
        found = self._resolve(operand)
        if not found.is_collection:
            return None
        self.dependencies.add(found.path)
        self.python_only = self.python_only or function.name
        return Aggregate(function, found.path, None, Kind.NUMBER, 1, syntax.start, syntax.end)

    def _sum(self, syntax: Apply) -> Node:
        """A chain of + and -, which may also move a date or take two dates apart."""
        first, *others = syntax.operands
        node = self.check(first)
        if node.kind is Kind.DATE and others:
            return self._date_sum(node, others, syntax)
        node = _fit(node, Kind.NUMBER, first)
        if len(others) == 1 and _is_negated(others[0]):
            other = self._number(others[0].operands[0])
            return self._emit(OPERATORS["-"], (node, other), Kind.NUMBER, syntax)
        return self._total([node, *map(self._number, others)], syntax)

    def _date_sum(self, day: Node, others: Sequence[Syntax], syntax: Apply) -> Node:
        second = others[0]
        if _is_negated(second):
            other = self.check(second.operands[0])
            if other.kind is Kind.DATE:
                days = self._emit(_DATEDIFF, (day, other), Kind.NUMBER, syntax)
                return self._total([days, *map(self._number, others[1:])], syntax)
            other = _fit(other, Kind.NUMBER, second.operands[0])
            moved = self._emit(OPERATORS["negate"], (other,), Kind.NUMBER, second)
        else:
            moved = self._number(second)
        amount = self._total([moved, *map(self._number, others[1:])], syntax)
        return self._emit(_DATEADD, (day, amount, Const("day", Kind.TEXT)), Kind.DATE, syntax)

    def _number(self, syntax: Syntax) -> Node:
        return _fit(self.check(syntax), Kind.NUMBER, syntax)

    def _total(self, nodes: list[Node], syntax: Apply) -> Node:
        if len(nodes) == 1:
            return nodes[0]
        return self._emit(OPERATORS["+"], tuple(nodes), Kind.NUMBER, syntax)

    def _apply(self, function: Function, syntax: Apply) -> Node:
        return self._call(function, syntax, [self.check(operand) for operand in syntax.operands])

    def _call(self, function: Function, syntax: Apply, nodes: list[Node]) -> Node:
        operands, kind = self._typed(function, syntax, nodes)
        return self._emit(function, tuple(operands), kind, syntax)

    def _typed(
        self, function: Function, syntax: Apply, nodes: list[Node]
    ) -> tuple[list[Node], Kind | None]:
        """The operands as the function wants them, defaults filled in, and the result's kind."""
        specs = specs_for(function, len(nodes))
        assert specs is not None
        variables = _bind_variables(function, specs, nodes, syntax)
        typed: list[Node] = []
        for spec, node, operand in zip(specs, nodes, syntax.operands, strict=True):
            if isinstance(spec, Choice):
                typed.append(_choose(spec, node, operand))
            elif spec not in _VARIABLES:
                typed.append(_fit(node, spec, operand))
            elif node.kind is None and spec in variables:
                typed.append(Const(None, variables[spec]))
            else:
                typed.append(node)
        typed += _defaults(function, len(typed), variables)
        if function.verify is not None:
            try:
                function.verify(typed)
            except Refused as reason:
                raise refusal(str(reason), syntax.start, syntax.end) from None
        result = function.result
        if isinstance(result, Kind):
            return typed, result
        return typed, variables.get(result) if isinstance(result, str) else result(typed)

    def _emit(
        self, function: Function, operands: tuple[Node, ...], kind: Kind | None, syntax: Syntax
    ) -> Node:
        if function.nulls != "lazy" and not function.aware:
            folded = _folded(function, operands, kind)
            if folded is not None:
                return folded
        if function.sql is None:
            self.python_only = self.python_only or function.name
        if function.volatile and self.volatile is None:
            self.volatile = (syntax.start, syntax.end)
        if function.reads:
            self.sources.setdefault(_source(function, operands), (syntax.start, syntax.end))
        return Call(function, operands, kind, syntax.start, syntax.end)


def _source(function: Function, operands: Sequence[Node]) -> Source:
    """The table that LOOKUP names first, when it is written in the expression itself."""
    named = operands[0] if function.reads == "lookup" else None
    return Source(function.reads, named.value if isinstance(named, Const) else None)


def _is_negated(syntax: Syntax) -> TypeGuard[Apply]:
    return isinstance(syntax, Apply) and syntax.name == "negate"


def _folded(function: Function, operands: Sequence[Node], kind: Kind | None) -> Const | None:
    """The value of a call on constants, such as 5% or -1."""
    values = []
    for operand in operands:
        if not isinstance(operand, Const):
            return None
        values.append(operand.value)
    assert function.implementation is not None
    if function.nulls == "strict" and None in values:
        return Const(None, kind)
    return Const(function.implementation(*values), kind)


def _bind_variables(
    function: Function, specs: Sequence[Spec], nodes: Sequence[Node], syntax: Apply
) -> dict[str, Kind]:
    """The kind each variable of ``specs`` stands for; all of its operands must agree."""
    variables: dict[str, Kind] = {}
    for spec, node, operand in zip(specs, nodes, syntax.operands, strict=True):
        if not isinstance(spec, str) or spec not in _VARIABLES or node.kind is None:
            continue
        known = variables.setdefault(spec, node.kind)
        if node.kind not in _VARIABLES[spec]:
            message = _("This is %(actual)s, which does not fit here.", actual=node.kind.label)
            raise refusal(message, operand.start, operand.end)
        if node.kind is not known:
            message = _(
                "This is %(actual)s, but it stands next to %(wanted)s; both must be the same.",
                actual=node.kind.label,
                wanted=known.label,
            )
            raise refusal(message, operand.start, operand.end)
    return variables


def _defaults(function: Function, given: int, variables: dict[str, Kind]) -> list[Node]:
    if not function.defaults or callable(function.parameters):
        return []
    missing = len(function.parameters) - given
    return [
        Const(default.value, default.kind or variables.get("T"))
        for default in (function.defaults[-missing:] if missing else ())
    ]


def _unknown_function(name: str, syntax: Apply) -> ExpressionError:
    near = get_close_matches(fold(name)[:80], functions_by_name(), n=1, cutoff=0.5)
    if not near:
        message = _("There is no function %(name)s.", name=name[:80])
    else:
        message = _(
            "There is no function %(name)s; did you mean %(suggestion)s?",
            name=name[:80],
            suggestion=near[0].upper(),
        )
    return refusal(message, syntax.start, syntax.start + len(name))

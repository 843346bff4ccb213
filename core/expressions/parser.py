"""Tokens to a syntax tree: a Pratt parser over names, values, operators and calls."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.expressions.errors import ExpressionError
from core.expressions.lexer import WORDS, Token, tokenize
from core.expressions.limits import DECIMALS, MAX_DEPTH, WHOLE_DIGITS
from core.expressions.symbols import Kind
from core.i18n import gettext as _

__all__ = ["Apply", "Name", "Syntax", "Value", "parse", "refusal"]


@dataclass(slots=True)
class Value:
    """A literal; null has no kind."""

    value: Any
    kind: Kind | None
    start: int
    end: int
    depth: int = 1


@dataclass(slots=True)
class Name:
    """A name or a path, as it was written, and where each part starts and ends."""

    parts: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    start: int
    end: int
    depth: int = 1


@dataclass(slots=True)
class Apply:
    """An operator or a function on its operands; ``+ & and or`` take any number of them."""

    name: str
    operands: tuple[Syntax, ...]
    start: int
    end: int
    depth: int


Syntax = Value | Name | Apply

_POWERS = {
    "or": 1,
    "and": 2,
    **dict.fromkeys(("=", "<>", "<", "<=", ">", ">="), 4),
    "&": 5,
    "+": 6,
    "-": 6,
    "*": 7,
    "/": 7,
}
_NOT, _COMPARISON, _SUM, _SIGN = 3, 4, 6, 8
#: Operators that are gathered into one node, so that a long chain is not a deep tree.
_CHAINS = {"or", "and", "&", "+", "-"}
_WORD_KINDS = frozenset(WORDS.values())
_WORD_VALUES = {"true": True, "false": False, "null": None}


def parse(source: str) -> Syntax:
    """The syntax tree of ``source``; `ExpressionError` says where it stops making sense."""
    return _Parser(tokenize(source)).parse()


def refusal(message: str, start: int, end: int) -> ExpressionError:
    """An error about the characters from ``start`` to ``end``, both counted from 0."""
    return ExpressionError(message, start + 1, end - start)


class _Parser:
    __slots__ = ("_index", "_nesting", "_tokens")

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._index = 0
        self._nesting = 0

    def parse(self) -> Syntax:
        if len(self._tokens) == 1:
            raise ExpressionError(_("The expression is empty."), 1, 0)
        tree = self._expression(0)
        if self._tokens[self._index].kind != "end":
            raise self._unexpected()
        return tree

    def _expression(self, power: int) -> Syntax:
        left = self._prefix()
        while True:
            token = self._tokens[self._index]
            own = _POWERS.get(token.kind, 0)
            if own <= power:
                return left
            if token.kind in _CHAINS:
                left = self._chain(left, token.kind, own)
                continue
            self._index += 1
            left = self._apply(token.kind, (left, self._expression(own)))
            if own == _COMPARISON and _POWERS.get(self._tokens[self._index].kind) == own:
                token = self._tokens[self._index]
                message = _("Join comparisons with AND, such as 1 < x and x < 5.")
                raise refusal(message, token.start, token.end)

    def _chain(self, first: Syntax, kind: str, power: int) -> Syntax:
        operands = [first]
        same = ("+", "-") if power == _SUM else (kind,)
        while (token := self._tokens[self._index]).kind in same:
            self._index += 1
            operand = self._expression(power)
            if token.kind == "-":
                operand = self._apply("negate", (operand,), token.start)
            operands.append(operand)
        return self._apply(same[0], tuple(operands))

    def _apply(
        self, name: str, operands: tuple[Syntax, ...], start: int = -1, end: int = -1
    ) -> Apply:
        start = operands[0].start if start < 0 else start
        end = operands[-1].end if end < 0 else end
        depth = 1
        for operand in operands:
            if operand.depth >= depth:
                depth = operand.depth + 1
        if depth > MAX_DEPTH:
            raise self._too_deep(start, end)
        return Apply(name, operands, start, end, depth)

    def _prefix(self) -> Syntax:
        token = self._tokens[self._index]
        kind, value, start, end = token
        self._index += 1
        operand: Syntax
        if kind == "number":
            operand = Value(self._number(token), Kind.NUMBER, start, end)
        elif kind == "name" or kind == "label":
            operand = self._name(token)
        elif kind == "text":
            operand = Value(value, Kind.TEXT, start, end)
        elif kind in _WORD_VALUES:
            operand = Value(
                _WORD_VALUES[kind], None if kind == "null" else Kind.BOOLEAN, start, end
            )
        else:
            operand = self._nested(token)
        while self._tokens[self._index].kind == "%":
            end = self._tokens[self._index].end
            self._index += 1
            hundredth = Value(Decimal("0.01"), Kind.NUMBER, end - 1, end)
            operand = self._apply("*", (operand, hundredth))
        return operand

    def _nested(self, token: Token) -> Syntax:
        """What starts with a bracket, a sign or a word that takes operands."""
        kind, _value, start, end = token
        self._enter(token)
        operand: Syntax
        if kind == "(":
            operand = self._expression(0)
            self._close(token)
        elif kind in ("and", "or", "not") and self._opens_call(token):
            operand = self._call(kind, token)
        elif kind == "not":
            operand = self._expression(_NOT)
            operand = self._apply("not", (operand,), start)
        elif kind == "-":
            operand = self._apply("negate", (self._expression(_SIGN),), start)
        elif kind == "+":
            operand = self._apply("+", (self._expression(_SIGN),), start)
        else:
            self._index -= 1
            raise self._unexpected()
        self._nesting -= 1
        return operand

    def _opens_call(self, token: Token) -> bool:
        """NOT(a) = b negates a, while “not (a) = b” negates all: the space decides."""
        following = self._tokens[self._index]
        return following.kind == "(" and (token.kind != "not" or following.start == token.end)

    def _name(self, token: Token) -> Syntax:
        following = self._tokens[self._index].kind
        if following == "(" and token.kind == "name":
            self._enter(token)
            call = self._call(token.value, token)
            self._nesting -= 1
            return call
        if following != ".":
            start, end = token.start, token.end
            return Name((token.value,), ((start, end),), start, end)
        parts, spans = [token.value], [(token.start, token.end)]
        while self._tokens[self._index].kind == ".":
            self._index += 1
            part = self._tokens[self._index]
            if part.kind not in ("name", "label") and part.kind not in _WORD_KINDS:
                raise refusal(_("A field name is expected after the dot."), part.start, part.end)
            self._index += 1
            parts.append(part.value)
            spans.append((part.start, part.end))
        end = spans[-1][1]
        if self._tokens[self._index].kind == "(":
            message = _("A field cannot be called; only functions take brackets.")
            raise refusal(message, token.start, end)
        return Name(tuple(parts), tuple(spans), token.start, end)

    def _call(self, name: str, token: Token) -> Apply:
        bracket = self._tokens[self._index]
        self._index += 1
        operands: list[Syntax] = []
        if self._tokens[self._index].kind != ")":
            operands.append(self._expression(0))
            while self._tokens[self._index].kind == ",":
                self._index += 1
                operands.append(self._expression(0))
        end = self._close(bracket)
        return self._apply("call " + name, tuple(operands), token.start, end)

    def _close(self, bracket: Token) -> int:
        token = self._tokens[self._index]
        if token.kind == "end":
            message = _("This bracket is never closed; add a ).")
            raise refusal(message, bracket.start, bracket.end)
        if token.kind != ")":
            raise self._unexpected()
        self._index += 1
        return token.end

    def _number(self, token: Token) -> Decimal:
        following = self._tokens[self._index]
        if following.start == token.end and following.kind in ("name", "number"):
            message = _("Put an operator between the number and what follows it.")
            raise refusal(message, token.start, following.end)
        if len(token.value) <= DECIMALS:
            return Decimal(token.value)
        whole, _point, decimals = token.value.partition(".")
        if len(whole.lstrip("0")) > WHOLE_DIGITS or len(decimals.rstrip("0")) > DECIMALS:
            message = _(
                "A number has at most %(whole)s digits before the point and %(decimals)s after it.",
                whole=WHOLE_DIGITS,
                decimals=DECIMALS,
            )
            raise refusal(message, token.start, token.end)
        return Decimal(token.value)

    def _enter(self, token: Token) -> None:
        self._nesting += 1
        if self._nesting > MAX_DEPTH:
            raise self._too_deep(token.start, token.end)

    def _too_deep(self, start: int, end: int) -> ExpressionError:
        message = _("This is nested more than %(n)s levels deep; split it.", n=MAX_DEPTH)
        return refusal(message, start, end)

    def _unexpected(self) -> ExpressionError:
        kind, _value, start, end = self._tokens[self._index]
        if kind == "end":
            return refusal(
                _("The expression stops too early; something is missing here."), start, end
            )
        if kind == "=" and self._tokens[self._index - 1].kind in ("=", "<", ">"):
            return refusal(_("Write a single = for “is equal”."), start, end)
        if kind == "," and self._tokens[self._index - 1].kind == "number":
            return refusal(_("Write numbers without separators, such as 1234.5."), start, end)
        if kind in ("number", "text", "name", "label", "("):
            return refusal(_("An operator or a comma is missing before this."), start, end)
        return refusal(_("This does not belong here; a value or a name is expected."), start, end)

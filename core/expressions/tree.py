"""The typed tree, and what describes a function or an operator in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from core.expressions.symbols import Kind
from core.i18n import LazyText

if TYPE_CHECKING:
    from core.expressions.postgresql import SqlForm

__all__ = ["Aggregate", "Call", "Choice", "Column", "Const", "Function", "Node", "specs_for"]


@dataclass(slots=True)
class Const:
    """A value known at compile time; only null may lack a kind."""

    value: Any
    kind: Kind | None


@dataclass(slots=True)
class Column:
    """A field: ``path`` is canonical; ``row_key`` is its key within a child line, if it has one."""

    path: str
    kind: Kind
    row_key: str | None
    start: int
    end: int


@dataclass(slots=True)
class Call:
    """A function or an operator on checked operands; without a kind its value is null."""

    function: Function
    operands: tuple[Node, ...]
    kind: Kind | None
    start: int
    end: int


@dataclass(slots=True)
class Aggregate:
    """A function over child lines; without a ``body`` it counts them. ``size`` is nodes a line."""

    function: Function
    collection: str
    body: Node | None
    kind: Kind | None
    size: int
    start: int
    end: int


Node = Const | Column | Call | Aggregate


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """A parameter that must be one of some literal texts, each with its canonical form."""

    options: Mapping[str, str]


#: ``number text boolean date datetime``; ``day``: a date or the company's day of a moment;
#: ``printed``: anything, as text; ``any``; or a variable, the same kind wherever it stands:
#: ``T U`` for every kind, ``O`` for what has an order, ``M`` for numbers, dates and moments.
#: The suffix ``?`` makes a parameter optional, ``*`` lets the last one stand once or more.
Spec = str | Choice


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """One row of the table of functions.

    ``nulls`` says who minds null operands: ``strict`` makes the result null without a call,
    ``plain`` hands them over, and ``lazy`` hands over unevaluated operands to a builder.
    An ``aware`` implementation is given the running evaluation first.
    """

    name: str
    chinese: tuple[str, ...]
    parameters: tuple[Spec, ...] | Callable[[int], tuple[Spec, ...] | None]
    result: Kind | str | Callable[[Sequence[Node]], Kind]
    implementation: Callable[..., Any] | None
    sql: SqlForm | None
    summary: LazyText | str = ""
    signature: str = ""
    nulls: Literal["strict", "plain", "lazy"] = "strict"
    aware: bool = False
    volatile: bool = False
    #: What it looks into beside the record: ``lookup`` tables or the ``calendar``.
    reads: str = ""
    defaults: tuple[Const, ...] = ()
    #: Over child lines: the values of the lines to one value.
    aggregate: Callable[[Iterable[Any]], Any] | None = None
    #: Looks at the checked operands and may raise `Refused`.
    verify: Callable[[Sequence[Node]], None] | None = field(default=None)


@lru_cache(maxsize=1024)
def specs_for(function: Function, count: int) -> tuple[Spec, ...] | None:
    """What ``count`` operands of ``function`` must be; None when it does not take that many."""
    parameters = function.parameters
    if callable(parameters):
        return parameters(count)
    if parameters and isinstance(parameters[-1], str) and parameters[-1].endswith("*"):
        more = count - len(parameters) + 1
        return parameters[:-1] + (parameters[-1][:-1],) * more if more > 0 else None
    needed = len(parameters) - len(function.defaults)
    return parameters[:count] if needed <= count <= len(parameters) else None

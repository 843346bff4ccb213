"""The expression language of computed fields, defaults, validation and prices.

Text becomes a typed tree, and the tree becomes Python closures or SQL with the same results.
"""

from __future__ import annotations

from core.expressions.checker import Source
from core.expressions.errors import ExpressionError, NoSqlForm
from core.expressions.evaluate import EvaluationContext
from core.expressions.explain import Step
from core.expressions.expression import Expression, compile_expression
from core.expressions.functions import FunctionHelp, describe_functions
from core.expressions.sql import register_sql_functions
from core.expressions.symbols import Kind, Scope, Symbol, fold
from core.expressions.values import read_cell

__all__ = [
    "EvaluationContext",
    "Expression",
    "ExpressionError",
    "FunctionHelp",
    "Kind",
    "NoSqlForm",
    "Scope",
    "Source",
    "Step",
    "Symbol",
    "compile_expression",
    "describe_functions",
    "fold",
    "read_cell",
    "register_sql_functions",
]

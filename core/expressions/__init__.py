"""The expression language of computed fields, defaults, validation and prices.

Text becomes a typed tree, and the tree becomes Python closures or SQL with the same results.
"""

from __future__ import annotations

from core.expressions.errors import ExpressionError, NoSqlForm
from core.expressions.evaluate import EvaluationContext
from core.expressions.expression import Expression, compile_expression
from core.expressions.functions import FunctionHelp, describe_functions
from core.expressions.sql import register_sql_functions
from core.expressions.symbols import Kind, Scope, Symbol

__all__ = [
    "EvaluationContext",
    "Expression",
    "ExpressionError",
    "FunctionHelp",
    "Kind",
    "NoSqlForm",
    "Scope",
    "Symbol",
    "compile_expression",
    "describe_functions",
    "register_sql_functions",
]

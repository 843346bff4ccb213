"""Routes whose addresses are put together by code that is compiled when the first one is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from werkzeug.routing import Rule

__all__ = ["UnhurriedRule"]


class UnhurriedRule(Rule):
    """Werkzeug compiles two functions for each rule at the start, a seventh of the time that it
    takes; most of them are never called."""

    def _compile_builder(self, *arguments: Any, **options: Any) -> Callable[..., tuple[str, str]]:
        compiled: Callable[..., tuple[str, str]] | None = None
        compile_now = super()._compile_builder

        def build(rule: Rule, **values: Any) -> tuple[str, str]:
            nonlocal compiled
            if compiled is None:
                compiled = compile_now(*arguments, **options)
            return compiled(rule, **values)

        return build

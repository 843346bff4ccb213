"""What the hooks answer: nothing, until a test puts a function here under the hook's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["answer", "behaving"]

_functions: dict[str, Callable[..., Any]] = {}


def answer(hook: str, /, **arguments: Any) -> Any:
    """What the test's function for this hook says; None without one."""
    function = _functions.get(hook)
    return function(**arguments) if function else None


@contextmanager
def behaving(**functions: Callable[..., Any]) -> Iterator[None]:
    """Within the block the named hooks behave as the functions do."""
    before = dict(_functions)
    _functions.update(functions)
    try:
        yield
    finally:
        _functions.clear()
        _functions.update(before)

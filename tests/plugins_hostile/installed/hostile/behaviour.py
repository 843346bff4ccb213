"""What the hooks do: nothing, until a test puts a function here under the hook's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

FUNCTIONS: dict[str, Callable[..., Any]] = {}


def act(hook: str, **arguments: Any) -> Any:
    """The test's function for this hook, if there is one."""
    function = FUNCTIONS.get(hook)
    return function(**arguments) if function else None

"""What a route says about itself, for the OpenAPI document: data on the view function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from core.fields.types import Label
from core.security.actor import Actor

__all__ = ["Operation", "operation", "operation_of"]

Schema = Mapping[str, Any]
View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True)
class Operation:
    """One method of one path. Schemas are JSON Schema; errors are the statuses of refusals."""

    summary: Label
    tag: str
    status: int = 200
    #: Of the answer; None when it has no body.
    answer: Schema | None = None
    body: Schema | None = None
    #: Whether an empty body will do.
    body_optional: bool = False
    #: Query parameters by name.
    parameters: Mapping[str, Schema] | None = None
    errors: tuple[int, ...] = ()
    #: What the caller must be beyond the policy of the route.
    condition: Callable[[Actor], bool] | None = None
    #: For ``multipart/form-data``; JSON otherwise.
    body_type: str = "application/json"


def operation(summary: Label, tag: str, **more: Any) -> Callable[[View], View]:
    """Describe a view; only described views are in the document."""

    def decorate(view: View) -> View:
        view.dougong_operation = Operation(summary, tag, **more)  # type: ignore[attr-defined]
        return view

    return decorate


def operation_of(view: Callable[..., Any]) -> Operation | None:
    """The description of a view, if it has one."""
    return getattr(view, "dougong_operation", None)

"""Alembic's environment, shared by the core and all plugins; parameters come as attributes."""

from typing import Any, Literal

from alembic import context

from core.db.base import metadata
from core.db.migrate import version_table
from core.db.types import BigId, ExactDecimal, Json, PlainText, UtcDateTime

config = context.config
owner: str = config.attributes["owner"]


def include_name(name: str | None, kind: str, parents: Any) -> bool:
    """Only the owner's own tables; the company's own tables and columns are nobody's migration."""
    if name is None or kind not in ("table", "column"):
        return True
    if kind == "column":
        return not name.startswith("x_")
    return name.startswith(f"{owner}_") and name != version_table(owner) and "__x_" not in name


def include_object(item: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
    """Autogenerate must not look at declared tables of others either."""
    if kind == "table":
        return bool(name and name.startswith(f"{owner}_"))
    return not (kind == "column" and name and name.startswith("x_"))


def render_item(kind: str, item: Any, autogen_context: Any) -> str | Literal[False]:
    """Our own column types under their short names, which the template imports."""
    if kind == "type" and item is BigId:
        return "BigId"
    if kind == "type" and isinstance(item, PlainText):
        return f"PlainText({item.length or ''})"
    if kind == "type" and isinstance(item, ExactDecimal):
        return f"ExactDecimal({item.precision}, {item.scale})"
    if kind == "type" and isinstance(item, (Json, UtcDateTime)):
        return type(item).__name__ + "()"
    return False


context.configure(
    render_item=render_item,
    connection=config.attributes["connection"],
    target_metadata=metadata,
    version_table=version_table(owner),
    include_name=include_name,
    include_object=include_object,
    render_as_batch=True,
    compare_type=False,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()

"""Alembic's environment, shared by the core and all plugins; parameters come as attributes."""

from typing import Any, Literal

from alembic import context

from core.db.base import metadata
from core.db.migrate import version_table
from core.db.types import BigId, ExactDecimal, Json, PlainText, UtcDateTime

config = context.config
owner: str = config.attributes["owner"]


def owner_of(table: str, column: str) -> str:
    """The plugin that a column belongs to: a plugin may add columns to another one's table."""
    declared = metadata.tables.get(table)
    found = declared.c.get(column) if declared is not None else None
    adding = found.info.get("plugin") if found is not None else None
    return adding or (owner if table.startswith(f"{owner}_") else "")


def is_concerned(table: str) -> bool:
    """True for the owner's tables, and for those that it adds columns to."""
    if table.startswith("core_search_index"):  # of a kind of its own on each database
        return False
    if table.startswith(f"{owner}_"):
        return table != version_table(owner) and "__x_" not in table
    declared = metadata.tables.get(table)
    return declared is not None and any(c.info.get("plugin") == owner for c in declared.c)


def include_name(name: str | None, kind: str, parents: Any) -> bool:
    """Only what is the owner's; the company's own tables and columns are nobody's migration."""
    if name is None or kind not in ("table", "column"):
        return True
    if kind == "column":
        return not name.startswith("x_") and owner_of(parents["table_name"], name) == owner
    return is_concerned(name)


def include_object(item: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
    """Autogenerate must not look at what others declare either."""
    if kind == "table":
        return bool(name and is_concerned(name))
    table = item.table.name
    if kind == "column":
        return not item.name.startswith("x_") and owner_of(table, item.name) == owner
    columns = [getattr(column, "name", "") for column in getattr(item, "columns", ())]
    return all(owner_of(table, column) == owner for column in columns)


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

"""Migrations: one history and one version table for the core and for each plugin."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect

if TYPE_CHECKING:
    from alembic.config import Config

__all__ = ["current_revision", "head_revision", "is_current", "upgrade", "version_table"]

_HERE = Path(__file__).parent / "migrations"
#: Longer than a request may wait: a migration is run when the suite is quiet.
LOCK_TIMEOUT = "10s"


def version_table(owner: str) -> str:
    """``core_alembic`` for the core, ``crm_leads_alembic`` for a plugin."""
    return f"{owner}_alembic"


def upgrade(connection: Connection, owner: str, versions: Path) -> str | None:
    """Run the pending migrations of ``owner`` in the caller's transaction; the revision reached.

    The caller commits, so that a failing step leaves the schema as it was, on both databases.
    """
    from alembic import command

    if not any(versions.glob("[0-9]*.py")):
        return None
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7415963201)")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    command.upgrade(_config(connection, owner, versions), "head")
    return head_revision(owner, versions)


def head_revision(owner: str, versions: Path) -> str | None:
    """The newest revision that the code brings."""
    from alembic.script import ScriptDirectory

    if not any(versions.glob("[0-9]*.py")):
        return None
    return ScriptDirectory.from_config(_config(None, owner, versions)).get_current_head()


def current_revision(connection: Connection, owner: str) -> str | None:
    """The revision that the database is at; None before the first."""
    table = version_table(owner)
    if not inspect(connection).has_table(table):
        return None
    found = connection.exec_driver_sql(f'SELECT version_num FROM "{table}"').scalar()
    return None if found is None else str(found)


def is_current(connection: Connection, owner: str, versions: Path) -> bool:
    """True when no migration is pending."""
    return current_revision(connection, owner) == head_revision(owner, versions)


def _config(connection: Connection | None, owner: str, versions: Path) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "newline")
    config.attributes.update(connection=connection, owner=owner)
    return config

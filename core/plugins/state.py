"""Which plugins are on, and for whom: one row each, read with every snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from sqlalchemy import Boolean, Column, Connection, Table, select

from core.db.base import metadata
from core.db.types import Json, PlainText, UtcDateTime

if TYPE_CHECKING:
    from core.plugins.manifest import Manifest

__all__ = ["Pilots", "closed_to", "plugin_table", "read_departments", "read_enabled", "read_pilots"]

#: By plugin: sets of departments, of each of which somebody must be in one or below one.
Pilots = Mapping[str, tuple[frozenset[int], ...]]

plugin_table = Table(
    "core_plugin",
    metadata,
    Column("name", PlainText(63), primary_key=True),
    Column("enabled", Boolean, nullable=False),
    #: The version whose migrations ran last.
    Column("version", PlainText(40), nullable=False),
    #: Why the last attempt to switch it failed.
    Column("error", PlainText()),
    Column("changed_at", UtcDateTime, nullable=False),
    #: The departments that it is open to, with all below them; null for everybody.
    Column("departments", Json, nullable=True),
    #: ``{role: ["entity.action", …]}``: the rights that it has put into roles, or told of.
    Column("delivered", Json, nullable=True),
)


def read_enabled(connection: Connection) -> frozenset[str]:
    """The names that are switched on, whether or not their code is still there."""
    rows = connection.execute(select(plugin_table.c.name).where(plugin_table.c.enabled))
    return frozenset(rows.scalars())


def read_departments(connection: Connection) -> dict[str, frozenset[int]]:
    """The departments that plugins are open to, on or off; those open to everybody are left out."""
    rows = connection.execute(select(plugin_table.c.name, plugin_table.c.departments))
    return {row.name: frozenset(row.departments) for row in rows if row.departments is not None}


def read_pilots(connection: Connection, manifests: Mapping[str, Manifest]) -> Pilots:
    """The same as it holds: whoever may not use a plugin may not use those that need it either."""
    own = read_departments(connection)
    found = {}
    for name in {*manifests, *own} if own else ():
        asked = [own[each] for each in _with_needs(name, manifests) if each in own]
        if asked:
            found[name] = tuple(asked)
    return found


def _with_needs(name: str, manifests: Mapping[str, Manifest]) -> list[str]:
    found, waiting = [], [name]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.append(each)
            waiting += manifests[each].depends if each in manifests else ()
    return sorted(found)


def closed_to(pilots: Pilots, departments_above: Iterable[int]) -> frozenset[str]:
    """The plugins that somebody who is in these departments, the upper ones named too, has not."""
    above = frozenset(departments_above)
    return frozenset(
        name
        for name, asked in pilots.items()
        if any(departments.isdisjoint(above) for departments in asked)
    )

"""The numbers that tables give to their rows: none is given twice, also not after a restore."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, inspect

from core.db.structure import TableShape

__all__ = ["read_next_ids", "set_next_ids"]


def read_next_ids(connection: Connection, shapes: Iterable[TableShape]) -> dict[str, int]:
    """The last number that each table with numbers of its own has given, deleted rows included."""
    if connection.dialect.name == "sqlite":
        if not inspect(connection).has_table("sqlite_sequence"):
            return {}
        given = connection.exec_driver_sql("SELECT name, seq FROM sqlite_sequence").all()
        names = {shape.name for shape in shapes}
        return {name: int(seq) for name, seq in given if name in names}
    found = {}
    for shape in shapes:
        if sequence := _sequence(connection, shape):
            row = connection.exec_driver_sql(f"SELECT last_value, is_called FROM {sequence}").one()
            found[shape.name] = int(row.last_value) if row.is_called else 0
    return found


def _sequence(connection: Connection, shape: TableShape) -> str | None:
    if shape.key != ("id",):
        return None
    quote = connection.dialect.identifier_preparer.quote
    row = connection.exec_driver_sql(
        "SELECT pg_get_serial_sequence(%s, 'id')", (quote(shape.name),)
    ).one()
    name: str | None = row[0]
    return name


def set_next_ids(
    connection: Connection, shapes: Iterable[TableShape], given: Mapping[str, int]
) -> None:
    """Let each table go on after the last number it gave, so that no number is given twice."""
    quote = connection.dialect.identifier_preparer.quote
    for shape in shapes:
        last = given.get(shape.name, 0)
        if connection.dialect.name == "sqlite":
            changed = connection.exec_driver_sql(
                "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (last, shape.name)
            ).rowcount
            if not changed and last and _is_autoincrement(connection, shape.name):
                connection.exec_driver_sql(
                    "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (shape.name, last)
                )
        elif sequence := _sequence(connection, shape):
            top = connection.exec_driver_sql(
                f"SELECT coalesce(max(id), 0) FROM {quote(shape.name)}"
            ).scalar_one()
            if last := max(last, int(top)):
                connection.exec_driver_sql("SELECT setval(%s, %s)", (sequence, last))


def _is_autoincrement(connection: Connection, name: str) -> bool:
    sql = connection.exec_driver_sql(
        "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)
    ).scalar_one()
    return "AUTOINCREMENT" in sql

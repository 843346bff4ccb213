"""Secrets at rest: where they are, with which keys they can be read, and bringing in a new key."""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, String, Table, and_, cast, select, update

from core.config import key_file
from core.db.base import metadata
from core.errors import Refused
from core.faults import fault
from core.i18n import gettext as _
from core.secrets import SecretUnreadable, is_sealed, key_id, key_of, seal, unseal
from core.security.actor import SYSTEM
from core.settings.service import SETTING, setting_table
from core.work.uow import Origin, UnitOfWork

if TYPE_CHECKING:
    from core.config import Config
    from core.runtime import Runtime

__all__ = ["Rotation", "keys_in_use", "rotate", "unreadable", "write_keys"]

_BATCH = 500


@dataclass(frozen=True)
class Place:
    """A column that holds sealed texts, and what for; declared by ``info={"sealed": purpose}``."""

    table: Table
    column: Column[Any]
    purpose: str


@dataclass(frozen=True)
class Rotation:
    """What a rotation did. Secrets that no key at hand opens stay as they are."""

    key: str
    moved: int
    unreadable: int


def _places() -> list[Place]:
    found = [
        Place(table, column, column.info["sealed"])
        for table in metadata.tables.values()
        for column in table.columns
        if "sealed" in column.info
    ]
    return [*found, Place(setting_table, setting_table.c.value, SETTING)]


def keys_in_use(connection: Connection) -> Counter[str]:
    """How many secrets there are under each key, by its public name."""
    return Counter(key_of(text) for _place, _key, text in _sealed(connection))


def unreadable(runtime: Runtime, connection: Connection) -> int:
    """How many secrets no key at hand opens."""
    wrong = 0
    for place, _key, text in _sealed(connection):
        wrong += not _opens(runtime.config, place, text)
    return wrong


def rotate(runtime: Runtime) -> Rotation:
    """Bring in a new key and seal every secret with it, in batches.

    A rotation that was killed is finished by the next one: no other key is made while secrets wait
    for the one in use. The old keys stay, for what other processes still seal with them and for
    the seals of the audit trail. Raises `Refused` when the key comes from the environment and no
    old one is named.
    """
    config = runtime.config
    with runtime.read_connection() as connection:
        waits = bool(set(keys_in_use(connection)) - {key_id(config.secret_key)})
    if not waits:
        config = _with_new_key(config)
    moved, failed = 0, 0
    for place in _places():
        done, wrong = _move(runtime, config, place)
        moved += done
        failed += wrong
    return Rotation(key_id(config.secret_key), moved, failed)


def _with_new_key(config: Config) -> Config:
    kept = config.keys_in_home()
    if not kept or kept[0] != config.secret_key:
        raise Refused(
            _(
                "The key comes from DOUGONG_SECRET_KEY: set a new one there, the old one in"
                " DOUGONG_OLD_SECRET_KEYS, start again, and then rotate."
            )
        )
    made = secrets.token_urlsafe(48)
    write_keys(key_file(config.home), (made, *kept))
    return replace(config, secret_key=made, old_secret_keys=(*kept, *config.old_secret_keys))


def write_keys(path: Path, keys: tuple[str, ...]) -> None:
    """One key a line; the file has the old keys or all of them, never half of a key."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write("".join(f"{key}\n" for key in keys))
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def _move(runtime: Runtime, config: Config, place: Place) -> tuple[int, int]:
    """Seal the secrets of one column anew; (how many, how many could not be read)."""
    moved = wrong = 0
    while True:
        with UnitOfWork(runtime, SYSTEM, origin=Origin("cli")) as uow:
            connection = uow.connection
            rows = list(_batch(connection, place, key_id(config.secret_key), after=wrong))
            for key, text in rows:
                try:
                    clear = unseal(config, text, purpose=place.purpose)
                except SecretUnreadable:
                    wrong += 1
                    continue
                # Whoever changed it meanwhile sealed it with a key of their own.
                same = and_(_where(place.table, key), _text(place) == _stored(place, text))
                value = seal(config, clear, purpose=place.purpose)
                connection.execute(update(place.table).where(same).values({place.column: value}))
                moved += 1
        if len(rows) < _BATCH:
            return moved, wrong
        fault("secrets.between_batches")


def _batch(
    connection: Connection, place: Place, current: str, *, after: int
) -> Iterator[tuple[tuple[Any, ...], str]]:
    """The next secrets under other keys; those that could not be read come first, and are passed."""
    key, text = list(place.table.primary_key), _text(place)
    other = text.contains("sealed.v1.") & ~text.contains(f"sealed.v1.{current}.")
    chosen = select(*key, place.column.label("sealed_text")).where(other).order_by(*key)
    for row in connection.execute(chosen.offset(after).limit(_BATCH)).all():
        if is_sealed(row.sealed_text):
            yield tuple(row)[:-1], row.sealed_text


def _sealed(connection: Connection) -> Iterator[tuple[Place, tuple[Any, ...], str]]:
    for place in _places():
        key, text = list(place.table.primary_key), _text(place)
        chosen = select(*key, place.column.label("sealed_text"))
        for row in connection.execute(chosen.where(text.contains("sealed.v1."))):
            if is_sealed(row.sealed_text):
                yield place, tuple(row)[:-1], row.sealed_text


def _opens(config: Config, place: Place, text: str) -> bool:
    try:
        unseal(config, text, purpose=place.purpose)
    except SecretUnreadable:
        return False
    return True


def _text(place: Place) -> Any:
    """The column as text; that of a setting is JSON."""
    return cast(place.column, String) if place.purpose == SETTING else place.column


def _stored(place: Place, text: str) -> str:
    return f'"{text}"' if place.purpose == SETTING else text


def _where(table: Table, key: tuple[Any, ...]) -> Any:
    pairs = zip(table.primary_key, key, strict=True)
    return and_(*(column == value for column, value in pairs))

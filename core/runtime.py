"""The process-wide state: one immutable snapshot per epoch, compared before each piece of work.

Two counters live in one row. ``structure`` moves when plugins, fields or settings change;
``access`` when users, roles or departments do. Whoever finds a counter moved reads the tables anew
and swaps the snapshot in one assignment, so that work under way keeps the one it began with.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, Integer, Row, Table, select, update

from core.clock import Clock
from core.db.base import metadata
from core.db.types import BigId

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.config import Config
    from core.db.engine import Database
    from core.entities.registry import DeclaredEntities
    from core.fields import EntitySpec
    from core.files.storage import Storage
    from core.mail import Mailer
    from core.plugins.manager import Contribution, PluginManager
    from core.plugins.state import Pilots
    from core.security.actor import Actor

__all__ = ["AccessCache", "Runtime", "Snapshot", "bump_access", "bump_structure", "epoch_table"]

epoch_table = Table(
    "core_epoch",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("structure", BigId, nullable=False),
    Column("access", BigId, nullable=False),
)


def bump_structure(connection: Connection) -> None:
    """Tell every process that plugins, fields or settings changed, as part of this transaction."""
    connection.execute(update(epoch_table).values(structure=epoch_table.c.structure + 1))


def bump_access(connection: Connection) -> None:
    """Tell every process that users, roles or departments changed, as part of this transaction."""
    connection.execute(update(epoch_table).values(access=epoch_table.c.access + 1))


@dataclass(frozen=True)
class AccessCache:
    """What was worked out from people, roles and departments at one access epoch.

    A unit of work keeps the cache of the epoch that it began with, so that what an older
    transaction has read never reaches those that began after the change.
    """

    epoch: int = -1
    #: Actors by user id.
    actors: dict[int, Actor] = field(default_factory=dict)
    #: Actors behind API tokens, by token id.
    token_actors: dict[int, Actor] = field(default_factory=dict)
    #: Rows of API tokens, by their hash.
    tokens: dict[str, Row[Any]] = field(default_factory=dict)
    #: When this process last noted that a token was used, by its id.
    token_uses: dict[int, datetime] = field(default_factory=dict)
    #: Labels of people, departments and the like (`EntitySpec.shapes_access`), by entity and id.
    labels: dict[tuple[str, int], str] = field(default_factory=dict)
    #: What plugins worked out of such records, by keys of their own.
    memo: dict[Any, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Snapshot:
    """What holds at one structure epoch. Nothing in it changes, but for ``memo``."""

    structure: int
    #: Plugins that are on.
    enabled: frozenset[str]
    #: The entities of the core and of enabled plugins, by name.
    entities: Mapping[str, EntitySpec]
    #: Also those of plugins that are off: their tables and foreign keys still exist.
    installed_entities: Mapping[str, EntitySpec]
    #: ``{group: {key: value}}``, defaults filled in.
    settings: Mapping[str, Mapping[str, Any]]
    #: Contributions of the core and of enabled plugins, by hook.
    contributions: Mapping[str, tuple[Contribution[Any], ...]]
    #: Plugins that are open to some departments only, on or off.
    pilots: Pilots = field(default_factory=dict)
    #: Derived things that live as long as the snapshot (OpenAPI document, form layouts).
    memo: dict[Any, Any] = field(default_factory=dict, compare=False)

    def items(self, hook: str) -> list[Any]:
        """The items registered through ``hook`` by whoever is enabled."""
        return [contribution.item for contribution in self.contributions.get(hook, ())]


EMPTY = Snapshot(-1, frozenset(), {}, {}, {}, {})


class Runtime:
    """Everything that a process holds for its whole life. Made once, by `core.app.boot`."""

    def __init__(
        self,
        *,
        config: Config,
        database: Database,
        clock: Clock,
        plugins: PluginManager,
        storage: Storage,
        mailer: Mailer,
        build: Callable[[Runtime, Connection, int], Snapshot],
    ) -> None:
        self.config = config
        self.database = database
        self.clock = clock
        self.plugins = plugins
        self.storage = storage
        self.mailer = mailer
        #: Entities as the code declares them.
        self.declared: DeclaredEntities | None = None
        self.snapshot = EMPTY
        #: What was registered at boot, by hook, of all installed plugins.
        self.contributions: dict[str, list[Contribution[Any]]] = {}
        self.access = AccessCache()
        #: Called after a commit that published or enqueued something.
        self.wake: Callable[[], None] = lambda: None
        self._build = build
        self._lock = threading.Lock()

    def refresh(self, connection: Connection) -> tuple[Snapshot, AccessCache]:
        """Compare the epochs and reconcile; one short query when nothing moved."""
        row = connection.execute(_read_epoch).one()
        snapshot, access = self.snapshot, self.access
        if row.access != access.epoch:
            access = self.access = AccessCache(row.access)
        if row.structure != snapshot.structure:
            with self._lock:
                snapshot = self.snapshot
                if row.structure != snapshot.structure:
                    snapshot = self.snapshot = self._build(self, connection, row.structure)
        return snapshot, access

    def rebuilt(self, connection: Connection) -> Snapshot:
        """The structure as an uncommitted transaction sees it; nobody else is shown it."""
        return self._build(self, connection, connection.execute(_read_epoch).one().structure)

    def forget(self) -> None:
        """Drop the snapshot, so that whoever comes next builds it anew: a plugin was held back."""
        self.snapshot = EMPTY

    def installed(self, hook: str) -> list[Contribution[Any]]:
        """What everybody installed registered through ``hook``, enabled or not; not held back."""
        usable = {"core", *self.plugins.loaded}
        return [item for item in self.contributions.get(hook, ()) if item.owner in usable]

    @contextmanager
    def read_connection(self) -> Iterator[Connection]:
        """A short read transaction outside any unit of work."""
        with self.database.connect(write=False) as connection, connection.begin():
            yield connection


_read_epoch = select(epoch_table.c.structure, epoch_table.c.access)

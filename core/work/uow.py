"""The unit of work: one transaction, who acts in it, and what it leaves for afterwards.

Only this module commits.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import Connection, CursorResult, Executable, FromClause, insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.db.bulk import insert_into
from core.db.locks import take_turns
from core.faults import fault
from core.i18n import current_locale
from core.work.events import Event
from core.work.tables import event_table, job_table, queued_job

if TYPE_CHECKING:
    from core.clock import Clock
    from core.fields import EntitySpec
    from core.plugins.manager import Contribution
    from core.runtime import AccessCache, Runtime, Snapshot
    from core.security.actor import Actor

__all__ = ["Origin", "UnitOfWork", "inserted_key"]


#: How many names of one table are kept; a unit of work that asks for more makes its own.
KEPT_ALIASES = 16


@dataclass(frozen=True)
class Origin:
    """From where something was done, for the audit trail."""

    #: ``web api cli job import``
    channel: str
    address: str = ""
    request_id: str = ""

    @property
    def is_background(self) -> bool:
        """True for what nobody waits for."""
        return self.channel in ("job", "import", "search", "schedule")


class UnitOfWork:
    """A transaction as a context: it commits when the block ends well and rolls back otherwise.

    ``write=False`` opens a read transaction, which refuses events and jobs and never commits.
    ``after`` is an open unit of work that this one comes in place of: on PostgreSQL it goes on with
    that one's transaction, which has compared the epoch already.
    """

    def __init__(
        self,
        runtime: Runtime,
        actor: Actor,
        *,
        origin: Origin,
        write: bool = True,
        connection: Connection | None = None,
        after: UnitOfWork | None = None,
    ) -> None:
        self.runtime = runtime
        self.actor = actor
        self.origin = origin
        self.write = write
        #: Answers kept for the length of the transaction, e.g. labels already looked up.
        self.memo: dict[Any, Any] = {}
        #: Stored values by (entity, id) of records made one at a time, until they are written to again.
        self.made: dict[tuple[str, int], Mapping[str, Any]] = {}
        #: True once something was written that people's rights and names are worked out from.
        self.shapes_access = False
        self._given = connection
        self._after = after
        self._connection: Connection | None = None
        self._session: Session | None = None
        self._snapshot: Snapshot | None = None
        self._access: AccessCache | None = None
        self._wake = False
        self._since = 0.0
        self._aliases: Counter[FromClause] = Counter()

    # Life

    def __enter__(self) -> Self:
        if self._after is not None and self._take_over(self._after):
            return self
        if self._given is not None:
            self._connection = self._given
        else:
            self._connection = self.runtime.database.connect(write=self.write)
        try:
            if self._given is None:
                self._connection.begin()
            self._since = time.monotonic()
            self._snapshot, self._access = self.runtime.refresh(self._connection)
        except BaseException:
            self._connection.close()
            raise
        return self

    def _take_over(self, other: UnitOfWork) -> bool:
        """Go on with the transaction of another unit of work, which ends without having ended it.

        SQLite must be told at the beginning that a transaction writes: there the other one is ended.
        """
        if self.runtime.database.is_sqlite or other._session is not None:
            other.__exit__(None, None, None)
            return False
        self._connection, other._connection = other._connection, None
        self._snapshot, self._access = other._snapshot, other._access
        return True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        connection = self.connection
        try:
            if kind is None and self.write:
                fault("uow.before_commit")
                connection.commit()
            else:
                connection.rollback()
        finally:
            if self._session is not None:
                self._session.close()
            connection.close()
            self._connection = None
        if self.write and self.origin.is_background:
            self.runtime.database.give_way(time.monotonic() - self._since)
        if kind is None and self._wake:
            fault("uow.after_commit")
            self.runtime.wake()

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part that can fail without the rest.

        Where nothing is written there is nothing to go back to: the transaction begins anew when a
        part fails, and parts that do not fail cost nothing.
        """
        made = dict(self.made)
        is_reading = not self.write and self._given is None
        try:
            with nullcontext() if is_reading else self.connection.begin_nested():
                yield
        except BaseException:
            self.made = made
            if is_reading:
                self._begin_anew()
            raise

    def _begin_anew(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None
        self.connection.rollback()
        self.connection.begin()

    @contextmanager
    def elevated(self) -> Iterator[Self]:
        """Within the block, rules of the business write on behalf of the actor: rights are not asked.

        The audit trail still names the actor.
        """
        actor, self.actor = self.actor, self.actor.as_system()
        try:
            yield self
        finally:
            self.actor = actor

    @contextmanager
    def opened_for(self, plugin: str) -> Iterator[Self]:
        """Within the block a plugin works that may be closed to the actor: its rules hold for all.

        The actor's rights are the same otherwise.
        """
        if plugin not in self.actor.closed:
            yield self
            return
        actor, self.actor = self.actor, self.actor.with_all_open()
        try:
            yield self
        finally:
            self.actor = actor
            from core.entities.incoming import forget_readable

            forget_readable(self)

    @contextmanager
    def seen_by(self, reader: Actor) -> Iterator[Self]:
        """Within the block, what is read is what that person may read."""
        actor, self.actor = self.actor, reader
        try:
            yield self
        finally:
            self.actor = actor

    # Access

    @property
    def connection(self) -> Connection:
        """The connection, in its transaction."""
        if self._connection is None:
            raise RuntimeError("the unit of work is not open")
        return self._connection

    @property
    def session(self) -> Session:
        """An ORM session over the same transaction, for typed reading; it refuses to write."""
        if self._session is None:
            self._session = ReadingSession(bind=self.connection, autoflush=False)
        return self._session

    @property
    def snapshot(self) -> Snapshot:
        """The structure that this unit of work began with."""
        if self._snapshot is None:
            raise RuntimeError("the unit of work is not open")
        return self._snapshot

    @property
    def access(self) -> AccessCache:
        """What was worked out from people and roles at the epoch that this unit of work began with.

        Only those add to it for which `sees_what_holds` is true.
        """
        if self._access is None:
            raise RuntimeError("the unit of work is not open")
        return self._access

    @property
    def sees_what_holds(self) -> bool:
        """True while this transaction sees of people, roles and the like what all others see.

        Once it has written some itself, what it sees may be rolled back in the end.
        """
        return not self.shapes_access

    @property
    def clock(self) -> Clock:
        """The clock."""
        return self.runtime.clock

    def now(self) -> datetime:
        """The present moment in UTC."""
        return self.runtime.clock.now()

    @property
    def open_plugins(self) -> frozenset[str]:
        """The plugins that are on, but for those that are closed to the actor.

        Whoever asks a plugin what a person is shown asks these; rules of the business are asked of
        all that are on (``snapshot.enabled``), whoever acts.
        """
        if not self.actor.closed:
            return self.snapshot.enabled
        return self._open_view()[0]

    @property
    def entities(self) -> Mapping[str, EntitySpec]:
        """The entities in use, but for those of plugins that are closed to the actor."""
        return self._open_view()[1] if self.actor.closed else self.snapshot.entities

    def contributions(self, hook: str) -> tuple[Contribution[Any], ...]:
        """What was registered through ``hook`` by the core and by plugins that are open to the actor."""
        found = self.snapshot.contributions.get(hook, ())
        closed = self.actor.closed
        return tuple(each for each in found if each.owner not in closed) if closed else found

    def _open_view(self) -> tuple[frozenset[str], Mapping[str, EntitySpec]]:
        snapshot, closed = self.snapshot, self.actor.closed
        kept = snapshot.memo.setdefault("open views", {})
        view: tuple[frozenset[str], Mapping[str, EntitySpec]] | None = kept.get(closed)
        if view is None:
            found = {n: spec for n, spec in snapshot.entities.items() if spec.plugin not in closed}
            # Lines of the company's own go with what they belong to.
            lost = [
                n
                for n, s in found.items()
                if s.parent_field is not None and s.governed_by not in found
            ]
            found = {name: spec for name, spec in found.items() if name not in lost}
            view = kept[closed] = snapshot.enabled - closed, found
        return view

    def entity(self, name: str) -> EntitySpec:
        """The entity of that name; `NotFound` when there is none or its plugin is off, or not for the actor."""
        from core.errors import NotFound
        from core.i18n import gettext as _

        spec = self.entities.get(name)
        if spec is None:
            raise NotFound(_("There is no entity named %(name)s.", name=name))
        return spec

    def alias(self, table: FromClause) -> FromClause:
        """The table under a name of its own, another at each call.

        The first few are made once for each snapshot: one takes a millisecond for a wide table.
        """
        number = self._aliases[table]
        self._aliases[table] += 1
        if number >= KEPT_ALIASES:
            return table.alias()
        made: list[FromClause] = self.snapshot.memo.setdefault(("aliases", table), [])
        while len(made) <= number:
            alias = table.alias()
            assert alias.c  # its columns are made now, not by two threads at once
            made.append(alias)
        return made[number]

    def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        """Run one statement in the transaction."""
        return self.connection.execute(statement, parameters)

    def take_turns(self, name: str) -> None:
        """Wait until no other transaction has taken its turn under ``name``; held until this one ends.

        For rules about several records that two people could break together. What the rule looks at
        is read after this.
        """
        take_turns(self.connection, name)

    def forget_made(self, entity: str, ids: Iterable[int | None]) -> None:
        """These records are no longer what they were made as."""
        for key in ids if self.made else ():
            self.made.pop((entity, key or 0), None)

    def refresh(self) -> None:
        """Take the structure anew after this transaction itself has changed it.

        Others see it once it is committed: were it rolled back, its epoch would be given again.
        """
        self._snapshot = self.runtime.rebuilt(self.connection)

    # What happens afterwards

    def publish(self, event: Event) -> None:
        """Put an event into the outbox, in this transaction; subscribers see it after the commit."""
        self._require_write()
        payload = event.payload()
        values = {
            "type": event.name,
            "entity": payload.get("entity"),
            "payload": payload,
            "actor_id": self.actor.user_id,
            "at": self.now(),
            "state": "new",
        }
        self.execute(insert_into(event_table), values)
        self._wake = True

    def enqueue(
        self,
        kind: str,
        arguments: Mapping[str, Any],
        *,
        title: str = "",
        run_at: datetime | None = None,
        key: str | None = None,
        owner: str | None = None,
    ) -> int | None:
        """Leave a job for after the commit and return its id; None when ``key`` was used before. It has
        the rights of the actor, as far as the API token goes by which they ask.

        It waits while the plugin ``owner`` (that of the kind, unless given) is off.
        """
        self._require_write()
        values = queued_job(
            kind,
            arguments,
            title=title,
            owner=owner or kind.partition(".")[0],
            actor_id=self.actor.user_id,
            behind_id=self.actor.behind,
            token_scopes=self.actor.job_scopes,
            locale=current_locale(),
            now=self.now(),
            run_at=run_at,
            key=key,
        )
        self._wake = True
        if key is None:
            result = self.execute(insert(job_table).values(values))
        else:
            try:
                with self.savepoint():
                    result = self.execute(insert(job_table).values(values))
            except IntegrityError:
                return None
        return inserted_key(result)

    def wake_afterwards(self) -> None:
        """Let workers look for work as soon as this is committed."""
        self._require_write()
        self._wake = True

    def _require_write(self) -> None:
        if not self.write:
            raise RuntimeError("this unit of work only reads")


def inserted_key(result: CursorResult[Any]) -> int:
    """The key of the one row that an INSERT made."""
    key = result.inserted_primary_key
    assert key is not None
    return int(key[0])


class ReadingSession(Session):
    """A session that loads; writing goes through the service."""

    def flush(self, objects: Any = None) -> None:
        if self.new or self.dirty or self.deleted:
            raise RuntimeError("write through core.entities.service, not through the session")

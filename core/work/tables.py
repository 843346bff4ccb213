"""The tables of events, jobs, schedules and workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Index, Integer, Table, UniqueConstraint, literal_column, text

from core.db.base import metadata
from core.db.types import BigId, Json, PlainText, UtcDateTime

__all__ = [
    "QUEUED",
    "RUNNING",
    "event_table",
    "job_table",
    "lane_of",
    "queued_job",
    "schedule_table",
    "worker_table",
]

event_table = Table(
    "core_event",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("type", PlainText(120), nullable=False),
    Column("entity", PlainText(63)),
    Column("payload", Json, nullable=False),
    Column("actor_id", BigId),
    Column("at", UtcDateTime, nullable=False),
    #: ``new`` until the relay has made one job for each subscriber, then ``sent``.
    Column("state", PlainText(8), nullable=False),
    Index(
        "ix_core_event_new",
        "id",
        postgresql_where=text("state = 'new'"),
        sqlite_where=text("state = 'new'"),
    ),
    sqlite_autoincrement=True,
)

job_table = Table(
    "core_job",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("kind", PlainText(120), nullable=False),
    #: The plugin without which the job waits.
    Column("owner", PlainText(63), nullable=False),
    Column("title", PlainText(255), nullable=False),
    Column("arguments", Json, nullable=False),
    #: ``queued running done failed cancelled``; a failed one is a dead letter until it is replayed.
    Column("state", PlainText(10), nullable=False),
    Column("run_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("lease", PlainText(32)),
    Column("lease_until", UtcDateTime),
    Column("done", Integer, nullable=False),
    Column("total", Integer),
    Column("result", Json),
    Column("error", PlainText()),
    Column("actor_id", BigId),
    #: The administrator who was signed in as that person.
    Column("behind_id", BigId),
    #: What the API token by which it was asked for is limited to; null for all that the person may do.
    Column("token_scopes", Json),
    Column("locale", PlainText(8), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    #: At most one job carries a key: the effect of an event on a subscriber happens once.
    Column("key", PlainText(200)),
    #: Where it queues (`lane_of`): workers serve the lanes in turns.
    Column("lane", PlainText(220), nullable=False, server_default=""),
    #: Whose hands it is or was in, as `worker_table` names it.
    Column("worker", PlainText(120)),
    UniqueConstraint("key"),
    Index(
        "ix_core_job_queue",
        "lane",
        "run_at",
        "id",
        postgresql_where=text("state = 'queued'"),
        sqlite_where=text("state = 'queued'"),
    ),
    Index(
        "ix_core_job_running",
        "kind",
        postgresql_where=text("state = 'running'"),
        sqlite_where=text("state = 'running'"),
    ),
    Index("ix_core_job_state_kind_id", "state", "kind", "id"),
    Index("ix_core_job_actor_id_id", "actor_id", "id"),
    Index(
        "ix_core_job_import",
        "id",
        postgresql_where=text("kind = 'core.import'"),
        sqlite_where=text("kind = 'core.import'"),
    ),
    sqlite_autoincrement=True,
)

schedule_table = Table(
    "core_schedule",
    metadata,
    Column("name", PlainText(120), primary_key=True),
    Column("next_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime),
)

#: One row for each process that works, renewed while it lives.
worker_table = Table(
    "core_worker",
    metadata,
    #: ``host:process``
    Column("name", PlainText(120), primary_key=True),
    #: ``serve`` or ``worker``
    Column("role", PlainText(10), nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    #: Threads that it gave up, because a job in them does not end.
    Column("hanging", Integer, nullable=False),
)

#: As the conditions of the indexes say it, so that both databases use them.
QUEUED = job_table.c.state == literal_column("'queued'")
RUNNING = job_table.c.state == literal_column("'running'")


def lane_of(kind: str, owner: str, actor_id: int | None) -> str:
    """Where a job queues: behind those of its kind that serve the same module and person."""
    return f"{kind}:{owner}:{actor_id or ''}"


def queued_job(
    kind: str,
    arguments: Mapping[str, Any],
    *,
    title: str,
    owner: str,
    actor_id: int | None,
    behind_id: int | None,
    token_scopes: Sequence[str] | None = None,
    locale: str,
    now: datetime,
    run_at: datetime | None = None,
    key: str | None = None,
) -> dict[str, Any]:
    """The row of a job that waits for its first try."""
    return {
        "kind": kind,
        "owner": owner,
        "lane": lane_of(kind, owner, actor_id),
        "title": title or kind,
        "arguments": dict(arguments),
        "state": "queued",
        "run_at": run_at or now,
        "attempts": 0,
        "done": 0,
        "actor_id": actor_id,
        "behind_id": behind_id,
        "token_scopes": token_scopes,
        "locale": locale,
        "created_at": now,
        "key": key,
    }

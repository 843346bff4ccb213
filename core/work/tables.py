"""The tables of events, jobs and schedules."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, UniqueConstraint, text

from core.db.base import metadata
from core.db.types import BigId, Json, PlainText, UtcDateTime

__all__ = ["event_table", "job_table", "schedule_table"]

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
    Column("locale", PlainText(8), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    #: At most one job carries a key: the effect of an event on a subscriber happens once.
    Column("key", PlainText(200)),
    UniqueConstraint("key"),
    Index(
        "ix_core_job_due",
        "run_at",
        postgresql_where=text("state IN ('queued', 'running')"),
        sqlite_where=text("state IN ('queued', 'running')"),
    ),
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

"""Lanes of jobs, indexes for queues of any length, and the workers there are"""

import sqlalchemy as sa
from alembic import op

from core.db.types import PlainText, UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

QUEUED = sa.text("state = 'queued'")
RUNNING = sa.text("state = 'running'")
OPEN = sa.text("state IN ('queued', 'running')")


def upgrade() -> None:
    op.add_column("core_job", sa.Column("lane", PlainText(220), nullable=False, server_default=""))
    op.add_column("core_job", sa.Column("worker", PlainText(120), nullable=True))
    job = sa.table("core_job", *map(sa.column, ("kind", "owner", "actor_id", "state", "lane")))
    person = sa.func.coalesce(sa.cast(job.c.actor_id, sa.Text), "")
    lane = job.c.kind + ":" + job.c.owner + ":" + person
    op.execute(
        job.update().where(job.c.state.in_(("queued", "running", "failed"))).values(lane=lane)
    )
    op.drop_index("ix_core_job_due", table_name="core_job")
    op.create_index(
        "ix_core_job_queue",
        "core_job",
        ["lane", "run_at", "id"],
        postgresql_where=QUEUED,
        sqlite_where=QUEUED,
    )
    op.create_index(
        "ix_core_job_running", "core_job", ["kind"], postgresql_where=RUNNING, sqlite_where=RUNNING
    )
    op.create_index("ix_core_job_state_kind_id", "core_job", ["state", "kind", "id"])
    op.create_table(
        "core_worker",
        sa.Column("name", PlainText(120), nullable=False),
        sa.Column("role", PlainText(10), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.Column("hanging", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_core_worker")),
    )


def downgrade() -> None:
    op.drop_table("core_worker")
    op.drop_index("ix_core_job_state_kind_id", table_name="core_job")
    op.drop_index("ix_core_job_running", table_name="core_job")
    op.drop_index("ix_core_job_queue", table_name="core_job")
    op.create_index(
        "ix_core_job_due", "core_job", ["run_at"], postgresql_where=OPEN, sqlite_where=OPEN
    )
    op.drop_column("core_job", "worker")
    op.drop_column("core_job", "lane")

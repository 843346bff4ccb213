"""Create the core's tables"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, ExactDecimal, Json, PlainText, UtcDateTime  # noqa: F401

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "core_audit_entry",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("entity", PlainText(63), nullable=True),
        sa.Column("record_id", sa.BigInteger(), nullable=True),
        sa.Column("action", PlainText(63), nullable=True),
        sa.Column("actor_id", BigId, nullable=True),
        sa.Column("behind_id", BigId, nullable=True),
        sa.Column("at", UtcDateTime(), nullable=True),
        sa.Column("channel", PlainText(16), nullable=True),
        sa.Column("address", PlainText(64), nullable=True),
        sa.Column("request_id", PlainText(64), nullable=True),
        sa.Column("changes", Json(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_audit_entry")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("core_audit_entry", schema=None) as batch_op:
        batch_op.create_index("ix_core_audit_entry_actor_id_id", ["actor_id", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_core_audit_entry_at"), ["at"], unique=False)
        batch_op.create_index(
            "ix_core_audit_entry_record", ["entity", "record_id", "id"], unique=False
        )

    op.create_table(
        "core_custom_field",
        sa.Column("id", BigId, nullable=False),
        sa.Column("entity", PlainText(63), nullable=False),
        sa.Column("name", PlainText(63), nullable=False),
        sa.Column("kind", PlainText(30), nullable=False),
        sa.Column("labels", Json(), nullable=False),
        sa.Column("options", Json(), nullable=False),
        sa.Column("retired", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", BigId, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_custom_field")),
        sa.UniqueConstraint("entity", "name", name=op.f("uq_core_custom_field_entity_name")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("core_custom_field", schema=None) as batch_op:
        batch_op.create_index("ix_core_custom_field_entity", ["entity"], unique=False)

    op.create_table(
        "core_department",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("name", PlainText(100), nullable=True),
        sa.Column("parent_id", BigId, nullable=True),
        sa.Column("head_id", BigId, nullable=True),
        sa.Column("path", PlainText(500), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", BigId, nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", BigId, nullable=True),
        sa.Column("archived_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["parent_id"],
            ["core_department.id"],
            name=op.f("fk_core_department_parent_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_department")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("core_department", schema=None) as batch_op:
        batch_op.create_index(
            "ix_core_department_created_at_id", ["created_at", "id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_core_department_head_id"), ["head_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_core_department_parent_id"), ["parent_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_core_department_path"), ["path"], unique=False)

    op.create_table(
        "core_epoch",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("structure", BigId, nullable=False),
        sa.Column("access", BigId, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_epoch")),
    )
    op.create_table(
        "core_event",
        sa.Column("id", BigId, nullable=False),
        sa.Column("type", PlainText(120), nullable=False),
        sa.Column("entity", PlainText(63), nullable=True),
        sa.Column("payload", Json(), nullable=False),
        sa.Column("actor_id", BigId, nullable=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("state", PlainText(8), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_event")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("core_event", schema=None) as batch_op:
        batch_op.create_index(
            "ix_core_event_new",
            ["id"],
            unique=False,
            postgresql_where=sa.text("state = 'new'"),
            sqlite_where=sa.text("state = 'new'"),
        )

    op.create_table(
        "core_file",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("name", PlainText(255), nullable=True),
        sa.Column("media_type", PlainText(100), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("sha256", PlainText(64), nullable=True),
        sa.Column("storage_key", PlainText(200), nullable=True),
        sa.Column("entity", PlainText(63), nullable=True),
        sa.Column("record_id", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", BigId, nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", BigId, nullable=True),
        sa.Column("archived_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_file")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("core_file", schema=None) as batch_op:
        batch_op.create_index("ix_core_file_attached", ["entity", "record_id"], unique=False)
        batch_op.create_index("ix_core_file_created_at_id", ["created_at", "id"], unique=False)

    op.create_table(
        "core_idempotency",
        sa.Column("id", BigId, nullable=False),
        sa.Column("user_id", BigId, nullable=False),
        sa.Column("key", PlainText(200), nullable=False),
        sa.Column("request_hash", PlainText(64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", PlainText(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_idempotency")),
        sa.UniqueConstraint("user_id", "key", name=op.f("uq_core_idempotency_user_id_key")),
    )
    op.create_table(
        "core_job",
        sa.Column("id", BigId, nullable=False),
        sa.Column("kind", PlainText(120), nullable=False),
        sa.Column("owner", PlainText(63), nullable=False),
        sa.Column("title", PlainText(255), nullable=False),
        sa.Column("arguments", Json(), nullable=False),
        sa.Column("state", PlainText(10), nullable=False),
        sa.Column("run_at", UtcDateTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease", PlainText(32), nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("result", Json(), nullable=True),
        sa.Column("error", PlainText(), nullable=True),
        sa.Column("actor_id", BigId, nullable=True),
        sa.Column("locale", PlainText(8), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("key", PlainText(200), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_job")),
        sa.UniqueConstraint("key", name=op.f("uq_core_job_key")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("core_job", schema=None) as batch_op:
        batch_op.create_index("ix_core_job_actor_id_id", ["actor_id", "id"], unique=False)
        batch_op.create_index(
            "ix_core_job_due",
            ["run_at"],
            unique=False,
            postgresql_where=sa.text("state IN ('queued', 'running')"),
            sqlite_where=sa.text("state IN ('queued', 'running')"),
        )

    op.create_table(
        "core_plugin",
        sa.Column("name", PlainText(63), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("version", PlainText(40), nullable=False),
        sa.Column("error", PlainText(), nullable=True),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_core_plugin")),
    )
    op.create_table(
        "core_role",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("name", PlainText(60), nullable=True),
        sa.Column("title", PlainText(100), nullable=True),
        sa.Column("is_admin", sa.Boolean(), nullable=True),
        sa.Column("grants", Json(), nullable=True),
        sa.Column("field_rules", Json(), nullable=True),
        sa.Column("permissions", Json(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", BigId, nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", BigId, nullable=True),
        sa.Column("archived_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_role")),
        sa.UniqueConstraint("name", name=op.f("uq_core_role_name")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("core_role", schema=None) as batch_op:
        batch_op.create_index("ix_core_role_created_at_id", ["created_at", "id"], unique=False)

    op.create_table(
        "core_schedule",
        sa.Column("name", PlainText(120), nullable=False),
        sa.Column("next_at", UtcDateTime(), nullable=False),
        sa.Column("last_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_core_schedule")),
    )
    op.create_table(
        "core_sequence",
        sa.Column("key", PlainText(200), nullable=False),
        sa.Column("last", BigId, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_core_sequence")),
    )
    op.create_table(
        "core_setting",
        sa.Column("group", PlainText(63), nullable=False),
        sa.Column("key", PlainText(63), nullable=False),
        sa.Column("value", Json(), nullable=True),
        sa.PrimaryKeyConstraint("group", "key", name=op.f("pk_core_setting")),
    )
    op.create_table(
        "core_sign_in",
        sa.Column("key", PlainText(64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("blocked_until", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_core_sign_in")),
    )
    op.create_table(
        "core_user",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("name", PlainText(100), nullable=True),
        sa.Column("email", PlainText(254), nullable=True),
        sa.Column("mobile", PlainText(32), nullable=True),
        sa.Column("title", PlainText(100), nullable=True),
        sa.Column("department_id", BigId, nullable=True),
        sa.Column("locale", PlainText(64), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", BigId, nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", BigId, nullable=True),
        sa.Column("archived_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["department_id"],
            ["core_department.id"],
            name=op.f("fk_core_user_department_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_user")),
        sa.UniqueConstraint("email", name=op.f("uq_core_user_email")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("core_user", schema=None) as batch_op:
        batch_op.create_index("ix_core_user_created_at_id", ["created_at", "id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_core_user_department_id"), ["department_id"], unique=False
        )

    op.create_table(
        "core_absence",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("user_id", BigId, nullable=True),
        sa.Column("starts_on", sa.Date(), nullable=True),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("reason", PlainText(200), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", BigId, nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", BigId, nullable=True),
        sa.Column("archived_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["core_user.id"], name=op.f("fk_core_absence_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_absence")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("core_absence", schema=None) as batch_op:
        batch_op.create_index("ix_core_absence_created_at_id", ["created_at", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_core_absence_user_id"), ["user_id"], unique=False)

    op.create_table(
        "core_api_token",
        sa.Column("id", BigId, nullable=False),
        sa.Column("token_hash", PlainText(64), nullable=False),
        sa.Column("user_id", BigId, nullable=False),
        sa.Column("title", PlainText(100), nullable=False),
        sa.Column("scopes", Json(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["core_user.id"],
            name=op.f("fk_core_api_token_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_api_token")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_core_api_token_token_hash")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("core_api_token", schema=None) as batch_op:
        batch_op.create_index("ix_core_api_token_user_id", ["user_id"], unique=False)

    op.create_table(
        "core_credential",
        sa.Column("user_id", BigId, nullable=False),
        sa.Column("password", PlainText(200), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["core_user.id"],
            name=op.f("fk_core_credential_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_core_credential")),
    )
    op.create_table(
        "core_preference",
        sa.Column("user_id", BigId, nullable=False),
        sa.Column("key", PlainText(120), nullable=False),
        sa.Column("value", Json(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["core_user.id"],
            name=op.f("fk_core_preference_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "key", name=op.f("pk_core_preference")),
    )
    op.create_table(
        "core_session",
        sa.Column("id", BigId, nullable=False),
        sa.Column("token_hash", PlainText(64), nullable=False),
        sa.Column("user_id", BigId, nullable=False),
        sa.Column("csrf", PlainText(64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.Column("address", PlainText(64), nullable=False),
        sa.Column("agent", PlainText(300), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["core_user.id"], name=op.f("fk_core_session_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_session")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_core_session_token_hash")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("core_session", schema=None) as batch_op:
        batch_op.create_index("ix_core_session_user_id", ["user_id"], unique=False)

    op.create_table(
        "core_user__departments",
        sa.Column("source_id", BigId, nullable=False),
        sa.Column("target_id", BigId, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["source_id"],
            ["core_user.id"],
            name=op.f("fk_core_user__departments_source_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["target_id"],
            ["core_department.id"],
            name=op.f("fk_core_user__departments_target_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("source_id", "target_id", name=op.f("pk_core_user__departments")),
    )
    with op.batch_alter_table("core_user__departments", schema=None) as batch_op:
        batch_op.create_index("ix_core_user__departments_target_id", ["target_id"], unique=False)

    op.create_table(
        "core_user__roles",
        sa.Column("source_id", BigId, nullable=False),
        sa.Column("target_id", BigId, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["source_id"],
            ["core_user.id"],
            name=op.f("fk_core_user__roles_source_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["target_id"],
            ["core_role.id"],
            name=op.f("fk_core_user__roles_target_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("source_id", "target_id", name=op.f("pk_core_user__roles")),
    )
    with op.batch_alter_table("core_user__roles", schema=None) as batch_op:
        batch_op.create_index("ix_core_user__roles_target_id", ["target_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("core_user__roles", schema=None) as batch_op:
        batch_op.drop_index("ix_core_user__roles_target_id")

    op.drop_table("core_user__roles")
    with op.batch_alter_table("core_user__departments", schema=None) as batch_op:
        batch_op.drop_index("ix_core_user__departments_target_id")

    op.drop_table("core_user__departments")
    with op.batch_alter_table("core_session", schema=None) as batch_op:
        batch_op.drop_index("ix_core_session_user_id")

    op.drop_table("core_session")
    op.drop_table("core_preference")
    op.drop_table("core_credential")
    with op.batch_alter_table("core_api_token", schema=None) as batch_op:
        batch_op.drop_index("ix_core_api_token_user_id")

    op.drop_table("core_api_token")
    with op.batch_alter_table("core_absence", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_core_absence_user_id"))
        batch_op.drop_index("ix_core_absence_created_at_id")

    op.drop_table("core_absence")
    with op.batch_alter_table("core_user", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_core_user_department_id"))
        batch_op.drop_index("ix_core_user_created_at_id")

    op.drop_table("core_user")
    op.drop_table("core_sign_in")
    op.drop_table("core_setting")
    op.drop_table("core_sequence")
    op.drop_table("core_schedule")
    with op.batch_alter_table("core_role", schema=None) as batch_op:
        batch_op.drop_index("ix_core_role_created_at_id")

    op.drop_table("core_role")
    op.drop_table("core_plugin")
    with op.batch_alter_table("core_job", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_core_job_due",
            postgresql_where=sa.text("state IN ('queued', 'running')"),
            sqlite_where=sa.text("state IN ('queued', 'running')"),
        )
        batch_op.drop_index("ix_core_job_actor_id_id")

    op.drop_table("core_job")
    op.drop_table("core_idempotency")
    with op.batch_alter_table("core_file", schema=None) as batch_op:
        batch_op.drop_index("ix_core_file_created_at_id")
        batch_op.drop_index("ix_core_file_attached")

    op.drop_table("core_file")
    with op.batch_alter_table("core_event", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_core_event_new",
            postgresql_where=sa.text("state = 'new'"),
            sqlite_where=sa.text("state = 'new'"),
        )

    op.drop_table("core_event")
    op.drop_table("core_epoch")
    with op.batch_alter_table("core_department", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_core_department_path"))
        batch_op.drop_index(batch_op.f("ix_core_department_parent_id"))
        batch_op.drop_index(batch_op.f("ix_core_department_head_id"))
        batch_op.drop_index("ix_core_department_created_at_id")

    op.drop_table("core_department")
    with op.batch_alter_table("core_custom_field", schema=None) as batch_op:
        batch_op.drop_index("ix_core_custom_field_entity")

    op.drop_table("core_custom_field")
    with op.batch_alter_table("core_audit_entry", schema=None) as batch_op:
        batch_op.drop_index("ix_core_audit_entry_record")
        batch_op.drop_index(batch_op.f("ix_core_audit_entry_at"))
        batch_op.drop_index("ix_core_audit_entry_actor_id_id")

    op.drop_table("core_audit_entry")

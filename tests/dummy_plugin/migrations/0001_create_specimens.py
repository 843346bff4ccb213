"""Create specimens"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, ExactDecimal, Json, PlainText, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dummy_plugin_specimen",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("code", PlainText(64), nullable=True),
        sa.Column("name", PlainText(80), nullable=True),
        sa.Column("notes", PlainText(), nullable=True),
        sa.Column("body", PlainText(), nullable=True),
        sa.Column("quantity", sa.BigInteger(), nullable=True),
        sa.Column("weight", ExactDecimal(12, 3), nullable=True),
        sa.Column("price", ExactDecimal(18, 2), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=True),
        sa.Column("day", sa.Date(), nullable=True),
        sa.Column("moment", UtcDateTime(), nullable=True),
        sa.Column("state", PlainText(64), nullable=True),
        sa.Column("colours", Json(), nullable=True),
        sa.Column("tags", Json(), nullable=True),
        sa.Column("phone", PlainText(32), nullable=True),
        sa.Column("email", PlainText(254), nullable=True),
        sa.Column("website", PlainText(2000), nullable=True),
        sa.Column("region", PlainText(6), nullable=True),
        sa.Column("origin_id", BigId, nullable=True),
        sa.Column("attachment_id", BigId, nullable=True),
        sa.Column("picture_id", BigId, nullable=True),
        sa.Column("layout", Json(), nullable=True),
        sa.Column("double_weight", ExactDecimal(14, 3), nullable=True),
        sa.Column("total", ExactDecimal(18, 2), nullable=True),
        sa.Column("remark", PlainText(200), nullable=True),
        sa.Column("owner_id", BigId, nullable=True),
        sa.Column("department_id", BigId, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", BigId, nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", BigId, nullable=True),
        sa.Column("archived_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["attachment_id"],
            ["core_file.id"],
            name=op.f("fk_dummy_plugin_specimen_attachment_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["department_id"],
            ["core_department.id"],
            name=op.f("fk_dummy_plugin_specimen_department_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["origin_id"],
            ["dummy_plugin_specimen.id"],
            name=op.f("fk_dummy_plugin_specimen_origin_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"],
            ["core_user.id"],
            name=op.f("fk_dummy_plugin_specimen_owner_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["picture_id"],
            ["core_file.id"],
            name=op.f("fk_dummy_plugin_specimen_picture_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dummy_plugin_specimen")),
        sa.UniqueConstraint("code", name=op.f("uq_dummy_plugin_specimen_code")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("dummy_plugin_specimen", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_dummy_plugin_specimen_attachment_id"), ["attachment_id"], unique=False
        )
        batch_op.create_index(
            "ix_dummy_plugin_specimen_created_at_id", ["created_at", "id"], unique=False
        )
        for owner in ("owner_id", "department_id"):
            batch_op.create_index(
                f"ix_dummy_plugin_specimen_{owner}_created_at_id", [owner, "created_at", "id"]
            )
        batch_op.create_index(
            batch_op.f("ix_dummy_plugin_specimen_origin_id"), ["origin_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_dummy_plugin_specimen_picture_id"), ["picture_id"], unique=False
        )

    op.create_table(
        "dummy_plugin_specimen__relatives",
        sa.Column("source_id", BigId, nullable=False),
        sa.Column("target_id", BigId, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["source_id"],
            ["dummy_plugin_specimen.id"],
            name=op.f("fk_dummy_plugin_specimen__relatives_source_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["target_id"],
            ["dummy_plugin_specimen.id"],
            name=op.f("fk_dummy_plugin_specimen__relatives_target_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "source_id", "target_id", name=op.f("pk_dummy_plugin_specimen__relatives")
        ),
    )
    with op.batch_alter_table("dummy_plugin_specimen__relatives", schema=None) as batch_op:
        batch_op.create_index(
            "ix_dummy_plugin_specimen__relatives_target_id", ["target_id"], unique=False
        )

    op.create_table(
        "dummy_plugin_specimen_part",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("specimen_id", BigId, nullable=True),
        sa.Column("title", PlainText(80), nullable=True),
        sa.Column("amount", ExactDecimal(18, 2), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", BigId, nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", BigId, nullable=True),
        sa.Column("archived_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["specimen_id"],
            ["dummy_plugin_specimen.id"],
            name=op.f("fk_dummy_plugin_specimen_part_specimen_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dummy_plugin_specimen_part")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("dummy_plugin_specimen_part", schema=None) as batch_op:
        batch_op.create_index(
            "ix_dummy_plugin_specimen_part_created_at_id", ["created_at", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_dummy_plugin_specimen_part_specimen_id"), ["specimen_id"], unique=False
        )


def downgrade() -> None:
    op.drop_table("dummy_plugin_specimen_part")
    op.drop_table("dummy_plugin_specimen__relatives")
    op.drop_table("dummy_plugin_specimen")

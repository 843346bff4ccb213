"""Reasons to choose from with a note beside them, key tasks of stages, processes of a product line, sizes"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, Json, PlainText

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_DEAL = "crm_sales_opportunity"
_deal = sa.table(
    _DEAL,
    sa.column("lost_reason", PlainText(64)),
    sa.column("closing_note", PlainText(300)),
)
#: What a text that was typed as the reason has to hold to be taken for one of the list, the first
#: that fits; the text itself stays beside it.
_WORDS = (
    ("跟进不及时", ("跟进",)),
    ("重复联系", ("重复",)),
    ("交期", ("交期", "交货", "工期")),
    ("项目暂缓", ("暂缓", "推迟", "搁置")),
    ("预算取消", ("预算取消", "取消预算")),
    ("价格", ("价格", "太贵", "报价高", "price")),
    ("产品不符合需求", ("不符合", "不满足", "功能")),
    ("客户关系", ("关系",)),
)
_OTHER = "其他"


def upgrade() -> None:
    # What was typed so far becomes the note: the column has its width already.
    op.execute("ALTER TABLE crm_sales_opportunity RENAME COLUMN lost_reason TO closing_note")
    for name in ("lost_reason", "won_reason"):
        op.add_column(_DEAL, sa.Column(name, PlainText(64), nullable=True))
    op.add_column(_DEAL, sa.Column("done_tasks", Json(), nullable=True))
    op.add_column("crm_sales_stage", sa.Column("key_tasks", Json(), nullable=True))
    op.add_column("crm_sales_process", sa.Column("category_id", BigId, nullable=True))
    op.add_column("crm_sales_customer", sa.Column("size", PlainText(64), nullable=True))
    note = _deal.c.closing_note
    fits = [(sa.or_(*(note.contains(word) for word in words)), reason) for reason, words in _WORDS]
    op.execute(
        sa.update(_deal).where(note.is_not(None)).values(lost_reason=sa.case(*fits, else_=_OTHER))
    )
    op.execute(sa.update(_deal).where(note == _deal.c.lost_reason).values(closing_note=None))


def downgrade() -> None:
    op.execute(
        sa.update(_deal)
        .where(_deal.c.closing_note.is_(None))
        .values(closing_note=_deal.c.lost_reason)
    )
    for name in ("lost_reason", "won_reason", "done_tasks"):
        op.drop_column(_DEAL, name)
    op.drop_column("crm_sales_stage", "key_tasks")
    op.drop_column("crm_sales_process", "category_id")
    op.drop_column("crm_sales_customer", "size")
    op.execute("ALTER TABLE crm_sales_opportunity RENAME COLUMN closing_note TO lost_reason")

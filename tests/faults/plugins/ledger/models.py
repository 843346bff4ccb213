"""What the ledger keeps."""

from __future__ import annotations

from sqlalchemy.orm import Mapped

from core.fields import Entity, EntityDef, Integer, Text, field


class Effect(Entity):
    """One thing that was done."""

    __tablename__ = "ledger_effect"

    doer: Mapped[str | None] = field(Text(60), label="Doer", required=True)
    subject: Mapped[int | None] = field(Integer(), label="Subject")


effect = EntityDef(
    name="effect",
    model=Effect,
    label="Effect",
    label_plural="Effects",
    label_field="doer",
)

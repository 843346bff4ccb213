"""Something with owners, and something that is about anything."""

from __future__ import annotations

from sqlalchemy.orm import Mapped

from core.fields import Entity, EntityDef, Owned, Related, Text, field


class Place(Entity, Owned):
    """A place."""

    __tablename__ = "about_sample_place"

    name: Mapped[str | None] = field(Text(80), label="Name", required=True, searchable=True)


class Remark(Entity, Owned):
    """Some words about a record."""

    __tablename__ = "about_sample_remark"

    text: Mapped[str | None] = field(Text(80), label="Text", required=True, searchable=True)
    of_entity: Mapped[str | None] = field(Text(63), label="Kind of record")
    of_id: Mapped[int | None] = field(Related(entity_field="of_entity"), label="About")


PLACE = EntityDef("place", Place, "Place", "Places", "name")
REMARK = EntityDef("remark", Remark, "Remark", "Remarks", "text", list_columns=("text", "of_id"))

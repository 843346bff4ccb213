"""From a typed model to an immutable description."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from sqlalchemy.orm import Mapped

from core.fields import Entity, EntityDef, Integer, Owned, Reference, Text, describe, field


class PlainSample(Entity):
    __tablename__ = "unitfields_plain"
    title: Mapped[str | None] = field(Text(20), label="Title", required=True, searchable=True)
    count: Mapped[int | None] = field(Integer(), label="Count", default=3)


class OwnedFirst(Owned, Entity):
    __tablename__ = "unitfields_owned_first"
    title: Mapped[str | None] = field(Text(20), label="Title")


class OwnedLast(Entity, Owned):
    __tablename__ = "unitfields_owned_last"
    title: Mapped[str | None] = field(Text(20), label="Title")


def definition(model, **more):
    return EntityDef("sample", model, "Sample", "Samples", "title", **more)


def test_own_fields_come_first_then_those_of_every_entity():
    spec = describe(definition(PlainSample), plugin="unitfields")
    names = [item.name for item in spec]
    assert names[:2] == ["title", "count"]
    assert set(names[2:]) == {
        "id", "version", "created_at", "created_by", "updated_at", "updated_by", "archived_at",
    }  # fmt: skip
    assert spec["title"].required
    assert spec["count"].default == 3
    assert [item.name for item in spec.searchable] == ["title"]
    assert spec.permission("update") == "unitfields.sample.update"


def test_a_description_cannot_be_changed():
    spec = describe(definition(PlainSample), plugin="unitfields")
    with pytest.raises(FrozenInstanceError):
        spec["title"].label = "Other"


@pytest.mark.parametrize("model", [OwnedFirst, OwnedLast])
def test_owned_entities_have_the_indexes_of_scopes_in_either_order_of_bases(model):
    """Scopes sort by creation within an owner or a department: without these a list reads it all."""
    table = model.__tablename__
    assert {index.name for index in model.__table__.indexes} == {
        f"ix_{table}_created_at_id",
        f"ix_{table}_owner_id_created_at_id",
        f"ix_{table}_department_id_created_at_id",
    }
    assert describe(definition(model), plugin="unitfields").owned


def test_a_plain_entity_has_no_owner():
    assert not describe(definition(PlainSample), plugin="unitfields").owned
    assert len(PlainSample.__table__.indexes) == 1


@pytest.mark.parametrize(
    "more", [{"list_columns": ("nope",)}, {"duplicate_keys": ("nope",)}], ids=["list", "keys"]
)
def test_a_definition_that_names_no_field_is_refused(more):
    with pytest.raises(TypeError, match="no such field: nope"):
        describe(definition(PlainSample, **more), plugin="unitfields")


def test_a_reference_says_which_table_it_points_to():
    with pytest.raises(TypeError, match="needs table="):
        field(Reference("user"), label="Person")

"""What a module wrote before it was switched off is found with the person, and goes with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from core.db.base import metadata
from core.entities import query, service
from core.ops.lifecycle import disable
from core.privacy.erasing import erase_person
from core.privacy.finding import find_person

PLUGINS = Path(__file__).resolve().parents[1] / "plugins"
#: As short as the module's text is long.
MAIL = "q@qq.cn"


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("dummy_plugin", "dummy_extension")


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return (PLUGINS.parent, PLUGINS)


def test_columns_of_a_module_that_is_off(runtime, unit_of_work, admin_id):
    """V2, V3: a mention in its text, and a field about a person that it added to a record."""
    with unit_of_work(admin_id) as uow:
        person, mentioning, other = service.create(
            uow,
            "specimen",
            [
                {"name": "甲", "email": MAIL},
                {"name": "乙", "rating": MAIL},
                {"name": "丙", "told_to": MAIL},
            ],
        )
    with unit_of_work(admin_id) as uow:
        disable(uow, "dummy_extension")
    with unit_of_work(admin_id) as uow:
        found = find_person(uow, "specimen", person)
        assert found.ids("specimen") == [person, other]
        (mention,) = (each for each in found.mentions if each.table == "dummy_plugin_specimen")
        assert (mention.key, mention.column) == ({"id": mentioning}, "dummy_extension_rating")
        erase_person(uow, found)
    table = metadata.tables["dummy_plugin_specimen"].c
    with runtime.read_connection() as connection:
        kept = connection.execute(
            select(table.dummy_extension_rating, table.dummy_extension_told_to)
        )
        assert not any(MAIL in str(value) for row in kept for value in row)
    with unit_of_work(admin_id, write=False) as uow:
        assert query.get(uow, "specimen", mentioning).values["name"] == "乙"

"""P4: two plugins that claim one name: the second is held back, and the first is not disturbed."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from core.boot import boot
from core.config import Config

MODELS = """
from core.fields import Entity, EntityDef, Text, field
from sqlalchemy.orm import Mapped


class Thing(Entity):
    __tablename__ = "{table}_thing"
    title: Mapped[str | None] = field(Text(50), label="Title")


thing = EntityDef("{entity}", Thing, "Thing", "Things", "title")
"""


def write(folder: Path, returns: dict[str, str], *, models: str = "", depends: str = "") -> str:
    name = f"q_{uuid4().hex[:10]}"
    hooks = "\n\n".join(
        f"@hookimpl\ndef {hook}():\n    return {text}" for hook, text in returns.items()
    )
    source = (
        "from datetime import timedelta\n"
        "from core.fields import FieldSpec, Integer, Reference\n"
        "from core.plugins import hookimpl\n"
        "from core.plugins.contributions import *\n"
        + ("from .models import thing\n" if models else "")
        + f"\n\n{hooks}\n"
    ).replace("{name}", name)
    (folder / name).mkdir(parents=True)
    files = {
        "plugin.py": source,
        "__init__.py": "",
        "plugin.cfg": f"[plugin]\nname = {name}\ntitle = T\nversion = 1\ndepends = {depends}\n",
    }
    if models:
        files["models.py"] = models.replace("{name}", name).replace("{table}", name)
    for path, text in files.items():
        (folder / name / path).write_text(text, encoding="utf-8")
    return name


def held_back(tmp_path: Path) -> dict[str, str]:
    environment = {
        "DOUGONG_HOME": str(tmp_path / "home"),
        "DOUGONG_PLUGINS_PATH": str(tmp_path / "plugins"),
    }
    return boot(Config.from_environment(environment)).plugins.held_back


def test_one_entity_name_twice(tmp_path):
    entity = f"thing_{uuid4().hex[:8]}"
    models = MODELS.replace("{entity}", entity)
    names = [
        write(tmp_path / "plugins", {"register_entities": "[thing]"}, models=models)
        for _ in range(2)
    ]
    first, second = sorted(names)
    refused = held_back(tmp_path)
    assert first not in refused
    assert refused[second] == f"entity {entity}: the plugin {first} has one of that name"


def test_a_table_of_somebody_else(tmp_path):
    table = f"t_{uuid4().hex[:8]}"
    models = MODELS.replace("{entity}", f"{table}_x").replace("{table}", table)
    name = write(tmp_path / "plugins", {"register_entities": "[thing]"}, models=models)
    assert f"must begin with {name}_" in held_back(tmp_path)[name]


CASES = {
    "a job twice": ("register_jobs", "[Job('{name}.a', print), Job('{name}.a', print)]", "already"),
    "a job of the core": ("register_jobs", "[Job('core.deliver', print)]", "must begin with"),
    "a setting of the core": (
        "register_settings",
        "[SettingsGroup('core', 'X', ())]",
        "begin with",
    ),
    "settings twice": (
        "register_settings",
        "[SettingsGroup('{name}', 'X', ()), SettingsGroup('{name}', 'Y', ())]",
        "already",
    ),
    "a right of the core": ("register_permissions", "[Permission('core.x', 'X')]", "begin with"),
    "a notification of the core": (
        "register_notifications",
        "[NotificationKind('core.assigned', 'X', 'Y')]",
        "must begin with",
    ),
    "a notification that names nothing": (
        "register_notifications",
        "[NotificationKind('{name}.x', 'X', '%(whom)s is told')]",
        "the text names something else",
    ),
    "a notification with a stray sign": (
        "register_notifications",
        "[NotificationKind('{name}.x', 'X', '100 % of it')]",
        "the text names something else",
    ),
    "a schedule without a job": (
        "register_schedules",
        "[Schedule('a', '{name}.none', every=timedelta(1))]",
        "there is no job",
    ),
    "a schedule without a time": (
        "register_schedules",
        "[Schedule('a', 'core.deliver')]",
        "either every or daily_at",
    ),
    "an extension of nothing": (
        "register_entity_extensions",
        "[EntityExtension('no_such_entity', ())]",
        "there is no entity",
    ),
    "a field that exists": (
        "register_entity_extensions",
        "[EntityExtension('user', (FieldSpec('email', Integer(), 'X'),))]",
        "has a field email already",
    ),
    "a reference to nothing": (
        "register_entity_extensions",
        "[EntityExtension('user', (FieldSpec('b', Reference('no_such'), 'X'),))]",
        "there is no entity no_such",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_said(tmp_path, case):
    hook, text, reason = CASES[case]
    name = write(tmp_path / "plugins", {hook: text})
    assert reason in held_back(tmp_path)[name]


def test_events_hold_what_json_brings_back(tmp_path):
    folder = tmp_path / "plugins"
    name = write(folder, {"register_events": "[Odd]"})
    event = (
        "from dataclasses import dataclass\nfrom typing import ClassVar\n"
        "from core.work.events import Event\n\n\n@dataclass(frozen=True)\nclass Odd(Event):\n"
        f"    name: ClassVar[str] = '{name}.Odd'\n    when: object\n\n\n"
    )
    path = folder / name / "plugin.py"
    path.write_text(event + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert "an event holds texts, numbers, booleans" in held_back(tmp_path)[name]

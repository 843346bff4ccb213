"""Throw-away plugins in a temporary folder, for what the bundled ones must never do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

MODELS = """
from core.fields import Entity, EntityDef, Text, field
from sqlalchemy.orm import Mapped


class Thing(Entity):
    __tablename__ = "{name}_thing"
    title: Mapped[str | None] = field(Text(50), label="Title", required=True)


thing = EntityDef("{entity}", Thing, "Thing", "Things", "title")
"""

ENTITY = """
from core.plugins import hookimpl
from .models import thing


@hookimpl
def register_entities():
    return [thing]
"""

CREATE = """
import sqlalchemy as sa
from alembic import op
from core.db.types import BigId, PlainText, UtcDateTime

revision, down_revision, branch_labels, depends_on = "{revision}", {down}, None, None


def upgrade():
    {body}


def downgrade():
    pass
"""

TABLE = """op.create_table(
        "{name}_thing",
        sa.Column("id", BigId, primary_key=True, autoincrement=True),
        sa.Column("title", PlainText(50)),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", BigId),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", BigId),
        sa.Column("archived_at", UtcDateTime()),
        sqlite_autoincrement=True,
    )"""


def unique_name() -> str:
    """A name that no other test has imported: modules are kept by the process."""
    return f"p_{uuid4().hex[:10]}"


def write_plugin(
    folder: Path, files: Mapping[str, str] | None = None, *, name: str = "", **manifest: str
) -> str:
    """Write a plugin; ``{name}`` in files is filled in. ``plugin.py`` is empty unless given."""
    name = name or unique_name()
    target = folder / name
    lines = {"name": name, "title": name, "version": "1.0", **manifest}
    text = "[plugin]\n" + "".join(f"{key} = {value}\n" for key, value in lines.items())
    for path, content in {"__init__.py": "", "plugin.py": "", **(files or {})}.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_text(content.replace("{name}", name), encoding="utf-8")
    (target / "plugin.cfg").write_text(text, encoding="utf-8")
    return name


def thing_plugin(folder: Path, steps: tuple[str, ...] = (), *, entity: str = "") -> str:
    """A plugin with one entity, named after it unless given, and further migration steps."""
    name = unique_name()
    files = {
        "plugin.py": ENTITY,
        "models.py": MODELS.replace("{entity}", entity or f"{name}_thing"),
    }
    for number, body in enumerate((TABLE, *steps), start=1):
        down = repr(f"{number - 1:04}") if number > 1 else "None"
        files[f"migrations/{number:04}_step.py"] = (
            CREATE.replace("{revision}", f"{number:04}").replace("{down}", down)
        ).replace("{body}", body)
    return write_plugin(folder, files, name=name)

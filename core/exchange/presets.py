"""How files of one kind are imported, kept under a name: columns, keys, policy, values, names (S-255).

A preset is its maker's own, or shared with those who may import the entity. Whoever uses one gets
of it what they may fill and read themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, delete, insert, or_, select, update

from core.entities.labels import resolve_labels
from core.entities.scope import require
from core.errors import Invalid, NotFound, Problem, Refused
from core.exchange.adjusting import Additions
from core.exchange.chosen_keys import key_candidates
from core.exchange.mapping import importable_fields, normalise_header
from core.exchange.tables import import_preset_table
from core.fields import EntitySpec
from core.i18n import gettext as _
from core.settings.gone import keep_gone, take_gone

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "Preset",
    "delete_preset",
    "find_preset",
    "presets_of",
    "restore_preset",
    "save_preset",
]

_LONGEST_NAME = 80
#: One person's presets of one entity.
_MOST = 50


@dataclass(frozen=True)
class Preset:
    """One saved way to import, as the actor may use it."""

    id: int
    name: str
    owner: str
    is_mine: bool
    is_shared: bool
    #: ``{normalised heading: field or None}``
    columns: Mapping[str, str | None]
    policy: str = "skip"
    keys: tuple[str, ...] = ()
    additions: Additions = field(default_factory=Additions)

    @classmethod
    def blank(cls) -> Preset:
        """Nothing saved."""
        return cls(0, "", "", is_mine=False, is_shared=False, columns={})

    def fits(self, header: Sequence[str]) -> bool:
        """True for a file with the same headings, in whatever order."""
        return {normalise_header(text) for text in header} - {""} == self.columns.keys() - {""}

    def fields(self, header: Sequence[str]) -> tuple[str | None, ...]:
        """The field of each column of a file; one that the preset does not know is left out."""
        return tuple(self.columns.get(normalise_header(text)) for text in header)


def presets_of(uow: UnitOfWork, spec: EntitySpec) -> list[Preset]:
    """The actor's own and shared presets, by name. Raises `Forbidden` without the right to import."""
    require(uow, spec, "import")
    table = import_preset_table
    mine = table.c.owner_id == uow.actor.user_id
    statement = select(table).where(table.c.entity == spec.name, or_(mine, table.c.shared))
    rows = uow.execute(statement.order_by(table.c.name, table.c.id)).all()
    names = resolve_labels(uow, {"user": {row.owner_id for row in rows}}).get("user", {})
    return [_preset(uow, spec, row, names) for row in rows]


def find_preset(uow: UnitOfWork, spec: EntitySpec, name: str) -> Preset:
    """The actor's preset of that name, else a shared one. Raises `NotFound`."""
    found = [preset for preset in presets_of(uow, spec) if preset.name == name]
    if not found:
        raise NotFound(_("Nothing is saved under the name %(name)s.", name=name[:80]))
    return next((preset for preset in found if preset.is_mine), found[0])


def save_preset(
    uow: UnitOfWork,
    spec: EntitySpec,
    name: str,
    *,
    header: Sequence[str],
    fields: Sequence[str | None],
    policy: str = "skip",
    keys: Sequence[str] = (),
    additions: Additions | None = None,
    shared: bool = False,
) -> int:
    """Keep choices under a name, in place of what the actor kept under it before."""
    require(uow, spec, "import")
    name = " ".join(name.split())
    if not name or len(name) > _LONGEST_NAME:
        message = _("Give a name of at most %(n)s characters.", n=_LONGEST_NAME)
        raise Invalid(message, [Problem("name", "required" if not name else "too_long", message)])
    if uow.actor.user_id is None:
        raise Refused(_("Only a person can save this."))
    added = additions or Additions()
    columns = dict(zip(map(normalise_header, header), fields, strict=True))
    content = {
        "columns": columns,
        "policy": policy,
        "keys": list(keys),
        "defaults": dict(added.defaults),
        "names": {key: dict(pairs) for key, pairs in added.names.items()},
    }
    table = import_preset_table
    mine = (table.c.entity == spec.name) & (table.c.owner_id == uow.actor.user_id)
    values = {"shared": shared, "content": content, "updated_at": uow.now()}
    kept = uow.execute(select(table.c.id, table.c.name).where(mine)).all()
    same = [row.id for row in kept if row.name == name]
    if same:
        uow.execute(update(table).where(table.c.id == same[0]).values(**values))
        return int(same[0])
    if len(kept) >= _MOST:
        raise Refused(_("You have saved as many as can be kept. Delete one first."))
    place = {"entity": spec.name, "owner_id": uow.actor.user_id, "name": name}
    made = uow.execute(insert(table).values(**place, **values)).inserted_primary_key
    assert made is not None
    return int(made[0])


def delete_preset(uow: UnitOfWork, spec: EntitySpec, preset_id: int) -> None:
    """Delete one's own preset; an administrator also a shared one. Raises `NotFound`. The last one that
    a person deleted can be restored."""
    require(uow, spec, "import")
    table = import_preset_table
    deletable = table.c.owner_id == uow.actor.user_id
    if uow.actor.is_admin and not uow.actor.is_limited:
        deletable = or_(deletable, table.c.shared)
    chosen = (table.c.id == preset_id) & (table.c.entity == spec.name) & deletable
    row = uow.execute(select(table).where(chosen).with_for_update()).mappings().one_or_none()
    if row is None:
        raise NotFound(_("There is no such saved import, or it is not yours."))
    keep_gone(uow, "preset", {str(name): value for name, value in row.items()})
    uow.execute(delete(table).where(table.c.id == preset_id))


def restore_preset(uow: UnitOfWork, spec: EntitySpec, preset_id: int) -> None:
    """Bring back the preset that the actor deleted last. Raises `NotFound` for any other, and `Refused`
    where its name was given to another since."""
    require(uow, spec, "import")
    row, table = take_gone(uow, "preset", preset_id), import_preset_table
    if row["entity"] != spec.name:
        raise NotFound(_("There is no such saved import, or it is not yours."))
    mine = (table.c.entity == spec.name) & (table.c.owner_id == row["owner_id"])
    names = uow.execute(select(table.c.name).where(mine)).scalars().all()
    if row["name"] in names or len(names) >= _MOST:
        raise Refused(_("It was changed since."))
    row["updated_at"] = datetime.fromisoformat(row["updated_at"])
    uow.execute(insert(table).values(row))


def _preset(uow: UnitOfWork, spec: EntitySpec, row: Row[Any], names: Mapping[int, str]) -> Preset:
    content, mine = row.content, row.owner_id == uow.actor.user_id
    usable = importable_fields(uow, spec)
    readable = key_candidates(uow, spec)
    columns = content["columns"]
    # What others wrote out in full are names of records that not every reader may know.
    written_out = content["names"] if mine else {}
    return Preset(
        id=row.id,
        name=row.name,
        owner=names.get(row.owner_id, f"#{row.owner_id}"),
        is_mine=mine,
        is_shared=row.shared,
        columns={
            heading: name if name == "id" or name in usable else None
            for heading, name in columns.items()
        },
        policy=content["policy"],
        keys=tuple(name for name in content["keys"] if name in readable),
        additions=Additions(
            {name: text for name, text in content["defaults"].items() if name in usable},
            {name: pairs for name, pairs in written_out.items() if name in usable},
        ),
    )

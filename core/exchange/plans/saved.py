"""Plans that people keep, and the files that each of them has uploaded for one.

A plan is its maker's own, or shared as a whole with those who may import every entity that it names.
Only its maker changes it; whoever else uses it brings files of their own and acts with their own
rights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, delete, func, insert, or_, select, update

from core.entities.labels import resolve_labels
from core.entities.scope import may
from core.errors import Forbidden, Invalid, NotFound, Problem, Refused
from core.exchange.tables import import_plan_file_table, import_plan_table
from core.fields import EntitySpec
from core.i18n import gettext as _
from core.settings.gone import keep_gone, take_gone

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "PlanFile",
    "SavedPlan",
    "change_plan",
    "delete_plan",
    "drop_file",
    "files_of",
    "find_own",
    "find_saved",
    "importable_entities",
    "may_import",
    "plans_of",
    "put_file",
    "restore_plan",
    "save_plan",
]

LONGEST_TITLE = 120
_LONGEST_NAME = 200
#: One person's plans, and the files of one plan.
_MOST = 50
_MOST_FILES = 50


@dataclass(frozen=True)
class SavedPlan:
    """A plan as the actor may use it."""

    id: int
    title: str
    owner: str
    is_mine: bool
    is_shared: bool
    #: What its TOML says; a plan that is being written may not be whole yet.
    content: Mapping[str, Any]
    version: int
    updated_at: datetime

    @property
    def steps(self) -> list[dict[str, Any]]:
        """What the plan says of each step, in their order."""
        return list(self.content.get("step", ()))

    @property
    def files(self) -> list[str]:
        """The names of the files that it reads, each once."""
        return list(dict.fromkeys(step["file"] for step in self.steps if step.get("file")))


@dataclass(frozen=True)
class PlanFile:
    """An upload of the actor's for a plan, under the name that the plan uses."""

    name: str
    id: int
    size: int


def importable_entities(uow: UnitOfWork) -> dict[str, EntitySpec]:
    """What the actor may import, by name. Raises `Forbidden` when that is nothing."""
    found = may_import(uow)
    if not found:
        raise Forbidden(_("You do not have the right to do this."))
    return found


def may_import(uow: UnitOfWork) -> dict[str, EntitySpec]:
    """What the actor may import, by name, be it nothing.

    Lines count where their parents may be imported, not merely changed.
    """
    return {
        name: spec
        for name, spec in uow.entities.items()
        if spec.importable
        and spec.creatable
        and may(uow, spec, "import")
        and may(uow, uow.entities.get(spec.governed_by, spec), "import")
        and may(uow, spec, "create")
    }


def plans_of(uow: UnitOfWork) -> list[SavedPlan]:
    """The actor's own plans and those shared with them, by title. Raises `Forbidden`."""
    usable, table = importable_entities(uow), import_plan_table
    statement = select(table).where(or_(table.c.owner_id == uow.actor.user_id, table.c.shared))
    rows = [
        row
        for row in uow.execute(statement.order_by(table.c.title, table.c.id))
        if _is_open(uow, row, usable)
    ]
    names = resolve_labels(uow, {"user": {row.owner_id for row in rows}}).get("user", {})
    return [_saved(uow, row, names) for row in rows]


def find_saved(uow: UnitOfWork, plan_id: int) -> SavedPlan:
    """A plan of the actor's, or one that is shared with them. Raises `NotFound`, `Forbidden`."""
    usable = importable_entities(uow)
    found = select(import_plan_table).where(import_plan_table.c.id == plan_id)
    row = uow.execute(found).one_or_none()
    if row is None or not _is_open(uow, row, usable):
        raise _no_plan()
    names = resolve_labels(uow, {"user": {row.owner_id}}).get("user", {})
    return _saved(uow, row, names)


def find_own(uow: UnitOfWork, plan_id: int) -> SavedPlan:
    """A plan that the actor may change: one of their own. Raises `NotFound`, `Forbidden`."""
    saved = find_saved(uow, plan_id)
    if not saved.is_mine:
        raise _no_plan()
    return saved


def save_plan(uow: UnitOfWork, title: str, content: Mapping[str, Any]) -> int:
    """Keep a new plan of the actor's and return its id. Raises `Invalid`, `Refused`."""
    importable_entities(uow)
    if uow.actor.user_id is None:
        raise Refused(_("Only a person can save this."))
    table, title = import_plan_table, _title(title)
    mine = select(func.count()).where(table.c.owner_id == uow.actor.user_id)
    if uow.execute(mine).scalar_one() >= _MOST:
        raise Refused(_("You have saved as many as can be kept. Delete one first."))
    values = {
        "owner_id": uow.actor.user_id,
        "title": title,
        "shared": False,
        "content": {"step": [], **content, "title": title},
        "version": 1,
        "updated_at": uow.now(),
    }
    made = uow.execute(insert(table).values(**values)).inserted_primary_key
    assert made is not None
    return int(made[0])


def change_plan(
    uow: UnitOfWork,
    plan_id: int,
    version: int,
    *,
    content: Mapping[str, Any] | None = None,
    title: str | None = None,
    shared: bool | None = None,
) -> None:
    """Change a plan of one's own that is still as it was at ``version``.

    Raises `NotFound` for another's, `Refused` when it was changed meanwhile, `Invalid` for its title.
    """
    saved = find_own(uow, plan_id)
    said = saved.content if content is None else content
    called = _title(title if title is not None else str(said.get("title") or saved.title))
    values: dict[str, Any] = {"title": called, "content": {**said, "title": called}}
    if shared is not None:
        values["shared"] = shared
    table = import_plan_table
    same = (table.c.id == plan_id) & (table.c.version == version)
    values |= {"version": version + 1, "updated_at": uow.now()}
    if uow.execute(update(table).where(same).values(**values)).rowcount != 1:
        raise Refused(_("The plan was changed in another window meanwhile. Look at it again."))


def delete_plan(uow: UnitOfWork, plan_id: int) -> None:
    """Delete one's own plan; an administrator also a shared one. Raises `NotFound`. The last one that a
    person deleted can be restored."""
    importable_entities(uow)
    table = import_plan_table
    deletable = table.c.owner_id == uow.actor.user_id
    if uow.actor.is_admin and not uow.actor.is_limited:
        deletable = or_(deletable, table.c.shared)
    chosen = select(table).where(table.c.id == plan_id, deletable).with_for_update()
    row = uow.execute(chosen).mappings().one_or_none()
    if row is None:
        raise _no_plan()
    files = import_plan_file_table
    uploads = uow.execute(select(files).where(files.c.plan_id == plan_id)).mappings()
    kept = {str(name): value for name, value in row.items()}
    kept["files"] = [{str(name): value for name, value in each.items()} for each in uploads]
    keep_gone(uow, "import_plan", kept)
    uow.execute(delete(table).where(table.c.id == plan_id))


def restore_plan(uow: UnitOfWork, plan_id: int) -> None:
    """Bring back the plan that the actor deleted last, with what people uploaded for it.

    Raises `NotFound` for any other, and `Refused` where its owner has as many as can be kept.
    """
    importable_entities(uow)
    row, table = take_gone(uow, "import_plan", plan_id), import_plan_table
    files = row.pop("files")
    theirs = select(func.count()).where(table.c.owner_id == row["owner_id"])
    if uow.execute(theirs).scalar_one() >= _MOST:
        raise Refused(_("You have saved as many as can be kept. Delete one first."))
    row["updated_at"] = datetime.fromisoformat(row["updated_at"])
    uow.execute(insert(table).values(row))
    if files:
        uow.execute(insert(import_plan_file_table), files)


# The files


def files_of(uow: UnitOfWork, plan_id: int) -> dict[str, PlanFile]:
    """What the actor has uploaded for a plan and is still kept, by the name that the plan uses."""
    table, files = import_plan_file_table, uow.snapshot.installed_entities["file"].table
    # Uploads that belong to no record are their maker's alone; see `core.files.access`.
    loose = files.c.entity.is_(None) & (files.c.created_by == uow.actor.user_id)
    statement = (
        select(table.c.name, files.c.id, files.c.size)
        .join_from(table, files, files.c.id == table.c.file_id)
        .where(table.c.plan_id == plan_id, table.c.user_id == uow.actor.user_id)
        .where(loose, files.c.archived_at.is_(None))
        .order_by(table.c.name)
    )
    return {row.name: PlanFile(row.name, row.id, row.size) for row in uow.execute(statement)}


def put_file(uow: UnitOfWork, plan_id: int, name: str, file_id: int) -> None:
    """Use an upload of the actor's for the file of that name, in place of an earlier one."""
    if len(name) > _LONGEST_NAME:
        message = _("Give a name of at most %(n)s characters.", n=_LONGEST_NAME)
        raise Invalid(message, [Problem("files", "too_long", message)])
    drop_file(uow, plan_id, name)
    if len(files_of(uow, plan_id)) >= _MOST_FILES:
        message = _("A plan reads at most %(n)s files.", n=_MOST_FILES)
        raise Invalid(message, [Problem("files", "too_many", message)])
    mine = {"plan_id": plan_id, "user_id": uow.actor.user_id, "name": name}
    uow.execute(insert(import_plan_file_table).values(**mine, file_id=file_id))


def drop_file(uow: UnitOfWork, plan_id: int, name: str) -> None:
    """Use an upload no longer; it goes with the others that nothing needs."""
    table = import_plan_file_table
    mine = (table.c.plan_id == plan_id) & (table.c.user_id == uow.actor.user_id)
    uow.execute(delete(table).where(mine, table.c.name == name))


def _is_open(uow: UnitOfWork, row: Row[Any], usable: Mapping[str, EntitySpec]) -> bool:
    if row.owner_id == uow.actor.user_id:
        return True
    return row.shared and all(each.get("entity") in usable for each in row.content["step"])


def _saved(uow: UnitOfWork, row: Row[Any], names: Mapping[int, str]) -> SavedPlan:
    return SavedPlan(
        id=row.id,
        title=row.title,
        owner=names.get(row.owner_id, f"#{row.owner_id}"),
        is_mine=row.owner_id == uow.actor.user_id,
        is_shared=row.shared,
        content=row.content,
        version=row.version,
        updated_at=row.updated_at,
    )


def _title(text: str) -> str:
    title = " ".join(text.replace("\x00", "").split())
    if not title or len(title) > LONGEST_TITLE:
        message = _("Give a name of at most %(n)s characters.", n=LONGEST_TITLE)
        raise Invalid(message, [Problem("title", "required" if not title else "too_long", message)])
    return title


def _no_plan() -> NotFound:
    return NotFound(_("There is no such import plan, or it is not yours."))

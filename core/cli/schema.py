"""The structure of the company's own: entities and fields, from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from core.cli.installation import as_json, emit, open_runtime, system_work

if TYPE_CHECKING:
    from core.customize.purge import Purged
    from core.work.uow import UnitOfWork

__all__ = ["schema"]


@click.group()
def schema() -> None:
    """Entities and fields of one's own: list, add, retire, restore, purge."""


@schema.command("list")
@as_json
def list_(as_json: bool) -> None:
    """What the company has made, and what of it is retired."""
    from core.customize.purge import retired

    with open_runtime() as runtime, system_work(runtime, write=False) as uow:
        rows = [
            {"entity": spec.name, "field": item.name, "label": str(item.label), "retired": False}
            for spec in uow.snapshot.entities.values()
            for item in spec
            if item.custom
        ]
        rows += [
            {"entity": spec.name, "field": None, "label": str(spec.label), "retired": False}
            for spec in uow.snapshot.entities.values()
            if spec.custom
        ]
        rows += [{**_names(each), "retired": True} for each in retired(uow)]
    rows.sort(key=lambda row: (row["entity"], row["field"] or ""))
    lines = [
        f"{'retired' if row['retired'] else 'in use':<8} {_place(row):<48} {row['label']}"
        for row in rows
    ]
    emit(rows, "\n".join(lines), as_json=as_json)


def _names(each: Purged) -> dict[str, Any]:
    return {"entity": each.entity, "field": each.field, "label": str(each.label)}


def _place(row: dict[str, Any]) -> str:
    return row["entity"] if row["field"] is None else f"{row['entity']}.{row['field']}"


@schema.command("add-entity")
@click.argument("file", type=click.File(encoding="utf-8"))
@as_json
def add_entity(file: Any, as_json: bool) -> None:
    """Publish the entity that FILE describes, as in POST /api/v1/schema/entities; - for stdin."""
    from core.customize import entities

    def add(uow: UnitOfWork) -> str:
        return entities.add_entity(uow, _object(file.read())).name

    _change(add, as_json=as_json)


@schema.command("add-field")
@click.argument("entity")
@click.argument("file", type=click.File(encoding="utf-8"))
@as_json
def add_field(entity: str, file: Any, as_json: bool) -> None:
    """Publish the field that FILE describes, as in POST …/fields; - for stdin."""
    from core.customize import service

    def add(uow: UnitOfWork) -> str:
        return f"{entity}.{service.add_field(uow, entity, _object(file.read())).name}"

    _change(add, as_json=as_json)


@schema.command()
@click.argument("entity")
@click.argument("field")
@click.argument("file", type=click.File(encoding="utf-8"), required=False)
@as_json
def rules(entity: str, field: str, file: Any, as_json: bool) -> None:
    """Show the rules of a field; with FILE set them as a whole, as in PUT …/rules; - for stdin."""
    from core.customize.ruling import ruled_field, set_rules
    from core.entities.rule_words import rule_sentences

    with open_runtime() as runtime, system_work(runtime, write=file is not None) as uow:
        if file is not None:
            set_rules(uow, entity, field, _object(file.read()))
        spec = uow.entity(entity)
        found = ruled_field(spec, field).rules
        told = [] if found is None else rule_sentences(uow, spec, spec[field], found)
        source = {} if found is None else dict(found.source)
    emit({"rules": source, "told": told}, "\n".join(told) or "–", as_json=as_json)


@schema.command()
@click.argument("entity")
@click.argument("field", required=False)
@as_json
def retire(entity: str, field: str | None, as_json: bool) -> None:
    """Hide a field, or an entity, everywhere; its values stay."""
    from core.customize import entities, service

    def hide(uow: UnitOfWork) -> str:
        if field is None:
            entities.retire_entity(uow, entity)
            return entity
        service.retire_field(uow, entity, field)
        return f"{entity}.{field}"

    _change(hide, as_json=as_json)


@schema.command()
@click.argument("entity")
@click.argument("field", required=False)
@as_json
def restore(entity: str, field: str | None, as_json: bool) -> None:
    """Show a retired field, or entity, again, with its values."""
    from core.customize import entities, service

    def show(uow: UnitOfWork) -> str:
        if field is None:
            return entities.restore_entity(uow, entity).name
        return f"{entity}.{service.restore_field(uow, entity, field).name}"

    _change(show, as_json=as_json)


@schema.command("purge")
@click.option("--older-than", default=30, show_default=True, metavar="DAYS", type=click.IntRange(0))
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
def purge_(older_than: int, yes: bool, as_json: bool) -> None:
    """Drop for good what was retired long ago, with all its values; part of a deployment.

    What is to go is named first, and asked about unless --yes is given.
    """
    from core.customize.purge import can_go, purge, retired
    from core.i18n import gettext as _

    def survey(uow: UnitOfWork) -> tuple[list[Purged], list[tuple[Purged, str]]]:
        return can_go(uow, retired(uow, before=uow.now() - timedelta(days=older_than)))

    with open_runtime() as runtime:
        with system_work(runtime, write=False) as uow:
            agreed, kept = survey(uow)
        for each, reason in kept:
            click.echo(_("%(what)s stays: %(reason)s", what=_told(each), reason=reason), err=True)
        for each in agreed:
            click.echo(_("%(what)s goes, with all its values", what=_told(each)), err=True)
        if agreed and not yes:
            click.confirm(_("Drop them for good?"), abort=True, err=True)
        with system_work(runtime) as uow:  # nobody waited while we asked: look again
            going = [each for each in survey(uow)[0] if each in agreed]
            purge(uow, going)
    names = [_told(each) for each in going]
    text = _("Dropped: %(names)s", names=", ".join(names) or "–")
    emit({"dropped": names}, text, as_json=as_json)


def _told(each: Purged) -> str:
    return _place(_names(each))


def _change(step: Callable[[UnitOfWork], str], *, as_json: bool) -> None:
    """Run a step as the system, and say what it was done to."""
    with open_runtime() as runtime, system_work(runtime) as uow:
        name = step(uow)
    emit({"done": name}, name, as_json=as_json)


def _object(text: str) -> dict[str, Any]:
    from core.errors import Refused
    from core.i18n import gettext as _

    try:
        found = json.loads(text)
    except ValueError as error:
        raise Refused(_("This is no JSON: %(reason)s", reason=str(error))) from None
    if not isinstance(found, dict):
        raise Refused(_("Give a JSON object."))
    return found

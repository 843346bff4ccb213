"""The life of the company's own fields: published, changed, retired and restored.

A field is a column: it is made in the transaction that describes it, on the request's own
connection, with the audit entry and the step of the epoch that tells every process.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Row, insert, select, update

from core.customize import indexes
from core.customize.changing import begin, finish, refuse_used, table_names, takes_fields
from core.customize.checks import (
    CUSTOMISABLE_KINDS,
    SEARCHED,
    check_choices,
    check_labels,
    check_meaning,
    check_new_field,
    check_options,
    marked,
)
from core.customize.ddl import make_field
from core.customize.reading import WAITS, field_spec
from core.customize.tables import custom_field_table
from core.customize.usage import uses_of_field
from core.entities.recompute import refill
from core.errors import Forbidden, NotFound, Problem, Refused
from core.faults import fault
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.i18n import gettext as _

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "CHANGEABLE",
    "CUSTOMISABLE_KINDS",
    "SEARCHED",
    "add_field",
    "change_field",
    "describe_field",
    "restore_field",
    "retire_field",
]

#: What of a field may change: nothing that would be another column.
CHANGEABLE = frozenset(
    {
        "label",
        "help",
        "required",
        "default",
        "searchable",
        "mask",
        "choices",
        "minimum",
        "maximum",
        "mobile_only",
        "level",
        "currency",
        "pattern",
        "expression",
    }
)


def add_field(uow: UnitOfWork, entity: str, body: Mapping[str, Any]) -> FieldSpec:
    """Publish a field: ``{"name", "kind", "label", …}``; at once part of everything.

    Raises `Forbidden`, `NotFound`, `Invalid`, `Refused`.
    """
    begin(uow)
    spec = uow.entity(entity)
    if not takes_fields(spec):
        raise Forbidden(_("%(entity)s take no fields of your own.", entity=str(spec.label_plural)))
    name, kind, labels, options = check_new_field(uow, spec, body)
    field = field_spec(name, kind, labels, options)
    check_meaning(uow, spec.with_fields((*spec.fields, field)), field)
    make_field(uow.connection, spec, field, table_names(uow))
    if indexes.provide(uow, spec, field, wanted=bool(options.get("index"))):
        options[WAITS] = True
    fault("schema.after_ddl")
    describe_field(uow, entity, name, kind, labels, options)
    finish(uow, "add_field", entity, name, {name: {"kind": kind, **options}})
    if isinstance(field.type, t.Computed):
        refill(uow, entity, name)
    fault("schema.before_commit")
    return uow.entity(entity)[name]


def describe_field(
    uow: UnitOfWork,
    entity: str,
    name: str,
    kind: str,
    labels: Mapping[str, str],
    options: Mapping[str, Any],
) -> None:
    """Write the row that describes a field."""
    uow.execute(
        insert(custom_field_table).values(
            entity=entity,
            name=name,
            kind=kind,
            labels=dict(labels),
            options=dict(options),
            retired=False,
            created_at=uow.now(),
            created_by=uow.actor.user_id,
        )
    )


def change_field(uow: UnitOfWork, entity: str, name: str, changes: Mapping[str, Any]) -> FieldSpec:
    """Change what is not the column itself: see `CHANGEABLE`; null takes an option away.

    "Required" applies to changes from now on. An option of a choice that is left out is retired:
    records that hold it keep it, others cannot be given it. Raises as `add_field`.
    """
    begin(uow)
    spec = uow.entity(entity)
    row = _row(uow, entity, name)
    if row.retired or row.kind == "lines":
        raise Refused(_("Only fields in use can be changed."))
    labels, options = _changed(uow, spec, row, changes)
    field = field_spec(name, row.kind, labels, options)
    others = (item for item in spec.fields if item.name != name)
    check_meaning(uow, spec.with_fields((*others, field)), field)
    _write(uow, entity, name, labels=labels, options=options)
    finish(uow, "change_field", entity, name, {name: dict(changes)})
    if isinstance(field.type, t.Computed) and "expression" in changes:
        refill(uow, entity, name)
    fault("schema.before_commit")
    return uow.entity(entity)[name]


def _changed(
    uow: UnitOfWork, spec: EntitySpec, row: Row[Any], changes: Mapping[str, Any]
) -> tuple[dict[str, str], dict[str, Any]]:
    problems: list[Problem] = []

    def wrong(place: str, code: str, message: str) -> None:
        problems.append(Problem(place, code, message))

    for key in sorted(set(changes) - CHANGEABLE):
        wrong(key[:60], "readonly", _("This cannot be changed after a field was made."))
    waiting = {key: row.options[key] for key in (WAITS,) if key in row.options}
    options = {**row.options, **{key: changes[key] for key in changes if key != "label"}}
    options.pop(WAITS, None)
    options = {key: value for key, value in options.items() if value is not None}
    if "choices" in changes and row.kind in ("choice", "multi_choice"):
        check_choices(changes["choices"], wrong)
    if "choices" in changes and not problems:
        options["choices"] = _with_retired(row.options.get("choices", []), changes["choices"])
    labels = check_labels(changes["label"]) if "label" in changes else dict(row.labels)
    if labels is None:
        wrong("label", "required", _("Give a label, in one language or several."))
    if not problems:
        check_options(uow, spec, row.kind, options, wrong)
    if problems:
        raise marked(problems)
    return labels or {}, {**options, **waiting}


def _with_retired(old: list[Any], new: list[Any]) -> list[Any]:
    """The new options, and behind them the old ones that they leave out."""
    named = {_value(item) for item in new}
    return [
        *new,
        *(
            {**(item if isinstance(item, dict) else {"value": item}), "retired": True}
            for item in old
            if _value(item) not in named
        ),
    ]


def _value(item: Any) -> str:
    return str(item.get("value") if isinstance(item, Mapping) else item)


def retire_field(uow: UnitOfWork, entity: str, name: str) -> None:
    """Hide a field everywhere; its column and its values stay.

    Raises `Refused` while a formula, a condition of a role or the name of its records needs it.
    """
    begin(uow)
    spec = uow.entity(entity)
    row = _row(uow, entity, name)
    if row.retired:
        raise Refused(_("It is retired already."))
    if row.kind == "lines":
        raise Refused(_("Retire the entity of the lines instead."))
    refuse_used(uses_of_field(uow, spec, name))
    _write(uow, entity, name, retired=True, retired_at=uow.now())
    finish(uow, "retire_field", entity, name)
    fault("schema.before_commit")


def restore_field(uow: UnitOfWork, entity: str, name: str) -> FieldSpec:
    """Show a retired field again, with the values that it had. Raises `Refused`, `Invalid`."""
    begin(uow)
    spec = uow.entity(entity)
    row = _row(uow, entity, name)
    if not row.retired:
        raise Refused(_("It is in use."))
    field = field_spec(name, row.kind, row.labels, row.options)
    target = getattr(field.type, "entity", None)
    if target is not None and target not in uow.snapshot.entities:
        raise Refused(_("It points to %(entity)s, which is not in use.", entity=target))
    check_meaning(uow, spec.with_fields((*spec.fields, field)), field)
    if row.options.get(WAITS):
        indexes.provide(uow, spec, field, wanted=True)  # it was retired before its index was made
    _write(uow, entity, name, retired=False, retired_at=None)
    finish(uow, "restore_field", entity, name)
    if isinstance(field.type, t.Computed):
        refill(uow, entity, name)
    fault("schema.before_commit")
    return uow.entity(entity)[name]


def _row(uow: UnitOfWork, entity: str, name: str) -> Row[Any]:
    row = uow.execute(select(custom_field_table).where(_is(entity, name))).one_or_none()
    if row is None:
        raise NotFound(_("There is no field %(name)s of your own.", name=name[:60]))
    return row


def _write(uow: UnitOfWork, entity: str, name: str, **values: Any) -> None:
    uow.execute(update(custom_field_table).where(_is(entity, name)).values(**values))


def _is(entity: str, name: str) -> ColumnElement[bool]:
    return (custom_field_table.c.entity == entity) & (custom_field_table.c.name == name)

"""Rules of fields kept in a table: laid over the declarations, set, and weighed against what exists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Index,
    Table,
    UniqueConstraint,
    and_,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateIndex, DropIndex

from core.customize.changing import begin, finish, takes_fields
from core.customize.kinds import kind_name
from core.customize.rules import make_rules, read_rules
from core.db.base import metadata
from core.db.names import physical_name
from core.db.types import BigId, Json, PlainText, UtcDateTime
from core.entities.conditions import parse_condition
from core.entities.conditions_sql import condition_sql
from core.entities.scope import living
from core.errors import Forbidden, NotFound, Refused
from core.fields import EntitySpec, FieldSpec
from core.fields.rules import FieldRules
from core.fields.storage import column_type
from core.fields.types import Choice, ChoiceField, FieldType, Tags
from core.i18n import gettext as _

if TYPE_CHECKING:
    from core.plugins.contributions import GoalMeasure
    from core.work.uow import UnitOfWork

__all__ = [
    "Breach",
    "breaches",
    "field_rule_table",
    "forget_rules",
    "lay_field_names",
    "lay_rules",
    "read_field_rules",
    "ruled_field",
    "set_rules",
]

field_rule_table = Table(
    "core_field_rule",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("entity", PlainText(63), nullable=False),
    Column("name", PlainText(63), nullable=False),
    #: As REST writes them: see `core.customize.rules`.
    Column("rules", Json, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("changed_by", BigId),
    UniqueConstraint("entity", "name"),
    sqlite_autoincrement=True,
)
_NAMED = 5
#: (entity, field)
Node = tuple[str, str]


@dataclass(frozen=True)
class Breach:
    """Records that do not keep a rule as they are, some of them by id, lowest first."""

    rule: str
    count: int
    ids: tuple[int, ...]


def read_field_rules(connection: Connection) -> dict[Node, Mapping[str, Any]]:
    """All rules as they are stored."""
    rows = connection.execute(select(field_rule_table).order_by(field_rule_table.c.id))
    return {(row.entity, row.name): row.rules for row in rows}


def lay_rules(
    specs: Mapping[str, EntitySpec], stored: Mapping[Node, Mapping[str, Any]]
) -> dict[str, EntitySpec]:
    """The entities with their fields' rules; entities without rules are the same objects."""
    ruled = {entity for entity, _name in stored}
    return {
        name: spec if name not in ruled else _with_types(spec, _ruled(spec, stored))
        for name, spec in specs.items()
    }


def lay_field_names(
    specs: Mapping[str, EntitySpec], measures: Sequence[GoalMeasure] = ()
) -> dict[str, EntitySpec]:
    """The entities, with the names of added fields, or of measures, among the options of fields that
    list them."""
    listing = {
        spec.name
        for spec in specs.values()
        if any(_lists(item.type, specs) for item in spec.fields)
    }
    figures = tuple(Choice(each.name, each.label) for each in measures)
    return {
        name: spec
        if name not in listing
        else _with_types(spec, tuple(_naming(item, specs, figures) for item in spec.fields))
        for name, spec in specs.items()
    }


def _lists(type_: FieldType, specs: Mapping[str, EntitySpec]) -> bool:
    return isinstance(type_, ChoiceField) and (type_.measures or type_.fields_of in specs)


def _naming(
    item: FieldSpec, specs: Mapping[str, EntitySpec], figures: tuple[Choice, ...]
) -> FieldSpec:
    if not _lists(item.type, specs):
        return item
    assert isinstance(item.type, ChoiceField)
    added = figures if item.type.measures else ()
    if (other := specs.get(item.type.fields_of)) is not None:
        added += tuple(
            Choice(each.name, each.label)
            for each in other
            if each.is_writable and _is_listed(each, other, item.type.of_kinds)
        )
    return replace(item, type=replace(item.type, choices=item.type.choices + added))


def _is_listed(item: FieldSpec, spec: EntitySpec, kinds: tuple[str, ...]) -> bool:
    if kinds:
        return item.custom and kind_name(item.type) in kinds
    return item.custom or item.owner not in ("core", spec.plugin)


def _with_types(spec: EntitySpec, fields: tuple[FieldSpec, ...]) -> EntitySpec:
    """A copy with these fields; parameters of verbs that share a field's type follow it."""
    new = {
        id(old.type): item.type
        for old, item in zip(spec.fields, fields, strict=True)
        if item.type is not old.type
    }
    if not new or not any(id(each.type) in new for verb in spec.actions for each in verb.params):
        return spec.with_fields(fields)
    actions = tuple(
        replace(
            verb,
            params=tuple(
                replace(each, type=new.get(id(each.type), each.type)) for each in verb.params
            ),
        )
        for verb in spec.actions
    )
    return replace(spec, fields=fields, actions=actions)


def _ruled(spec: EntitySpec, stored: Mapping[Node, Mapping[str, Any]]) -> tuple[FieldSpec, ...]:
    sources = [(item, stored.get((spec.name, item.name))) for item in spec.fields]
    return tuple(item if not source else _with(item, source) for item, source in sources)


def _with(item: FieldSpec, source: Mapping[str, Any]) -> FieldSpec:
    rules = make_rules(item, source)
    return replace(
        item,
        type=_shaped(_grouped(item.type, rules), rules),
        rules=rules,
        required=item.required or rules.required,
        unique=item.unique or rules.unique,
        default=item.default if rules.default is None else rules.default,
    )


def _grouped(type_: FieldType, rules: FieldRules) -> FieldType:
    """The type with the company's groups of tags in place of the module's."""
    if not rules.groups:
        return type_
    assert isinstance(type_, Tags)
    return replace(type_, groups=rules.groups, only_groups=rules.only_groups)


def _shaped(type_: FieldType, rules: FieldRules) -> FieldType:
    """The type with the company's options; what of the module's it leaves out is given no more."""
    if not rules.choices:
        return type_
    assert isinstance(type_, ChoiceField)
    declared = {choice.value: choice for choice in type_.choices}
    own = [
        replace(
            choice, label=known.label if not str(choice.label) else choice.label, tone=known.tone
        )
        if (known := declared.get(choice.value)) is not None
        else replace(choice, label=choice.label if str(choice.label) else choice.value)
        for choice in rules.choices
    ]
    named = {choice.value for choice in own}
    gone = [replace(each, retired=True) for each in type_.choices if each.value not in named]
    return replace(type_, choices=(*own, *gone))


def set_rules(uow: UnitOfWork, entity: str, name: str, body: Mapping[str, Any]) -> FieldSpec:
    """Replace the rules of a field by ``body``; without any it is as it was declared.

    They hold for changes from now on, but for ``unique``, which holds for all records: `Refused`
    names some that break it. Raises `Forbidden`, `NotFound`, `Invalid`.
    """
    begin(uow)
    spec = uow.entity(entity)
    item = ruled_field(spec, name)
    rules = read_rules(uow, spec, item, body)
    _keep_apart(uow, spec, item, rules)
    here = (field_rule_table.c.entity == entity) & (field_rule_table.c.name == name)
    uow.execute(delete(field_rule_table).where(here))
    if rules.source:
        row = {"entity": entity, "name": name, "rules": dict(rules.source)}
        stamp = {"changed_at": uow.now(), "changed_by": uow.actor.user_id}
        uow.execute(insert(field_rule_table).values(row | stamp))
    finish(uow, "set_rules", entity, name, {name: dict(rules.source)})
    return uow.entity(entity)[name]


def forget_rules(uow: UnitOfWork, entity: str, name: str | None = None) -> None:
    """Of a field that is purged, or all those of an entity; their indexes go with the column."""
    table = field_rule_table
    mine = [table.c.entity == entity] + ([table.c.name == name] if name is not None else [])
    uow.execute(delete(table).where(*mine))


def ruled_field(spec: EntitySpec, name: str) -> FieldSpec:
    """The field that rules are asked for; `Forbidden` and `NotFound` where there can be none."""
    if not takes_fields(spec):
        message = _("%(entity)s take no rules of your own.", entity=str(spec.label_plural))
        raise Forbidden(message)
    if name not in spec:
        raise NotFound(_("There is no field %(name)s.", name=name[:60]))
    return spec[name]


# Against what exists


def breaches(uow: UnitOfWork, spec: EntitySpec, item: FieldSpec, rules: FieldRules) -> list[Breach]:
    """What exists and does not keep the rules: for ``required`` and ``unique``, which SQL can tell."""
    found = []
    if (empty := _empty(uow, spec, item, rules)) is not None:
        part = "required" if rules.required else "required_when"
        found.append(_counted(uow, spec, part, [*living(uow, spec), empty]))
    if rules.unique:
        column = spec.column(item.name)
        again = select(column).where(column.is_not(None)).group_by(column)
        twice = column.in_(again.having(func.count() > 1))
        found.append(_counted(uow, spec, "unique", [twice]))
    return [breach for breach in found if breach.count]


def _empty(
    uow: UnitOfWork, spec: EntitySpec, item: FieldSpec, rules: FieldRules
) -> ColumnElement[bool] | None:
    """Where the field is empty though the rules ask for it."""
    asked = rules.required or rules.required_when is not None
    if not asked or not item.is_stored:
        return None
    needed = None if rules.required else rules.required_when
    conditions = [source for source in (needed, rules.visible_when) if source is not None]
    tests = (condition_sql(parse_condition(each, spec, uow), spec, uow) for each in conditions)
    return and_(spec.column(item.name).is_(None), *tests)


def _counted(
    uow: UnitOfWork, spec: EntitySpec, rule: str, where: list[ColumnElement[bool]]
) -> Breach:
    key = spec.table.c.id
    count = uow.execute(select(func.count()).select_from(spec.table).where(*where)).scalar_one()
    some = select(key).where(*where).order_by(key).limit(_NAMED)
    return Breach(rule, count, tuple(uow.execute(some).scalars()) if count else ())


def _keep_apart(uow: UnitOfWork, spec: EntitySpec, item: FieldSpec, rules: FieldRules) -> None:
    """Make or drop the index that keeps the values apart, also against two at the same instant."""
    was = item.rules is not None and item.rules.unique
    if was == rules.unique:
        return
    index = _index(spec, item)
    if was:
        uow.execute(DropIndex(index, if_exists=True))
        return
    for breach in breaches(uow, spec, item, replace(rules, required=False, required_when=None)):
        raise Refused(
            _(
                "%(n)s records have a value that another has too, e.g. %(records)s. "
                "Correct them first.",
                n=breach.count,
                records=", ".join(f"#{key}" for key in breach.ids),
            )
        )
    try:
        with uow.savepoint():
            uow.execute(CreateIndex(index, if_not_exists=True))
    except IntegrityError:  # made since they were counted
        raise Refused(_("Another change came first. Please try again.")) from None


def _index(spec: EntitySpec, item: FieldSpec) -> Index:
    """Over a throw-away description of the table, so that the real one stays as it is."""
    assert item.column is not None
    column = Column(item.column, column_type(item.type))
    shadow = Table(spec.table.name, type(metadata)(), column)
    return Index(
        physical_name(f"uqr_{spec.table.name}_{item.column}"), shadow.c[item.column], unique=True
    )

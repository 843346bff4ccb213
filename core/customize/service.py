"""Publishing and retiring the company's own fields.

A field is a column: it is made in the transaction that describes it, on the request's own
connection, with the audit entry and the step of the epoch that tells every process.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, Index, Table, insert, inspect, select

from core.audit.recorder import record_act
from core.customize.kinds import KINDS, LocalText, make_type
from core.customize.tables import custom_field_table
from core.db.base import metadata
from core.db.locks import lock_structure
from core.entities.computed import check_expression
from core.entities.dependencies import Circle, build_graph
from core.entities.links import define_link_table
from core.entities.recompute import refill
from core.entities.sequences import check_pattern
from core.entities.values import BadValue, check_value
from core.errors import Forbidden, Invalid, Problem
from core.expressions import ExpressionError
from core.faults import fault
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.fields.storage import column_type, is_detached
from core.i18n import LOCALES
from core.i18n import gettext as _
from core.reference.reading import LOOKUP, has_table
from core.runtime import bump_structure
from core.work.events import SchemaChanged

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["CUSTOMISABLE_KINDS", "add_field", "read_custom_fields"]

_NAME = re.compile(r"x_[a-z0-9_]{1,40}")
MAX_FIELDS = 200
#: Lines need an entity of their own; documents have their own editors.
CUSTOMISABLE_KINDS = tuple(kind for kind in KINDS if kind not in ("lines", "document"))
_COMMON = frozenset(
    {
        "name",
        "kind",
        "label",
        "help",
        "required",
        "unique",
        "default",
        "searchable",
        "index",
        "mask",
    }
)
_OPTIONS: dict[str, frozenset[str]] = {
    "text": frozenset({"max_length"}),
    "integer": frozenset({"minimum", "maximum"}),
    "decimal": frozenset({"precision", "scale"}),
    "money": frozenset({"precision", "scale", "currency"}),
    "choice": frozenset({"choices"}),
    "multi_choice": frozenset({"choices"}),
    "phone": frozenset({"mobile_only"}),
    "region": frozenset({"level"}),
    "reference": frozenset({"entity"}),
    "references": frozenset({"entity"}),
    "auto_number": frozenset({"pattern"}),
    "computed": frozenset({"expression", "result", "precision", "scale"}),
}


def read_custom_fields(
    connection: Connection, specs: Mapping[str, EntitySpec]
) -> dict[str, list[FieldSpec]]:
    """The company's fields by entity, in the order of their making; their columns are declared."""
    found: dict[str, list[FieldSpec]] = defaultdict(list)
    rows = connection.execute(select(custom_field_table).order_by(custom_field_table.c.id))
    for row in rows:
        spec = specs.get(row.entity)
        if spec is None:
            continue
        field = _field_spec(row.name, row.kind, row.labels, row.options, retired=row.retired)
        _declare(spec, field, specs)
        found[row.entity].append(field)
    return found


def _field_spec(
    name: str,
    kind: str,
    labels: Mapping[str, str],
    options: Mapping[str, Any],
    *,
    retired: bool = False,
) -> FieldSpec:
    type_ = make_type(kind, options)
    return FieldSpec(
        name=name,
        type=type_,
        label=LocalText(labels),
        help=LocalText(options["help"]) if options.get("help") else "",
        required=bool(options.get("required")),
        unique=bool(options.get("unique")),
        default=_default(type_, options.get("default")),
        searchable=bool(options.get("searchable")),
        mask=options.get("mask") or "",
        column=None if is_detached(type_) else name,
        owner="custom",
        custom=True,
        retired=retired,
    )


def _default(type_: t.FieldType, value: Any) -> Any:
    """A default as the column holds it, e.g. a day rather than its text; a wrong one as it is."""
    try:
        return None if value is None else check_value(type_, value)
    except BadValue:
        return value


def _declare(spec: EntitySpec, field: FieldSpec, specs: Mapping[str, EntitySpec]) -> None:
    """Make the column known to SQLAlchemy; a column once declared stays, unless it was never made
    (its transaction was rolled back) and there is one of another type now."""
    if isinstance(field.type, t.References):
        target = specs.get(field.type.entity)
        if target is not None:
            define_link_table(spec.table.name, field.name, target.table.name)
        return
    if field.column is None:
        return
    known, type_ = spec.table.c.get(field.name), column_type(field.type)
    if known is None or repr(known.type) != repr(type_):
        column = Column(field.name, type_, nullable=True)
        spec.table.append_column(column, replace_existing=known is not None)


def add_field(uow: UnitOfWork, entity: str, body: Mapping[str, Any]) -> FieldSpec:
    """Publish a field: ``{"name", "kind", "label", …}``; at once part of everything.

    The column is always nullable: "required" is kept by the service, so a process that is one epoch
    behind can still insert. Raises `Forbidden`, `NotFound`, `Invalid`.
    """
    if not (uow.actor.is_admin or uow.actor.is_system):
        raise Forbidden(_("Only administrators change the structure."))
    spec = uow.entity(entity)
    if spec.plugin == "core" and spec.name not in ("user", "department"):
        raise Forbidden(_("%(entity)s take no fields of your own.", entity=str(spec.label_plural)))
    name, kind, labels, options = _check(uow, spec, body)
    field = _field_spec(name, kind, labels, options)
    _check_meaning(uow, _with_field(spec, field), field)
    lock_structure(uow.connection)
    _make(uow, spec, field, indexed=bool(options.get("index")))
    uow.execute(
        insert(custom_field_table).values(
            entity=entity,
            name=name,
            kind=kind,
            labels=labels,
            options=options,
            retired=False,
            created_at=uow.now(),
            created_by=uow.actor.user_id,
        )
    )
    record_act(uow, "add_field", entity=entity, details={name: {"kind": kind, **options}})
    bump_structure(uow.connection)
    uow.publish(SchemaChanged(entity, name))
    if isinstance(field.type, t.Computed):
        uow.refresh()
        refill(uow, entity, name)
    fault("schema.before_commit")
    return field


def _with_field(spec: EntitySpec, field: FieldSpec) -> EntitySpec:
    return spec.with_fields((*spec.fields, field))


def _check(
    uow: UnitOfWork, spec: EntitySpec, body: Mapping[str, Any]
) -> tuple[str, str, dict[str, str], dict[str, Any]]:
    problems: list[Problem] = []

    def wrong(place: str, code: str, message: str) -> None:
        problems.append(Problem(place, code, message))

    kind = body.get("kind")
    if kind not in CUSTOMISABLE_KINDS:
        wrong(
            "kind",
            "choice",
            _("Choose one of: %(choices)s.", choices=", ".join(CUSTOMISABLE_KINDS)),
        )
        raise Invalid(_("Please correct what is marked."), problems)
    name = body.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        wrong("name", "name", _("A name begins with x_ and has small letters, digits and _."))
    elif name in {field.name for field in spec.fields} or _is_described(uow, spec.name, name):
        wrong("name", "taken", _("There is a field of this name already."))
    elif len(spec.fields) >= MAX_FIELDS:
        wrong("name", "too_many", _("At most %(n)s fields.", n=MAX_FIELDS))
    labels = _labels(body.get("label"))
    if labels is None:
        wrong("label", "required", _("Give a label, in one language or several."))
    for key in sorted(set(body) - _COMMON - _OPTIONS.get(kind, frozenset())):
        wrong(key[:60], "unknown_field", _("There is no field %(name)s.", name=key[:60]))
    options = {key: value for key, value in body.items() if key not in ("name", "kind", "label")}
    _check_options(uow, spec, kind, options, wrong)
    if problems:
        raise Invalid(_("Please correct what is marked."), problems)
    if options.get("help"):
        options["help"] = _labels(options["help"])
    return str(name), kind, labels or {}, options


def _is_described(uow: UnitOfWork, entity: str, name: str) -> bool:
    """True for a retired field too: its column is still there."""
    table = custom_field_table
    found = select(table.c.id).where(table.c.entity == entity, table.c.name == name)
    return uow.execute(found).first() is not None


def _labels(given: Any) -> dict[str, str] | None:
    if isinstance(given, str):
        given = dict.fromkeys(LOCALES, given)
    if not isinstance(given, Mapping) or not given:
        return None
    found = {}
    for locale, text in given.items():
        if locale not in LOCALES or not isinstance(text, str) or not text.strip():
            return None
        if len(text) > 100 or "\x00" in text:
            return None
        found[locale] = " ".join(text.split())
    return found


def _check_options(
    uow: UnitOfWork, spec: EntitySpec, kind: str, options: dict[str, Any], wrong: Any
) -> None:
    for key in ("required", "unique", "searchable", "index", "mobile_only"):
        if key in options and not isinstance(options[key], bool):
            wrong(key, "type", _("Expected %(expected)s.", expected=_("true or false")))
    for key, low, high in (("max_length", 1, 4000), ("precision", 1, 36), ("scale", 0, 12)):
        if key in options and not (type(options[key]) is int and low <= options[key] <= high):
            wrong(key, "range", _("Give a number from %(low)s to %(high)s.", low=low, high=high))
    for key in ("minimum", "maximum"):
        if key in options and not (type(options[key]) is int and abs(options[key]) < 10**18):
            wrong(key, "type", _("Expected %(expected)s.", expected=_("a whole number")))
    if options.get("help") and _labels(options["help"]) is None:
        wrong("help", "type", _("Give a text, in one language or several."))
    if "mask" in options and not re.fullmatch(r"[0-9]{0,2}-[0-9]{0,2}", str(options["mask"])):
        wrong("mask", "mask", _("Write a mask as 3-4: how many characters to keep at each end."))
    if kind in ("choice", "multi_choice"):
        _check_choices(options.get("choices"), wrong)
    if kind in ("reference", "references") and options.get("entity") not in [
        *uow.snapshot.entities
    ]:
        wrong("entity", "choice", _("Name an entity."))
    _check_fitting(kind, options, wrong)
    if kind == "region" and options.get("level", "district") not in (
        "province",
        "city",
        "district",
    ):
        wrong(
            "level", "choice", _("Choose one of: %(choices)s.", choices="province, city, district")
        )
    if kind == "auto_number":
        try:
            check_pattern(str(options.get("pattern", "{seq:6}")))
        except ValueError:
            wrong(
                "pattern",
                "pattern",
                _("A pattern has {seq} once, and may have {yyyy}, {mm}, {dd}."),
            )
    if kind == "computed" and options.get("result", "decimal") not in _RESULTS:
        wrong("result", "choice", _("Choose one of: %(choices)s.", choices=", ".join(_RESULTS)))
    if kind == "computed" and not isinstance(options.get("expression"), str):
        wrong("expression", "required", _("Please fill this in."))
    if "currency" in options and not re.fullmatch(r"[A-Z]{3}", str(options["currency"])):
        wrong("currency", "currency", _("Give a currency code such as CNY."))


def _check_fitting(kind: str, options: Mapping[str, Any], wrong: Any) -> None:
    """What a kind cannot be: lists are not unique, only texts are searched, numbers hold their scale."""
    message = _("This kind of field cannot have that.")
    if options.get("searchable") and kind not in _SEARCHED:
        wrong("searchable", "kind", message)
    for key in ("unique", "index"):
        if options.get(key) and kind in _UNORDERED:
            wrong(key, "kind", message)
    if options.get("required") and kind in ("computed", "auto_number"):
        wrong("required", "kind", message)
    if kind in ("decimal", "money", "computed"):
        default = t.Money() if "money" in (kind, options.get("result")) else t.Number()
        precision = options.get("precision", default.precision)
        scale = options.get("scale", default.scale)
        if type(precision) is int and type(scale) is int and scale > precision:
            wrong("scale", "range", _("There are more digits after the point than in all."))


_SEARCHED = ("text", "long_text", "rich_text", "email", "phone", "url", "auto_number")
_UNORDERED = ("long_text", "rich_text", "multi_choice", "tags", "references", "computed")
_RESULTS = ("text", "integer", "decimal", "money", "boolean", "date", "datetime")


def _check_choices(choices: Any, wrong: Any) -> None:
    if not isinstance(choices, list) or not 1 <= len(choices) <= 500:
        wrong("choices", "choices", _("Give a list of 1 to 500 options."))
        return
    values = []
    for item in choices:
        value = item.get("value") if isinstance(item, Mapping) else item
        if not isinstance(value, str) or not value.strip() or len(value) > 64 or "\x00" in value:
            wrong("choices", "choices", _("An option is a text of at most 64 characters."))
            return
        label = item.get("label", value) if isinstance(item, Mapping) else value
        if not (isinstance(label, str) or _labels(label)):
            wrong("choices", "choices", _("Give a label, in one language or several."))
            return
        values.append(value)
    if len(set(values)) != len(values):
        wrong("choices", "choices", _("Two options are the same."))


def _check_meaning(uow: UnitOfWork, spec: EntitySpec, field: FieldSpec) -> None:
    """What only the finished field shows: the expression compiles, the default fits."""
    try:
        if isinstance(field.type, t.Computed):
            _check_formula(uow, spec, field.type)
        if field.default is not None:
            check_value(field.type, field.default)
    except ExpressionError as error:
        place = {"column": error.column, "length": error.length}
        message = _("%(reason)s (character %(n)s)", reason=error.message, n=error.column)
        problem = Problem("expression", "expression", message, data=place)
        raise Invalid(message, [problem]) from None
    except BadValue as error:
        raise Invalid(str(error), [Problem("default", error.code, str(error))]) from None


def _check_formula(uow: UnitOfWork, spec: EntitySpec, type_: t.Computed) -> None:
    """It compiles, hangs on nothing that hangs on it, and looks into tables that there are."""
    installed = {**uow.snapshot.installed_entities, spec.name: spec}
    expression = check_expression(installed, spec, type_.expression, type_.result)
    try:
        build_graph({**uow.snapshot.entities, spec.name: spec}, installed, strict=True)
    except Circle as circle:
        message = _("It would be computed from itself: %(fields)s", fields=str(circle))
        raise ExpressionError(message, 1, len(type_.expression)) from None
    for source, (start, end) in expression.sources.items():
        if source.kind == LOOKUP and source.name is not None and not has_table(uow, source.name):
            message = _("There is no reference table %(name)s.", name=source.name[:60])
            raise ExpressionError(message, start + 1, end - start)


def _make(uow: UnitOfWork, spec: EntitySpec, field: FieldSpec, *, indexed: bool) -> None:
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    operations = Operations(MigrationContext.configure(uow.connection))
    if isinstance(field.type, t.References):
        target = uow.snapshot.installed_entities[field.type.entity]
        table = define_link_table(spec.table.name, field.name, target.table.name)
        if not inspect(uow.connection).has_table(table.name):
            table.create(uow.connection)
        return
    operations.add_column(
        spec.table.name, Column(field.name, column_type(field.type), nullable=True)
    )
    if field.unique or indexed or isinstance(field.type, t.Reference):
        prefix = "uq" if field.unique else "ix"
        _index(spec.table, field, f"{prefix}_{spec.table.name}_{field.name}").create(uow.connection)


def _index(table: Table, field: FieldSpec, name: str) -> Index:
    """An index over a throw-away description of the table, so that the real one stays as it is."""
    shadow = Table(table.name, type(metadata)(), Column(field.name, column_type(field.type)))
    return Index(name[:63], shadow.c[field.name], unique=field.unique)

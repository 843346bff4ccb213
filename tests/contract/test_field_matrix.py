"""Every kind of field × every consumer: storage, checks, masks, conditions, JSON, form, cell, filter,
import and export. A missing entry of a dispatch table shows here."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from importlib import import_module
from inspect import signature

import jsonschema
import orjson
import pytest
from markupsafe import Markup

from core.customize.kinds import KINDS, kind_name
from core.entities import query, schema, service
from core.entities.conditions import operators, parse_condition
from core.entities.conditions_python import condition_predicate
from core.entities.filters import operators_offered, value_control
from core.entities.inputs import InputContext, drawing, from_input, to_input
from core.entities.masking import Masked, mask_value
from core.entities.query import ListQuery
from core.entities.rendering import Reader, cell_renderer, display_html, display_text
from core.entities.values import check_value
from core.fields.storage import column_type, is_detached
from core.testing.factories import record_values

#: Where each consumer keeps its table of types; a consumer that is added is added here.
DISPATCH_TABLES = (
    "core.fields.storage:column_type",
    "core.entities.values:_check",
    "core.entities.schema:_reading",
    "core.entities.schema:_writing",
    "core.entities.schema:_converter",
    "core.entities.inputs:_write",
    "core.entities.inputs:_parse",
    "core.entities.rendering:_text",
    "core.entities.rendering:_html",
    "core.entities.filters:_order",
    "core.entities.tables:column_kind",
    "core.exchange.cleaning:_cleaner",
    "core.exchange.cells:_writer",
)
#: Not stored in a column of their own; they are written and shown with their records.
DETACHED = {"references", "lines"}
#: Not filtered on but for being set or not.
OPAQUE = {"file", "image", "document"}


@pytest.fixture
def rows(runtime, unit_of_work, admin_id):
    """A full record and an empty one, as the window gives them; ``rows.field(kind)`` with them."""
    with unit_of_work(admin_id) as uow:
        spec = uow.entity("specimen")
        (first,) = service.create(uow, "specimen", [{"name": "来源"}])
        full = record_values(uow, spec, full=True) | {
            "origin": first,
            "relatives": [first],
            "parts": [{"title": "壳", "amount": "2.50"}],
            "owner": admin_id,
        }
        ids = service.create(uow, "specimen", [full, {"name": "空"}])
    return ids


@cache
def field_names():
    """``{kind: field of the dummy}``; one of each kind."""
    from dummy_plugin.definitions import specimen

    from core.fields import describe

    found: dict[str, str] = {}
    for field in describe(specimen, plugin="x").fields:
        found.setdefault(kind_name(field.type), field.name)
    return found | {"text": "name"}


@pytest.fixture
def cases(rows, runtime, unit_of_work, admin_id):
    """``{kind: (field, value, the full row, the unit of work)}``"""
    with unit_of_work(admin_id, write=False) as uow:
        spec = uow.entity("specimen")
        record = query.get(uow, "specimen", rows[0])
        uow.memo["labels of the test"] = record.labels
        fields = {kind: spec[field_names()[kind]] for kind in KINDS}
        yield {
            kind: (field, record.values.get(field.name), record.values, uow)
            for kind, field in fields.items()
        }


def of_each_kind(check):
    """A test that makes the check for each kind of field, and names the first that fails."""
    others = [name for name in signature(check).parameters if name not in ("kind", "case")]

    def test(cases, request):
        more = {name: request.getfixturevalue(name) for name in others}
        for kind, case in cases.items():
            try:
                check(kind, case, **more)
            except Exception as error:
                error.add_note(f"kind of field: {kind}")
                raise

    test.__name__, test.__doc__ = check.__name__, check.__doc__
    return test


@pytest.mark.parametrize("path", DISPATCH_TABLES)
def test_the_dispatch_tables_are_where_the_list_says(path):
    module, _colon, name = path.partition(":")
    table = getattr(import_module(module), name)
    assert len(table.registry) > 5, "a table over field types"


def test_the_dummy_has_a_field_of_every_kind(runtime):
    assert set(field_names()) >= set(KINDS)


@of_each_kind
def test_storage(kind, case):
    field, value, _row, _uow = case
    assert is_detached(field.type) is (kind in DETACHED)
    if kind in DETACHED:
        with pytest.raises(TypeError):
            column_type(field.type)
    else:
        assert column_type(field.type) is not None
    if kind not in OPAQUE - {"document"}:
        assert value not in (None, []), "written and read back"


@pytest.mark.databases("sqlite", later=("postgresql",))
@of_each_kind
def test_checks_accept_what_was_stored(kind, case):
    field, value, _row, _uow = case
    if value is not None and kind != "lines":
        assert check_value(field.type, value) == value
    assert check_value(field.type, None) in (None, False)


@pytest.mark.databases("sqlite", later=("postgresql",))
@of_each_kind
def test_masks_give_nothing_away(kind, case):
    field, value, _row, _uow = case
    shown = mask_value(value, "")
    assert shown is None if value is None else isinstance(shown, Masked)
    assert value is None or str(shown) == "****"
    if isinstance(shown, Masked):
        assert schema.to_json(field.type, shown) == "****"


@of_each_kind
def test_conditions_mean_the_same_in_sql_and_python(kind, case, rows):
    field, value, row, uow = case
    spec = uow.entity("specimen")
    if kind == "lines":
        assert operators(field.type) <= {"is_set", "is_empty"}
        return
    tests = [{"field": field.name, "op": op} for op in ("is_set", "is_empty")]
    plain = [str(value) if isinstance(value, Decimal) else value]
    if "eq" in operators(field.type) and kind != "datetime":
        tests += [{"field": field.name, "op": op, "value": plain[0]} for op in ("eq", "ne")]
    if "contains" in operators(field.type) and isinstance(value, list):
        tests.append({"field": field.name, "op": "contains", "value": value[0]})
    other = query.get(uow, "specimen", rows[1]).values
    for test in tests:
        predicate = condition_predicate(parse_condition(test, spec, uow))
        by_python = [record["id"] for record in (row, other) if predicate(record)]
        found = query.page(uow, "specimen", ListQuery(filter=test, sort="id"))
        by_sql = [record["id"] for record in found.items if record["id"] in rows]
        assert by_sql == by_python, test
    with_all = parse_condition({"all": tests}, spec, uow)
    assert condition_predicate(with_all)(row) is False


@pytest.mark.databases("sqlite", later=("postgresql",))
@of_each_kind
def test_json_is_what_its_schema_says(kind, case):
    field, value, _row, _uow = case
    assert schema.write_schema(field) is not None
    if kind == "lines":
        return  # their fields differ by reader: made with the record
    shown = orjson.loads(orjson.dumps(schema.to_json(field.type, value, {})))
    jsonschema.validate(shown, _without_references(schema.read_schema(field)))
    jsonschema.validate(None, _without_references(schema.read_schema(field)))


def _without_references(found):
    """The schema with references to the document's components left open."""
    if isinstance(found, dict):
        return {} if "$ref" in found else {k: _without_references(v) for k, v in found.items()}
    return [_without_references(item) for item in found] if isinstance(found, list) else found


@pytest.mark.databases("sqlite", later=("postgresql",))
@of_each_kind
def test_forms_show_a_value_and_read_it_back(kind, case, runtime):
    field, value, _row, uow = case
    if not field.is_writable or kind == "lines":
        return  # lines are rows of inputs of their own
    labels = uow.memo["labels of the test"]
    context = InputContext(uow, Reader(runtime.clock.timezone, labels=labels))
    assert drawing(field.type, context).kind
    texts = to_input(field.type, value, context)
    assert all(isinstance(text, str) for text in texts)
    if kind not in OPAQUE:
        assert check_value(field.type, from_input(field.type, texts, context)) == value


@pytest.mark.databases("sqlite", later=("postgresql",))
@of_each_kind
def test_cells_are_safe_html(kind, case, runtime):
    field, value, row, _uow = case
    reader = Reader(runtime.clock.timezone)
    assert isinstance(cell_renderer(field, reader)(row), Markup)
    assert isinstance(display_html(field.type, value, reader, row), str)
    assert isinstance(display_text(field.type, value, reader, row), str)
    assert display_text(field.type, None, reader) == ""


@pytest.mark.databases("sqlite", later=("postgresql",))
@of_each_kind
def test_filters_offer_what_conditions_know(kind, case):
    field, _value, _row, _uow = case
    offered = [name for name, _label in operators_offered(field.type)]
    assert {name for name in offered if not name.endswith("_me")} <= operators(field.type)
    assert offered or kind in OPAQUE | {"lines"}
    assert all(value_control(field.type, op) is not None for op in offered)


@of_each_kind
def test_exports_come_back_through_the_import(kind, case):
    """The cell that is written is one that the cleaning of imports reads as the same value."""
    from core.exchange.cells import cell_writer
    from core.exchange.cleaning import ColumnCleaner
    from core.exchange.exporting import exportable_fields

    field, value, row, uow = case
    spec = uow.entity("specimen")
    names = [item.name for item in exportable_fields(uow, spec)]
    assert field.name in names or kind in DETACHED | OPAQUE
    if field.name not in names or kind in OPAQUE:
        return
    found = query.page(uow, "specimen", ListQuery(fields=(field.name,), limit=10))
    writer = cell_writer(uow, field)
    writer.prepare(uow, found)
    cell = writer.cell(value)
    assert cell not in (None, "")
    if field.is_writable:
        cleaner = ColumnCleaner(uow, field)
        cleaner.prepare(uow, [cell])
        assert check_value(field.type, cleaner.value(cell)) == value

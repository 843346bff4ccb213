"""Rules that categories, products and their parameters keep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, select

from core.entities.changes import Change
from core.errors import Problem
from core.expressions import ExpressionError
from core.i18n import gettext as _
from plugins.crm_sales.circles import check_circles
from plugins.crm_sales.products import formulas
from plugins.crm_sales.products.parameters import Parameter, check_definitions, parameter_of
from plugins.crm_sales.products.policies import rules

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["validate_categories", "validate_parameters", "validate_products"]

#: Columns that name a record of the same table.
_UPWARD = ("parent_id", "variant_of_id")


def validate_categories(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    yield from check_circles(changes, uow, "parent", _("A category cannot stand below itself."))
    table, product = uow.entity("product_category").table, uow.entity("product").table
    leaving = {change.id: change for change in changes if change.kind == "delete"}
    if leaving:
        used = {
            *_used(uow, product, product.c.category_id, leaving),
            *_used(uow, table, table.c.parent_id, leaving),
        }
        for key in sorted(used):
            message = _("There are products or categories in it. Move them first.")
            yield leaving[key].problem("name", "in_use", message)


def _used(uow: UnitOfWork, table: Any, column: Any, keys: Mapping[Any, Any]) -> set[int]:
    """Those of ``keys`` that living rows name which are not among them themselves."""
    wanted = list(keys)
    asked = select(column).where(column.in_(wanted), table.c.archived_at.is_(None))
    if column.name in _UPWARD:
        asked = asked.where(table.c.id.not_in(wanted))
    return set(uow.execute(asked.distinct()).scalars())


def validate_products(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    written = rules.written(changes)
    for change in written:
        rules.note(change, "parameters", uow)
        rules.note(change, "attributes", uow)
        yield from _check_product(change)
        if change.changed("price_formula") or "parameters" in change.detached:
            yield from _check_formula(change, uow)
    yield from _check_variants(written, uow)
    leaving = {change.id: change for change in changes if change.kind == "delete"}
    if leaving:
        yield from _still_used(leaving, uow)


def _check_product(change: Change) -> Iterable[Problem]:
    after = change.after
    for name in ("list_price", "cost"):
        if after[name] is not None and after[name] < 0:
            yield change.problem(name, "range", _("A price is not negative."))
    if after["tax_rate"] is not None and not 0 <= after["tax_rate"] <= rules.HUNDRED:
        yield change.problem("tax_rate", "range", _("Write a number from 0 to 100."))


def _check_formula(change: Change, uow: UnitOfWork) -> Iterable[Problem]:
    rows = _lines_after(change, "parameters", uow)
    asked = [parameter_of(row) for row in rows]
    wrong = list(check_definitions(asked))
    for place, field, code, message in wrong:
        yield change.problem(f"parameters.{place}.{field}", code, message)
    formula = change.after["price_formula"]
    if wrong or not formula:
        return
    if not asked and change.after["variant_of"] is not None:
        asked = list(_stored_parameters(uow, change.after["variant_of"]))
    yield from _formula_problem(change, formula, asked)


def _formula_problem(change: Change, formula: str, asked: Sequence[Parameter]) -> Iterable[Problem]:
    try:
        formulas.check(formula, asked)
    except ExpressionError as error:
        message = _("At sign %(column)s: %(why)s", column=error.column, why=error.message)
        yield change.problem("price_formula", "formula", message)


def _lines_after(change: Change, name: str, uow: UnitOfWork) -> list[dict[str, Any]]:
    """The lines as they will be: what is stored, with what was given over it."""
    if name not in change.detached:
        return [] if change.id is None else _stored_lines(uow, change, name)
    old = {line["id"]: line for line in change.before.get(name) or ()}
    return [{**old.get(line.get("id"), {}), **line} for line in change.detached[name]]


def _stored_lines(uow: UnitOfWork, change: Change, name: str) -> list[dict[str, Any]]:
    entity = {"parameters": "product_parameter", "attributes": "product_attribute"}[name]
    table = uow.entity(entity).table
    rows = uow.execute(
        select(table)
        .where(table.c.product_id == change.id, table.c.archived_at.is_(None))
        .order_by(table.c.position, table.c.id)
    )
    return [dict(row) for row in rows.mappings()]


def _stored_parameters(uow: UnitOfWork, product: int) -> Iterable[Parameter]:
    table = uow.entity("product_parameter").table
    rows = uow.execute(
        select(table).where(table.c.product_id == product, table.c.archived_at.is_(None))
    )
    return [parameter_of(row) for row in rows.mappings()]


def _check_variants(written: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """A variant of a variant, of itself, and two variants of one product that are alike."""
    touched = [
        c
        for c in written
        if c.after["variant_of"] is not None
        and (c.kind == "restore" or c.changed("variant_of") or "attributes" in c.detached)
    ]
    table = uow.entity("product").table
    mains = {c.after["variant_of"] for c in touched}
    rows = uow.execute(select(table.c.id, table.c.variant_of_id).where(table.c.id.in_(mains)))
    above = {row.id: row.variant_of_id for row in rows}
    parents = [c.id for c in touched if c.id is not None]
    with_variants = _used(uow, table, table.c.variant_of_id, dict.fromkeys(parents))
    taken = _attributes_of(uow, mains, {c.id for c in touched})
    for change in touched:
        main = change.after["variant_of"]
        if main == change.id or above.get(main) is not None or change.id in with_variants:
            message = _("A product with variants is no variant itself.")
            yield change.problem("variant_of", "circle", message)
            continue
        own = frozenset(
            (str(line.get("name") or "").strip(), str(line.get("value") or "").strip())
            for line in _lines_after(change, "attributes", uow)
        )
        if own and own in taken.setdefault(main, set()):
            message = _("There is a variant with these attributes already.")
            yield change.problem("attributes", "taken", message)
        taken.setdefault(main, set()).add(own)


def _attributes_of(
    uow: UnitOfWork, mains: set[int], but: set[Any]
) -> dict[int, set[frozenset[tuple[str, str]]]]:
    """By main product the attributes of each of its variants."""
    product, line = uow.entity("product").table, uow.entity("product_attribute").table
    rows = uow.execute(
        select(product.c.id, product.c.variant_of_id, line.c.name, line.c.value)
        .select_from(
            product.outerjoin(
                line, and_(line.c.product_id == product.c.id, line.c.archived_at.is_(None))
            )
        )
        .where(product.c.variant_of_id.in_(mains), product.c.archived_at.is_(None))
    )
    pairs: dict[tuple[int, int], set[tuple[str, str]]] = {}
    for row in rows:
        if row.id not in but:
            own = pairs.setdefault((row.variant_of_id, row.id), set())
            if row.name:
                own.add((row.name, row.value or ""))
    found: dict[int, set[frozenset[tuple[str, str]]]] = {}
    for (main, _key), own in pairs.items():
        found.setdefault(main, set()).add(frozenset(own))
    return found


def _still_used(leaving: Mapping[Any, Change], uow: UnitOfWork) -> Iterable[Problem]:
    line, product = uow.entity("quote_line").table, uow.entity("product").table
    item = uow.entity("price_list_item").table
    asked = uow.entity("opportunity_line").table
    used = {
        *_used(uow, line, line.c.product_id, leaving),
        *_used(uow, asked, asked.c.product_id, leaving),
        *_used(uow, item, item.c.product_id, leaving),
        *_used(uow, product, product.c.variant_of_id, leaving),
    }
    for key in sorted(used):
        message = _(
            "Opportunities, quotes, price lists or variants name it. Take it off sale instead."
        )
        yield leaving[key].problem("name", "in_use", message)


def validate_parameters(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """A parameter by itself: the formula of its product must still know all its names."""
    if "product" in uow.memo.get(rules.IN_HAND, ()):
        return
    table = uow.entity("product").table
    keys = {change.after["product"] for change in changes}
    rows = uow.execute(select(table.c.id, table.c.price_formula).where(table.c.id.in_(keys)))
    formula_of = {row.id: row.price_formula for row in rows}
    parameter = uow.entity("product_parameter").table
    stored = uow.execute(
        select(parameter).where(parameter.c.product_id.in_(keys), parameter.c.archived_at.is_(None))
    ).mappings()
    touched = {change.id for change in changes}
    others: dict[int, list[Parameter]] = {}
    for row in stored:
        if row["id"] not in touched:
            others.setdefault(row["product_id"], []).append(parameter_of(row))
    for change in changes:
        beside = others.setdefault(change.after["product"], [])
        own = [] if change.kind == "delete" else [parameter_of(change.after)]
        for place, field, code, message in check_definitions([*beside, *own]):
            if place >= len(beside):
                yield change.problem(field, code, message)
        beside += own
    for change in changes:
        formula = formula_of.get(change.after["product"])
        try:
            if formula:
                formulas.check(formula, others[change.after["product"]])
        except ExpressionError as error:
            message = _("The price formula would fail: %(why)s", why=error.message)
            yield change.problem("name", "formula", message)

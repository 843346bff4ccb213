"""Rules that products, prices and quotes keep, and who may do what with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, or_, select

from core.entities.changes import Change
from core.errors import Problem
from core.expressions import ExpressionError
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import RoleTemplate
from core.settings.service import get_setting
from plugins.crm_sales.products import formulas
from plugins.crm_sales.products.lines import validate_lines
from plugins.crm_sales.products.parameters import Parameter, check_definitions, parameter_of

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["IN_HAND", "roles_with", "validate"]

_HUNDRED = Decimal(100)
_DEEPEST = 50
#: Columns that name a record of the same table.
_UPWARD = ("parent_id", "variant_of_id")
#: In the memo of a transaction: the entities whose lines are being written with their parents, which
#: see to what concerns all lines together.
IN_HAND = "crm_sales.lines in hand"

_READ = {"read": "all"}
_CATALOGUE = ("product", "product_category", "price_list", "exchange_rate")
_QUOTE_VERBS = ("submit", "send", "accept", "decline", "revise", "copy", "withdraw")
_MANAGED = ("read", "create", "update", "delete", "import", "export")

_ROLES = (
    RoleTemplate(
        "sales",
        _l("Sales"),
        {
            **dict.fromkeys(_CATALOGUE, _READ),
            "quote": dict.fromkeys(("read", "create", "update", "delete", *_QUOTE_VERBS), "own"),
        },
        fields={"product": {"cost": "hidden"}},
    ),
    RoleTemplate(
        "sales_manager",
        _l("Sales manager"),
        {
            **{name: dict.fromkeys(_MANAGED, "all") for name in _CATALOGUE},
            "quote": dict.fromkeys((*_MANAGED, *_QUOTE_VERBS), "department_below"),
            "discount_limit": _READ,
        },
    ),
    RoleTemplate(
        "service_agent",
        _l("Service agent"),
        {"product": _READ, "product_category": _READ},
        fields={"product": {"cost": "hidden"}},
    ),
    RoleTemplate(
        "service_manager",
        _l("Service manager"),
        {"product": _READ, "product_category": _READ},
        fields={"product": {"cost": "hidden"}},
    ),
    RoleTemplate("viewer", _l("Viewer"), fields={"product": {"cost": "hidden"}}),
)


def roles_with(others: Sequence[RoleTemplate]) -> list[RoleTemplate]:
    """The roles of the module: those of customers, which say here what they may do with products too."""
    found = {role.name: role for role in others}
    for role in _ROLES:
        known = found.get(role.name, role)
        found[role.name] = replace(
            known,
            grants={**known.grants, **role.grants},
            fields={**known.fields, **role.fields},
        )
    return list(found.values())


def validate(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Problems of changes to what this part keeps; none for other entities."""
    check = _CHECKS.get(changes[0].entity.name)
    return () if check is None else check(changes, uow)


def _written(changes: Sequence[Change]) -> list[Change]:
    return [change for change in changes if change.kind in ("create", "update")]


def _note(change: Change, lines: str, uow: UnitOfWork) -> None:
    """The lines of this record are written next: what concerns all of them is seen to here."""
    if lines in change.detached and change.changed(lines):
        uow.memo.setdefault(IN_HAND, set()).add(change.entity.name)


# Categories and products


def _validate_categories(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    table = uow.entity("product_category").table
    parents = _column_of(uow, table, table.c.parent_id)
    for change in _written(changes):
        if change.id is not None:
            parents[change.id] = change.after["parent"]
    for change in _written(changes):
        above, steps = change.after["parent"], 0
        while above is not None and above != change.id and steps < _DEEPEST:
            above, steps = parents.get(above), steps + 1
        if above is not None:
            message = _("A category cannot stand below itself.")
            yield change.problem("parent", "circle", message)
    product = uow.entity("product").table
    leaving = {change.id: change for change in changes if change.kind == "delete"}
    if leaving:
        used = {
            *_used(uow, product, product.c.category_id, leaving),
            *_used(uow, table, table.c.parent_id, leaving),
        }
        for key in sorted(used):
            message = _("There are products or categories in it. Move them first.")
            yield leaving[key].problem("name", "in_use", message)


def _column_of(uow: UnitOfWork, table: Any, column: Any) -> dict[int, Any]:
    rows = uow.execute(select(table.c.id, column).where(table.c.archived_at.is_(None)))
    return {key: value for key, value in rows}


def _used(uow: UnitOfWork, table: Any, column: Any, keys: Mapping[Any, Any]) -> set[int]:
    """Those of ``keys`` that living rows name which are not among them themselves."""
    wanted = list(keys)
    asked = select(column).where(column.in_(wanted), table.c.archived_at.is_(None))
    if column.name in _UPWARD:
        asked = asked.where(table.c.id.not_in(wanted))
    return set(uow.execute(asked.distinct()).scalars())


def _validate_products(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    written = _written(changes)
    for change in written:
        _note(change, "parameters", uow)
        _note(change, "attributes", uow)
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
    if after["tax_rate"] is not None and not 0 <= after["tax_rate"] <= _HUNDRED:
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
        and (c.changed("variant_of") or "attributes" in c.detached)
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
    used = {
        *_used(uow, line, line.c.product_id, leaving),
        *_used(uow, item, item.c.product_id, leaving),
        *_used(uow, product, product.c.variant_of_id, leaving),
    }
    for key in sorted(used):
        message = _("Quotes, price lists or variants name it. Take it off sale instead.")
        yield leaving[key].problem("name", "in_use", message)


def _validate_parameters(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """A parameter by itself: the formula of its product must still know all its names."""
    if "product" in uow.memo.get(IN_HAND, ()):
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


# Price lists, rates, limits


def _validate_price_lists(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    written = _written(changes)
    for change in written:
        _note(change, "items", uow)
        start, end = change.after["valid_from"], change.after["valid_to"]
        if start is not None and end is not None and end < start:
            yield change.problem("valid_to", "range", _("It ends before it begins."))
            continue
        yield from _overlaps(change, [c for c in written if c is not change], uow)
    for change in written:
        if "items" in change.detached:
            old = {line["id"]: line for line in change.before.get("items") or ()}
            rows = [{**old.get(line.get("id"), {}), **line} for line in change.detached["items"]]
            yield from _twice(change, rows)
    leaving = [change for change in changes if change.kind == "delete"]
    for change in leaving:
        if _drafts_with(uow, change.id):
            message = _("A draft of a quote names it. Switch it off instead.")
            yield change.problem("name", "in_use", message)


def _drafts_with(uow: UnitOfWork, price_list: int | None) -> bool:
    quote = uow.entity("quote").table
    asked = select(quote.c.id).where(
        quote.c.price_list_id == price_list,
        quote.c.status.in_(("draft", "in_approval")),
        quote.c.archived_at.is_(None),
    )
    return uow.execute(asked.limit(1)).first() is not None


def _overlaps(change: Change, beside: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Another list for the same customers, of the same rank, at the same time: which counts?"""
    after = change.after
    if not after["is_active"]:
        return
    table = uow.entity("price_list").table
    start, end = after["valid_from"] or date.min, after["valid_to"]
    wanted = [
        table.c.is_active,
        table.c.archived_at.is_(None),
        table.c.currency == after["currency"],
        table.c.customer_level.is_not_distinct_from(after["customer_level"]),
        table.c.region.is_not_distinct_from(after["region"]),
        table.c.priority == (after["priority"] or 0),
        or_(table.c.valid_to.is_(None), table.c.valid_to >= start),
        table.c.id.not_in([c.id for c in (change, *beside) if c.id is not None]),
    ]
    if end is not None:
        wanted.append(table.c.valid_from <= end)
    rows = uow.execute(select(table.c.name).where(*wanted).limit(1)).scalars().all()
    names = [*rows, *(c.after["name"] for c in beside if _same_rank(after, c.after))]
    if names:
        message = _(
            "“%(name)s” counts for the same customers at the same time."
            " Change the days, or give one a higher priority.",
            name=names[0],
        )
        yield change.problem("valid_from", "overlap", message)


def _same_rank(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    names = ("currency", "customer_level", "region", "priority", "is_active")
    if any(one[name] != other[name] for name in names):
        return False
    return not any(
        first["valid_to"] is not None
        and second["valid_from"] is not None
        and first["valid_to"] < second["valid_from"]
        for first, second in ((one, other), (other, one))
    )


def _twice(change: Change, rows: Sequence[Mapping[str, Any]]) -> Iterable[Problem]:
    seen = set()
    for place, row in enumerate(rows):
        key = (str(row.get("product")), _quantity_of(row))
        if key in seen:
            message = _("This product has a price from this quantity on already.")
            yield change.problem(f"items.{place}.minimum_quantity", "taken", message)
        seen.add(key)


def _quantity_of(row: Mapping[str, Any]) -> Any:
    value = row.get("minimum_quantity")
    try:
        return Decimal(str(value or 0)).normalize()
    except ArithmeticError:
        return value  # told as no number by its own check


def _validate_items(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    written = _written(changes)
    for change in written:
        price, discount = change.after["price"], change.after["discount"]
        if (price is None) == (discount is None):
            message = _("Write either a price or a discount.")
            yield change.problem("price", "either", message)
        if price is not None and price < 0:
            yield change.problem("price", "range", _("A price is not negative."))
        if discount is not None and not 0 <= discount <= _HUNDRED:
            yield change.problem("discount", "range", _("Write a number from 0 to 100."))
        quantity = change.after["minimum_quantity"]
        if quantity is not None and quantity < 0:
            yield change.problem("minimum_quantity", "range", _("A quantity is not negative."))
    if "price_list" not in uow.memo.get(IN_HAND, ()):
        yield from _taken_items(written, uow)


def _taken_items(written: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    table = uow.entity("price_list_item").table
    lists = {change.after["price_list"] for change in written}
    products = {change.after["product"] for change in written}
    own = {change.id for change in written}
    rows = uow.execute(
        select(table.c.id, table.c.price_list_id, table.c.product_id, table.c.minimum_quantity)
        .where(table.c.price_list_id.in_(lists), table.c.product_id.in_(products))
        .where(table.c.archived_at.is_(None))
    )
    taken = {
        (row.price_list_id, row.product_id, row.minimum_quantity or Decimal(0))
        for row in rows
        if row.id not in own
    }
    for change in written:
        after = change.after
        key = (after["price_list"], after["product"], after["minimum_quantity"] or Decimal(0))
        if key in taken:
            message = _("This product has a price from this quantity on already.")
            yield change.problem("minimum_quantity", "taken", message)
        taken.add(key)


def _validate_rates(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    company = get_setting(uow, "core", "currency")
    written = _written(changes)
    taken = _rates_there(written, uow)
    for change in written:
        after = change.after
        if after["rate"] is not None and after["rate"] <= 0:
            yield change.problem("rate", "range", _("A rate is more than nothing."))
        if after["currency"] == company:
            message = _("This is the company's own currency.")
            yield change.problem("currency", "own", message)
        key = (after["currency"], after["valid_from"])
        if key in taken:
            message = _("There is a rate of this currency from this day on already.")
            yield change.problem("valid_from", "taken", message)
        taken.add(key)


def _rates_there(written: Sequence[Change], uow: UnitOfWork) -> set[tuple[str, date]]:
    """Currency and day of the living rates beside those that are written."""
    days = [change.after["valid_from"] for change in written if change.after["valid_from"]]
    if not days:
        return set()
    table = uow.entity("exchange_rate").table
    rows = uow.execute(
        select(table.c.id, table.c.currency, table.c.valid_from).where(
            table.c.valid_from.between(min(days), max(days)), table.c.archived_at.is_(None)
        )
    )
    own = {change.id for change in written}
    return {(row.currency, row.valid_from) for row in rows if row.id not in own}


def _validate_limits(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    for change in _written(changes):
        limit = change.after["limit"]
        if limit is not None and not 0 <= limit <= _HUNDRED:
            yield change.problem("limit", "range", _("Write a number from 0 to 100."))


# Quotes

#: What may change once a quote is submitted.
_ALWAYS_FREE = frozenset({"owner", "department", "version", "updated_at", "updated_by"})


def _validate_quotes(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    written = _written(changes)
    for change in written:
        _note(change, "lines", uow)
    deals = _rows(uow, "opportunity", {c.after["opportunity"] for c in written})
    lists = _rows(uow, "price_list", {c.after["price_list"] for c in written})
    for change in changes:
        before = change.before.get("status", "draft")
        if uow.actor.is_system or before == "draft":
            continue
        names = set(change.changed_fields()) | set(change.detached)
        if (change.kind == "delete" and before == "accepted") or (
            change.kind == "update" and names - _ALWAYS_FREE
        ):
            message = _("A quote that was submitted stays as it is; make a new version of it.")
            yield change.problem("status", "locked", message)
    for change in written:
        after = change.after
        deal, named = deals.get(after["opportunity"]), lists.get(after["price_list"])
        if deal is not None and deal["customer_id"] != after["customer"]:
            message = _("This opportunity belongs to another customer.")
            yield change.problem("opportunity", "other_customer", message)
        if named is not None and after["currency"] not in (None, named["currency"]):
            message = _("This list is in %(currency)s.", currency=named["currency"])
            yield change.problem("price_list", "currency", message)
        start = after["quoted_on"] or uow.clock.today()
        if after["valid_until"] is not None and after["valid_until"] < start:
            message = _("It would be over before it begins.")
            yield change.problem("valid_until", "range", message)


def _rows(uow: UnitOfWork, entity: str, keys: set[Any]) -> dict[Any, Mapping[str, Any]]:
    wanted = sorted(key for key in keys if key is not None)
    if not wanted:
        return {}
    table = uow.entity(entity).table
    rows = uow.execute(select(table).where(table.c.id.in_(wanted))).mappings()
    return {row["id"]: dict(row) for row in rows}


_CHECKS: dict[str, Callable[..., Iterable[Problem]]] = {
    "product_category": _validate_categories,
    "product": _validate_products,
    "product_parameter": _validate_parameters,
    "price_list": _validate_price_lists,
    "price_list_item": _validate_items,
    "exchange_rate": _validate_rates,
    "discount_limit": _validate_limits,
    "quote": _validate_quotes,
    "quote_line": validate_lines,
}

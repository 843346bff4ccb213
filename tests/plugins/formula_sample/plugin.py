"""The hooks of the sample."""

from __future__ import annotations

from collections.abc import Iterable

from core.fields import EntityDef
from core.plugins import hookimpl
from formula_sample.models import Customer, Level, Line, Order, Product


@hookimpl
def register_entities() -> Iterable[EntityDef]:
    return [
        EntityDef("formula_level", Level, "Level", "Levels", "name"),
        EntityDef("formula_customer", Customer, "Customer", "Customers", "name"),
        EntityDef("formula_product", Product, "Product", "Products", "name"),
        EntityDef("formula_order", Order, "Order", "Orders", "title"),
        EntityDef("formula_line", Line, "Line", "Lines", "quantity", parent_field="order"),
    ]

"""Levels of customers, their orders with lines, and products: computed over one another."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy.orm import Mapped

from core.fields import (
    AutoNumber,
    Computed,
    Entity,
    Integer,
    Lines,
    Money,
    Number,
    Owned,
    Reference,
    Text,
    detached,
    field,
)


class Level(Entity):
    """What a customer is worth."""

    __tablename__ = "formula_sample_level"

    name: Mapped[str | None] = field(Text(40), label="Level", required=True)
    discount: Mapped[Decimal | None] = field(Number(8, 4), label="Discount")
    rate: Mapped[Decimal | None] = field(Computed("1 - discount", Number(8, 4)), label="Rate")


class Customer(Entity):
    """Who orders."""

    __tablename__ = "formula_sample_customer"

    name: Mapped[str | None] = field(Text(80), label="Name", required=True)
    level: Mapped[int | None] = field(
        Reference("formula_level"), label="Level", table="formula_sample_level", column="level_id"
    )
    parent: Mapped[int | None] = field(
        Reference("formula_customer"),
        label="Parent",
        table="formula_sample_customer",
        column="parent_id",
    )
    rate: Mapped[Decimal | None] = field(Computed("level.rate", Number(8, 4)), label="Rate")
    group: Mapped[str | None] = field(
        Computed("IFNULL(parent.name & ' / ', '') & name", Text(200)), label="Group"
    )


class Product(Entity):
    """What is ordered."""

    __tablename__ = "formula_sample_product"

    name: Mapped[str | None] = field(Text(80), label="Name", required=True)
    cost: Mapped[Decimal | None] = field(Money(), label="Cost")


class Order(Owned, Entity):
    """An order with lines."""

    __tablename__ = "formula_sample_order"

    title: Mapped[str | None] = field(Text(80), label="Title", required=True)
    number: Mapped[str | None] = field(AutoNumber("F{seq:4}"), label="Number")
    customer: Mapped[int | None] = field(
        Reference("formula_customer"),
        label="Customer",
        table="formula_sample_customer",
        column="customer_id",
    )
    lines = detached(Lines("formula_line", parent="order"), label="Lines")
    level: Mapped[str | None] = field(
        Computed("[Customer.Level].name", Text(40)), label="Its level"
    )
    seller: Mapped[str | None] = field(Computed("owner.name", Text(100)), label="Seller")
    cost: Mapped[Decimal | None] = field(Computed("SUM(lines.cost)", Money()), label="Cost")
    direct_cost: Mapped[Decimal | None] = field(
        Computed("SUM(lines.product.cost * lines.quantity)", Money()), label="Direct cost"
    )
    price: Mapped[Decimal | None] = field(
        Computed("ROUND(cost * customer.rate, 2)", Money()), label="Price"
    )
    heading: Mapped[str | None] = field(
        Computed("number & ' ' & customer.name", Text(200)), label="Heading"
    )


class Line(Entity):
    """A position of an order."""

    __tablename__ = "formula_sample_line"

    order: Mapped[int | None] = field(
        Reference("formula_order", on_delete="cascade"),
        label="Order",
        table="formula_sample_order",
        column="order_id",
        required=True,
    )
    product: Mapped[int | None] = field(
        Reference("formula_product"),
        label="Product",
        table="formula_sample_product",
        column="product_id",
    )
    quantity: Mapped[int | None] = field(Integer(), label="Quantity")
    cost: Mapped[Decimal | None] = field(Computed("product.cost * quantity", Money()), label="Cost")

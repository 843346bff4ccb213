"""The tables of products: their tree, attributes of variants, and what is asked of configured ones."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Mapped

from core.fields import (
    Boolean,
    Choice,
    ChoiceField,
    Entity,
    Integer,
    Lines,
    LongText,
    Money,
    Number,
    Reference,
    Tags,
    Text,
    detached,
    field,
)
from core.i18n import lazy_gettext as _l

__all__ = [
    "Product",
    "ProductAttribute",
    "ProductCategory",
    "ProductParameter",
]

PARAMETER_KINDS = (
    Choice("number", _l("Number")),
    Choice("choice", _l("One of a list")),
    Choice("text", _l("Text")),
    Choice("yes_no", _l("Yes or no")),
)


class ProductCategory(Entity):
    """A branch of the tree of products (产品分类)."""

    __tablename__ = "crm_sales_product_category"

    name: Mapped[str | None] = field(
        Text(60),
        label=_l("Category"),
        required=True,
        searchable=True,
        synonyms=("产品分类", "分类", "类别", "category", "product category"),
    )
    parent: Mapped[int | None] = field(
        Reference("product_category"),
        label=_l("Above it"),
        table="crm_sales_product_category",
        column="parent_id",
        synonyms=("上级分类", "parent", "parent category"),
    )


class Product(Entity):
    """Something that is sold (产品); it may be the variant of another."""

    __tablename__ = "crm_sales_product"

    name: Mapped[str | None] = field(
        Text(120),
        label=_l("Product"),
        required=True,
        searchable=True,
        synonyms=("产品名称", "产品", "品名", "名称", "product", "product name", "name"),
    )
    code: Mapped[str | None] = field(
        Text(60),
        label=_l("Product code"),
        required=True,
        unique=True,
        searchable=True,
        synonyms=(
            "产品编码",
            "产品编号",
            "编码",
            "型号",
            "物料编码",
            "code",
            "sku",
            "product code",
        ),
    )
    category: Mapped[int | None] = field(
        Reference("product_category"),
        label=_l("Category"),
        table="crm_sales_product_category",
        column="category_id",
        synonyms=("产品分类", "分类", "类别", "category"),
    )
    unit: Mapped[str | None] = field(
        Text(20),
        label=_l("Unit"),
        required=True,
        default="台",
        synonyms=("单位", "计量单位", "unit", "uom"),
    )
    list_price: Mapped[Decimal | None] = field(
        Money(),
        label=_l("List price"),
        help=_l(
            "In the company's currency, for one unit. A price list or a formula may say otherwise."
        ),
        synonyms=("标准价", "目录价", "单价", "价格", "list price", "price"),
        totals=False,
    )
    cost: Mapped[Decimal | None] = field(
        Money(), label=_l("Cost"), synonyms=("成本", "成本价", "cost", "unit cost"), totals=False
    )
    tax_rate: Mapped[Decimal | None] = field(
        Number(5, 2),
        label=_l("Tax rate, %"),
        default=Decimal("13"),
        synonyms=("税率", "tax rate", "vat"),
        totals=False,
    )
    is_active: Mapped[bool | None] = field(
        Boolean(),
        label=_l("On sale"),
        help=_l("What is not on sale is put into no quote; quotes that hold it keep it."),
        default=True,
        synonyms=("在售", "启用", "active"),
    )
    description: Mapped[str | None] = field(
        LongText(2000), label=_l("Description"), synonyms=("描述", "规格说明", "description")
    )
    variant_of: Mapped[int | None] = field(
        Reference("product"),
        label=_l("Variant of"),
        help=_l(
            "It has the prices, parameters and formula of that product where it has none of its own."
        ),
        table="crm_sales_product",
        column="variant_of_id",
        synonyms=("主产品", "所属产品", "variant of"),
    )
    attributes = detached(
        Lines("product_attribute", "product", max_items=20),
        label=_l("Attributes"),
        help=_l("By which a variant differs from others, such as voltage or colour."),
    )
    price_formula: Mapped[str | None] = field(
        LongText(4000),
        label=_l("Price formula"),
        help=_l(
            "Over the parameters below, quantity, list_price, day and day_number, in the company's"
            ' currency: ROUND(power * 1200 + LOOKUP("steel", material, "price") * weight, 0)'
        ),
        synonyms=("价格公式", "price formula"),
    )
    parameters = detached(
        Lines("product_parameter", "product", max_items=40),
        label=_l("Parameters"),
        help=_l("What is asked when it is quoted; the formula names them."),
    )


class ProductAttribute(Entity):
    """What one variant is like, by one attribute."""

    __tablename__ = "crm_sales_product_attribute"

    product: Mapped[int | None] = field(
        Reference("product", on_delete="cascade"),
        label=_l("Product"),
        required=True,
        table="crm_sales_product",
        column="product_id",
    )
    position: Mapped[int | None] = field(
        Integer(minimum=0, maximum=10_000), label=_l("Place"), default=0, totals=False
    )
    name: Mapped[str | None] = field(Text(40), label=_l("Attribute"), required=True)
    value: Mapped[str | None] = field(Text(60), label=_l("Value"), required=True)


class ProductParameter(Entity):
    """What is asked of a configured product when it is quoted."""

    __tablename__ = "crm_sales_product_parameter"

    product: Mapped[int | None] = field(
        Reference("product", on_delete="cascade"),
        label=_l("Product"),
        required=True,
        table="crm_sales_product",
        column="product_id",
    )
    position: Mapped[int | None] = field(
        Integer(minimum=0, maximum=10_000), label=_l("Place"), default=0, totals=False
    )
    name: Mapped[str | None] = field(
        Text(40), label=_l("Parameter"), help=_l("As the formula calls it."), required=True
    )
    kind: Mapped[str | None] = field(
        ChoiceField(choices=PARAMETER_KINDS), label=_l("Kind"), required=True, default="number"
    )
    unit: Mapped[str | None] = field(Text(20), label=_l("Unit"))
    minimum: Mapped[Decimal | None] = field(Number(18, 4), label=_l("At least"), totals=False)
    maximum: Mapped[Decimal | None] = field(Number(18, 4), label=_l("At most"), totals=False)
    choices: Mapped[Any] = field(Tags(max_length=60), label=_l("Options"))
    default_value: Mapped[str | None] = field(Text(60), label=_l("To begin with"))
    is_optional: Mapped[bool | None] = field(Boolean(), label=_l("May stay empty"), default=False)

"""How products, price lists and quotes are named and arranged, and the verbs of quotes."""

from __future__ import annotations

from core.entities.edits import FormEdit
from core.fields import ActionSpec, EntityDef, EntitySpec, FieldSpec, Mark, Reference, Section
from core.i18n import lazy_gettext as _l
from plugins.crm_sales.products import links, quotes, sending, versions
from plugins.crm_sales.products.models import (
    DiscountLimit,
    ExchangeRate,
    PriceList,
    PriceListItem,
    Product,
    ProductAttribute,
    ProductCategory,
    ProductParameter,
    Quote,
    QuoteLine,
    QuoteVersion,
)

__all__ = ["ENTITIES", "form_edits"]

product_category = EntityDef(
    name="product_category",
    model=ProductCategory,
    label=_l("Product category"),
    label_plural=_l("Product categories"),
    label_field="name",
    icon="git-branch",
    list_columns=("name", "parent"),
    default_sort="name",
    duplicate_keys=("name", "parent"),
)

product = EntityDef(
    name="product",
    model=Product,
    label=_l("Product"),
    label_plural=_l("Products"),
    label_field="name",
    icon="package",
    list_columns=(*("name", "code", "category", "unit", "list_price", "cost", "is_active"),),
    sections=(
        Section(_l("Product"), ("name", "code", "category", "unit", "is_active", "description")),
        Section(_l("What it costs"), ("list_price", "cost", "tax_rate")),
        Section(_l("Variant"), ("variant_of", "attributes")),
        Section(_l("Configured"), ("parameters", "price_formula")),
    ),
    default_sort="code",
    duplicate_keys=("code",),
)

product_attribute = EntityDef(
    name="product_attribute",
    model=ProductAttribute,
    label=_l("Attribute"),
    label_plural=_l("Attributes"),
    label_field="name",
    icon="tag",
    list_columns=("name", "value"),
    parent_field="product",
    default_sort="product,position,id",
    navigable=False,
)

product_parameter = EntityDef(
    name="product_parameter",
    model=ProductParameter,
    label=_l("Parameter"),
    label_plural=_l("Parameters"),
    label_field="name",
    icon="tag",
    list_columns=(
        *("name", "kind", "unit", "minimum", "maximum", "choices"),
        *("default_value", "is_optional"),
    ),
    parent_field="product",
    default_sort="product,position,id",
    navigable=False,
)

price_list = EntityDef(
    name="price_list",
    model=PriceList,
    label=_l("Price list"),
    label_plural=_l("Price lists"),
    label_field="name",
    icon="receipt-yuan",
    list_columns=(
        *("name", "currency", "customer_level", "region", "valid_from", "valid_to"),
        *("priority", "is_active"),
    ),
    sections=(
        Section(_l("Price list"), ("name", "currency", "is_active", "priority")),
        Section(_l("For whom and when"), ("customer_level", "region", "valid_from", "valid_to")),
        Section(_l("Prices"), ("items",)),
    ),
    default_sort="-valid_from",
    duplicate_keys=("name",),
)

price_list_item = EntityDef(
    name="price_list_item",
    model=PriceListItem,
    label=_l("Price"),
    label_plural=_l("Prices"),
    label_field="product",
    icon="tag",
    list_columns=("product", "minimum_quantity", "price", "discount"),
    parent_field="price_list",
    default_sort="price_list,position,id",
    navigable=False,
)

exchange_rate = EntityDef(
    name="exchange_rate",
    model=ExchangeRate,
    label=_l("Exchange rate"),
    label_plural=_l("Exchange rates"),
    label_field="currency",
    icon="coin-yuan",
    list_columns=("currency", "valid_from", "rate"),
    default_sort="-valid_from",
    duplicate_keys=("currency", "valid_from"),
)

discount_limit = EntityDef(
    name="discount_limit",
    model=DiscountLimit,
    label=_l("Discount limit"),
    label_plural=_l("Discount limits"),
    label_field="role",
    icon="cash",
    list_columns=("role", "limit"),
    default_sort="-limit",
)

_DRAFT = {"field": "status", "op": "eq", "value": "draft"}
_OUT = {"field": "status", "op": "eq", "value": "submitted"}
#: What was accepted is what was agreed: another offer is a copy.
_REVISABLE = {"field": "status", "op": "in", "value": ["in_approval", "submitted", "declined"]}

quote = EntityDef(
    name="quote",
    model=Quote,
    label=_l("Quotation"),
    label_plural=_l("Quotations"),
    label_field="number",
    icon="file-invoice",
    list_columns=(
        *("number", "customer", "opportunity", "status", "total", "valid_until"),
        "owner",
    ),
    sections=(
        Section(_l("For whom"), ("number", "customer", "opportunity", "status")),
        Section(
            _l("Prices and days"),
            ("quoted_on", "valid_until", "currency", "price_list", "tax_included", "revision"),
        ),
        Section(_l("Total"), ("net_total", "tax_total", "total")),
        Section(_l("Terms"), ("terms",)),
        Section(_l("Whose it is"), ("owner", "department")),
        Section(
            _l("Sent and answered"),
            ("sent_to", "sent_at", "answered_by", "answered_at", "answer_note"),
        ),
    ),
    actions=(
        ActionSpec(
            "submit",
            _l("Submit"),
            quotes.submit,
            when=_DRAFT,
            why_not=quotes.why_not,
            tone="good",
            sets={"status": "submitted"},
        ),
        ActionSpec(
            "send",
            _l("Send by e-mail"),
            sending.send,
            params=sending.PARAMS,
            when=_OUT,
            why_not=quotes.why_not,
            bulk=False,
            page="crm_sales.write_quote_mail",
        ),
        ActionSpec(
            "accept",
            _l("Customer accepts"),
            quotes.accept,
            when=_OUT,
            why_not=quotes.why_not,
            tone="good",
            sets={"status": "accepted"},
        ),
        ActionSpec(
            "decline",
            _l("Customer declines"),
            quotes.decline,
            when=_OUT,
            why_not=quotes.why_not,
            tone="warn",
            sets={"status": "declined"},
            undoable=True,
        ),
        ActionSpec(
            "revise",
            _l("New version"),
            quotes.revise,
            when=_REVISABLE,
            why_not=quotes.why_not,
            confirm=_l("The quote becomes a draft again; the version that was submitted is kept."),
        ),
        ActionSpec(
            "copy",
            _l("Copy"),
            quotes.copy,
            params=(
                FieldSpec(
                    "customer",
                    Reference("customer"),
                    _l("Customer"),
                    help=_l("Empty: the same one."),
                ),
                FieldSpec(
                    "opportunity",
                    Reference("opportunity"),
                    _l("Opportunity"),
                    help=_l("Empty: the same one."),
                ),
            ),
        ),
        ActionSpec(
            "withdraw",
            _l("Withdraw links"),
            links.withdraw,
            when=_OUT,
            why_not=quotes.why_not,
            confirm=_l("Customers can then no longer answer by a link that they have."),
        ),
    ),
    marks=(
        Mark(
            {
                "all": [
                    {"field": "status", "op": "in", "value": ["draft", "submitted"]},
                    {"field": "valid_until", "op": "lt", "value": {"var": "today"}},
                ]
            },
            _l("No longer valid"),
            "warn",
        ),
    ),
    new_page="crm_sales.new_quote",
    new_page_takes=("customer", "opportunity", "price_list"),
)

quote_line = EntityDef(
    name="quote_line",
    model=QuoteLine,
    label=_l("Line of a quote"),
    label_plural=_l("Lines of quotes"),
    label_field="product",
    icon="list",
    list_columns=(
        *("product", "specification", "quantity", "unit", "unit_price", "discount"),
        *("tax_rate", "net_amount", "tax_amount", "amount"),
    ),
    parent_field="quote",
    default_sort="quote,position,id",
    navigable=False,
)

quote_version = EntityDef(
    name="quote_version",
    model=QuoteVersion,
    label=_l("Version of a quote"),
    label_plural=_l("Versions of quotes"),
    label_field="revision",
    icon="history",
    list_columns=("revision", "submitted_at", "submitted_by", "net_total", "tax_total", "total"),
    parent_field="quote",
    default_sort="quote,revision,id",
    creatable=False,
    updatable=False,
    deletable=False,
    importable=False,
    redact=versions.redact,
    navigable=False,
)

ENTITIES = (
    *(product_category, product, product_attribute, product_parameter),
    *(price_list, price_list_item, exchange_rate, discount_limit),
    *(quote, quote_line, quote_version),
)


def form_edits(entity: EntitySpec) -> list[FormEdit]:
    """Lines of quotes have a page of their own, on which they are worked out while one types."""
    return [FormEdit("readonly", "lines")] if entity.name == "quote" else []

"""How contracts are named and arranged, and their verbs."""

from __future__ import annotations

from core.entities.edits import FormEdit
from core.fields import ActionSpec, EntityDef, EntitySpec, Mark, Section
from core.i18n import lazy_gettext as _l
from plugins.contracts import services
from plugins.contracts.models import IN_FORCE, Contract, ContractLine

__all__ = ["ENTITIES", "form_edits"]

_IN_FORCE = {"field": "status", "op": "in", "value": list(IN_FORCE)}

contract = EntityDef(
    name="contract",
    model=Contract,
    label=_l("Contract"),
    label_plural=_l("Contracts"),
    label_field="name",
    icon="file-text",
    list_columns=(
        *("name", "number", "customer", "signed_on", "ends_on", "owner"),
        *("amount", "status"),
    ),
    sections=(
        Section(_l("Contract"), ("name", "number", "kind", "status")),
        Section(_l("With whom, and from what"), ("customer", "opportunity", "quote")),
        Section(_l("Contract value"), ("amount", "currency", "tax_included", "lines")),
        Section(_l("Term"), ("signed_on", "starts_on", "ends_on")),
        Section(
            _l("Key terms"),
            ("payment_terms", "delivery_terms", "deliver_by", "warranty_months"),
        ),
        Section(_l("Whose it is"), ("owner", "department", "note")),
    ),
    actions=(
        ActionSpec(
            "sign",
            _l("Sign"),
            services.sign,
            params=services.SIGN_PARAMS,
            when={"field": "status", "op": "eq", "value": "draft"},
            why_not=services.why_not,
            tone="good",
            confirm=_l("What was agreed cannot be changed afterwards."),
            sets={"status": "signed"},
        ),
        ActionSpec(
            "terminate",
            _l("Terminate"),
            services.terminate,
            params=services.TERMINATE_PARAMS,
            when=_IN_FORCE,
            why_not=services.why_not,
            tone="warn",
            sets={"status": "terminated"},
        ),
    ),
    marks=(
        Mark(
            {
                "all": [
                    _IN_FORCE,
                    {"field": "ends_on", "op": "within", "value": "next_30_days"},
                ]
            },
            _l("Ends soon"),
            "warn",
        ),
    ),
    duplicate_keys=("name", "customer"),
    history=("created_at", "status", "signed_on", "terminated_on", "termination_reason"),
)

contract_line = EntityDef(
    name="contract_line",
    model=ContractLine,
    label=_l("Line of a contract"),
    label_plural=_l("Lines of contracts"),
    label_field="product",
    icon="list",
    list_columns=(
        *("product", "description", "quantity", "unit", "unit_price", "discount"),
        *("tax_rate", "net_amount", "tax_amount", "amount"),
    ),
    parent_field="contract",
    default_sort="contract,position,id",
    navigable=False,
)

ENTITIES = (contract, contract_line)

#: What follows from the lines stands above the page, with the amount, and so does how it ended.
_TOLD_ABOVE = ("net_amount", "tax_amount", "terminated_on", "termination_reason")


def form_edits(entity: EntitySpec) -> list[FormEdit]:
    """The fields that forms and pages leave out."""
    return [FormEdit("hide", name) for name in _TOLD_ABOVE] if entity.name == "contract" else []

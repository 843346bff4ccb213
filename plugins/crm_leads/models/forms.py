"""Public forms that make leads."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Mapped

from core.fields import (
    Boolean,
    Choice,
    ChoiceField,
    Entity,
    LongText,
    MultiChoice,
    Reference,
    Tags,
    Text,
    field,
)
from core.i18n import lazy_gettext as _l
from plugins.crm_leads.models.leads import SOURCES

__all__ = ["ASKED", "OWN_KINDS", "LeadForm"]

#: Of these kinds a form can ask for the company's own fields of leads, too: what a visitor can fill in
#: who knows nothing of the company's records.
OWN_KINDS = (
    *("text", "long_text", "integer", "decimal", "boolean", "date"),
    *("choice", "multi_choice", "phone", "email"),
)

#: What a public form can ask for, in the order of its page.
ASKED = (
    Choice("company", _l("Company name")),
    Choice("contact_name", _l("Contact person")),
    Choice("mobile", _l("Mobile")),
    Choice("email", _l("E-mail")),
    Choice("wechat", _l("WeChat")),
    Choice("province", _l("Province")),
    Choice("city", _l("City")),
    Choice("industry", _l("Industry")),
    Choice("note", _l("Note")),
)


class LeadForm(Entity):
    """A page on which anybody leaves an address, without signing in (公开表单)."""

    __tablename__ = "crm_leads_lead_form"

    name: Mapped[str | None] = field(
        Text(60), label=_l("Name"), required=True, unique=True, searchable=True
    )
    pool: Mapped[int | None] = field(
        Reference("lead_pool"),
        label=_l("Pool"),
        required=True,
        table="crm_leads_lead_pool",
        column="pool_id",
        index=False,
    )
    source: Mapped[str | None] = field(
        ChoiceField(choices=SOURCES), label=_l("Source"), default="官网表单"
    )
    campaign: Mapped[int | None] = field(
        Reference("campaign"),
        label=_l("Campaign"),
        table="crm_leads_campaign",
        column="campaign_id",
        help=_l("Then it is the campaign's sign-up page."),
    )
    is_open: Mapped[bool | None] = field(Boolean(), label=_l("Open to everybody"), default=True)
    key: Mapped[str | None] = field(Text(40), label=_l("Key"), unique=True, readonly=True)
    title: Mapped[str | None] = field(Text(80), label=_l("Title of the page"))
    intro: Mapped[str | None] = field(LongText(1000), label=_l("Text above the fields"))
    fields: Mapped[Any] = field(
        MultiChoice(choices=ASKED, fields_of="lead", of_kinds=OWN_KINDS),
        label=_l("Asked for"),
        help=_l("The company's own fields of leads stand behind the others, in their order."),
        default=["company", "contact_name", "mobile", "email"],
    )
    thanks: Mapped[str | None] = field(Text(300), label=_l("Thanks"))
    sites: Mapped[Any] = field(
        Tags(max_length=120, max_items=20),
        label=_l("Sites that may embed it"),
        help=_l("As https://www.example.com. Empty: none; the page has an address of its own."),
    )
    welcome_subject: Mapped[str | None] = field(Text(150), label=_l("Subject of the welcome mail"))
    welcome_text: Mapped[str | None] = field(
        LongText(4000),
        label=_l("Welcome mail"),
        help=_l("{name}, {company} and {us} are filled in. Empty: no mail is sent."),
    )

"""Public pools of leads, and policies of the channels they come by."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Mapped

from core.fields import Choice, ChoiceField, Entity, Integer, MultiChoice, field
from core.i18n import lazy_gettext as _l
from core.pools.models import IMPORTANCE, Pool
from plugins.crm_leads.models.leads import SOURCES

__all__ = ["VEILABLE", "ChannelPolicy", "LeadPool"]

#: What a pool can mask until a lead is claimed: how somebody is reached, and what is known of them.
VEILABLE = (
    Choice("contact_name", _l("Contact person")),
    Choice("mobile", _l("Mobile")),
    Choice("phone", _l("Telephone")),
    Choice("email", _l("E-mail")),
    Choice("wechat", _l("WeChat")),
    Choice("address", _l("Address")),
    Choice("note", _l("Note")),
)


class LeadPool(Pool):
    """Leads that nobody owns, for a group of people to claim (公海)."""

    __tablename__ = "crm_leads_lead_pool"

    veiled: Mapped[Any] = field(
        MultiChoice(choices=VEILABLE),
        label=_l("Masked before claiming"),
        help=_l(
            "What members see of it until somebody owns the lead is masked. Administrators of the pool, "
            "and who may change leads in pools, see it."
        ),
    )
    unconverted_days: Mapped[int | None] = field(
        Integer(minimum=1, maximum=3650),
        label=_l("Days without conversion"),
        help=_l("A lead that its owner has not converted by then goes back. Empty: never."),
        totals=False,
    )


class ChannelPolicy(Entity):
    """What one source of leads asks for: how important they are, and by when somebody calls (渠道策略)."""

    __tablename__ = "crm_leads_channel_policy"

    source: Mapped[str | None] = field(
        ChoiceField(choices=SOURCES), label=_l("Source"), required=True, unique=True
    )
    priority: Mapped[str | None] = field(
        ChoiceField(choices=IMPORTANCE), label=_l("Importance"), required=True, default="normal"
    )
    first_contact_hours: Mapped[int | None] = field(
        Integer(minimum=1, maximum=8760),
        label=_l("First contact within hours"),
        help=_l("Counted from when the lead came in. Empty: as in the settings."),
        totals=False,
    )

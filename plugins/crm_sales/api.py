"""What other plugins may import.

What they show of a customer they put into the slots ``entity.detail.above`` and
``entity.detail.aside`` of its page, with an ``order`` beyond 30. A module that takes quotes in the hook
``request_consent`` ends it with `release_quotes` or `send_back_quotes`, within ``uow.elevated()``.
What goes on from quotes reckons by the same rule: `line_amounts` and `rounded`, below `LARGEST`.
"""

from __future__ import annotations

from plugins.crm_sales.events import (
    OpportunityLost,
    OpportunityMoved,
    OpportunityWon,
    QuoteAccepted,
    QuoteSubmitted,
)
from plugins.crm_sales.models import CURRENCIES
from plugins.crm_sales.pools.events import (
    CustomersClaimed,
    CustomersReleased,
    OpportunitiesAssigned,
    OpportunitiesClaimed,
    OpportunitiesReleased,
)
from plugins.crm_sales.products.money import LARGEST, line_amounts, rounded
from plugins.crm_sales.products.quotes import release as release_quotes
from plugins.crm_sales.products.quotes import send_back as send_back_quotes

__all__ = [
    "CURRENCIES",
    "LARGEST",
    "CustomersClaimed",
    "CustomersReleased",
    "OpportunitiesAssigned",
    "OpportunitiesClaimed",
    "OpportunitiesReleased",
    "OpportunityLost",
    "OpportunityMoved",
    "OpportunityWon",
    "QuoteAccepted",
    "QuoteSubmitted",
    "line_amounts",
    "release_quotes",
    "rounded",
    "send_back_quotes",
]

"""What other plugins may import.

What they show of a customer they put into the slots ``entity.detail.above`` and
``entity.detail.aside`` of its page, with an ``order`` beyond 30.
"""

from __future__ import annotations

from plugins.crm_sales.events import OpportunityLost, OpportunityMoved, OpportunityWon

__all__ = ["OpportunityLost", "OpportunityMoved", "OpportunityWon"]

"""Which fields of a lead rules look at; how they are written and asked, `core.assigning.criteria` says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.assigning import criteria
from core.assigning.criteria import COMPARISONS, condition
from core.fields import Choice
from core.i18n import lazy_gettext as _l

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["COMPARISONS", "TESTED", "condition", "problem"]

#: The fields of a lead that rules look at, beside those that the company added.
TESTED = (
    Choice("source", _l("Source")),
    Choice("province", _l("Province")),
    Choice("city", _l("City")),
    Choice("industry", _l("Industry")),
    Choice("expected_amount", _l("Expected amount")),
    Choice("score", _l("Score")),
    Choice("priority", _l("Importance")),
    Choice("tags", _l("Tags")),
    Choice("company", _l("Company name")),
    Choice("mobile", _l("Mobile")),
    Choice("email", _l("E-mail")),
)


def problem(uow: UnitOfWork, row: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """What is wrong with a test of a lead: its field, a code and a message; None when it can be asked."""
    return criteria.problem(uow, "lead", row)

"""Pages that the generic ones do not give."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request

from core.http.rendering import render
from core.http.requests import requires, unit_of_work
from plugins.crm_leads import rehearsal

__all__ = ["blueprint"]

blueprint = Blueprint("crm_leads", __name__, url_prefix="/crm_leads")


@blueprint.get("/returns", endpoint="returns")
@requires("crm_leads.see_returns")
def show_returns() -> Any:
    """What would go back to its pool, and why."""
    with unit_of_work(write=False) as uow:
        return render("crm_leads/returns.html", **rehearsal.page_of(uow, request.args))

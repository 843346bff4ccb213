"""The page of what goes back."""

from __future__ import annotations

from flask import Blueprint, request

from core.http.rendering import render
from core.http.requests import requires, unit_of_work
from core.pools import rehearsal

from .definitions import PLOTS

blueprint = Blueprint("pool_sample", __name__, url_prefix="/pool_sample")


@blueprint.get("/returns", endpoint="returns")
@requires("pool_sample.see_returns")
def show_returns():
    with unit_of_work(write=False) as uow:
        page = rehearsal.page_of(uow, PLOTS, request.args)
        return render("core/pools/returns.html", **page)

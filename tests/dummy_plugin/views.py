"""Pages with each of the three policies, and what is put into pages of others."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify
from markupsafe import Markup

from core.entities import query
from core.entities.query import ListQuery
from core.http.rendering import render
from core.http.requests import framed_by, public, requires, signed_in, unit_of_work
from dummy_plugin.behaviour import answer

blueprint = Blueprint("dummy_plugin", __name__, url_prefix="/dummy_plugin")


@blueprint.get("/board")
@requires("dummy_plugin.see_board")
def board() -> str:
    """Specimens at a glance."""
    with unit_of_work() as uow:
        found = query.page(uow, "specimen", ListQuery(fields=("name",)))
        return render("dummy_plugin/board.html", names=[row["name"] for row in found.items])


@blueprint.get("/open")
@public
def open_page() -> str:
    """Whoever asks; in the frames of the sites that a test names."""
    framed_by(answer("sites") or ())
    return "open to all"


@blueprint.post("/count")
@signed_in
def count() -> Any:
    """How many specimens the reader reaches."""
    with unit_of_work(write=False) as uow:
        return jsonify(count=query.count(uow, "specimen", ListQuery()))


def card(**context: Any) -> str:
    """A fill of a slot."""
    return answer("card", **context) or Markup("<p>{}</p>").format("a card of the dummy")

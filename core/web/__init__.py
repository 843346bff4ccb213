"""The pages: sign-in, lists, details, forms, derived from entities; rendered on the server."""

from flask import Blueprint

blueprint = Blueprint("web", __name__)

from core.web import session  # noqa: E402 - views register on the blueprint above

__all__ = ["blueprint", "session"]

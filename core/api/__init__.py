"""REST: records, actions, structure, imports and jobs, as JSON."""

from flask import Blueprint

blueprint = Blueprint("api", __name__, url_prefix="/api")

__all__ = ["blueprint"]

"""Pages for administrators: modules, people, roles, settings, audit, jobs."""

from flask import Blueprint

blueprint = Blueprint("admin", __name__, url_prefix="/admin")

__all__ = ["blueprint"]

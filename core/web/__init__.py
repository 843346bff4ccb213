"""The pages: sign-in, lists, details, forms, derived from entities; rendered on the server."""

from flask import Blueprint

blueprint = Blueprint("web", __name__)

from core.web import (  # noqa: E402 - views register on the blueprint above
    acting,
    details,
    drafts,
    editing,
    exchange,
    files,
    home,
    importing,
    imports,
    jobs,
    lists,
    profile,
    session,
    suggestions,
)

__all__ = [
    "acting",
    "blueprint",
    "details",
    "drafts",
    "editing",
    "exchange",
    "files",
    "home",
    "importing",
    "imports",
    "jobs",
    "lists",
    "profile",
    "session",
    "suggestions",
]

"""The pages: sign-in, lists, details, forms, derived from entities; rendered on the server."""

from flask import Blueprint

blueprint = Blueprint("web", __name__)

from core.web import (  # noqa: E402 - views register on the blueprint above
    absences,
    acting,
    details,
    drafts,
    editing,
    exchange,
    files,
    following,
    forgotten,
    home,
    impersonation,
    importing,
    imports,
    jobs,
    list_views,
    lists,
    profile,
    searching,
    second_factor,
    session,
    shares,
    sign_in_steps,
    suggestions,
)

__all__ = [
    "absences",
    "acting",
    "blueprint",
    "details",
    "drafts",
    "editing",
    "exchange",
    "files",
    "following",
    "forgotten",
    "home",
    "impersonation",
    "importing",
    "imports",
    "jobs",
    "list_views",
    "lists",
    "profile",
    "searching",
    "second_factor",
    "session",
    "shares",
    "sign_in_steps",
    "suggestions",
]

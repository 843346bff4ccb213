"""The OpenAPI document of the caller, and a page that shows it to people."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import Response, current_app, request

from core.api import blueprint
from core.api.answers import to_bytes
from core.api.openapi import Route, build_document
from core.api.operations import operation_of
from core.api.reading import Section, read_section
from core.api.requests import arguments
from core.api.rights import allowed_actions, allowed_verbs, is_limited
from core.http.rendering import render
from core.http.requests import route_policy, signed_in, unit_of_work
from core.i18n import current_locale
from core.work.uow import UnitOfWork

__all__ = ["own_document"]

#: Documents kept for one structure; each is of one set of rights in one language.
MAX_KEPT = 50


@dataclass(frozen=True)
class _Kept:
    document: dict[str, Any]
    data: bytes
    etag: str


@blueprint.get("/openapi.json")
@signed_in
def openapi() -> Response:
    """OpenAPI 3.1 of exactly what the caller may use."""
    arguments()
    with unit_of_work() as uow:
        kept = _document(uow)
    if kept.etag in request.if_none_match:
        return Response(status=304, headers={"ETag": f'"{kept.etag}"'})
    headers = {"ETag": f'"{kept.etag}"'}
    return Response(kept.data, 200, headers, content_type="application/json")


@blueprint.get("/docs")
@signed_in
def docs_page() -> str:
    """One section of the document, chosen by ``tag``, with links to the others."""
    given = arguments("tag")
    with unit_of_work() as uow:
        document = own_document(uow)
    tags = document["tags"]
    chosen = given.get("tag", tags[0]["name"] if tags else "")
    section: Section = read_section(document, chosen)
    return render(
        "core/api_docs.html", document=document, tags=tags, chosen=chosen, section=section
    )


def own_document(uow: UnitOfWork) -> dict[str, Any]:
    """The document for the actor of ``uow``."""
    return _document(uow).document


def _document(uow: UnitOfWork) -> _Kept:
    kept: dict[Any, _Kept] = uow.snapshot.memo.setdefault("openapi", {})
    signature = _signature(uow)
    found = kept.get(signature)
    if found is None:
        document = build_document(uow, _routes(uow))
        data = to_bytes(document)
        found = _Kept(document, data, hashlib.sha256(data).hexdigest()[:32])
        if len(kept) >= MAX_KEPT:
            kept.clear()
        kept[signature] = found
    return found


def _signature(uow: UnitOfWork) -> tuple[Any, ...]:
    """All that the document depends on, within one structure."""
    entities = []
    for spec in uow.entities.values():
        access = uow.actor.access(spec)
        verbs = tuple(verb.name for verb in allowed_verbs(uow, spec))
        fields = tuple(int(access.field(each.name)) for each in spec)
        entities.append((spec.name, allowed_actions(uow, spec), verbs, fields))
    policies = tuple(rule for rule, _method, _described in _routes(uow))
    # A verb that stands in for another has its name, and parameters of its own.
    return (current_locale(), policies, tuple(entities), uow.open_plugins)


def _routes(uow: UnitOfWork) -> Iterator[Route]:
    """Described routes whose policy the actor meets, of the core and of plugins that are on."""
    owners = current_app.extensions["dougong.owners"]
    for rule in current_app.url_map.iter_rules():
        view = current_app.view_functions[rule.endpoint]
        described = operation_of(view)
        if described is None or not _meets(uow, route_policy(view)):
            continue
        if described.condition is not None and not described.condition(uow.actor):
            continue
        owner = owners.get(rule.endpoint.partition(".")[0])
        if owner is not None and owner not in uow.open_plugins:
            continue
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield rule.rule, method, described


def _meets(uow: UnitOfWork, policy: str | None) -> bool:
    actor = uow.actor
    if policy in ("public", "signed_in"):
        return True
    if policy == "admin":
        return actor.is_admin and not is_limited(actor)
    return policy is not None and actor.has_permission(policy)

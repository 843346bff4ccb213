"""Many records in one request: all or nothing, or each for itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from flask import Response

from core.api import blueprint
from core.api.answers import answer, page_as_json, to_bytes
from core.api.idempotency import KeptAnswer
from core.api.records import is_open, write_once
from core.api.requests import MAX_BATCH_BODY, BadRequest, arguments, json_body
from core.entities import query, service
from core.entities.query import MAX_LIMIT, ListQuery
from core.entities.schema import MAX_ID
from core.entities.scope import may, require
from core.errors import Invalid, Problem, Refusal
from core.fields import types as t
from core.http.requests import in_one_transaction, signed_in
from core.i18n import gettext as _
from core.work.uow import UnitOfWork

__all__ = ["MAX_ITEMS"]

MAX_ITEMS = 1_000
#: How often what is left is tried all at once before each item is tried alone.
ROUNDS = 6
LISTS = ("create", "update", "delete")


@dataclass
class _Part:
    """The items of one list, how to write some of them at once, and what became of each."""

    action: str
    status: int
    items: list[dict[str, Any]]
    #: Writes items and returns their ids, in order.
    write: Callable[[UnitOfWork, list[dict[str, Any]]], Sequence[int]]
    #: Position of the first item in the whole batch, for problems.
    offset: int = 0
    done: dict[int, int] = field(default_factory=dict)
    refused: dict[int, Refusal] = field(default_factory=dict)


@blueprint.post("/v1/records/<entity>/batch")
@signed_in
@in_one_transaction
def write_batch(entity: str) -> Response:
    """Create, change and delete records, in that order."""
    arguments()
    body = json_body(limit=MAX_BATCH_BODY)
    parts, atomic = _parts(entity, body)

    def work(uow: UnitOfWork) -> KeptAnswer:
        uow.entity(entity)
        for part in parts:
            if atomic:
                _write_all(uow, part)
            else:
                _write_each(uow, part)
        return KeptAnswer(200, to_bytes({"results": _results(uow, entity, parts)}).decode())

    def again(uow: UnitOfWork, kept: KeptAnswer) -> KeptAnswer:
        spec = uow.entity(entity)
        for part in parts:
            require(uow, spec, part.action)
        results = _still_shown(uow, entity, orjson.loads(kept.body)["results"])
        return KeptAnswer(kept.status, to_bytes({"results": results}).decode())

    kept = write_once(work, again, limit=MAX_BATCH_BODY)
    return answer(kept.body.encode(), kept.status)


# What is asked


def _parts(entity: str, body: dict[str, Any]) -> tuple[list[_Part], bool]:
    atomic = body.get("atomic", False)
    if not isinstance(atomic, bool):
        raise _bad("atomic", "type", _("Expected %(expected)s.", expected=_("true or false")))
    for name in body:
        if name not in (*LISTS, "atomic"):
            raise _bad(name[:80], "unknown_field", _("There is no field %(name)s.", name=name[:60]))
    lists = {name: body.get(name, []) for name in LISTS}
    for name, items in lists.items():
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise _bad(name, "type", _("Expected %(expected)s.", expected=_("a list of objects")))
    if not 1 <= sum(map(len, lists.values())) <= MAX_ITEMS:
        raise _bad("create", "too_many", _("Give 1 to %(n)s records.", n=MAX_ITEMS))
    for name in ("update", "delete"):
        _check_keys(name, lists[name])
    parts = [
        _Part(
            "create", 201, lists["create"], lambda uow, items: service.create(uow, entity, items)
        ),
        _Part("update", 200, lists["update"], lambda uow, items: _update(uow, entity, items)),
        _Part("delete", 204, lists["delete"], lambda uow, items: _delete(uow, entity, items)),
    ]
    parts[1].offset = len(parts[0].items)
    parts[2].offset = parts[1].offset + len(parts[1].items)
    return [part for part in parts if part.items], atomic


def _check_keys(name: str, items: list[dict[str, Any]]) -> None:
    """Ids and versions are whole numbers, and no record stands twice in a list."""
    seen: set[int] = set()
    for place, item in enumerate(items):
        key, version = item.get("id"), item.get("version", 1)
        if type(key) is not int or not 1 <= key <= MAX_ID or key in seen:
            message = _("Give the id of a record, each once.")
            raise _bad(f"{name}.{place}.id", "id", message)
        if type(version) is not int or not 1 <= version < 2**31:
            message = _("Expected %(expected)s.", expected=_("a whole number"))
            raise _bad(f"{name}.{place}.version", "type", message)
        if name == "delete" and (unknown := sorted(item.keys() - {"id", "version"})):
            message = _("There is no field %(name)s.", name=unknown[0][:60])
            raise _bad(f"{name}.{place}.{unknown[0][:60]}", "unknown_field", message)
        seen.add(key)


def _bad(place: str, code: str, message: str) -> BadRequest:
    return BadRequest(message, [Problem(place, code, message)])


def _update(uow: UnitOfWork, entity: str, items: list[dict[str, Any]]) -> list[int]:
    values = {
        item["id"]: {name: value for name, value in item.items() if name not in ("id", "version")}
        for item in items
    }
    service.update(uow, entity, values, versions=_versions(items))
    return list(values)


def _delete(uow: UnitOfWork, entity: str, items: list[dict[str, Any]]) -> list[int]:
    ids = [item["id"] for item in items]
    service.delete(uow, entity, ids, versions=_versions(items))
    return ids


def _versions(items: list[dict[str, Any]]) -> dict[int, int]:
    return {item["id"]: item["version"] for item in items if "version" in item}


# What becomes of it


def _write_all(uow: UnitOfWork, part: _Part) -> None:
    try:
        part.done = dict(enumerate(part.write(uow, part.items)))
    except Invalid as error:
        moved = [
            Problem(p.field, p.code, p.message, p.item + part.offset, p.data)
            for p in error.problems
        ]
        raise Invalid(error.message, moved) from None


def _write_each(uow: UnitOfWork, part: _Part) -> None:
    """All at once, again without what was refused, and one by one when that does not settle it."""
    left = list(range(len(part.items)))
    for _round in range(ROUNDS):
        refusal = _try(uow, part, left)
        if refusal is None:
            return
        refused = _blamed(refusal, left)
        if not refused:
            break
        part.refused |= refused
        left = [place for place in left if place not in refused]
        if not left:
            return
    for place in left:
        refusal = _try(uow, part, [place])
        if refusal is not None:
            part.refused[place] = refusal


def _try(uow: UnitOfWork, part: _Part, places: list[int]) -> Refusal | None:
    try:
        with uow.savepoint():
            ids = part.write(uow, [part.items[place] for place in places])
    except Refusal as refusal:
        uow.memo.clear()  # it may know of rows that are gone with the savepoint
        return refusal
    part.done |= dict(zip(places, ids, strict=True))
    return None


def _blamed(refusal: Refusal, places: list[int]) -> dict[int, Refusal]:
    """The items that the problems name, each with its own.

    A value that two items share is no fault when the other item is refused anyway.
    """
    if not isinstance(refusal, Invalid):
        return {}
    problems = [p for p in refusal.problems if 0 <= p.item < len(places)]
    problems = [p for p in problems if p.code != "taken"] or problems
    names = {p.item for p in problems}
    return {
        places[item]: Invalid(refusal.message, [p for p in problems if p.item == item])
        for item in names
    }


def _results(uow: UnitOfWork, entity: str, parts: list[_Part]) -> list[dict[str, Any]]:
    written = [key for part in parts if part.status != 204 for key in part.done.values()]
    records = _read(uow, entity, written)
    found = []
    for part in parts:
        for place in range(len(part.items)):
            if place in part.refused:
                found.append(_refused(part.refused[place]))
                continue
            key = part.done[place]
            item: dict[str, Any] = {"status": part.status}
            if part.status != 204:
                item["record"] = records.get(key, {"id": key})
            found.append(item)
    return found


def _read(uow: UnitOfWork, entity: str, ids: list[int]) -> dict[int, dict[str, Any]]:
    """Records by id, without their lines; those that their writer may not see are missing."""
    spec = uow.entity(entity)
    found: dict[int, dict[str, Any]] = {}
    if not may(uow, spec, "read"):
        return found
    names = tuple(
        each.name for each in query.visible(uow, spec) if not isinstance(each.type, t.Lines)
    )
    for start in range(0, len(ids), MAX_LIMIT):
        wanted = {"field": "id", "op": "in", "value": ids[start : start + MAX_LIMIT]}
        chosen = ListQuery(fields=names, filter=wanted, sort="id", limit=MAX_LIMIT)
        page = query.page(uow, entity, chosen)
        found |= {item["id"]: item for item in page_as_json(page)["items"]}
    return found


def _still_shown(
    uow: UnitOfWork, entity: str, results: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Kept results, with no more of a record than its reader may see now."""
    keys = [item["record"]["id"] for item in results if "record" in item]
    records = _read(uow, entity, keys)
    for item in results:
        if "record" in item:
            item["record"] = _as_now(uow, entity, item["record"], records)
    return results


def _as_now(
    uow: UnitOfWork, entity: str, kept: dict[str, Any], records: dict[int, dict[str, Any]]
) -> dict[str, Any]:
    now = records.get(kept["id"], {"id": kept["id"]})
    return kept if now.keys() != {"id"} and is_open(uow, uow.entity(entity), kept) else now


def _refused(refusal: Refusal) -> dict[str, Any]:
    errors = [
        {"field": problem.field, "code": problem.code, "message": problem.message}
        for problem in refusal.problems
    ]
    alone = {"field": "", "code": refusal.code, "message": refusal.message}
    return {"status": refusal.status, "errors": errors or [alone]}

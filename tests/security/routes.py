"""The routes that deal with records, as probes: through HTTP, judged by the same oracle.

Reads are compared row by row. Of writes only those are sent that the oracle refuses, so that one
world serves them all and its digest may not change.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from operations import REFUSED, Probe
from oracle import READ, Refused

#: Probes by the endpoint that they ask.
ROUTES: dict[str, Callable[[Probe], tuple[Any, Any]]] = {}
ENTITIES = ("oracle_account", "oracle_deal", "oracle_note")
#: The choice of each: the columns of its board.
CHOICES = {"oracle_account": "level", "oracle_deal": "stage", "oracle_note": "color"}
NEEDED = {"oracle_account": "name", "oracle_deal": "title", "oracle_note": "text"}
_REFUSALS = (302, 303, 400, 403, 404, 409, 422)


def route(*endpoints: str) -> Callable[..., Any]:
    def decorate(function: Callable[[Probe], tuple[Any, Any]]) -> Any:
        for endpoint in endpoints:
            ROUTES[endpoint] = function
        return function

    return decorate


def _send(probe: Probe, path: str, *, method: str = "GET", **more: Any) -> Any:
    """The answer; REFUSED for any refusal. There is no 5xx whatever is asked."""
    answer = probe.client.open(path, method=method, headers=probe.headers, **more)
    answer.get_data()
    assert answer.status_code < 500, (method, path, more, answer.get_data(as_text=True)[:500])
    return REFUSED if answer.status_code in _REFUSALS else answer


def _ids_of(probe: Probe, answer: Any) -> Any:
    if answer == REFUSED:
        return REFUSED
    links = re.findall(
        rf'(?:href|data-url)="/r/{probe.entity}/(\d+)[?"]', answer.get_data(as_text=True)
    )
    return {int(key) for key in links}


def _visible(probe: Probe, **more: Any) -> Any:
    return probe.told(lambda: set(probe.visible(**more)))


def _rows_of(probe: Probe, answer: Any, seen: Any) -> tuple[Any, Any]:
    """As many rows as the oracle sees, and links to none but those."""
    if REFUSED in (answer, seen):
        return answer, seen
    _head, _mark, body = answer.get_data(as_text=True).partition("<tbody")
    rows = len(re.findall(r"<tr[ >]", body.partition("</tbody>")[0]))
    return (rows, _ids_of(probe, answer) - seen), (len(seen), set())


# Reading over REST


@route("api.list_records")
def rest_list(probe: Probe) -> tuple[Any, Any]:
    answer = _send(probe, f"/api/v1/records/{probe.entity}?limit=500")
    got = answer if answer == REFUSED else {row["id"] for row in answer.json["items"]}
    return got, _visible(probe)


@route("api.get_record", "web.show_record")
def one_record(probe: Probe) -> tuple[Any, Any]:
    row, page = probe.any_row(), probe.rng.random() < 0.5
    start = "/r" if page else "/api/v1/records"
    answer = _send(probe, f"{start}/{probe.entity}/{row['id']}")
    reached = probe.oracle.reaches(probe.user, probe.entity, "read", row)
    if row["archived"]:  # on its page alone, and for who may restore it
        restores = probe.oracle.reaches(probe.user, probe.entity, "delete", row)
        return answer != REFUSED, page and reached and restores
    phone = row.get("phone")
    if answer != REFUSED and phone:
        shown = phone in answer.get_data(as_text=True)
        assert not shown or probe.oracle.level(probe.user, "oracle_deal", "phone") >= READ
    return answer != REFUSED, reached


@route("api.read_document", "web.print_record")
def one_document(probe: Probe) -> tuple[Any, Any]:
    row, page = probe.any_row(), probe.rng.random() < 0.5
    start = "/r" if page else "/api/v1/records"
    answer = _send(probe, f"{start}/{probe.entity}/{row['id']}/documents/sheet.pdf")
    reached = probe.oracle.reaches(probe.user, probe.entity, "read", row)
    return answer != REFUSED, reached and not row["archived"]


@route("api.read_timeline")
def timeline(probe: Probe) -> tuple[Any, Any]:
    row = probe.any_row()
    answer = _send(probe, f"/api/v1/records/{probe.entity}/{row['id']}/timeline")
    return answer != REFUSED, probe.oracle.reaches(probe.user, probe.entity, "read", row)


@route("api.aggregate_records")
def aggregate(probe: Probe) -> tuple[Any, Any]:
    path = CHOICES[probe.entity]
    answer = _send(probe, f"/api/v1/records/{probe.entity}/aggregate?group={path}&measure=count")

    def say() -> Any:
        rows = probe.visible().values()
        if not probe.oracle.usable(probe.user, probe.entity, path):
            raise Refused(path)
        return Counter(row[path] for row in rows)

    if answer == REFUSED:
        return answer, probe.told(say)
    return {_key(row[path]): row["count"] for row in answer.json["items"]}, probe.told(say)


def _key(value: Any) -> Any:
    return value["id"] if isinstance(value, dict) else value


@route("api.export_records")
def export(probe: Probe) -> tuple[Any, Any]:
    answer = _send(probe, f"/api/v1/exports/{probe.entity}.csv?fields=id")

    def say() -> set[int]:
        oracle = probe.oracle
        if not oracle.may(probe.user, probe.entity, "export"):
            raise Refused("export")
        if not oracle.usable(probe.user, probe.entity, "id"):
            raise Refused("id")
        rows = probe.visible().values()
        return {r["id"] for r in rows if oracle.reaches(probe.user, probe.entity, "export", r)}

    if answer == REFUSED:
        return answer, probe.told(say)
    return {int(line) for line in answer.get_data(as_text=True).split()[1:]}, probe.told(say)


# Reading on pages


@route("web.list_records")
def list_page(probe: Probe) -> tuple[Any, Any]:
    seen = _visible(probe)
    for layout in ("board", "calendar"):  # nothing beyond: how many are shown is up to the page
        shown = _ids_of(probe, _send(probe, f"/r/{probe.entity}?layout={layout}"))
        assert shown == REFUSED or shown <= (set() if seen == REFUSED else set(seen))
    return _rows_of(probe, _send(probe, f"/r/{probe.entity}"), seen)


@route("web.live_rows")
def live(probe: Probe) -> tuple[Any, Any]:
    return _rows_of(probe, _send(probe, f"/r/{probe.entity}/live"), _visible(probe))


@route("web.list_totals")
def totals(probe: Probe) -> tuple[Any, Any]:
    answer = _send(probe, f"/r/{probe.entity}/totals")
    return answer != REFUSED, probe.oracle.may(probe.user, probe.entity, "read")


@route("web.show_row", "web.look_at_record")
def one_row(probe: Probe) -> tuple[Any, Any]:
    row, kind = probe.any_row(), probe.rng.choice(("row", "look"))
    answer = _send(probe, f"/r/{probe.entity}/{row['id']}/{kind}")
    reached = probe.oracle.reaches(probe.user, probe.entity, "read", row)
    return answer != REFUSED, reached and not row["archived"]


@route("web.recycle_bin")
def bin_page(probe: Probe) -> tuple[Any, Any]:
    """For who may restore what is in it."""
    answer = _send(probe, f"/r/{probe.entity}/bin")

    def say() -> set[int]:
        if not probe.oracle.may(probe.user, probe.entity, "delete"):
            raise Refused("delete")
        return set(probe.visible(archived=True))

    return _rows_of(probe, answer, probe.told(say))


@route("web.search", "web.suggest_all", "api.search_all")
def search_page(probe: Probe) -> tuple[Any, Any]:
    """Nothing beyond: how many of the hits are shown is up to the page."""
    word = probe.rng.choice(("alpha", "north", "13900001111", "note"))
    seen = _visible(probe)
    answer = _send(probe, f"/api/v1/search?q={word}&limit=100")
    hits = [] if answer == REFUSED else answer.json["items"]
    found = {hit["id"] for hit in hits if hit["entity"] == probe.entity}
    for path in ("/search", "/suggest"):
        shown = _ids_of(probe, _send(probe, f"{path}?q={word}"))
        found |= set() if shown == REFUSED else shown
    return (set() if found == REFUSED else found) - (set() if seen == REFUSED else seen), set()


@route("web.suggest")
def suggest(probe: Probe) -> tuple[Any, Any]:
    """Nothing beyond, and the labels of those alone that may be read."""
    word = probe.rng.choice(("a", "n", "1"))
    answer = _send(probe, f"/suggest/{probe.entity}?q={word}&name=x&role=x")
    if answer == REFUSED:
        return set(), set()
    keys = re.findall(r'data-(?:value|id)="(\d+)"', answer.get_data(as_text=True))
    seen = _visible(probe)
    return {int(key) for key in keys} - (set() if seen == REFUSED else seen), set()


@route("web.edit_record")
def edit_page(probe: Probe) -> tuple[Any, Any]:
    row = probe.any_row()
    answer = _send(probe, f"/r/{probe.entity}/{row['id']}/edit")
    oracle, user, entity = probe.oracle, probe.user, probe.entity
    both = all(oracle.reaches(user, entity, action, row) for action in ("read", "update"))
    return answer != REFUSED, both and not row["archived"]


@route("web.new_record")
def new_page(probe: Probe) -> tuple[Any, Any]:
    answer = _send(probe, f"/r/{probe.entity}/new")
    return answer != REFUSED, probe.oracle.may(probe.user, probe.entity, "create")


@route("web.export_records", "web.export_run")
def export_page(probe: Probe) -> tuple[Any, Any]:
    may = probe.oracle.may(probe.user, probe.entity, "export")
    answer = _send(probe, f"/r/{probe.entity}/export")
    if not may:
        sent = _send(probe, f"/r/{probe.entity}/export", method="POST", data={"format": "csv"})
        assert sent == REFUSED
    return answer != REFUSED, may and probe.oracle.may(probe.user, probe.entity, "read")


# Writing that is refused


def _refused(probe: Probe, action: str, row: dict[str, Any] | None) -> bool:
    """True when the oracle is sure that it may not be done."""
    if row is None:
        return not probe.oracle.may(probe.user, probe.entity, action)
    alive = row["archived"] is (action == "restore")
    right = "delete" if action == "restore" else action
    return not (alive and probe.oracle.reaches(probe.user, probe.entity, right, row))


def _write(probe: Probe, action: str, path: str, *, of_one: bool = True, **more: Any) -> Any:
    row = probe.any_row() if of_one else None
    if not _refused(probe, action, row):
        return REFUSED, REFUSED  # made and undone by the operations of the service
    more = json.loads(json.dumps(more).replace('"ID"', str(row["id"]) if row else "0"))
    sent = {"method": "POST", **more}
    return _send(probe, path.replace("ID", str(row["id"]) if row else "0"), **sent), REFUSED


@route("api.create_record")
def rest_create(probe: Probe) -> tuple[Any, Any]:
    body = {NEEDED[probe.entity]: "New"}
    path = f"/api/v1/records/{probe.entity}"
    return _write(probe, "create", path, of_one=False, json=body)


@route("api.update_record")
def rest_update(probe: Probe) -> tuple[Any, Any]:
    body, path = {NEEDED[probe.entity]: "New"}, f"/api/v1/records/{probe.entity}/ID"
    return _write(probe, "update", path, json=body, method="PATCH")


@route("api.delete_record")
def rest_delete(probe: Probe) -> tuple[Any, Any]:
    return _write(probe, "delete", f"/api/v1/records/{probe.entity}/ID", method="DELETE")


@route("api.restore_record")
def rest_restore(probe: Probe) -> tuple[Any, Any]:
    return _write(probe, "restore", f"/api/v1/records/{probe.entity}/ID/restore")


@route("api.act_on_record")
def rest_act(probe: Probe) -> tuple[Any, Any]:
    probe.entity = "oracle_deal"
    path = "/api/v1/records/oracle_deal/ID/actions/approve"
    return _write(probe, "approve", path, json={"reason": "x"})


@route("api.write_batch")
def rest_batch(probe: Probe) -> tuple[Any, Any]:
    """Each of its parts, with an answer for each record."""
    path, name = f"/api/v1/records/{probe.entity}/batch", NEEDED[probe.entity]
    part = probe.rng.choice(("create", "update", "delete"))
    body = {
        "create": {"create": [{name: "New"}, {name: "New"}]},
        "update": {"update": [{"id": "ID", name: "New"}]},
        "delete": {"delete": ["ID"]},
    }[part]
    answer, expected = _write(probe, part, path, of_one=part != "create", json=body)
    if answer != REFUSED:
        done = [each["status"] for each in answer.json["results"] if each["status"] < 400]
        answer = done or REFUSED
    return answer, expected


@route(
    "api.import_table", "api.import_template", "web.import_start", "web.import_template",
    "web.import_upload",
)  # fmt: skip
def import_(probe: Probe) -> tuple[Any, Any]:
    entity = probe.entity
    if probe.oracle.may(probe.user, entity, "import"):
        return REFUSED, REFUSED

    def file() -> tuple[io.BytesIO, str]:
        return io.BytesIO(f"{NEEDED[entity]}\nNew\n".encode()), "a.csv"

    for path in (
        f"/r/{entity}/import",
        f"/r/{entity}/import/template.xlsx",
        f"/api/v1/imports/{entity}/template.xlsx",
    ):
        assert _send(probe, path) == REFUSED
    assert _send(probe, f"/r/{entity}/import", method="POST", data={"file": file()}) == REFUSED
    data = {"file": file(), "entity": entity}
    return _send(probe, "/api/v1/imports", method="POST", data=data), REFUSED


@route("web.create_record")
def page_create(probe: Probe) -> tuple[Any, Any]:
    body = {NEEDED[probe.entity]: "New"}
    return _write(probe, "create", f"/r/{probe.entity}/new", of_one=False, data=body)


@route("web.update_record")
def page_update(probe: Probe) -> tuple[Any, Any]:
    body = {NEEDED[probe.entity]: "New", "version": "1"}
    return _write(probe, "update", f"/r/{probe.entity}/ID/edit", data=body)


@route("web.write_cell")
def page_cell(probe: Probe) -> tuple[Any, Any]:
    name = CHOICES[probe.entity]
    body = {"cell": name, name: "", "version": "1"}
    return _write(probe, "update", f"/r/{probe.entity}/ID/row", data=body)


@route("web.paste_cells")
def page_paste(probe: Probe) -> tuple[Any, Any]:
    cells = {"cells": f"0:{CHOICES[probe.entity]}", "texts": "", "confirmed": "1"}
    body = {"ids": "ID", "versions": "1", **cells}
    return _write(probe, "update", f"/r/{probe.entity}/paste", data=body)


@route("web.move_card")
def page_move(probe: Probe) -> tuple[Any, Any]:
    body = {"ids": "ID", "by": CHOICES[probe.entity], "to": ""}
    return _write(probe, "update", f"/r/{probe.entity}/move", data=body)


@route("web.delete_records")
def page_delete(probe: Probe) -> tuple[Any, Any]:
    return _write(probe, "delete", f"/r/{probe.entity}/delete", data={"ids": "ID"})


@route("web.restore_records")
def page_restore(probe: Probe) -> tuple[Any, Any]:
    return _write(probe, "restore", f"/r/{probe.entity}/restore", data={"ids": "ID"})


@route("web.act_on_records")
def page_act(probe: Probe) -> tuple[Any, Any]:
    probe.entity = "oracle_deal"
    data = {"ids": "ID", "reason": "x", "confirmed": "1", "param.reason": "x"}
    return _write(probe, "approve", "/r/oracle_deal/actions/approve", data=data)


@route("web.bulk_edit")
def page_bulk_edit(probe: Probe) -> tuple[Any, Any]:
    name = NEEDED[probe.entity]
    data = {"ids": "ID", "field": name, name: "New", "value": "New"}
    answer, expected = _write(probe, "update", f"/r/{probe.entity}/bulk-edit", data=data)
    # A form may be shown again; that nothing is written is told by the digest.
    return (REFUSED if answer != REFUSED and answer.status_code == 200 else answer), expected

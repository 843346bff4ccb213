"""Every way to read or write a record, as a probe: what the product did and what the oracle says.

A probe takes a `Probe` and returns (what happened, what should have); `REFUSED` stands for any
refusal. Writes that are allowed are rolled back, so that one world serves thousands of probes.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from oracle import HIDDEN, READ, WRITE, Oracle, Refused, mask

from core.entities import query, service
from core.entities.aggregate import aggregate
from core.entities.query import ListQuery
from core.entities.timeline import timeline
from core.errors import Refusal
from core.search.finding import search as everything
from core.work.uow import Origin, UnitOfWork

REFUSED = "refused"
TESTED = ("oracle_account", "oracle_deal", "oracle_note", "oracle_line", "user")
OPERATIONS: dict[str, Callable[[Probe], tuple[Any, Any]]] = {}


@dataclass
class Probe:
    """One person, one entity, and where to ask."""

    runtime: Any
    oracle: Oracle
    rng: random.Random
    user: int
    entity: str
    actor: Any
    client: Any = None
    headers: Any = None

    @property
    def facts(self) -> dict[str, Any]:
        return self.oracle.entities[self.entity]

    def read(self, ask: Callable[[UnitOfWork], Any]) -> Any:
        try:
            with UnitOfWork(self.runtime, self.actor, origin=Origin("test"), write=False) as uow:
                return ask(uow)
        except Refusal:
            return REFUSED

    def write(self, do: Callable[[UnitOfWork], Any]) -> Any:
        """What was done, then undone."""
        try:
            with UnitOfWork(self.runtime, self.actor, origin=Origin("test")) as uow:
                do(uow)
                raise _Undo
        except _Undo:
            return "done"
        except Refusal:
            return REFUSED

    def told(self, say: Callable[[], Any]) -> Any:
        try:
            return say()
        except Refused:
            return REFUSED

    def any_row(self) -> dict[str, Any]:
        return self.rng.choice(list(self.oracle.rows[self.entity].values()))

    def visible(self, *, archived: bool = False) -> dict[int, Any]:
        return self.oracle.visible(self.user, self.entity, archived=archived)

    def shown(self, row: dict[str, Any]) -> dict[str, Any]:
        return self.oracle.shown(self.user, self.entity, row)


class _Undo(Exception):
    pass


def operation(function: Callable[[Probe], tuple[Any, Any]]) -> Callable[[Probe], tuple[Any, Any]]:
    OPERATIONS[function.__name__] = function
    return function


def _ids(probe: Probe, wanted: ListQuery) -> Any:
    def ask(uow: UnitOfWork) -> set[int]:
        return {row["id"] for row in query.page(uow, probe.entity, wanted).items}

    return probe.read(ask)


# Reading


@operation
def list_rows(probe: Probe) -> tuple[Any, Any]:
    page = probe.read(lambda uow: query.page(uow, probe.entity, ListQuery(limit=500)))
    got = page if page == REFUSED else {row["id"]: row for row in page.items}
    return got, probe.told(lambda: {key: probe.shown(row) for key, row in probe.visible().items()})


@operation
def list_chosen_fields(probe: Probe) -> tuple[Any, Any]:
    names = tuple(probe.rng.sample(probe.facts["stored"], 2))
    page = probe.read(lambda uow: query.page(uow, probe.entity, ListQuery(fields=names, limit=500)))
    got = page if page == REFUSED else {row["id"]: row for row in page.items}

    def say() -> Any:
        rows = probe.visible()
        if any(probe.oracle.level(probe.user, probe.entity, name) == HIDDEN for name in names):
            raise Refused(names)
        kept = {*names, "id", "version"}
        return {
            key: {name: value for name, value in probe.shown(row).items() if name in kept}
            for key, row in rows.items()
        }

    return got, probe.told(say)


@operation
def recycle_bin(probe: Probe) -> tuple[Any, Any]:
    return _ids(probe, ListQuery(archived=True, limit=500)), probe.told(
        lambda: set(probe.visible(archived=True))
    )


@operation
def get_one(probe: Probe) -> tuple[Any, Any]:
    row = probe.any_row()
    got = probe.read(lambda uow: query.get(uow, probe.entity, row["id"], archived=None).values)
    oracle, user = probe.oracle, probe.user

    def say() -> Any:
        if not oracle.reaches(user, probe.entity, "read", row):
            raise Refused(row["id"])
        if not oracle.living(probe.entity, row) and not oracle.reaches(
            user, probe.entity, "delete", row
        ):
            raise Refused(row["id"])
        seen = probe.shown(row)
        if probe.entity == "oracle_deal":
            for name, links in oracle.world["links"].items():
                if oracle.level(user, probe.entity, name) >= READ:
                    seen[name] = links.get(row["id"], [])
            if oracle.level(user, probe.entity, "lines") >= READ:
                lines = oracle.rows["oracle_line"].values()
                mine = [
                    each for each in lines if each["deal"] == row["id"] and not each["archived"]
                ]
                mine.sort(key=lambda each: (each["position"], each["id"]))
                seen["lines"] = [oracle.shown(user, "oracle_line", each) for each in mine]
        return seen

    if isinstance(got, dict) and probe.entity == "user":
        for name in ("departments", "roles", "absences"):
            got.pop(name, None)
    return got, probe.told(say)


@operation
def search(probe: Probe) -> tuple[Any, Any]:
    words = probe.rng.choice(("a", "alpha", "NORTH", "omega", "saw", "p1", "13900001111", "1390"))

    def say() -> set[int]:
        names = [
            name
            for name in probe.facts["searchable"]
            if probe.oracle.usable(probe.user, probe.entity, name)
        ]
        return {
            key
            for key, row in probe.visible().items()
            if any(words.lower() in (row[name] or "").lower() for name in names)
        }

    return _ids(probe, ListQuery(search=words, limit=500)), probe.told(say)


#: What the search over everything looks at beside the searchable fields: numbers and addresses.
ALSO_SEARCHED = {"user": ("mobile", "email"), "oracle_deal": ("phone",)}


@operation
def search_everything(probe: Probe) -> tuple[Any, Any]:
    """All that begins with the word is found, and nothing that does not hold it (Z1, Z11, V4)."""
    word = probe.rng.choice(("alpha", "NORTH", "omega", "saw", "13900001111", "1390", "beta"))
    entity = probe.entity

    def ask(uow: UnitOfWork) -> set[int]:
        hits = everything(uow, word, entities=[entity], limit=500)
        return {hit.id for hit in hits}

    def holding(test: Callable[[str], bool]) -> set[int]:
        facts = probe.facts
        names = {*facts["searchable"], facts["label"], *ALSO_SEARCHED.get(entity, ())}
        usable = [name for name in names if probe.oracle.usable(probe.user, entity, name)]
        rows = probe.visible().items()
        return {
            key for key, row in rows if any(test(str(row[name] or "").lower()) for name in usable)
        }

    got = probe.read(ask)
    if entity == "oracle_line":  # found with its deal, never by itself
        return (got, probe.told(probe.visible)) if got == REFUSED else (got, set())
    if got == REFUSED:
        return got, probe.told(probe.visible)
    allowed = holding(lambda text: word.lower() in text)
    expected = holding(lambda text: text.startswith(word.lower()))
    return (got - allowed, expected - got), (set(), set())


TESTS: dict[str, list[tuple[str, str, Any]]] = {
    "oracle_account": [
        ("name", "contains", "alph"), ("level", "eq", "a"), ("credit", "is_set", None),
        ("owner.name", "contains", "a"), ("owner.mobile", "contains", "138"), ("code", "is_empty", None),
        ("department.name", "eq", "D1"), ("level", "not_in", ["a", "b"]),
    ],
    "oracle_deal": [
        ("secret", "eq", "alpha"), ("phone", "contains", "1390"), ("account.level", "eq", "a"),
        ("account.name", "contains", "beta"), ("account.level", "ne", "a"), ("account.credit", "is_empty", None),
        ("account.owner.name", "contains", "a"), ("amount", "eq", Decimal("5.00")), ("reviewer.name", "contains", "b"),
        ("stage", "in", ["new", "won"]), ("account.code", "is_set", None), ("account.owner.mobile", "is_set", None),
    ],
    "oracle_note": [
        ("deal.secret", "is_set", None), ("deal.account.level", "ne", "b"), ("color", "eq", "red"),
        ("deal.stage", "eq", "won"), ("deal.account.owner.name", "contains", "p"), ("text", "contains", "saw"),
    ],
    "oracle_line": [
        ("product", "eq", "saw"), ("deal.secret", "eq", "omega"), ("deal.account.name", "contains", "a"),
        ("price", "is_set", None),
    ],
    "user": [("mobile", "contains", "138"), ("name", "contains", "a"), ("department.name", "ne", "D2")],
}  # fmt: skip


def _filter(probe: Probe) -> tuple[dict[str, Any], Callable[[], set[int]]]:
    field, op, value = probe.rng.choice(TESTS[probe.entity])
    test = {"field": field, "op": op, "value": value}

    def say() -> set[int]:
        rows = probe.visible()
        probe.oracle.through(
            probe.user, probe.entity, {}, field
        )  # refused before any row is looked at
        return {
            key
            for key, row in rows.items()
            if probe.oracle.fulfils(probe.entity, row, test, probe.user)
        }

    return test, say


@operation
def filter_rows(probe: Probe) -> tuple[Any, Any]:
    test, say = _filter(probe)
    return _ids(probe, ListQuery(filter=test, limit=500)), probe.told(say)


@operation
def count_rows(probe: Probe) -> tuple[Any, Any]:
    test, say = _filter(probe)
    got = probe.read(lambda uow: query.count(uow, probe.entity, ListQuery(filter=test)))
    ids = probe.told(say)
    return got, ids if ids == REFUSED else len(ids)


@operation
def page_total(probe: Probe) -> tuple[Any, Any]:
    how = probe.rng.choice(("exact", "estimate"))
    wanted = ListQuery(limit=1, count=how)
    got = probe.read(lambda uow: query.page(uow, probe.entity, wanted).total)
    return got, probe.told(lambda: len(probe.visible()))


SORTS = {
    "oracle_account": ("name", "owner", "department", "credit", "code", "level"),
    "oracle_deal": ("account", "owner", "amount", "secret", "phone", "number", "reviewer"),
    "oracle_note": ("deal", "text", "color", "created_by"),
    "oracle_line": ("deal", "product", "price"),
    "user": ("name", "mobile", "department"),
}


@operation
def sort_in_pages(probe: Probe) -> tuple[Any, Any]:
    name, descending = probe.rng.choice(SORTS[probe.entity]), probe.rng.random() < 0.5
    wanted = ("-" if descending else "") + name

    def ask(uow: UnitOfWork) -> list[int]:
        found, after = [], None
        while True:
            page = query.page(
                uow, probe.entity, ListQuery(fields=("id",), sort=wanted, limit=9, after=after)
            )
            found += [row["id"] for row in page.items]
            after = page.next
            if after is None:
                return found

    def say() -> list[int]:
        rows = probe.visible()
        if not probe.oracle.usable(probe.user, probe.entity, name):
            raise Refused(name)
        if probe.oracle.level(probe.user, probe.entity, "id") == HIDDEN:
            raise Refused("id")
        large = not probe.runtime.database.is_sqlite

        def key(row: dict[str, Any]) -> Any:
            value = _sorted_by(probe, name, row)
            first = (value is not None) is not large
            return first, value if value is not None else 0, row["id"]

        return [row["id"] for row in sorted(rows.values(), key=key, reverse=descending)]

    return probe.read(ask), probe.told(say)


def _sorted_by(probe: Probe, name: str, row: dict[str, Any]) -> Any:
    """References sort by what their reader may see of the label, in full."""
    target = probe.facts["references"].get(name)
    if target is None or row[name] is None:
        return row[name]
    label = probe.oracle.entities[target]["label"]
    if not probe.oracle.usable(probe.user, target, label):
        return None
    other = probe.oracle.rows[target][row[name]]
    seen = probe.oracle.reaches(probe.user, target, "read", other)
    return other[label] if seen else None


GROUPS = {
    "oracle_account": ("level", "owner", "owner.name", "department", "owner.mobile"),
    "oracle_deal": ("stage", "account", "account.level", "secret", "account.owner.name", "phone"),
    "oracle_note": ("deal", "deal.account.level", "color", "deal.secret"),
    "oracle_line": ("product", "deal.stage"),
    "user": ("department", "mobile", "name"),
}


@operation
def group_and_count(probe: Probe) -> tuple[Any, Any]:
    path = probe.rng.choice(GROUPS[probe.entity])
    rows = probe.read(lambda uow: aggregate(uow, probe.entity, [path], ["count"], ListQuery()))
    got = rows if rows == REFUSED else {row[path]["id"]: row["count"] for row in rows}

    def say() -> Any:
        probe.oracle.through(probe.user, probe.entity, {}, path)
        seen = probe.visible().values()
        return dict(
            Counter(probe.oracle.through(probe.user, probe.entity, row, path) for row in seen)
        )

    def allowed() -> Any:
        probe.visible()
        return say()

    return got, probe.told(allowed)


@operation
def group_labels(probe: Probe) -> tuple[Any, Any]:
    path = {"oracle_account": "owner", "oracle_deal": "account", "oracle_note": "deal",
            "oracle_line": "deal", "user": "department"}[probe.entity]  # fmt: skip
    rows = probe.read(lambda uow: aggregate(uow, probe.entity, [path], ["count"], ListQuery()))
    got = rows if rows == REFUSED else {row[path]["id"]: row[path]["label"] for row in rows}
    target = probe.facts["references"][path]

    def say() -> Any:
        rows = probe.visible().values()
        if not probe.oracle.usable(probe.user, probe.entity, path):
            raise Refused(path)
        keys = {row[path] for row in rows}
        return {key: key and probe.oracle.label(probe.user, target, key) for key in keys}

    return got, probe.told(say)


@operation
def sum_up(probe: Probe) -> tuple[Any, Any]:
    field = {"oracle_account": "credit", "oracle_deal": "amount", "oracle_line": "price"}.get(
        probe.entity, "id"
    )
    rows = probe.read(lambda uow: aggregate(uow, probe.entity, [], [f"sum:{field}"], ListQuery()))
    got = rows if rows == REFUSED else rows[0][f"sum:{field}"]

    def say() -> Any:
        rows = probe.visible().values()
        if not probe.oracle.usable(probe.user, probe.entity, field):
            raise Refused(field)
        values = [row[field] for row in rows if row[field] is not None]
        return None if not values else sum(values)

    told = probe.told(say)
    return (Decimal(got) if isinstance(got, str) and got != REFUSED else got), told


@operation
def labels_of_references(probe: Probe) -> tuple[Any, Any]:
    page = probe.read(lambda uow: query.page(uow, probe.entity, ListQuery(limit=500)))
    got = page if page == REFUSED else {k: v for k, v in page.labels.items() if v}

    def say() -> Any:
        found: dict[str, dict[int, str]] = {}
        for row in probe.visible().values():
            for name, target in probe.facts["references"].items():
                level = probe.oracle.level(probe.user, probe.entity, name)
                if level >= READ and row[name] is not None and target in probe.oracle.entities:
                    label = probe.oracle.label(probe.user, target, row[name])
                    if label is not None:
                        found.setdefault(target, {})[row[name]] = label
        return found

    return got, probe.told(say)


@operation
def export_stream(probe: Probe) -> tuple[Any, Any]:
    def ask(uow: UnitOfWork) -> dict[int, Any]:
        pages = query.stream(uow, probe.entity, ListQuery(), chunk=7)
        return {row["id"]: row for page in pages for row in page.items}

    def say() -> Any:
        rows = probe.visible()
        if not probe.oracle.may(probe.user, probe.entity, "export"):
            raise Refused("export")
        return {
            key: probe.shown(row)
            for key, row in rows.items()
            if probe.oracle.reaches(probe.user, probe.entity, "export", row)
        }

    return probe.read(ask), probe.told(say)


@operation
def select_for_bulk(probe: Probe) -> tuple[Any, Any]:
    action = probe.rng.choice(("update", "delete", "export"))

    def ask(uow: UnitOfWork) -> set[int]:
        return set(query.select_ids(uow, probe.entity, ListQuery(), action=action, limit=1000))

    def say() -> set[int]:
        if not probe.oracle.may(probe.user, probe.entity, action):
            raise Refused(action)
        if not probe.oracle.may(probe.user, probe.entity, "read"):
            return set()
        return {
            key
            for key, row in probe.visible().items()
            if probe.oracle.reaches(probe.user, probe.entity, action, row)
        }

    return probe.read(ask), probe.told(say)


@operation
def read_timeline(probe: Probe) -> tuple[Any, Any]:
    """Which fields a timeline shows, against those that its reader may see."""
    row = probe.any_row()
    entries = probe.read(lambda uow: timeline(uow, probe.entity, row["id"]))
    if entries == REFUSED:
        got: Any = REFUSED
    else:
        got = {
            change.field.name: change.new
            for entry in entries
            if entry.kind == "create" and ":" not in entry.title
            for change in entry.changes
        }
        for field, value in list(got.items()):
            level = probe.oracle.level(probe.user, probe.entity, field)
            if level == HIDDEN:
                got = f"shows {field}"
                break
            if level < READ and value is not None and "****" not in str(value):
                got = f"shows {field} unmasked: {value}"
                break
        else:
            got = "shown"

    def say() -> str:
        if not probe.oracle.may(probe.user, probe.entity, "read"):
            raise Refused("read")
        if not probe.oracle.reaches(probe.user, probe.entity, "read", row):
            raise Refused(row["id"])
        return "shown"

    return got, probe.told(say)


@operation
def read_audit_trail(probe: Probe) -> tuple[Any, Any]:
    """The trail shows no entry about a record, and no field, that its reader does not see."""
    fields = probe.rng.choice((("changes",), ("entity", "record_id", "changes"), None))
    wanted = ListQuery(
        fields=fields, filter={"field": "entity", "op": "eq", "value": probe.entity}, limit=500
    )
    page = probe.read(lambda uow: query.page(uow, "audit_entry", wanted))
    if page == REFUSED:
        return "shown", "shown"  # who may read it is told by other tests
    oracle, user = probe.oracle, probe.user
    for row in page.items:
        for field in row["changes"] or {}:
            known = field in probe.facts["fields"]
            if known and oracle.level(user, probe.entity, field) < READ:
                return f"shows {field}", "shown"
        record = oracle.rows[probe.entity].get(row.get("record_id") or 0)
        mine = row.get("actor") == user
        if record and not mine and not oracle.reaches(user, probe.entity, "read", record):
            return f"tells of {probe.entity} {record['id']}", "shown"
    return "shown", "shown"


# Writing


def _change(probe: Probe) -> dict[str, Any]:
    rng, world = probe.rng, probe.oracle.world
    people, departments = list(world["users"]), list(world["departments"])
    accounts = list(probe.oracle.rows["oracle_account"])
    return rng.choice(
        {
            "oracle_account": [
                {"name": "New"}, {"level": "b"}, {"owner": rng.choice(people)}, {"credit": "1.00"},
                {"department": rng.choice(departments)}, {"owner": None},
            ],
            "oracle_deal": [
                {"title": "New"}, {"secret": "x"}, {"phone": "13900003333"}, {"stage": "talking"},
                {"account": rng.choice(accounts)}, {"owner": rng.choice(people)}, {"amount": "9.00"},
                {"owner": rng.choice(people), "department": rng.choice(departments)},
                {"stage": "won"},
            ],
            "oracle_note": [{"text": "New"}, {"color": "blue"}, {"color": None}],
            "oracle_line": [{"product": "rasp"}, {"price": "3.00"}],
            "user": [{"title": "x"}],
        }[probe.entity]
    )  # fmt: skip


def _may_write(probe: Probe, values: dict[str, Any], before: dict[str, Any] | None) -> bool:
    """The fields are open, and what is newly pointed at is alive and seen."""
    oracle = probe.oracle
    for name, value in values.items():
        level = oracle.level(probe.user, probe.entity, name)
        if level < WRITE or name not in probe.facts["writable"]:
            return False
        target = probe.facts["references"].get(name)
        if target and value is not None and (before is None or before[name] != value):
            other = oracle.rows[target].get(value)
            if (
                other is None
                or other["archived"]
                or not oracle.reaches(probe.user, target, "read", other)
            ):
                return False
    return True


def _with_owner(probe: Probe, before: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    after = {**before, **values}
    moved = probe.facts["owned"] and after["owner"] != before.get("owner")
    if moved and after["owner"] is not None and "department" not in values:
        after["department"] = probe.oracle.world["users"][after["owner"]]["department"]
    return after


@operation
def update_row(probe: Probe) -> tuple[Any, Any]:
    row, values = probe.any_row(), _change(probe)
    got = probe.write(lambda uow: service.update(uow, probe.entity, {row["id"]: values}))

    def say() -> str:
        oracle, user, entity = probe.oracle, probe.user, probe.entity
        good = (
            oracle.living(entity, row)
            and oracle.reaches(user, entity, "update", row)
            and _may_write(probe, values, row)
            and oracle.reaches(user, entity, "update", _with_owner(probe, row, values))
        )
        return "done" if good else REFUSED

    return got, say()


@operation
def create_row(probe: Probe) -> tuple[Any, Any]:
    if probe.entity == "user":
        probe.entity = "oracle_note"
    needed = {"oracle_account": "name", "oracle_deal": "title", "oracle_note": "text"}
    values = {**_change(probe)}
    oracle, user, entity = probe.oracle, probe.user, probe.entity
    if entity == "oracle_line":
        values["deal"] = probe.rng.choice(list(oracle.rows["oracle_deal"]))
    else:
        values.setdefault(needed[entity], "New")
    got = probe.write(lambda uow: service.create(uow, entity, [values]))
    made = {name: None for name in probe.facts["stored"]}
    made |= {"created_by": user, "id": 0}
    if entity == "oracle_deal":
        made |= {"stage": "new"}
    if probe.facts["owned"]:
        values_ = {"owner": user, **values}
        made = _with_owner(probe, made, values_)
    else:
        made |= values
    good = (
        oracle.may(user, entity, "create")
        and _may_write(probe, values, None)
        and oracle.reaches(user, entity, "create", made)
    )
    return got, "done" if good else REFUSED


@operation
def create_with_lines(probe: Probe) -> tuple[Any, Any]:
    """A record and its lines in one call: the right to create it is the right to both."""
    probe.entity = "oracle_deal"
    oracle, user, lines = probe.oracle, probe.user, [{"product": "new", "price": "1.00"}]
    values = {"title": "New", "owner": probe.rng.choice(list(oracle.world["users"]))}
    item = {**values, "lines": lines}
    got = probe.write(lambda uow: service.create(uow, "oracle_deal", [item]))
    made = {name: None for name in probe.facts["stored"]}
    made = _with_owner(probe, made | {"created_by": user, "id": 0, "stage": "new"}, values)
    good = (
        oracle.may(user, "oracle_deal", "create")
        and _may_write(probe, values, None)
        and oracle.reaches(user, "oracle_deal", "create", made)
        and oracle.level(user, "oracle_deal", "lines") == WRITE
        and all(oracle.level(user, "oracle_line", name) == WRITE for name in (*lines[0], "deal"))
    )
    return got, "done" if good else REFUSED


@operation
def delete_row(probe: Probe) -> tuple[Any, Any]:
    if probe.entity == "user":
        probe.entity = "oracle_deal"
    row = probe.any_row()
    got = probe.write(lambda uow: service.delete(uow, probe.entity, [row["id"]]))
    living = probe.oracle.living(probe.entity, row)
    good = living and probe.oracle.reaches(probe.user, probe.entity, "delete", row)
    return got, "done" if good else REFUSED


@operation
def restore_row(probe: Probe) -> tuple[Any, Any]:
    if probe.entity == "user":
        probe.entity = "oracle_account"
    rows = probe.oracle.rows[probe.entity].values()
    binned = [row for row in rows if row["archived"]]
    row = probe.rng.choice(binned) if binned and probe.rng.random() < 0.8 else probe.any_row()
    got = probe.write(lambda uow: service.restore(uow, probe.entity, [row["id"]]))
    good = row["archived"] and probe.oracle.reaches(probe.user, probe.entity, "delete", row)
    return got, "done" if good else REFUSED


@operation
def use_verb(probe: Probe) -> tuple[Any, Any]:
    probe.entity = "oracle_deal"
    row, verb = probe.any_row(), probe.rng.choice(("approve", "assign"))
    to = probe.rng.choice(list(probe.oracle.world["users"]))
    params = {"reason": "good"} if verb == "approve" else {"to": to}
    got = probe.write(lambda uow: service.act(uow, probe.entity, verb, [row["id"]], params))
    good = not row["archived"] and probe.oracle.reaches(probe.user, probe.entity, verb, row)
    good = good and (verb == "assign" or row["stage"] != "lost")
    return got, "done" if good else REFUSED


@operation
def write_lines(probe: Probe) -> tuple[Any, Any]:
    """Lines written through their parent."""
    probe.entity = "oracle_deal"
    row = probe.any_row()
    lines = [{"product": "new", "price": "1.00"}]
    got = probe.write(lambda uow: service.update(uow, "oracle_deal", {row["id"]: {"lines": lines}}))
    oracle, user = probe.oracle, probe.user
    good = (
        not row["archived"]
        and oracle.reaches(user, "oracle_deal", "update", row)
        and oracle.level(user, "oracle_deal", "lines") == WRITE
        and all(oracle.level(user, "oracle_line", name) == WRITE for name in lines[0])
        and oracle.level(user, "oracle_line", "deal") == WRITE
        and oracle.reaches(user, "oracle_deal", "read", row)
    )
    return got, "done" if good else REFUSED


# REST: the same answers, through a token of the person


def _rest(probe: Probe, path: str, **parameters: Any) -> Any:
    answer = probe.client.get(
        f"/api/v1/records/{path}", query_string=parameters, headers=probe.headers
    )
    assert answer.status_code < 500, (path, parameters, answer.get_data(as_text=True))
    return REFUSED if answer.status_code >= 400 else answer.get_json()


@operation
def rest_list(probe: Probe) -> tuple[Any, Any]:
    test, say = _filter(probe)
    text = json.dumps(test, default=str)
    body = _rest(probe, probe.entity, filter=text, limit=500, count="exact")
    got = body if body == REFUSED else ({row["id"] for row in body["items"]}, body["total"])
    ids = probe.told(say)
    return got, ids if ids == REFUSED else (ids, len(ids))


@operation
def rest_get(probe: Probe) -> tuple[Any, Any]:
    row = probe.any_row()
    body = _rest(probe, f"{probe.entity}/{row['id']}")
    got = body if body == REFUSED else set(body) & set(probe.facts["stored"])

    def say() -> Any:
        reached = probe.oracle.reaches(probe.user, probe.entity, "read", row)
        if not probe.oracle.living(probe.entity, row) or not reached:
            raise Refused(row["id"])
        for name, value in probe.shown(row).items():
            if isinstance(value, str) and body != REFUSED:
                seen = (
                    body[name]["label"]
                    if isinstance(body[name], dict) and "****" in value
                    else body[name]
                )
                assert seen == value or isinstance(body[name], dict), (name, body[name], value)
        return set(probe.shown(row))

    return got, probe.told(say)


@operation
def rest_refused_patch(probe: Probe) -> tuple[Any, Any]:
    """A change that the oracle refuses is refused; those it allows are made by `update_row`."""
    row, values = probe.any_row(), _change(probe)
    oracle, user, entity = probe.oracle, probe.user, probe.entity
    if oracle.living(entity, row) and oracle.reaches(user, entity, "update", row):
        return REFUSED, REFUSED
    answer = probe.client.patch(
        f"/api/v1/records/{entity}/{row['id']}", json=values, headers=probe.headers
    )
    return (REFUSED if answer.status_code in (403, 404) else answer.status_code), REFUSED


@operation
def rest_refused_delete(probe: Probe) -> tuple[Any, Any]:
    row, entity = probe.any_row(), probe.entity
    living = probe.oracle.living(entity, row)
    if living and probe.oracle.reaches(probe.user, entity, "delete", row):
        return REFUSED, REFUSED
    answer = probe.client.delete(f"/api/v1/records/{entity}/{row['id']}", headers=probe.headers)
    return (REFUSED if answer.status_code in (403, 404) else answer.status_code), REFUSED


__all__ = ["OPERATIONS", "REFUSED", "TESTED", "Probe", "mask"]

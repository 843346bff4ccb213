"""The audit trail is complete: played from its beginning it gives the tables as they are (L1)."""

from __future__ import annotations

import io
from collections import Counter
from contextlib import suppress
from random import Random
from typing import Any

import orjson
import pytest
from sqlalchemy import select
from werkzeug.datastructures import FileStorage

from core.audit.models import AuditEntry
from core.audit.sealing import seal_pending
from core.audit.verifying import verify
from core.entities import service
from core.entities.links import link_table
from core.entities.purging import purge
from core.errors import Refusal
from core.faults import InjectedFault, planned_fault
from core.fields import types as t
from core.ops.install import create_user
from core.security.actor import SYSTEM
from core.work.uow import Origin, UnitOfWork

entries = AuditEntry.__table__
_CHANGES = ("create", "update", "delete", "restore", "purge")


class Writers:
    """Random writes by every way there is. Each method is one operation."""

    def __init__(self, runtime, browser, client, headers, admin_id, run_jobs, seed):
        self.runtime, self.browser, self.client = runtime, browser, client
        self.headers, self.admin, self.run_jobs = headers, admin_id, run_jobs
        self.random, self.done = Random(seed), Counter[str]()
        self.rest = "/api/v1/records/specimen"

    def run(self, writes):
        """Until the trail has so many entries more."""
        ways = [self.form, self.rest_one, self.rest_batch, self.bulk, self.service, self.verb]
        rare = [self.imported, self.people, self.job, self.structure, self.purged]
        start = self._entries()
        while self._entries() - start < writes:
            for _turn in range(20):
                way = self.random.choice(rare if self.random.random() < 0.04 else ways)
                way()
                self.done[way.__name__] += 1
        for way in (*ways, *rare):
            if not self.done[way.__name__]:
                way()
        self.run_jobs()

    def _entries(self):
        with self.runtime.read_connection() as connection:
            return connection.execute(select(entries.c.id).order_by(entries.c.id.desc())).scalar()

    def _some(self, most=5, *, archived=False):
        table = self.runtime.snapshot.entities["specimen"].table
        binned = table.c.archived_at.is_not(None) if archived else table.c.archived_at.is_(None)
        with self.runtime.read_connection() as connection:
            keys = connection.execute(select(table.c.id).where(binned)).scalars().all()
        return self.random.sample(keys, min(len(keys), self.random.randint(1, most)))

    def _values(self):
        r = self.random
        every = {
            "name": r.choice(["桶", "梁", "斗", "拱", "昂"]) + str(r.randint(1, 10**9)),
            "quantity": r.choice([None, r.randint(0, 99)]),
            "weight": r.choice([None, f"{r.randint(0, 9999)}.{r.randint(0, 999):03}"]),
            "price": r.choice([None, "12.50", "0.01"]),
            "active": r.random() < 0.5,
            "day": r.choice([None, "2026-05-06"]),
            "moment": r.choice([None, "2026-05-06T07:08:09.123456Z"]),
            "state": r.choice(["new", "kept"]),
            "colours": r.choice([None, ["red"], ["red", "blue"]]),
            "tags": r.choice([None, ["甲", "乙"]]),
            "phone": r.choice([None, f"139{r.randint(0, 99999999):08}"]),
            "notes": r.choice([None, "一行\n两行"]),
            "relatives": self._some(3),
            "parts": [{"title": f"件{n}", "amount": "3.20"} for n in range(r.randint(0, 3))],
        }
        chosen = r.sample([*every], r.randint(1, len(every)))
        return {name: every[name] for name in {"name", *chosen}}

    def _work(self, channel):
        return UnitOfWork(self.runtime, SYSTEM, origin=Origin(channel, "127.0.0.1", "r"))

    # The ways

    def form(self):
        data = {"csrf_token": self.browser.csrf, "name": f"表{self.random.randint(1, 10**9)}"}
        data |= {"quantity": str(self.random.randint(0, 9)), "parts__shown": "1"}
        data |= {"parts.0.id": "", "parts.0.title": "件", "parts.0.amount": "1.5"}
        some = self._some(1)
        if some and self.random.random() < 0.5:
            path = f"/r/specimen/{some[0]}/edit"
        else:
            path = "/r/specimen/new"
        assert self.browser.post(path, data=data).status_code in (303, 409, 422)

    def rest_one(self):
        keys = self._some(1)
        deed = self.random.choice(["post", "patch", "delete", "restore"]) if keys else "post"
        if deed == "post":
            answer = self.client.post(self.rest, headers=self.headers, json=self._values())
            assert answer.status_code == 201, answer.text
        elif deed == "patch":
            values = self._values() | {"parts": []}
            self.client.patch(f"{self.rest}/{keys[0]}", headers=self.headers, json=values)
        elif deed == "delete":
            self.client.delete(f"{self.rest}/{keys[0]}", headers=self.headers)
        elif binned := self._some(1, archived=True):
            self.client.post(f"{self.rest}/{binned[0]}/restore", headers=self.headers)

    def rest_batch(self):
        items = [self._values() for _n in range(self.random.randint(1, 6))]
        body = {"create": items, "atomic": self.random.random() < 0.5}
        answer = self.client.post(f"{self.rest}/batch", headers=self.headers, json=body)
        assert answer.status_code < 500

    def bulk(self):
        data: dict[str, Any] = {"csrf_token": self.browser.csrf, "ids": self._some(8)}
        if self.random.random() < 0.3:
            self.browser.post("/r/specimen/delete", data=data)
        elif self.random.random() < 0.3:
            self.browser.post(
                "/r/specimen/restore", data=data | {"ids": self._some(8, archived=True)}
            )
        else:
            data |= {"field": "quantity", "quantity": str(self.random.randint(0, 99))}
            self.browser.post("/r/specimen/bulk-edit", data=data | {"confirmed": "1"})

    def service(self):
        with suppress(Refusal), self._work("cli") as uow:
            service.create(uow, "specimen", [self._values() for _n in range(4)])
            if keys := self._some(3):
                service.update(uow, "specimen", {key: self._values() for key in keys})
            if self.random.random() < 0.2:
                raise Refusal("changed its mind: nothing of it may be in the trail")

    def verb(self):
        if keys := self._some(3):
            place = f"{self.rest}/{keys[0]}/actions/keep"
            self.client.post(place, headers=self.headers, json={"remark": "好"})

    def imported(self):
        rows = "".join(f"导入{self.random.randint(1, 10**9)},{n}\n" for n in range(12))
        form = {
            **{"entity": "specimen", "duplicates": "update"},
            "file": FileStorage(io.BytesIO(f"Name,Quantity\n{rows}".encode()), "a.csv"),
        }
        mapping = orjson.dumps({"Name": "name", "Quantity": "quantity"}).decode()
        answer = self.client.post(
            "/api/v1/imports", headers=self.headers, data=form | {"mapping": mapping}
        )
        assert answer.status_code == 202, answer.text
        self.run_jobs()

    def purged(self):
        with self._work("cli") as uow:
            purge(uow, "specimen", self._some(2, archived=True))

    def people(self):
        with self._work("cli") as uow:
            address = f"p{self.random.randint(1, 10**9)}@example.com"
            key = create_user(uow, address, name="新人", password=None, roles=("viewer",))
            period = {"starts_on": "2026-05-01", "ends_on": "2026-05-03"}
            service.update(uow, "user", {key: {"absences": [period], "title": "匠"}})

    def job(self):
        """Work in the background: a subscriber of the plugin writes after an event."""
        from dummy_plugin.behaviour import behaving

        def created(event, uow):
            with suppress(Refusal):
                service.update(uow, "specimen", {event.ids[0]: {"quantity": 77}})

        with behaving(created=created):
            with self._work("job") as uow:
                service.create(uow, "specimen", [self._values()])
            self.run_jobs()

    def structure(self):
        """A hook of the plugin sets values while somebody else writes."""
        from dummy_plugin.behaviour import behaving

        def before_changes(changes, uow):
            for change in changes:
                if change.entity.name == "specimen":
                    change.set("remark", f"记{self.random.randint(1, 99)}")

        with behaving(before_changes=before_changes):
            self.service()


@pytest.fixture
def writers(runtime, app, sign_in, client, bearer, admin_id, run_jobs):
    def make(seed):
        browser = sign_in()
        return Writers(runtime, browser, client, bearer(admin_id), admin_id, run_jobs, seed)

    return make


def _replayed(runtime, wanted):
    """``{entity: {id: values}}`` by the trail alone; and entries that lack who, when or where."""
    found: dict[str, dict[int, dict[str, Any]]] = {name: {} for name in wanted}
    lacking = []
    with runtime.read_connection() as connection:
        for row in connection.execute(select(entries).order_by(entries.c.id)):
            if row.at is None or not row.channel:
                lacking.append(row)
            if row.entity not in found or row.action not in _CHANGES:
                continue
            if row.action == "purge":
                del found[row.entity][row.record_id]
                continue
            if row.action == "create":
                found[row.entity][row.record_id] = {}
            record = found[row.entity][row.record_id]
            for name, (old, new) in row.changes.items():
                if row.action == "update":
                    assert record.get(name) in (old, old or None), (row, name)
                record[name] = new
            if row.action in ("delete", "restore"):
                record["archived"] = row.action == "delete" or None
    return found, lacking


def _plain(value):
    """As the trail writes it."""
    return orjson.loads(orjson.dumps(value, default=str)) if value is not None else None


def _moments(spec, values):
    """Moments and days as the trail writes them: with the zone's offset spelled out."""
    return {
        name: value.isoformat() if hasattr(value, "isoformat") else _plain(value)
        for name, value in values.items()
    }


def _tables(runtime, wanted):
    found = {}
    with runtime.read_connection() as connection:
        for name, spec in wanted.items():
            fields = [
                spec[n] for n in spec.audited_names if not isinstance(spec[n].type, t.Computed)
            ]
            columns = [spec.table.c[f.column].label(f.name) for f in fields]
            columns += [spec.table.c.id.label("id"), spec.table.c.archived_at.label("archived")]
            rows = connection.execute(select(*columns)).mappings().all()
            found[name] = {row["id"]: _moments(spec, dict(row)) for row in rows}
            for values in found[name].values():
                values["archived"] = values["archived"] is not None or None
                del values["id"]
            for field in spec.detached:
                if isinstance(field.type, t.References):
                    links = link_table(spec, field)
                    order = (links.c.source_id, links.c.position)
                    for row in connection.execute(select(links).order_by(*order)):
                        found[name][row.source_id].setdefault(field.name, []).append(row.target_id)
    return found


def _differences(runtime):
    """Where the trail and the tables disagree, with computed values, which hang on others, left out."""
    specs = runtime.snapshot.entities.values()
    wanted = {spec.name: spec for spec in specs if spec.audited}
    told, lacking = _replayed(runtime, wanted)
    assert lacking == []
    different = []
    for name, rows in _tables(runtime, wanted).items():
        computed = {f.name for f in wanted[name] if isinstance(f.type, t.Computed)}
        for key in rows.keys() | told[name].keys():
            real = _settled(rows.get(key), computed)
            if real != (by_trail := _settled(told[name].get(key), computed)):
                different.append((name, key, real, by_trail))
    return different


def _settled(values, computed):
    if values is None:
        return None
    return {n: v for n, v in values.items() if v not in (None, []) and n not in computed}


@pytest.mark.databases("sqlite", later=("postgresql",))
def test_many_writes_are_all_in_the_trail(writers, runtime, database_kind):
    """L1: forms, REST, batches, bulk edits, verbs, imports, jobs, plugin hooks, people.

    Six hundred here; 300 on PostgreSQL, and 20,000 and 4,000 more, in the long tier.
    """
    work = writers(7)
    work.run(600 if database_kind == "sqlite" else 300)
    assert _differences(runtime) == []
    seal_pending(runtime)
    assert verify(runtime).holds
    with runtime.database.connect(write=True) as connection, connection.begin():  # control
        table = runtime.snapshot.entities["specimen"].table
        one = select(table.c.id).limit(1).scalar_subquery()
        connection.execute(table.update().where(table.c.id == one).values(quantity=4711))
    assert len(_differences(runtime)) == 1


@pytest.mark.long
def test_twenty_thousand_writes_are_all_in_the_trail(writers, runtime, database_kind):
    """L1: 100 % of the writes of a random run; 4,000 on PostgreSQL, where they go the same ways."""
    writers(11).run(20_000 if database_kind == "sqlite" else 4_000)
    assert _differences(runtime) == []
    seal_pending(runtime)
    assert verify(runtime).holds


@pytest.mark.parametrize("times", [30, pytest.param(170, marks=pytest.mark.long)])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_without_its_entry_nothing_is_written(writers, runtime, nth, times):
    """L3: the audit insert fails, at whichever of a write's entries; the write rolls back.

    Ninety faults on each database, 510 in the long tier.
    """
    work = writers(nth)
    before = _tables(runtime, {"specimen": runtime.snapshot.entities["specimen"]})
    trail = work._entries()
    item = {"name": "一", "parts": [{"title": "件"}]}
    for _time in range(times):
        with planned_fault(f"audit.before_insert:raise:{nth}"), pytest.raises(InjectedFault):
            _create_and_change(work, item)
    assert _tables(runtime, {"specimen": runtime.snapshot.entities["specimen"]}) == before
    assert work._entries() == trail
    with work._work("cli") as uow:
        service.create(uow, "specimen", [item])
    assert work._entries() > trail


def _create_and_change(work, item):
    with work._work("cli") as uow:
        (key,) = service.create(uow, "specimen", [item])
        service.update(uow, "specimen", {key: {"quantity": 5}})

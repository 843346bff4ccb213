"""Positive controls of Z1: with any one guard taken away, the probes must find it."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from probing import run
from sqlalchemy import select

from core.security.models import share_table

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

#: (what is taken away, by what it is replaced, the operations that must notice)
GUARDS = {
    "rows of the query": ("core.entities.query.scope_clause", None, ("list_rows", "get_one")),
    "rows of a write": (
        "core.entities.writing.scope_clause", None, ("update_row", "delete_row", "use_verb"),
    ),
    "fields that are shown": (
        "core.entities.query.visible", lambda uow, spec: tuple(spec), ("list_rows",),
    ),
    "masks": ("core.entities.query.mask_value", lambda value, pattern: value, ("list_rows",)),
    "fields of a filter": (
        "core.entities.query.may_use", lambda uow, spec, item: True, ("filter_rows", "search"),
    ),
    "fields of an order": (
        "core.entities.paging.may_use", lambda uow, spec, item: True, ("sort_in_pages",),
    ),
    "fields of groups": (
        "core.entities.aggregate.may_use", lambda uow, spec, item: True,
        ("group_and_count", "sum_up"),
    ),
    "rows behind a path": ("core.entities.scope.scope_clause", None, ("filter_rows",)),
    "rows behind an order": ("core.entities.paging.scope_clause", None, ("sort_in_pages",)),
    "rows behind groups": ("core.entities.aggregate.scope_clause", None, ("group_and_count",)),
    "labels of references": ("core.entities.labels.scope_clause", None, ("labels_of_references",)),
    "reach of the result": (
        "core.entities.service.check_reach", lambda *given: None, ("update_row", "create_row"),
    ),
    "what is pointed at": ("core.entities.incoming.scope_clause", None, ("update_row",)),
    "fields of a write": (
        "core.entities.incoming._refusal",
        lambda field, name, access, *, is_system: None,
        ("update_row",),
    ),
    "lines as open as their field": (
        "core.entities.scope.lines_open", lambda uow, spec, action: True, ("list_rows", "create_row"),
    ),
    "rows of a timeline": (
        "core.entities.timeline._check_record", lambda *given: frozenset(), ("read_timeline",),
    ),
    "masks of a timeline": (
        "core.entities.timeline.mask_value", lambda value, pattern: value, ("read_timeline",),
    ),
    "whose shares": (
        "core.entities.scope.shared_clause",
        lambda uow, spec, action, table: table.c.id.in_(select(share_table.c.record_id)),
        ("list_rows", "get_one"),
    ),
    "the level of a share": (
        "core.security.shared.ACTION_LEVELS", {"update": ("read", "write")}, ("update_row",),
    ),
    "what does not pass to a deputy": (
        "core.security.delegation.KEPT_BACK", frozenset(), ("delete_row", "export_stream"),
    ),
    "the scopes that pass to a deputy": (
        "core.security.delegation._grants", lambda *given: True, ("update_row", "use_verb"),
    ),
    "the right to an action": (
        "core.entities.query.require", lambda uow, spec, action: None, ("export_stream",),
    ),
}  # fmt: skip


#: Every sixth of them in each run, all in the long tier.
SOME = tuple(GUARDS)[::6]


@pytest.mark.parametrize(
    "guard",
    [each if each in SOME else pytest.param(each, marks=pytest.mark.long) for each in GUARDS],
)
def test_probes_notice_a_missing_guard(runtime, app, monkeypatch, guard):
    """Z16: a test that cannot fail proves nothing."""
    place, replacement, noticing = GUARDS[guard]
    if replacement is None:
        replacement = _no_scope
    monkeypatch.setattr(place, replacement)
    findings = run(runtime, app, 7, 12_000, only=noticing, stop_at=1)
    assert findings.differences, f"{findings.probes} probes did not notice that {guard} are open"


def _no_scope(*given, **more):
    return None


@contextmanager
def _without(spec, name):
    """A frozen description without one of its guards."""
    kept = getattr(spec, name)
    object.__setattr__(spec, name, None)
    try:
        yield
    finally:
        object.__setattr__(spec, name, kept)


@pytest.mark.parametrize("guard", ["scope", "redact"])
def test_probes_notice_an_open_audit_trail(runtime, app, unit_of_work, guard):
    with unit_of_work(write=False) as uow:
        spec = uow.entity("audit_entry")
    with _without(spec, guard):
        findings = run(runtime, app, 7, 3000, only=("read_audit_trail",), stop_at=1)
    assert findings.differences


def test_the_same_probes_find_nothing_with_all_guards(runtime, app):
    names = tuple({name for _place, _new, noticing in GUARDS.values() for name in noticing})
    findings = run(runtime, app, 7, 600, only=names, stop_at=1)
    assert findings.differences == []
    assert findings.probes == 600

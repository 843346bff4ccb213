"""Rights at their edges: what roles, tokens, hooks and caches may and may not open."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from core.entities import query, service
from core.entities.incoming import readable
from core.entities.query import ListQuery
from core.entities.scope import may, scope_clause
from core.errors import Forbidden, Invalid, NotFound
from core.fields import FieldSpec, Text
from core.security.actor import SYSTEM, RoleGrants
from core.security.directory import load_actor
from core.security.tokens import actor_of_token, create_token, revoke_token
from core.work.uow import Origin, UnitOfWork

#: The long tier asks PostgreSQL as well: what is told does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

ALL = {a: "all" for a in ("read", "create", "update", "delete", "export")}


@pytest.fixture
def person(unit_of_work, make_person):
    """``person(grants, rules)``: the id of somebody with one role of these."""
    made: list[str] = []

    def make(grants: Any, rules: Any = None, **more: Any) -> int:
        name = f"role{len(made)}"
        made.append(name)
        with unit_of_work() as uow:
            role = {"name": name, "title": name, "grants": grants, "field_rules": rules or {}}
            service.create(uow, "role", [{**role, **more}])
        return make_person(name, roles=(name,))

    return make


@pytest.fixture
def deal(unit_of_work):
    with unit_of_work() as uow:
        values = {"title": "d", "lines": [{"product": "p", "price": "1", "quantity": 1}]}
        (key,) = service.create(uow, "oracle_deal", [values])
    return key


def _as(runtime: Any, actor: Any, *, write: bool = True) -> UnitOfWork:
    return UnitOfWork(runtime, actor, origin=Origin("test"), write=write)


def test_who_manages_everything_does_not_manage_rights(unit_of_work, person):
    """A role for all entities must not be a way to give oneself more."""
    somebody = person({"*": {"*": "all"}})
    with unit_of_work(somebody, write=False) as uow:
        (role,) = [
            row for row in query.page(uow, "role", ListQuery()).items if row["name"] == "role0"
        ]
    for do in (
        lambda uow: service.update(
            uow, "role", {role["id"]: {"permissions": ["core.see_metrics"]}}
        ),
        lambda uow: service.create(uow, "role", [{"name": "more", "title": "More"}]),
        lambda uow: service.delete(uow, "role", [role["id"]]),
        lambda uow: service.update(uow, "user", {somebody: {"roles": [1]}}),
        lambda uow: service.update(uow, "user", {1: {"email": "mine@example.com"}}),
        lambda uow: service.update(uow, "user", {1: {"is_active": False}}),
    ):
        with pytest.raises(Invalid) as refused, unit_of_work(somebody) as uow:
            do(uow)
        assert refused.value.problems[0].code == "readonly"


@pytest.mark.databases("sqlite", later=("postgresql",))
@pytest.mark.parametrize(
    "values",
    [
        {"grants": []}, {"grants": [1]}, {"grants": {"lead": []}}, {"grants": {"oracle_deal": {"read": "everything"}}},
        {"grants": {"oracle_deal": {"read": {"condition": 7}}}}, {"grants": {"nothing": {"read": {"condition": {}}}}},
        {"grants": {"oracle_deal": {"read": {"condition": {"all": []}, "more": 1}}}},
        {"grants": {"oracle_deal": {"read": ["own", "everything"]}}},
        {"field_rules": {"oracle_deal": {"title": "secret"}}}, {"field_rules": {"oracle_deal": {"title": {}}}},
        {"field_rules": {"oracle_deal": []}}, {"field_rules": [1]}, {"permissions": {"a": 1}}, {"permissions": [[1]]},
        {"permissions": [None]},
    ],
    ids=range(15),
)  # fmt: skip
def test_a_role_that_could_not_be_read_is_not_written(unit_of_work, admin_id, values):
    """Otherwise everybody who has it would be locked out."""
    if values == {"grants": []}:
        with unit_of_work(admin_id) as uow:
            service.create(uow, "role", [{"name": "n", "title": "t", **values}])
        return  # an empty list grants nothing and hurts nobody
    with pytest.raises(Invalid) as refused, unit_of_work(admin_id) as uow:
        service.create(uow, "role", [{"name": "n", "title": "t", **values}])
    assert refused.value.problems[0].field in values


def test_the_administrators_role_stays(unit_of_work, admin_id):
    """Also for administrators: without it nobody could be made one again."""
    with unit_of_work(admin_id) as uow:
        (kept,) = service.create(uow, "role", [{"name": "n", "title": "t"}])
        roles = {row["name"]: row["id"] for row in query.page(uow, "role", ListQuery()).items}
        with pytest.raises(Invalid) as refused:
            service.delete(uow, "role", [roles["admin"]])
        service.delete(uow, "role", [kept])
    assert [(p.field, p.code) for p in refused.value.problems] == [("name", "last_admin")]
    with unit_of_work(admin_id, write=False) as uow:
        names = {row["name"] for row in query.page(uow, "role", ListQuery()).items}
    assert names == set(roles) - {"n"}


def test_a_record_may_not_be_changed_out_of_a_condition(unit_of_work, person, deal):
    """ "May change deals that are not won" does not mean: may win them."""
    scope = {"condition": {"field": "stage", "op": "ne", "value": "won"}}
    somebody = person({"oracle_deal": {"read": "all", "update": scope}})
    with unit_of_work(somebody) as uow:
        service.update(uow, "oracle_deal", {deal: {"stage": "talking"}})
    with pytest.raises(Forbidden), unit_of_work(somebody) as uow:
        service.update(uow, "oracle_deal", {deal: {"stage": "won"}})
    with unit_of_work(somebody, write=False) as uow:
        assert query.get(uow, "oracle_deal", deal).values["stage"] == "talking"


def test_a_condition_on_a_field_that_is_gone_reaches_nothing(runtime, unit_of_work, deal):
    gone = {"condition": {"field": "gone", "op": "is_set"}}
    roles = (RoleGrants("r", grants={"oracle_deal": {"read": gone}}),)
    with unit_of_work() as uow:
        uow.actor = SYSTEM.__class__(4711, roles=roles)
        assert query.page(uow, "oracle_deal", ListQuery()).items == []


@pytest.mark.parametrize(
    "scope", ["own", "subordinates", "department", "department_below", "newer"]
)
def test_rows_without_owner_or_maker_are_nobodys(runtime, unit_of_work, scope):
    roles = (RoleGrants("r", grants={"event": {"read": scope}, "oracle_deal": {"read": scope}}),)
    with unit_of_work() as uow:
        service.create(uow, "oracle_deal", [{"title": "t"}])
        uow.actor = SYSTEM.__class__(4711, roles=roles)
        assert query.page(uow, "event", ListQuery()).items == []
        assert query.page(uow, "oracle_deal", ListQuery()).items == []


def test_a_token_for_changes_may_change_lines(runtime, unit_of_work, admin_id, deal):
    """To write a line is to update its parent, for tokens too."""
    lines = {"lines": [{"product": "new", "price": "2"}]}
    for scopes, allowed in (
        (["oracle_deal.update", "oracle_deal.read"], True),
        (["oracle_deal.create", "oracle_deal.read"], False),
    ):
        with unit_of_work() as uow:
            token = create_token(uow, admin_id, title="t", scopes=scopes)
            actor = actor_of_token(uow, token.text)
        try:
            with _as(runtime, actor) as uow:
                service.update(uow, "oracle_deal", {deal: lines})
            assert allowed
        except Forbidden:
            assert not allowed
        with pytest.raises(Forbidden), _as(runtime, actor) as uow:
            service.delete(uow, "oracle_deal", [deal])


def test_tokens_are_refused_when_they_are_over(runtime, unit_of_work, admin_id, make_person):
    other = make_person("Other")
    with unit_of_work(other) as uow:
        with pytest.raises(Forbidden):
            create_token(uow, admin_id, title="t")
        with pytest.raises(Invalid):
            create_token(uow, other, title="t", scopes=["nonsense"])
        token = create_token(uow, other, title="t", days=1)
        assert actor_of_token(uow, token.text).user_id == other
        assert actor_of_token(uow, "dg_nonsense") is None
        assert actor_of_token(uow, "nonsense") is None
        uow.actor = actor_of_token(uow, token.text)
        with pytest.raises(Forbidden):
            create_token(uow, other, title="t")
    with unit_of_work(make_person("Third")) as uow:
        assert not revoke_token(uow, token.id)
    with unit_of_work(other) as uow:
        assert revoke_token(uow, token.id)
        assert not revoke_token(uow, token.id)
        assert actor_of_token(uow, token.text) is None


def test_lines_are_closed_with_their_field(unit_of_work, person, deal):
    """No side door: neither to read nor to write them as records of their own."""
    for level in ("hidden", "masked", "read"):
        somebody = person({"oracle_deal": ALL}, {"oracle_deal": {"lines": level}})
        with unit_of_work(somebody) as uow:
            spec = uow.entity("oracle_line")
            assert may(uow, spec, "read") is (level == "read")
            assert not may(uow, spec, "create")
            for action in ("create", "update", "delete"):
                clause = scope_clause(uow, spec, action)
                assert not uow.execute(select(spec.table.c.id).where(clause)).all()
            with pytest.raises(Forbidden):
                service.create(uow, "oracle_line", [{"deal": deal, "product": "x"}])


def test_rights_that_were_rolled_back_are_not_kept(runtime, unit_of_work, make_person, admin_id):
    """What a transaction sees of its own changes never reaches others."""
    somebody = make_person("Climber", roles=())

    class Undo(Exception):
        pass

    with pytest.raises(Undo), unit_of_work() as uow:  # noqa: PT012
        (admin_role,) = [
            r["id"] for r in query.page(uow, "role", ListQuery()).items if r["name"] == "admin"
        ]
        service.update(uow, "user", {somebody: {"roles": [admin_role], "name": "Emperor"}})
        assert load_actor(uow, somebody).is_admin
        query.page(uow, "user", ListQuery(fields=("created_by", "name")))
        raise Undo
    with unit_of_work(write=False) as uow:
        assert not load_actor(uow, somebody).is_admin


def test_an_older_transaction_feeds_no_newer_cache(
    runtime, unit_of_work, make_person, database_kind
):
    """A reader that began before a right was taken away does not bring it back for others."""
    somebody = make_person("Leaver", roles=("viewer",))
    with unit_of_work(write=False) as old:
        with unit_of_work() as uow:
            service.update(uow, "user", {somebody: {"roles": []}})
        with unit_of_work(write=False) as new:
            load_actor(new, 1)
            load_actor(old, somebody)
            assert load_actor(new, somebody).roles == ()
    with unit_of_work(write=False) as uow:
        assert load_actor(uow, somebody).roles == ()


def _hooks(monkeypatch: Any, runtime: Any, **answers: Any) -> None:
    """Stand-ins for plugins that answer questions; all other hooks stay."""
    plugins = runtime.plugins
    has, ask = plugins.has, plugins.ask_strictly
    monkeypatch.setattr(plugins, "has", lambda hook, enabled: hook in answers or has(hook, enabled))
    monkeypatch.setattr(
        plugins,
        "ask_strictly",
        lambda hook, enabled, **given: (
            [answers[hook](**given)] if hook in answers else ask(hook, enabled, **given)
        ),
    )


def test_a_plugin_takes_rights_away_and_never_the_systems(
    runtime, unit_of_work, monkeypatch, admin_id, deal
):
    _hooks(
        monkeypatch,
        runtime,
        check_permission=lambda actor, permission: not permission.endswith("deal.delete"),
    )
    with pytest.raises(Forbidden), unit_of_work(admin_id) as uow:
        service.delete(uow, "oracle_deal", [deal])
    with unit_of_work(admin_id) as uow:
        service.update(uow, "oracle_deal", {deal: {"title": "x"}})
        with uow.elevated():
            service.delete(uow, "oracle_deal", [deal])


def test_a_plugin_narrows_rows_wherever_they_are_reached(
    runtime, unit_of_work, monkeypatch, admin_id
):
    def narrow(entity: Any, action: str, actor: Any) -> Any:
        return entity.column("level") == "a" if entity.name == "oracle_account" else None

    with unit_of_work(admin_id) as uow:
        seen, unseen = service.create(
            uow, "oracle_account", [{"name": n, "level": n} for n in "ab"]
        )
        service.create(
            uow, "oracle_deal", [{"title": "t", "account": key} for key in (seen, unseen)]
        )
    plugins = runtime.plugins
    has = plugins.has
    monkeypatch.setattr(
        plugins, "has", lambda hook, enabled: hook == "scope_query" or has(hook, enabled)
    )
    monkeypatch.setattr(
        plugins, "ask_strictly",
        lambda hook, enabled, **given: [c for c in [narrow(**given)] if c is not None],
    )  # fmt: skip
    with unit_of_work(admin_id) as uow:
        assert [row["id"] for row in query.page(uow, "oracle_account", ListQuery()).items] == [seen]
        behind = ListQuery(filter={"field": "account.name", "op": "is_set"})
        page = query.page(uow, "oracle_deal", ListQuery())
        assert query.count(uow, "oracle_deal", behind) == 1
        assert set(page.labels["oracle_account"]) == {seen}
        with pytest.raises(NotFound):
            service.update(uow, "oracle_account", {unseen: {"name": "x"}})
    with pytest.raises(Forbidden), unit_of_work(admin_id) as uow:
        service.update(uow, "oracle_account", {seen: {"level": "b"}})
    with pytest.raises(Forbidden), unit_of_work(admin_id) as uow:
        service.create(uow, "oracle_account", [{"name": "c", "level": "c"}])


def test_elevation_ends_with_its_block(unit_of_work, make_person):
    somebody = make_person("Nobody", roles=())
    with unit_of_work(somebody) as uow:
        with pytest.raises(LookupError), uow.elevated():  # noqa: PT012
            assert uow.actor.is_system
            with uow.elevated():
                raise LookupError
        assert not uow.actor.is_system
        assert uow.actor.user_id == somebody


def test_what_elevated_rules_looked_up_is_not_shown(unit_of_work, person, deal):
    """Labels and targets found with a rule's rights stay with the rule."""
    somebody = person({"oracle_note": ALL})
    with unit_of_work() as uow:
        (note,) = service.create(uow, "oracle_note", [{"text": "n", "deal": deal}])
    with unit_of_work(somebody) as uow:
        with uow.elevated():
            assert query.get(uow, "oracle_note", note).labels["oracle_deal"] == {deal: "d"}
            assert readable(uow, "oracle_deal", {deal}) == {deal}
        assert query.get(uow, "oracle_note", note).labels.get("oracle_deal", {}) == {}
        assert readable(uow, "oracle_deal", {deal}) == set()
        assert readable(uow, "nothing", {1}) == set()


def test_verbs_check_what_they_are_given(unit_of_work, admin_id, deal):
    def act(action: str, params: Any, ids: Any = None) -> Any:
        with unit_of_work(admin_id) as uow:
            return service.act(uow, "oracle_deal", action, ids or [deal], params)

    for action, params, field in (
        ("approve", {}, "reason"), ("approve", {"reason": 7}, "reason"),
        ("approve", {"reason": "x", "more": 1}, "more"), ("assign", {"to": 4711}, "to"),
    ):  # fmt: skip
        with pytest.raises(Invalid) as refused:
            act(action, params)
        assert [problem.field for problem in refused.value.problems] == [field]
    with unit_of_work() as uow:
        (second,) = service.create(uow, "oracle_deal", [{"title": "2"}])
    with pytest.raises(Invalid):
        act("assign", {"to": admin_id}, [deal, second])
    with pytest.raises(NotFound):
        act("nonsense", {})
    assert act("approve", {"reason": "good"}, [deal, deal, second]) == [deal, second]
    assert act("assign", {"to": admin_id}) is None


def test_what_is_kept_by_the_suite_is_not_written_by_hand(unit_of_work, admin_id):
    with unit_of_work(admin_id) as uow:
        for do in (
            lambda: service.create(uow, "audit_entry", [{"action": "x"}]),
            lambda: service.update(uow, "audit_entry", {1: {"action": "x"}}),
            lambda: service.delete(uow, "audit_entry", [1]),
        ):
            with pytest.raises(Forbidden):
                do()
        assert service.create(uow, "oracle_deal", []) == []
        assert service.update(uow, "oracle_deal", {}) == []
        service.delete(uow, "oracle_deal", [])


def test_uniqueness_is_told_by_field(unit_of_work, admin_id):
    with pytest.raises(Invalid) as refused, unit_of_work(admin_id) as uow:
        service.create(
            uow, "oracle_account", [{"name": "a", "code": "C"}, {"name": "b", "code": "C"}]
        )
    assert [(p.item, p.field, p.code) for p in refused.value.problems] == [(1, "code", "taken")]
    with unit_of_work(admin_id) as uow:
        first, second = service.create(
            uow, "oracle_account", [{"name": "a", "code": "C"}, {"name": "b"}]
        )
    with pytest.raises(Invalid), unit_of_work(admin_id) as uow:
        service.update(uow, "oracle_account", {second: {"code": "C"}})
    with unit_of_work(admin_id) as uow:
        assert service.update(uow, "oracle_account", {first: {"code": "C"}}) == []


@pytest.mark.parametrize("key", [[1], {"a": 1}, "1", None, 4711, 1.5])
def test_a_line_that_is_not_the_records_own_is_refused(unit_of_work, admin_id, deal, key):
    with pytest.raises(Invalid) as refused, unit_of_work(admin_id) as uow:
        service.update(uow, "oracle_deal", {deal: {"lines": [{"id": key, "product": "x"}]}})
    assert refused.value.problems[0].field == "lines.0.id"


def test_versions_of_other_records_do_not_matter(unit_of_work, admin_id, deal):
    with unit_of_work(admin_id) as uow:
        service.update(uow, "oracle_deal", {deal: {"title": "x"}}, versions={4711: 1})


def test_a_role_speaks_for_the_directory_without_granting_it(unit_of_work, person):
    """All may read people: what a role hides of them is hidden from those who have it."""
    somebody = person({"oracle_deal": ALL}, {"user": {"mobile": "masked", "email": "hidden"}})
    with unit_of_work() as uow:
        service.update(uow, "user", {1: {"mobile": "13800138000"}})
    with unit_of_work(somebody, write=False) as uow:
        values = query.get(uow, "user", 1).values
        assert values["mobile"] == "138****8000"
        assert "email" not in values
        assert isinstance(uow.entity("user")["name"], FieldSpec)
        assert isinstance(uow.entity("user")["name"].type, Text)


def test_the_tree_of_departments_stays_a_tree(unit_of_work, admin_id):
    with unit_of_work(admin_id) as uow:
        top, below = service.create(uow, "department", [{"name": "a"}, {"name": "b"}])
        service.update(uow, "department", {below: {"parent": top}})
    with pytest.raises(Invalid) as refused, unit_of_work(admin_id) as uow:
        service.update(uow, "department", {top: {"parent": below}})
    assert refused.value.problems[0].code == "circle"


def test_different_units_of_decimals_compare_by_value(unit_of_work, admin_id):
    """SQLite holds decimals as integers of their scale."""
    with unit_of_work(admin_id) as uow:
        keys = service.create(
            uow,
            "oracle_deal",
            [
                {"title": "t", "amount": a, "cost": c, "quantity": 2}
                for a, c in (("2", "2"), ("3", "2"), ("1", "2"))
            ],
        )
        for left, right in (("amount", "cost"), ("amount", "quantity"), ("quantity", "amount")):
            found = {}
            for op in ("lt", "eq", "gt"):
                test = {"field": left, "op": op, "value": {"field": right}}
                found[op] = query.select_ids(
                    uow, "oracle_deal", ListQuery(filter=test, sort="id"), action="read", limit=9
                )
            swap = left == "quantity"
            assert found["eq"] == [keys[0]]
            assert found["gt"] == [keys[2 if swap else 1]]
            assert found["lt"] == [keys[1 if swap else 2]]

"""Rules of fields at the one door: required, shown, sound, begun with and kept apart as the company says."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from core.customize.rules import read_rules
from core.customize.ruling import breaches, set_rules
from core.entities import query, service
from core.errors import Forbidden, Invalid, Refused
from core.i18n import use_locale
from core.security.models import Role

DONE = {"field": "status", "op": "eq", "value": "done"}


def test_a_field_is_required_while_a_condition_holds(rule, make, change, refused):
    """S2: when it holds, an empty one is refused; an update is held to what it brings about."""
    rule("hours", required_when=DONE)
    order = make()
    assert refused(lambda: make(status="done")) == [("hours", "required")]
    assert refused(lambda: change(order, status="done")) == [("hours", "required")]
    assert refused(lambda: change(order, status="done", hours="2")) == []
    assert refused(lambda: change(order, hours=None)) == [("hours", "required")]
    assert refused(lambda: change(order, hours=None, status="open")) == []


def test_records_from_before_the_rule_can_still_be_changed(rule, make, change, refused):
    """K3: a rule applies to changes from now on; other fields of an old record are not held up."""
    order = make(status="done")
    rule("hours", required_when=DONE)
    rule("pieces", validation="pieces > 10")
    few = make(pieces=11)
    rule("pieces", validation="pieces > 20")
    assert refused(lambda: change(order, title="B")) == []
    assert refused(lambda: change(few, title="B")) == []
    assert refused(lambda: change(few, pieces=12)) == [("pieces", "rule")]


def test_what_does_not_apply_is_not_required_and_takes_no_value(rule, make, change, read, refused):
    """Its value stays as it was when the condition ceases to hold, and another is refused."""
    rule("hours", visible_when=DONE, required=True)
    order = make()
    assert refused(lambda: make(hours="1")) == [("hours", "not_applicable")]
    assert refused(lambda: change(order, status="done")) == [("hours", "required")]
    change(order, status="done", hours="3")
    change(order, status="open")
    assert read(order, "hours") == Decimal(3)
    assert refused(lambda: change(order, hours="4")) == [("hours", "not_applicable")]
    assert refused(lambda: change(order, hours="3", title="B")) == []
    assert refused(lambda: change(order, hours=None)) == []


def test_an_expression_decides_and_the_companys_own_words_are_told(rule, unit_of_work, admin_id):
    """S2: `validation`, with the message in the reader's language, beside its field."""
    rule(
        "amount",
        validation="amount >= hours * 100",
        message={"zh_CN": "金额不足", "en": "Too cheap"},
    )
    items = [
        {"title": "A", "amount": "100", "hours": "1"},
        {"title": "B", "amount": 1, "hours": 1},
    ]
    with unit_of_work(admin_id) as uow, pytest.raises(Invalid) as refusal:
        service.create(uow, "order", items)
    (problem,) = refusal.value.problems
    assert (problem.item, problem.field, problem.message) == (1, "amount", "金额不足")


def test_nothing_known_is_no_mistake(rule, make, refused):
    """An empty amount is not too small: that it is filled in is another rule."""
    rule("amount", validation="amount > 0")
    assert refused(make) == []
    assert refused(lambda: make(amount="0")) == [("amount", "rule")]


def test_a_rule_looks_at_computed_fields_and_behind_references(rule, make, change, refused):
    rule("hours", required_when={"field": "twice", "op": "ge", "value": "100"})
    rule("pieces", validation="site.name <> 'Closed' OR pieces = 0")
    closed, opened = make(entity="site", name="Closed"), make(entity="site", name="Open")
    assert refused(lambda: make(amount="49")) == []
    assert refused(lambda: make(amount="50")) == [("hours", "required")]
    assert refused(lambda: make(site=closed, pieces=1)) == [("pieces", "rule")]
    order = make(site=opened, pieces=1)
    assert refused(lambda: change(order, site=closed)) == [("pieces", "rule")]


@pytest.mark.parametrize("unseen", ["enforce", "skip"])
def test_a_record_out_of_reach_decides_as_the_company_says(
    rule, make, make_person, refused, unit_of_work, unseen
):
    """What lies behind a reference that the writer can no longer follow: it holds, or is not asked."""
    rule("pieces", validation="site.name <> 'Closed' OR pieces = 0", unseen=unseen)
    person = make_person("无站", roles=("worker",))
    order = make(site=make(entity="site", name="Closed"), pieces=0, owner=person)
    with unit_of_work() as uow:
        role = uow.execute(select(Role.id).where(Role.name == "worker")).scalar_one()
        grants = {"order": {"read": "own", "update": "own"}}
        service.update(uow, "role", {role: {"grants": grants}})
    told = refused(lambda: _change(unit_of_work, person, order, pieces=1))
    assert told == ([("pieces", "refused_by_rule")] if unseen == "enforce" else [])


def _change(unit_of_work, person, order, **values):
    with unit_of_work(person) as uow:
        service.update(uow, "order", {order: values})


def test_a_batch_costs_one_statement_more_for_each_entity_behind(
    rule, make, unit_of_work, admin_id, statements
):
    """No statement for each record: 2 or 40, they are as many."""
    rule("pieces", validation="site.name <> 'Closed'")
    site = make(entity="site", name="Open")

    def cost(count):
        items = [{"title": str(n), "site": site, "pieces": n} for n in range(count)]
        with unit_of_work(admin_id) as uow, statements() as seen:
            service.create(uow, "order", items)
        return len(seen)

    cost(2)
    assert cost(2) == cost(40)


def test_without_rules_nothing_is_asked(make, unit_of_work, admin_id, statements, rule):
    """A rule that looks at the record alone, and none at all, cost the same statements."""

    def cost():
        with unit_of_work(admin_id) as uow, statements() as seen:
            service.create(uow, "order", [{"title": "A", "amount": 1}])
        return len(seen)

    cost()
    before = cost()
    rule("amount", validation="amount > 0", minimum=0)
    cost()
    assert cost() == before


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("name", "rules", "good", "bad", "code"),
    [
        ("amount", {"minimum": "0.5", "maximum": 10}, "10", "10.01", "range"),
        ("pieces", {"minimum": 1}, 1, 0, "range"),
        ("title", {"min_length": 2}, "AB", "A", "too_short"),
        ("note", {"max_length": 3}, "abc", "abcd", "too_long"),
        ("secret", {"pattern": "id_card"}, "11010519491231002X", "110105194912310021", "pattern"),
        ("secret", {"pattern": "uscc"}, "91110000600037341L", "91110000600037341A", "pattern"),
        ("secret", {"pattern": "mobile"}, "13812345678", "12345", "pattern"),
        ("secret", {"pattern": "bank_card"}, "4111111111111111", "4111111111111112", "pattern"),
        ("secret", {"pattern": "postcode"}, "100000", "1000000", "pattern"),
    ],
)
def test_limits_and_ways_of_writing(rule, make, refused, name, rules, good, bad, code):
    rule(name, **rules)
    assert refused(lambda: make(**{name: good})) == []
    assert refused(lambda: make(**{name: bad})) == [(name, code)]


def test_defaults_are_worked_out_when_a_record_begins(rule, make, read, runtime, admin_id):
    rule("due_on", default="=DATEADD(TODAY(), 7)")
    rule("owner", default="me")
    rule("pieces", default=3)
    order = make()
    assert read(order, "due_on") == runtime.clock.today() + timedelta(days=7)
    assert (read(order, "owner"), read(order, "pieces")) == (admin_id, 3)
    assert read(make(due_on=None, pieces=None), "pieces") is None


def test_a_default_of_what_does_not_apply_is_not_taken(rule, make, read):
    rule("pieces", default=3, visible_when=DONE)
    assert read(make(), "pieces") is None
    assert read(make(status="done"), "pieces") == 3


def test_unique_is_refused_while_records_are_alike(rule, make, refused):
    """K3: it is told how many break it and some of them; afterwards the database keeps it too."""
    first, second = make(title="A"), make(title="A")
    with use_locale("en"), pytest.raises(Refused) as refusal:
        rule("title", unique=True)
    assert refusal.value.message.startswith("2 records")
    assert f"#{first}, #{second}" in refusal.value.message
    assert refused(lambda: make(title="A")) == []
    rule("number", visible_when=DONE)  # the refusal has left nothing behind


def test_unique_holds_until_it_is_taken_back(rule, make, refused):
    rule("title", unique=True)
    make(title="A")
    assert refused(lambda: make(title="A")) == [("title", "taken")]
    rule("title")
    assert refused(lambda: make(title="A")) == []


def test_what_exists_is_weighed_before_a_rule_is_set(make, unit_of_work, admin_id):
    """K3: the counts of a preview are those of the table."""
    make(status="done", hours="1")
    empty = [make(status="done") for _ in range(7)]
    make()
    with unit_of_work(admin_id, write=False) as uow:
        spec = uow.entity("order")
        item = spec["hours"]

        def found(**body):
            rules = read_rules(uow, spec, item, body)
            return [(b.rule, b.count, b.ids) for b in breaches(uow, spec, item, rules)]

        assert found(required_when=DONE) == [("required_when", 7, tuple(empty[:5]))]
        assert [count for _rule, count, _ids in found(required=True)] == [8]
        assert found(minimum=1) == []


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("name", "body", "places"),
    [
        ("hours", {"required_when": {"field": "nothing", "op": "eq", "value": 1}}, ["required_when.field"]),
        ("hours", {"required_when": {"field": "hours", "op": "is_set"}}, ["required_when"]),
        ("hours", {"required_when": {"field": "number", "op": "is_set"}}, ["required_when"]),
        ("hours", {"required_when": {"field": "site.phone.x", "op": "is_set"}}, ["required_when.field"]),
        ("hours", {"visible_when": {"field": "owner.department.name", "op": "is_set"}}, ["visible_when"]),
        ("hours", {"validation": "hours +"}, ["validation"]),
        ("hours", {"validation": "hours + 1"}, ["validation"]),
        ("hours", {"validation": "SUM(parts.quantity) > 1"}, ["validation"]),
        ("hours", {"message": "Why"}, ["message"]),
        ("hours", {"minimum": 5, "maximum": 1}, ["maximum"]),
        ("hours", {"pattern": "uscc", "min_length": 1}, ["min_length", "pattern"]),
        ("hours", {"default": "=TODAY()"}, ["default"]),
        ("hours", {"default": "many"}, ["default"]),
        ("hours", {"required": "yes", "sauce": 1}, ["required", "sauce"]),
        ("title", {"visible_when": DONE}, ["visible_when"]),
        ("secret", {"pattern": "[a-z]*"}, ["pattern"]),
        ("tags", {"unique": True}, ["unique"]),
        ("twice", {"required": True, "default": 1}, ["default", "required"]),
    ],
)  # fmt: skip
def test_what_no_rule_may_say(rule, refused, name, body, places):
    """Each mistake is told beside its part, and nothing of it is kept."""
    assert [place for place, _code in refused(lambda: rule(name, **body))] == places


def test_columns_of_lines_do_not_vanish(rule, refused):
    condition = {"field": "name", "op": "is_set"}
    assert refused(lambda: rule("quantity", entity="part", visible_when=condition)) == [
        ("visible_when", "kind")
    ]


def test_lines_are_held_to_the_rules_of_theirs(rule, make, refused):
    rule("quantity", entity="part", validation="quantity > 0")
    lines = [{"name": "a", "quantity": 1}, {"name": "b", "quantity": 0}]
    assert refused(lambda: make(parts=lines)) == [("parts.1.quantity", "rule")]


def test_a_rule_whose_field_is_gone_holds_up_nobody(rule, own_field, make, unit_of_work, admin_id):
    """The field cannot be retired while a rule reads it; what the rule cannot say is left out."""
    from core.customize.service import retire_field

    own_field("x_kind", "text")
    rule("hours", required_when={"field": "x_kind", "op": "is_set"})
    with unit_of_work(admin_id) as uow, pytest.raises(Refused):
        retire_field(uow, "order", "x_kind")
    rule("hours")
    with unit_of_work(admin_id) as uow:
        retire_field(uow, "order", "x_kind")
    make()


@pytest.mark.databases("sqlite")
def test_only_administrators_set_rules(unit_of_work, worker):
    with unit_of_work(worker) as uow, pytest.raises(Forbidden):
        set_rules(uow, "order", "hours", {"required": True})


@pytest.mark.databases("sqlite")
def test_setting_rules_is_in_the_audit_trail(rule, unit_of_work):
    rule("hours", minimum=1)
    with unit_of_work() as uow:
        found = query.page(uow, "audit_entry", query.ListQuery(sort="-id", limit=1)).items[0]
    assert (found["action"], found["changes"]) == ("set_rules", {"hours": [None, {"minimum": "1"}]})


def test_a_purged_field_leaves_no_rules(rule, own_field, unit_of_work, admin_id):
    """Another of its name, made later, begins without; the index that kept it apart is gone too."""
    from core.customize.purge import purge, retired
    from core.customize.ruling import read_field_rules
    from core.customize.service import retire_field

    own_field("x_kind", "text")
    rule("x_kind", unique=True, min_length=2)
    with unit_of_work(admin_id) as uow:
        retire_field(uow, "order", "x_kind")
    with unit_of_work() as uow:
        assert ("order", "x_kind") in read_field_rules(uow.connection)
        purge(uow, retired(uow))
        assert read_field_rules(uow.connection) == {}
    assert own_field("x_kind", "text").rules is None

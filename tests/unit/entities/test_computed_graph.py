"""The graph of computed fields by itself: order, who watches what, circles, and what is broken."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from core.entities.dependencies import EXISTS, Circle, Step, Watch, build_graph
from core.entities.registry import DeclaredEntities, RegistryError
from core.expressions import Source
from core.fields import (
    Computed,
    EntityDef,
    FieldSpec,
    Integer,
    Number,
    Reference,
    Text,
    describe,
    field,
)
from core.plugins.manager import Contribution
from core.security.definitions import absence, department, role, user

DEFINITIONS: tuple[EntityDef, ...] = (user, department, role, absence)


def computed(name, expression, result=None, owner="custom"):
    type_ = Computed(expression, result or Number())
    return FieldSpec(name, type_, name, column=name, owner=owner)


def entities(**added):
    """People, departments and absences, each with more computed fields."""
    found = {}
    for definition in DEFINITIONS:
        spec = describe(definition, plugin="core")
        found[spec.name] = spec.with_fields((*spec.fields, *added.get(spec.name, ())))
    return found


DAYS = computed("x_days", "ends_on - starts_on + 1", Integer())
AWAY = computed("x_away", "SUM(absences.x_days)")
TEAM = computed("x_team", "department.head.x_away + x_away")


def test_what_is_read_comes_first():
    """Over three entities, and whatever the order of declaration."""
    graph = build_graph(entities(user=[TEAM, AWAY], absence=[DAYS]))
    with pytest.raises(KeyError):
        graph.formulas["user", "name"]
    ranks = {node: formula.rank for node, formula in graph.formulas.items()}
    assert ranks == {("absence", "x_days"): 0, ("user", "x_away"): 1, ("user", "x_team"): 2}
    assert [formula.field.name for formula in graph.by_entity["user"]] == ["x_away", "x_team"]
    late = {node[1]: formula.late for node, formula in graph.formulas.items()}
    assert late == {"x_days": False, "x_away": True, "x_team": True}
    assert graph.broken == {}


def test_each_end_and_each_step_is_watched():
    graph = build_graph(entities(user=[TEAM, AWAY], absence=[DAYS]))
    lines = Step("user", "absences", "absence", "user")
    boss = (Step("user", "department", "department"), Step("department", "head", "user"))
    away, team = ("user", "x_away"), ("user", "x_team")
    assert graph.watches["absence"] == {
        "starts_on": (Watch((), ("absence", "x_days")),),
        "ends_on": (Watch((), ("absence", "x_days")),),
        "x_days": (Watch((lines,), away),),
        "user": (Watch((lines,), away),),
        EXISTS: (Watch((lines,), away),),
    }
    assert graph.watches["department"] == {"head": (Watch(boss[:1], team),)}
    assert set(graph.watches["user"]["x_away"]) == {Watch((), team), Watch(boss, team)}
    assert graph.watches["user"]["department"] == (Watch((), team),)


CIRCLES = [
    ({"user": [computed("x_a", "x_b + 1"), computed("x_b", "x_a + 1")]}, 2),
    ({"user": [computed("x_a", "department.head.x_a + 1")]}, 1),
    (
        {
            "user": [computed("x_a", "department.x_b")],
            "department": [computed("x_b", "parent.x_c"), computed("x_c", "head.x_a")],
        },
        3,
    ),
]


@pytest.mark.parametrize(("added", "length"), CIRCLES)
def test_a_circle_is_named(added, length):
    with pytest.raises(Circle) as found:
        build_graph(entities(**added), strict=True)
    nodes = found.value.nodes
    assert nodes[0] == nodes[-1]
    assert len(set(nodes)) == len(nodes) - 1 == length
    assert all(".".join(node) in str(found.value) for node in nodes)


@pytest.mark.parametrize(("added", "length"), CIRCLES)
def test_a_circle_takes_nothing_else_down(added, length):
    """Were there one all the same, its fields keep their values and the others are computed."""
    sound = computed("x_sound", "department.head.x_a + 1")
    added = {**added, "user": [sound, computed("x_ok", "LEN(name)"), *added["user"]]}
    graph = build_graph(entities(**added))
    assert len(graph.broken) == length
    assert set(graph.formulas) == {("user", "x_sound"), ("user", "x_ok")}


def test_what_no_longer_compiles_is_told_apart():
    graph = build_graph(entities(user=[computed("x_a", "gone + 1"), computed("x_b", "LEN(name)")]))
    assert list(graph.formulas) == [("user", "x_b")]
    assert "gone" in graph.broken["user", "x_a"]


def test_who_looks_into_a_table_is_known():
    """By name whatever its capitals; a name that is computed may mean any table."""
    names = {
        "x_a": "LOOKUP('Rates', 1, 'a')",
        "x_b": "LOOKUP(name, 1, 'a')",
        "x_c": "WORKDAYS(DATE(created_at), DATE(created_at))",
        "x_d": "LOOKUP('other', 1, 'a')",
    }
    graph = build_graph(entities(user=[computed(name, text) for name, text in names.items()]))

    def reading(*sources):
        return {formula.field.name for formula in graph.reading(sources)}

    assert reading(Source("lookup", "rates")) == {"x_a", "x_b"}
    assert reading(Source("calendar", None)) == {"x_c"}
    assert reading(Source("lookup", "Other"), Source("calendar", None)) == {"x_b", "x_c", "x_d"}


class _Base(DeclarativeBase):
    """Apart from the suite's own tables."""


class Thing(_Base):
    __tablename__ = "graph_sample_thing"

    id: Mapped[int] = mapped_column(primary_key=True)
    above: Mapped[int | None] = field(Reference("graph_thing"), label="Above", constraint=False)
    depth: Mapped[Decimal | None] = field(Computed("above.depth + 1", Number()), label="Depth")


def test_a_plugin_that_brings_a_circle_is_held_back():
    definition = EntityDef("graph_thing", Thing, "Thing", "Things", "id")
    with pytest.raises(RegistryError, match=r"thing\.depth → graph_thing\.depth") as refused:
        DeclaredEntities([Contribution("graph_sample", definition)], [])
    assert refused.value.owner == "graph_sample"


def test_labels_of_every_language_mean_the_field():
    name = FieldSpec("x_n", Text(), "Rufname", column="x_n")
    graph = build_graph(entities(user=[name, computed("x_a", "LEN([Rufname]) + LEN([Name])")]))
    assert graph.formulas["user", "x_a"].own == {"x_n", "name"}

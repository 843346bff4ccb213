"""The graph of computed fields: what each is worked out from, over all entities, and in which order.

Made once for a snapshot. Its nodes are fields; a formula that reads ``customer.level`` hangs on the
field ``level`` of customers and on its own field ``customer``.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.entities.formulas import check_expression
from core.expressions import Expression, ExpressionError, Source, fold
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t

if TYPE_CHECKING:
    from core.runtime import Snapshot

__all__ = [
    "EXISTS",
    "Circle",
    "Formula",
    "Graph",
    "Node",
    "Step",
    "Watch",
    "build_graph",
    "graph_of",
]

log = logging.getLogger("dougong.computed")

#: An entity and a field of it, by name.
Node = tuple[str, str]
#: Stands for the coming and going of child lines, among the names of fields that are watched.
EXISTS = ""
#: Set by the service when the row is written, after computed fields that need nothing else.
_SET_LATE = frozenset({"id", "version", "updated_at", "updated_by"})


class Circle(Exception):
    """Fields that are computed from each other; ``nodes`` begins and ends with the same one."""

    def __init__(self, nodes: tuple[Node, ...]) -> None:
        super().__init__(" → ".join(".".join(node) for node in nodes))
        self.nodes = nodes


@dataclass(frozen=True)
class Step:
    """From records of ``entity`` over their ``field`` to those of ``target``.

    ``parent`` is None for a reference; for child lines it is their reference to the parent.
    """

    entity: str
    field: str
    target: str
    parent: str | None = None


@dataclass(frozen=True, eq=False)
class Formula:
    """A computed field."""

    entity: str
    field: FieldSpec
    expression: Expression
    #: The steps to each value that is not of the record itself, and its name there; no name where
    #: only the lines are counted.
    paths: tuple[tuple[tuple[Step, ...], str | None], ...]
    #: The record's own fields that it reads.
    own: frozenset[str]
    #: The record's own fields that it reads, also through other computed fields of the record.
    inputs: frozenset[str]
    #: Longest way to a field that is not computed; what is read has a lower one.
    rank: int
    #: It needs what exists only after the row is written.
    late: bool
    #: It is late for its lines alone.
    lines_only: bool

    @property
    def node(self) -> Node:
        """Its name in the graph."""
        return self.entity, self.field.name

    @property
    def looks_elsewhere(self) -> bool:
        """True when values come from other records or tables."""
        return bool(self.paths or self.expression.sources)


@dataclass(frozen=True)
class Watch:
    """A formula that hangs on a field of the records at the end of ``steps``."""

    steps: tuple[Step, ...]
    node: Node


@dataclass
class Graph:
    """The formulas, and who watches what."""

    formulas: dict[Node, Formula] = field(default_factory=dict)
    #: Of each entity, in an order in which each finds what it needs.
    by_entity: dict[str, tuple[Formula, ...]] = field(default_factory=dict)
    #: Formulas by the entity and field that they hang on.
    watches: dict[str, dict[str, tuple[Watch, ...]]] = field(default_factory=dict)
    #: Formulas that cannot be computed now, with the reason; their values stay as they are.
    broken: dict[Node, str] = field(default_factory=dict)

    def reading(self, sources: Iterable[Source]) -> list[Formula]:
        """The formulas that look into any of ``sources``."""
        wanted = {_folded(source) for source in sources}
        kinds = {source.kind for source in wanted}
        return [
            formula
            for formula in self.formulas.values()
            if any(
                _folded(source) in wanted or (source.name is None and source.kind in kinds)
                for source in formula.expression.sources
            )
        ]


def _folded(source: Source) -> Source:
    return Source(source.kind, None if source.name is None else fold(source.name))


def graph_of(snapshot: Snapshot) -> Graph:
    """The graph of a snapshot; fields of modules that are off are not in it."""
    graph: Graph | None = snapshot.memo.get("dependencies")
    if graph is None:
        graph = build_graph(snapshot.entities, snapshot.installed_entities)
        for node, reason in graph.broken.items():
            log.error("%s.%s cannot be computed: %s", *node, reason)
        snapshot.memo["dependencies"] = graph
    return graph


def build_graph(
    entities: Mapping[str, EntitySpec],
    reachable: Mapping[str, EntitySpec] | None = None,
    *,
    strict: bool = False,
) -> Graph:
    """The graph of the computed fields of ``entities``, whose paths may lead to ``reachable`` ones.

    ``strict`` raises `Circle`; otherwise the fields of a circle count as broken.
    """
    return _Builder(entities, reachable or entities, strict=strict).build()


class _Builder:
    def __init__(
        self,
        entities: Mapping[str, EntitySpec],
        reachable: Mapping[str, EntitySpec],
        *,
        strict: bool,
    ) -> None:
        self.reachable = reachable
        self.strict = strict
        self.graph = Graph()
        self.compiled: dict[Node, tuple[FieldSpec, Expression]] = {}
        for spec in entities.values():
            for item in spec.stored:
                if isinstance(item.type, t.Computed):
                    self._compile(spec, item, item.type)

    def _compile(self, spec: EntitySpec, item: FieldSpec, type_: t.Computed) -> None:
        try:
            found = check_expression(self.reachable, spec, type_.expression, type_.result)
        except ExpressionError as error:
            self.graph.broken[spec.name, item.name] = error.message
        else:
            self.compiled[spec.name, item.name] = (item, found)

    def build(self) -> Graph:
        graph = self.graph
        for node in self.compiled:
            while node not in graph.formulas and node not in graph.broken:
                try:
                    self._visit(node, ())
                except Circle as circle:
                    if self.strict:
                        raise
                    graph.broken |= dict.fromkeys(circle.nodes, str(circle))
        by_entity = defaultdict(list)
        watches: dict[str, dict[str, dict[Watch, None]]] = defaultdict(lambda: defaultdict(dict))
        for formula in sorted(graph.formulas.values(), key=lambda each: each.rank):
            by_entity[formula.entity].append(formula)
            for entity, name, steps in _watched(formula):
                watches[entity][name][Watch(steps, formula.node)] = None
        graph.by_entity = {name: tuple(found) for name, found in by_entity.items()}
        graph.watches = {
            entity: {name: tuple(found) for name, found in names.items()}
            for entity, names in watches.items()
        }
        return graph

    def _visit(self, node: Node, above: tuple[Node, ...]) -> Formula | None:
        """The formula of ``node``, after those that it reads; None for what is not computed."""
        if node in above:
            raise Circle((*above[above.index(node) :], node))
        if node in self.graph.formulas:
            return self.graph.formulas[node]
        if node not in self.compiled or node in self.graph.broken:
            return None
        item, expression = self.compiled[node]
        spec = self.reachable[node[0]]
        resolved = [self._resolve(spec, path) for path in sorted(expression.dependencies)]
        below = [
            (steps, self._visit((steps[-1].target if steps else spec.name, name), (*above, node)))
            for steps, name in resolved
            if name is not None
        ]
        own = frozenset(steps[0].field if steps else str(name) for steps, name in resolved)
        inner = [found for steps, found in below if found is not None and not steps]
        counting = any(steps and steps[0].parent for steps, _name in resolved)
        numbered = any(
            name in _SET_LATE or isinstance(spec[name].type, t.AutoNumber) for name in own
        )
        formula = Formula(
            entity=node[0],
            field=item,
            expression=expression,
            paths=tuple((steps, name) for steps, name in resolved if steps),
            own=own,
            inputs=own.union(*(each.inputs for each in inner)),
            rank=1 + max((found.rank for _steps, found in below if found), default=-1),
            late=counting or numbered or any(each.late for each in inner),
            lines_only=not numbered and all(each.lines_only for each in inner if each.late),
        )
        self.graph.formulas[node] = formula
        return formula

    def _resolve(self, spec: EntitySpec, path: str) -> tuple[tuple[Step, ...], str | None]:
        steps: list[Step] = []
        here, parts = spec, path.split(".")
        for place, name in enumerate(parts):
            type_ = here[name].type
            if isinstance(type_, t.Lines):
                there = self.reachable[type_.entity]
                steps.append(Step(here.name, name, there.name, there.parent_field or type_.parent))
            elif place + 1 < len(parts):
                assert isinstance(type_, t.Reference)
                there = self.reachable[type_.entity]
                steps.append(Step(here.name, name, there.name))
            else:
                return tuple(steps), name
            here = there
        return tuple(steps), None


def _watched(formula: Formula) -> Iterable[tuple[str, str, tuple[Step, ...]]]:
    """What changes the value of a formula: (entity, field, the steps from the formula to it)."""
    for name in formula.own:
        yield formula.entity, name, ()
    for steps, last in formula.paths:
        for place, step in enumerate(steps):
            if step.parent is not None:
                yield step.target, EXISTS, steps[: place + 1]
                yield step.target, step.parent, steps[: place + 1]
            elif place:
                yield step.entity, step.field, steps[:place]
        if last is not None:
            yield steps[-1].target, last, steps

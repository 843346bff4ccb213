"""A plan from its TOML: its shape is checked here, against nothing but itself."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from core.errors import Invalid, Problem
from core.exchange.cleaning import join_entries
from core.exchange.lookups import MATCHES, MISSING, Lookup
from core.exchange.plans.model import Made, Plan, PlanFault, Step, Target, step_place
from core.i18n import gettext as _

__all__ = ["as_invalid", "parse_plan", "read_content", "read_plan", "read_step"]

_PLAN = {"title", "step"}
_STEP = {
    *("file", "rows", "sheet", "encoding", "entity", "key", "duplicates"),
    *("columns", "made", "constants"),
}
_TARGET = {"field", "by", "match", "missing", "new", "values", "known", "dates"}
_MADE = {"text", *_TARGET} - {"field", "dates"}
#: Running again must not double anything, so ``create`` is not among them.
_POLICIES = ("skip", "update")
_ORDERS = ("", "mdy", "dmy", "ymd")
_MOST_STEPS = 100
_MOST_ROWS = 1_000
_LONGEST = 1_000_000


def read_plan(path: Path) -> Plan:
    """The plan in a file. Raises `Invalid` with all that is wrong with its shape."""
    try:
        given = path.read_bytes()
    except OSError as error:
        raise as_invalid([PlanFault(path.name, str(error))]) from error
    return parse_plan(read_content(given, path.name), path.stem)


def read_content(given: bytes, name: str) -> dict[str, Any]:
    """What the file of a plan says, as plain values. Raises `Invalid` for what is no TOML."""
    try:
        if len(given) > _LONGEST:
            raise ValueError(_("a plan has at most %(n)s characters", n=_LONGEST))
        content: dict[str, Any] = _plain(tomllib.loads(given.decode("utf-8-sig")))
    except (ValueError, RecursionError) as error:  # those of decoding and of TOML among them
        raise as_invalid([PlanFault(name, str(error))]) from error
    return content


def parse_plan(content: Mapping[str, Any], name: str) -> Plan:
    """The plan that ``content`` says; ``name`` is its title where it has none."""
    reader = _Reader()
    reader.known(content, _PLAN, "")
    steps = reader.list_of_tables(content.get("step", []), "[[step]]")
    if not steps:
        reader.fault("", _("The plan has no [[step]]."))
    if len(steps) > _MOST_STEPS:
        reader.fault("", _("A plan has at most %(n)s steps.", n=_MOST_STEPS))
    made = tuple(reader.step(number, each) for number, each in enumerate(steps, 1))
    title = reader.text(content, "title", "") or name
    if reader.faults:
        raise as_invalid(reader.faults)
    return Plan(title, made, content)


def read_step(number: int, content: Mapping[str, Any]) -> tuple[Step, list[PlanFault]]:
    """A step by itself, counted from 1, and what is wrong with its shape."""
    reader = _Reader()
    return reader.step(number, content), reader.faults


def as_invalid(faults: Sequence[PlanFault]) -> Invalid:
    """The refusal of a plan, which tells all that is wrong with it."""
    problems = [Problem(fault.place, "plan", fault.message) for fault in faults]
    return Invalid("\n".join(map(str, faults)), problems)


def _plain(value: Any) -> Any:
    """Values of TOML as cells are written: JSON can hold them, and cleaning reads them."""
    if isinstance(value, dict):
        return {key.replace("\x00", ""): _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, float):
        return str(Decimal(str(value)))
    return str(value).replace("\x00", "")  # which no database keeps


class _Reader:
    """Reads tables and notes what is wrong with them."""

    def __init__(self) -> None:
        self.faults: list[PlanFault] = []

    def fault(self, place: str, message: str) -> None:
        self.faults.append(PlanFault(place, message))

    # Shapes

    def known(self, table: Mapping[str, Any], names: set[str], place: str) -> None:
        for name in table:
            if name not in names:
                known = ", ".join(sorted(names))
                message = _(
                    "there is no key '%(name)s' here; there are %(known)s", name=name, known=known
                )
                self.fault(place, message)

    def text(self, table: Mapping[str, Any], name: str, place: str) -> str:
        value = table.get(name, "")
        if isinstance(value, str):
            return value
        self.fault(place, _("'%(name)s' is to be a text", name=name))
        return ""

    def one_of(self, table: Mapping[str, Any], name: str, options: Any, place: str) -> str:
        value = self.text(table, name, place)
        if name in table and value not in options:
            known = ", ".join(filter(None, options))
            self.fault(place, _("'%(name)s' is to be one of %(known)s", name=name, known=known))
        return value if name in table else options[0]

    def texts(self, table: Mapping[str, Any], name: str, place: str) -> tuple[str, ...]:
        value = table.get(name, [])
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            return tuple(value)
        self.fault(place, _("'%(name)s' is to be a list of texts", name=name))
        return ()

    def cells(self, value: Any, place: str) -> dict[str, str]:
        """A table of plain values; a list is one cell with several entries."""
        if not isinstance(value, dict):
            self.fault(place, _("this is to be a table"))
            return {}
        return dict(self._each_cell(value, place))

    def _each_cell(self, table: Mapping[str, Any], place: str) -> Iterator[tuple[str, str]]:
        for name, value in table.items():
            if isinstance(value, str):
                yield name, value
            elif isinstance(value, list) and all(isinstance(each, str) for each in value):
                yield name, join_entries(value)
            else:
                self.fault(place, _("'%(name)s' is to be a plain value", name=name))

    def list_of_tables(self, value: Any, place: str) -> list[dict[str, Any]]:
        if isinstance(value, list) and all(isinstance(each, dict) for each in value):
            return value
        self.fault(place, _("this is to be a list of tables"))
        return []

    def table(self, table: Mapping[str, Any], name: str, place: str) -> dict[str, Any]:
        value = table.get(name, {})
        if isinstance(value, dict):
            return value
        self.fault(place, _("'%(name)s' is to be a table", name=name))
        return {}

    # What stands in a plan

    def step(self, number: int, given: Mapping[str, Any]) -> Step:
        file, entity = self.text(given, "file", ""), self.text(given, "entity", "")
        place = step_place(number, file or entity)
        self.known(given, _STEP, place)
        rows = self.list_of_tables(given.get("rows", []), f"{place}, rows")
        if not entity:
            self.fault(place, _("'%(name)s' is missing", name="entity"))
        if bool(file) == bool(rows):
            self.fault(place, _("it is to have either 'file' or 'rows'"))
        if Path(file).name != file:
            self.fault(place, _("'file' is to be a name without folders"))
        if len(rows) > _MOST_ROWS:
            self.fault(place, _("more than %(n)s rows belong into a file", n=_MOST_ROWS))
        cells = [self.cells(row, f"{place}, rows {i}") for i, row in enumerate(rows, 1)]
        columns = {
            heading: self.target(
                value, _("%(place)s, column '%(name)s'", place=place, name=heading)
            )
            for heading, value in self.table(given, "columns", place).items()
        }
        if rows and not columns:  # rows in the plan name the fields themselves
            columns = {name: Target(name) for row in cells for name in row}
        return Step(
            number,
            entity,
            file,
            tuple(cells),
            self.text(given, "sheet", place) or None,
            self.text(given, "encoding", place) or None,
            columns,
            {
                name: self.made(name, value, f"{place}, made '{name}'")
                for name, value in self.table(given, "made", place).items()
            },
            self.cells(given.get("constants", {}), f"{place}, constants"),
            self.texts(given, "key", place),
            self.one_of(given, "duplicates", _POLICIES, place),
        )

    def target(self, value: Any, place: str) -> Target:
        if isinstance(value, str):
            return Target(value)
        if not isinstance(value, dict):
            self.fault(place, _("this is to be the name of a field, or a table"))
            return Target("")
        self.known(value, _TARGET, place)
        field = self.text(value, "field", place)
        if value.keys() & {"by", "missing", "new"} and not field:
            self.fault(place, _("'%(name)s' is missing", name="field"))
        return self._target(field, value, place)

    def made(self, name: str, value: Any, place: str) -> Made:
        if isinstance(value, str):
            return Made(value, Target(name))
        if not isinstance(value, dict):
            self.fault(place, _("this is to be a text, or a table"))
            return Made("", Target(name))
        self.known(value, _MADE, place)
        if not (text := self.text(value, "text", place)):
            self.fault(place, _("'%(name)s' is missing", name="text"))
        if value.keys() >= {"match", "known"}:
            self.fault(place, _("what is known is matched in the columns it is made of"))
        return Made(text, self._target(name, value, place))

    def _target(self, field: str, value: Mapping[str, Any], place: str) -> Target:
        lookup, match = None, self.one_of(value, "match", MATCHES, place)
        if value.keys() & {"by", "missing"} or (
            field and value.keys() & {"match", "known"} == {"match"}
        ):
            lookup = Lookup(
                self.text(value, "by", place),
                match,
                self.one_of(value, "missing", MISSING, place),
            )
        if "new" in value and (lookup is None or lookup.missing != "create"):
            self.fault(place, _("'new' goes with missing = 'create'"))
        return Target(
            field,
            lookup,
            self.cells(value.get("new", {}), f"{place}, new"),
            self.cells(value.get("values", {}), f"{place}, values"),
            self.texts(value, "known", place),
            match == "loose" and "known" in value,
            self.one_of(value, "dates", _ORDERS, place),
        )

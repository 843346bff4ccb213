"""Columns of a table made into values by rules that are plain data, a batch of rows at a time.

What such a rule cannot know (options, regions, other records) it leaves as it came, for whoever
does. Rules, batches and values have a form in JSON, so that another process can do the work.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from decimal import Decimal
from itertools import repeat
from typing import Any
from zoneinfo import ZoneInfo

from core.i18n import LazyText
from core.i18n import lazy_gettext as _l
from core.tabular.cleaning import (
    CleaningError,
    clean_amount,
    clean_boolean,
    clean_date,
    clean_datetime,
    clean_email,
    clean_integer,
    clean_long_text,
    clean_mobile,
    clean_phone,
    clean_text,
)
from core.tabular.keys import NORMAL_FORMS, key_of, loose_form

__all__ = [
    "AS_IT_CAME",
    "FORMS",
    "CleanRows",
    "Column",
    "ColumnRule",
    "Piece",
    "Recipe",
    "changes_value",
    "clean_cells",
    "decode_cell",
    "encode_cell",
    "remembering",
    "unmasked",
]

#: A row as `core.tabular.reader` gives it: its line, and its cells.
SheetRow = tuple[int, list[Any]]
Clean = Callable[[Any], Any]

#: The kind of a column whose cells are not cleaned here.
AS_IT_CAME = ""
_MEMO_SIZE = 20_000
_THREE_NUMBERS = re.compile(r"\s*([0-9]{1,4})[-/. ]([0-9]{1,2})[-/. ]([0-9]{1,4})\s*")
_NOT_IN_SLUGS = re.compile(r"[^0-9a-z\u00e0-\u024f\u4e00-\u9fff]+")
_PLAIN_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """How the cells of the column at ``place`` become values: a key of `KINDS`, or `AS_IT_CAME`."""

    place: int
    kind: str = AS_IT_CAME
    #: Values are shown masked to some: text that holds the mask is refused.
    masked: bool = False
    #: The name of the time zone of moments that are written without one.
    zone: str = ""

    def cleaner(self) -> Clean:
        """The function from a cell to its value (None for a blank one); raises `CleaningError`."""
        clean = KINDS[self.kind].clean
        if self.kind == "datetime":
            zone = ZoneInfo(self.zone)
            clean = lambda cell: clean_datetime(cell, zone=zone)  # noqa: E731
        if self.kind in _REPETITIVE:
            clean = remembering(clean)
        return unmasked(clean) if self.masked else clean


@dataclass(slots=True)
class Column:
    """The cells of a column in a batch of rows, as values."""

    #: One for each row; None where the cell is blank or refused.
    values: list[Any]
    #: Why cells are refused, by the index of their row.
    refused: dict[int, LazyText] = field(default_factory=dict)
    #: Cells that cleaning made something else of, and cells without anything in them.
    changed: int = 0
    blank: int = 0


@dataclass(slots=True)
class CleanRows:
    """A batch of rows, by columns: one for each rule of the recipe."""

    lines: list[int]
    columns: list[Column]
    #: Cells in which a short name was written out.
    written_out: int = 0
    #: The key of each row, where the recipe says of what they are made.
    keys: list[int | None] = field(default_factory=list)

    def as_json(self, recipe: Recipe) -> dict[str, Any]:
        """Plain values, from which `from_json` makes the same again."""
        columns = []
        for rule, column in zip(recipe.rules, self.columns, strict=True):
            encode = KINDS[rule.kind].encode
            values = column.values if encode is None else _each(encode, column.values)
            refused = [(i, why.message, why.values) for i, why in column.refused.items()]
            columns.append((values, refused, column.changed, column.blank))
        more = {"written_out": self.written_out, "keys": self.keys}
        return {"lines": self.lines, "columns": columns, **more}

    @classmethod
    def from_json(cls, given: Mapping[str, Any], recipe: Recipe) -> CleanRows:
        """The rows that `as_json` was asked of."""
        columns = []
        for rule, (values, refused, changed, blank) in zip(
            recipe.rules, given["columns"], strict=True
        ):
            decode = KINDS[rule.kind].decode
            why = {index: LazyText(message, **more) for index, message, more in refused}
            values = values if decode is None else _each(decode, values)
            columns.append(Column(values, why, changed, blank))
        return cls(given["lines"], columns, given["written_out"], given["keys"])


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a cell that is made of others: ``text``, or the first cell at ``places`` that is not
    blank, written as ``form`` (a key of `FORMS`) says."""

    text: str = ""
    places: tuple[int, ...] = ()
    form: str = ""

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Piece:
        """The piece that `asdict` was asked of."""
        return cls(given["text"], tuple(given["places"]), given["form"])


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is done to the rows of a file of ``width`` columns."""

    width: int
    rules: tuple[ColumnRule, ...]
    #: Cells behind the file's own, the same for every row.
    added: tuple[str, ...] = ()
    #: What texts stand for, by the place of their column: ``{place: {as written: in full}}``.
    names: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    #: What keys of rows are made of: the number of a rule (None: always blank), and a name of
    #: `core.tabular.keys.NORMAL_FORMS`.
    key: tuple[tuple[int | None, str], ...] = ()
    #: Cells behind those, each made of cells of the file.
    made: tuple[tuple[Piece, ...], ...] = ()
    #: In which order the parts of dates are written, by the place of their column: ``mdy dmy ymd``.
    dates: Mapping[int, str] = field(default_factory=dict)
    #: Texts that are written as these where only case, blanks or punctuation differ, by the place of
    #: their column: ``{place: {loose form: text}}``.
    known: Mapping[int, Mapping[str, str]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain values, from which `from_json` makes the same again."""
        by_place = ("names", "dates", "known")
        return {**asdict(self), **{name: list(getattr(self, name).items()) for name in by_place}}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Recipe:
        """The recipe that `as_json` was asked of."""
        rules = tuple(ColumnRule(**rule) for rule in given["rules"])
        key = tuple((number, form) for number, form in given["key"])
        made = tuple(tuple(map(Piece.from_json, pieces)) for pieces in given["made"])
        names, dates, known = (dict(given[name]) for name in ("names", "dates", "known"))
        return cls(given["width"], rules, tuple(given["added"]), names, key, made, dates, known)

    def adjust(self, rows: Iterable[SheetRow]) -> list[SheetRow]:
        """The rows with the cells that are added or made and the names written out; changes them."""
        if not (self.added or self.made or self.names or self.dates or self.known):
            return list(rows)
        own = {place: full for place, full in self.names.items() if place < self.width}
        behind = {place: full for place, full in self.names.items() if place >= self.width}
        adjusted = []
        for line, cells in rows:
            for place, order in self.dates.items():
                cells[place] = _as_date(cells[place], order)
            _write_out(cells, own)
            for place, known in self.known.items():
                if type(cells[place]) is str:
                    cells[place] = known.get(loose_form(cells[place]), cells[place])
            if self.added or self.made:
                made = [_made(cells, pieces) for pieces in self.made]
                cells = [*cells[: self.width], *self.added, *made]
                _write_out(cells, behind)
            adjusted.append((line, cells))
        return adjusted

    def written_out(self, rows: Sequence[SheetRow]) -> int:
        """How many cells of adjusted rows hold a name written out."""
        full = [(place, set(names.values())) for place, names in self.names.items()]
        return sum(cells[place] in names for _line, cells in rows for place, names in full)

    def cleaner(self) -> Callable[[Sequence[SheetRow]], CleanRows]:
        """The function that cleans (adjusted) rows, a batch at a time."""
        cleaners = [
            (rule.place, None if rule.kind == AS_IT_CAME else rule.cleaner()) for rule in self.rules
        ]

        def clean(rows: Sequence[SheetRow]) -> CleanRows:
            columns = []
            for place, one in cleaners:
                cells = [cells[place] for _line, cells in rows]
                columns.append(Column(cells) if one is None else clean_cells(cells, one))
            lines = [line for line, _cells in rows]
            return CleanRows(lines, columns, self.written_out(rows), self._keys(columns))

        return clean

    def _keys(self, columns: Sequence[Column]) -> list[int | None]:
        forms = []
        for number, name in self.key:
            form = NORMAL_FORMS[name]
            values = repeat(None) if number is None else columns[number].values
            forms.append(map(form, values))
        return [key_of(each) for each in zip(*forms)]  # noqa: B905 - blank ones go on for ever


def _write_out(cells: list[Any], names: Mapping[int, Mapping[str, str]]) -> None:
    for place, full in names.items():
        cell = cells[place]
        if cell is None or type(cell) is str:
            meant = full.get(clean_text(cell) or "")
            if meant is not None:
                cells[place] = meant


def _made(cells: Sequence[Any], pieces: Sequence[Piece]) -> Any:
    """The cell that the pieces come to; None when none of the cells in it holds anything."""
    found = [_first(cells, piece) for piece in pieces]
    if all(cell is None for cell, piece in zip(found, pieces, strict=True) if piece.places):
        return None
    if len(pieces) == 1 and not pieces[0].form:
        return found[0]  # a number or a date stays one
    return "".join(
        FORMS[piece.form](clean_text(cell) or "") if piece.places else piece.text
        for cell, piece in zip(found, pieces, strict=True)
    )


def _first(cells: Sequence[Any], piece: Piece) -> Any:
    return next((cells[place] for place in piece.places if clean_text(cells[place])), None)


def _slug(text: str) -> str:
    return _NOT_IN_SLUGS.sub(".", text.lower()).strip(".")


def _as_date(cell: Any, order: str) -> Any:
    """A date written in that order, as ISO 8601 has it; anything else as it came."""
    found = _THREE_NUMBERS.fullmatch(cell) if type(cell) is str else None
    if found is None:
        return cell
    parts = {part: int(number) for part, number in zip(order, found.groups(), strict=True)}
    try:
        return date(parts["y"], parts["m"], parts["d"]).isoformat()
    except ValueError:
        return cell


#: How a cell is written inside another: as it is, or as the name of a mailbox.
FORMS: Mapping[str, Callable[[str], str]] = {"": lambda text: text, "slug": _slug}


def clean_cells(
    cells: Sequence[Any], clean: Clean, changes: Callable[[Any, Any], bool] | None = None
) -> Column:
    """The column of ``cells``; ``changes(cell, value)`` tells what counts as changed."""
    changes = changes or changes_value
    values: list[Any] = [None] * len(cells)
    column = Column(values)
    changed = blank = 0
    for index, cell in enumerate(cells):
        if cell is None:
            blank += 1
            continue
        try:
            value = clean(cell)
        except CleaningError as error:
            column.refused[index] = error.message
            continue
        if value is None:
            blank += type(cell) is str and not cell.strip()
        else:
            values[index] = value
            if cell is not value and changes(cell, value):
                changed += 1
    column.changed, column.blank = changed, blank
    return column


def changes_value(cell: Any, value: Any) -> bool:
    """True when cleaning made something else of the cell: ``1.2万`` is, ``12000.00`` is not."""
    if type(cell) is str:
        if type(value) is str:
            return cell != value
        if isinstance(value, date):
            return cell != str(value)
        if isinstance(value, (Decimal, int)) and not isinstance(value, bool):
            return _PLAIN_NUMBER.fullmatch(cell) is None
        return not (isinstance(value, list) and value == [cell])
    if isinstance(cell, datetime) and isinstance(value, datetime):
        return False  # only its zone was added
    return bool(cell != value)


def remembering(clean: Clean) -> Clean:
    """``clean``, which is asked once for texts that come again and again."""
    memo: dict[str, Any] = {}

    def value(cell: Any) -> Any:
        if type(cell) is not str:
            return clean(cell)
        try:
            return memo[cell]
        except KeyError:
            if len(memo) >= _MEMO_SIZE:
                memo.clear()
            found = memo[cell] = clean(cell)
            return found

    return value


def unmasked(clean: Clean) -> Clean:
    """``clean``, which refuses text that holds a mask."""

    def value(cell: Any) -> Any:
        if type(cell) is str and "****" in cell:
            message = _l("“%(value)s” is masked; write it out", value=cell[:40])
            raise CleaningError("masked", message)
        return clean(cell)

    return value


# The kinds, and how their values are written in JSON


@dataclass(frozen=True)
class Kind:
    """A way of cleaning; without ``encode`` and ``decode`` its values are JSON as they are."""

    clean: Clean
    encode: Clean | None = None
    decode: Clean | None = None


def _each(convert: Clean, values: Sequence[Any]) -> list[Any]:
    return [None if value is None else convert(value) for value in values]


def encode_cell(cell: Any) -> Any:
    """A cell as it came, for JSON: a text or a truth value, else its type and how it is written."""
    if cell is None or type(cell) is str or type(cell) is bool:
        return cell
    return [type(cell).__name__, str(cell)]


def decode_cell(cell: Any) -> Any:
    """The cell that `encode_cell` was asked of."""
    if type(cell) is not list:
        return cell
    name, text = cell
    return _CELLS[name](text)


_CELLS: dict[str, Clean] = {
    "int": int,
    "Decimal": Decimal,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
}
_REPETITIVE = frozenset({"boolean", "date"})
KINDS: Mapping[str, Kind] = {
    AS_IT_CAME: Kind(lambda cell: cell, encode_cell, decode_cell),
    "text": Kind(clean_text),
    "long_text": Kind(clean_long_text),
    "email": Kind(clean_email),
    "phone": Kind(clean_phone),
    "mobile": Kind(clean_mobile),
    "boolean": Kind(clean_boolean),
    # Written as text: JSON's numbers are too small for some, and not exact for others.
    "integer": Kind(clean_integer, str, int),
    "amount": Kind(clean_amount, str, Decimal),
    "date": Kind(clean_date, date.isoformat, remembering(date.fromisoformat)),
    "datetime": Kind(clean_datetime, datetime.isoformat, datetime.fromisoformat),
}

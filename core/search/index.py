"""The index of tokens in either database: written in batches, asked for the newest records.

SQLite keeps it as an FTS5 table whose row numbers hold the entity and the record; PostgreSQL as
lists of lexemes with a GIN index. Tokens begin with the number of their entity, so that one entity's
hits are found, and counted by the planner, without looking at those of others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Select,
    String,
    TextClause,
    and_,
    bindparam,
    cast,
    column,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    table,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR

from core.db.bulk import one_of
from core.db.planning import through_indexes
from core.search.tables import INDEX
from core.search.tokens import Needs

__all__ = ["Seen", "among_few", "forget", "may_be_more", "newest", "replace"]

Tokens = Mapping[int, set[str]]

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
#: Row numbers of SQLite: the entity above, the record below.
_RECORD_BITS = 40
_RECORD = (1 << _RECORD_BITS) - 1
#: On PostgreSQL the age of a record is one of its tokens: so many numbers share one.
_AGE, _AGE_BITS, _MOST_AGES = "a", 13, 32
#: There, what this many of the newest records have is common, and looked for among more of them.
_COMMON, _SAMPLE, _WINDOW = 15, 500, 5_000
#: And so on SQLite, where so many hits in the first of them tell that it is common.
_FIRST_WINDOW, _FEW = 1_000, 30
#: To read what the index found takes as long as it takes to put so many together that have a token.
_READING = 13
#: The hits that are hoped for among records of some age, and the fewest that a sample promises.
_EXPECTED, _FEWEST = 60, 3

_fts: Any = table(INDEX, column("rowid", BigInteger), column("tokens", String))
_gin: Any = table(
    INDEX, column("entity", BigInteger), column("record_id", BigInteger), column("tokens", TSVECTOR)
)


def _prefix(entity: int) -> str:
    """Three letters or digits for an entity's number, with which its tokens begin."""
    found = ""
    for _place in range(3):
        entity, rest = divmod(entity, len(_DIGITS))
        found = _DIGITS[rest] + found
    if entity:
        raise ValueError("there are more entities than the search can tell apart")
    return found


def replace(connection: Connection, entity: int, tokens: Tokens) -> None:
    """Let these be the tokens of records; those without any are no longer in the index."""
    forget(connection, entity, list(tokens))
    prefix = _prefix(entity)
    texts = {
        key: " ".join(prefix + token for token in sorted(found))
        for key, found in tokens.items()
        if found
    }
    if not texts:
        return
    if connection.dialect.name == "sqlite":
        rows = [{"rowid": _row(entity, key), "tokens": text} for key, text in texts.items()]
        connection.execute(insert(_fts), rows)
        return
    texts = {key: f"{text} {prefix}{_age(key)}" for key, text in texts.items()}
    given = (
        func.unnest(
            literal(list(texts), ARRAY(BigInteger)), literal(list(texts.values()), ARRAY(String))
        )
        .table_valued("key", "tokens")
        .render_derived()
    )
    rows_ = select(literal(entity, BigInteger), given.c.key, cast(given.c.tokens, TSVECTOR))
    connection.execute(insert(_gin).from_select(["entity", "record_id", "tokens"], rows_))


def forget(connection: Connection, entity: int, records: Sequence[int] | None = None) -> None:
    """Take records out of the index; all of the entity when none are named."""
    if connection.dialect.name == "sqlite":
        if records is None:
            here = _fts.c.rowid.between(_row(entity, 0), _row(entity + 1, 0) - 1)
            connection.execute(delete(_fts).where(here))
        if records:
            which = _fts.c.rowid == bindparam("row")
            rows = [{"row": _row(entity, key)} for key in records]
            connection.execute(delete(_fts).where(which), rows)
        return
    statement = delete(_gin).where(_gin.c.entity == entity)
    if records is not None:
        statement = statement.where(one_of(connection, _gin.c.record_id, records))
    connection.execute(statement)


def newest(
    connection: Connection, wanted: Mapping[int, int], needs: Needs, exact: str | None
) -> dict[int, set[int]]:
    """Of each entity about as many as are ``wanted`` of the newest records with what is needed.

    Records with the token ``exact`` are found whatever their age.
    """
    if not needs:
        return {}
    alike: list[Needs] = [] if exact is None else [[(exact,)]]
    if connection.dialect.name == "postgresql":
        return _newest_on_postgresql(connection, wanted, needs, alike)
    found: dict[int, set[int]] = {}
    for each, limit in wanted.items():
        found[each] = _newest_on_sqlite(connection, each, needs, limit)
        for way in alike:
            found[each] |= _find_on_sqlite(connection, each, way, limit)
    return found


def may_be_more(found: int, wanted: int) -> bool:
    """False when what `newest` found is all that there is."""
    return 2 * found >= wanted


@dataclass(frozen=True)
class Seen:
    """What the newest candidates told: their newest number and among how many numbers they stood,
    how many they were, and how many of them are of the few that are looked for."""

    last: int
    span: int
    candidates: int
    few: int


def among_few(
    connection: Connection, entity: int, needs: Needs, few: tuple[str, ...], limit: int, seen: Seen
) -> set[int]:
    """``limit`` of the newest records that have what is needed and one of ``few`` tokens besides."""
    both = [*needs, few]
    if connection.dialect.name == "sqlite":
        if seen.span * _FEW <= seen.candidates * _FIRST_WINDOW:
            return _newest_on_sqlite(connection, entity, both, limit)
        return _find_on_sqlite(connection, entity, both, limit)
    question = _Question(entity, both, limit, seen.last)
    with through_indexes(connection):
        if seen.span * limit <= seen.few * _WINDOW:
            _among_newest(connection, [question], _WINDOW)
        if not question.enough:
            # None of them among the candidates: as if it were half a one.
            one = seen.few or 0.5
            question.within(round(seen.span * limit / one))
            theirs = (question.width or seen.last) * one / seen.candidates
            if theirs * _READING * seen.span <= seen.last * seen.candidates:
                question.needs, question.read = [few], needs
            _by_age(connection, [question])
    return question.found


def _begins(ways: Sequence[str]) -> bool:
    return any(way.endswith("*") for way in ways)


def _newest_on_sqlite(connection: Connection, entity: int, needs: Needs, limit: int) -> set[int]:
    if any(map(_begins, needs)):
        found = _read_on_sqlite(connection, entity, needs, limit)
        if found is not None:
            return found
    return _find_on_sqlite(connection, entity, needs, limit)


def _find_on_sqlite(connection: Connection, entity: int, needs: Needs, limit: int) -> set[int]:
    asked = _needed(entity, needs, _quoted, " AND ", " OR ")
    rows = connection.execute(_IN_FTS, {"asked": asked, "most": limit})
    return {row.rowid & _RECORD for row in rows}


def _read_on_sqlite(
    connection: Connection, entity: int, needs: Needs, limit: int
) -> set[int] | None:
    """What has beginnings of tokens, by reading the newest records that have the whole ones.

    SQLite puts all records together that have a token with a beginning, before it gives the first;
    of common ones those are very many. None when they are rare, so that it is soon done.
    """
    whole = [ways for ways in needs if not _begins(ways)]
    prefix = _prefix(entity)
    parts = [[f" {prefix}{way} ".removesuffix("* ") for way in ways] for ways in needs]
    given: dict[str, Any] = {
        f"part_{at}_{n}": part for at, ways in enumerate(parts) for n, part in enumerate(ways)
    }
    if whole:
        given["asked"] = _needed(entity, whole, _quoted, " AND ", " OR ")
    statement = _recent(tuple(map(len, needs)), among_all=not whole)
    given |= {"first": _row(entity, 0), "last": _row(entity + 1, 0) - 1}
    found = set[int]()
    for window in (_FIRST_WINDOW, _WINDOW - _FIRST_WINDOW):
        end = None
        for row in connection.execute(statement, {**given, "window": window}):
            if row.fits:
                found.add(row.rowid & _RECORD)
                if len(found) == limit:
                    return found
            if row.number == window:
                end = row.rowid
        if end is None:
            return found
        if len(found) < _FEW:
            return None
        given["last"] = end - 1
    return found


@lru_cache(maxsize=64)
def _recent(shape: tuple[int, ...], *, among_all: bool) -> Select[Any]:
    """Of a window of the newest rows those that fit, and its last one whether it fits or not.

    ``shape`` is how many ways there are for each part of what is needed. The texts of tokens, which
    are long, stay in the database.
    """
    c = _fts.c
    rows = select(c.rowid, (literal(" ") + c.tokens + literal(" ")).label("tokens"))
    rows = rows.where(c.rowid.between(bindparam("first"), bindparam("last")))
    if not among_all:
        rows = rows.where(column(INDEX).op("MATCH")(bindparam("asked")))
    newest = rows.order_by(c.rowid.desc()).limit(bindparam("window")).subquery()
    has = [
        or_(*(func.instr(newest.c.tokens, bindparam(f"part_{at}_{n}")) > 0 for n in range(ways)))
        for at, ways in enumerate(shape)
    ]
    number = func.row_number().over().label("number")
    judged = select(newest.c.rowid, and_(*has).label("fits"), number).subquery()
    return select(judged).where(judged.c.fits | (judged.c.number == bindparam("window")))


@dataclass
class _Question:
    """What is needed in an entity, of records among so many of the newest numbers; None for all.

    What is to be ``read`` is looked for in the tokens of what the index found.
    """

    entity: int
    needs: Needs
    limit: int
    last: int = 0
    width: int | None = None
    read: Needs = ()
    found: set[int] = field(default_factory=set)

    @property
    def enough(self) -> bool:
        return may_be_more(len(self.found), self.limit)

    @property
    def asked(self) -> Needs:
        return self.needs if self.width is None else [*self.needs, _ages(self.last, self.width)]

    def widen(self, looked_at: int, hits: int) -> None:
        """Look among as many as enough are to be expected in, by the hits among so many."""
        self.within(looked_at * _EXPECTED // hits if hits else None)

    def within(self, width: int | None) -> None:
        """Look among so many of the newest numbers, or all where that would be too many ages."""
        if width and (width >= self.last or width >> _AGE_BITS >= _MOST_AGES):
            width = None
        self.width = width


def _newest_on_postgresql(
    connection: Connection, wanted: Mapping[int, int], needs: Needs, alike: Sequence[Needs]
) -> dict[int, set[int]]:
    """What is common is soon found among the newest; what is rarer, by the index, of some age first.

    To fetch a hit that the index names costs as much as to read ten records one after the other, so
    of thousands of hits those that are too old must not be fetched.
    """
    questions = [_Question(each, needs, limit) for each, limit in wanted.items()]
    exactly = [_Question(each, way, limit) for each, limit in wanted.items() for way in alike]
    with through_indexes(connection):
        _among_newest(connection, questions, _SAMPLE, most=_COMMON)
        common = [each for each in questions if len(each.found) >= _COMMON]
        rarer = [each for each in questions if len(each.found) < _COMMON and each.last]
        _among_newest(connection, common, _WINDOW)
        for each in rarer:
            each.widen(_SAMPLE, max(len(each.found), _FEWEST))
        _by_age(connection, [*rarer, *exactly])
    found: dict[int, set[int]] = {each: set() for each in wanted}
    for question in (*questions, *exactly):
        found[question.entity] |= question.found
    return found


def _among_newest(
    connection: Connection, questions: Sequence[_Question], window: int, most: int | None = None
) -> None:
    asked = [(each.entity, each.asked, most or each.limit) for each in questions]
    for at, last, keys in _ask(connection, _AMONG_NEWEST, asked, window=window):
        questions[at - 1].last = last
        questions[at - 1].found.update(keys or ())


def _by_age(connection: Connection, questions: Sequence[_Question]) -> None:
    """Look among the newest first, then among as many more as the hits there promise enough in."""
    while questions:
        asked = [(each.entity, each.asked, each.limit) for each in questions]
        read = [_needed(each.entity, each.read, _lexeme, " & ", " | ") for each in questions]
        for at, key in _ask(connection, _IN_GIN, asked, read=read):
            questions[at - 1].found.add(key)
        questions = [each for each in questions if each.width is not None and not each.enough]
        for each in questions:
            each.widen(each.width or 0, len(each.found))


def _age(record: int) -> str:
    """The token of records that are about as old as this one, by the numbers that they got."""
    return f"{_AGE}{record >> _AGE_BITS:x}"


def _ages(last: int, width: int) -> tuple[str, ...]:
    """The ages of records whose numbers are so far from the last one at most."""
    oldest = max(0, last - width) >> _AGE_BITS
    return tuple(_age(at << _AGE_BITS) for at in range(oldest, (last >> _AGE_BITS) + 1))


def _ask(
    connection: Connection,
    statement: TextClause,
    questions: Sequence[tuple[int, Needs, int]],
    **more: Any,
) -> Iterable[Any]:
    """The rows that answer questions: what is needed in which entity, and how many at most."""
    if not questions:
        return ()
    given = {
        "entities": [entity for entity, _needs, _most in questions],
        "asked": [
            _needed(entity, each, _lexeme, " & ", " | ") for entity, each, _most in questions
        ],
        "most": [most for _entity, _needs, most in questions],
    }
    return connection.execute(statement, given | more)


def _row(entity: int, record: int) -> int:
    return (entity << _RECORD_BITS) | record


def _needed(
    entity: int, needs: Needs, write: Callable[[str], str], all_of: str, any_of: str
) -> str:
    """What is needed of an entity's records, in the language of a database's text search."""
    prefix = _prefix(entity)
    return all_of.join(
        "(" + any_of.join(write(prefix + way) for way in ways) + ")" for ways in needs
    )


def _quoted(way: str) -> str:
    return f'"{way[:-1]}"*' if way.endswith("*") else f'"{way}"'


def _lexeme(way: str) -> str:
    return f"'{way[:-1]}':*" if way.endswith("*") else f"'{way}'"


# Written out: putting them together again for each letter that somebody types takes longer than
# the answer. On PostgreSQL one question for each entity, in one statement.

_IN_FTS = text(
    "SELECT rowid FROM core_search_index WHERE core_search_index MATCH :asked"
    " ORDER BY rowid DESC LIMIT :most"
)

_QUESTIONS = (
    bindparam("entities", type_=ARRAY(BigInteger)),
    bindparam("asked", type_=ARRAY(String)),
    bindparam("most", type_=ARRAY(BigInteger)),
)


#: For each question the entity's newest record, and which of so many of the newest have what is asked.
_AMONG_NEWEST = text(
    "SELECT q.number, newest.record_id, hits.keys"
    " FROM unnest(:entities, :asked, :most) WITH ORDINALITY AS q(entity, asked, most, number)"
    " CROSS JOIN LATERAL (SELECT record_id FROM core_search_index WHERE entity = q.entity"
    "  ORDER BY record_id DESC LIMIT 1) AS newest"
    " CROSS JOIN LATERAL (SELECT array_agg(hit.record_id) AS keys FROM"
    "  (SELECT recent.record_id FROM"
    "   (SELECT record_id, tokens FROM core_search_index WHERE entity = q.entity"
    "    ORDER BY record_id DESC LIMIT :window) AS recent"
    "   WHERE recent.tokens @@ CAST(q.asked AS tsquery) LIMIT q.most) AS hit) AS hits"
).bindparams(*_QUESTIONS)

#: No entity is named but by its tokens: else the primary key would look like a way to go.
_IN_GIN = text(
    "SELECT q.number, hit.record_id"
    " FROM unnest(:entities, :asked, :most, :read) WITH ORDINALITY"
    "  AS q(entity, asked, most, read, number)"
    " CROSS JOIN LATERAL (SELECT hits.record_id FROM"
    "  (SELECT record_id, tokens FROM core_search_index"
    "   WHERE tokens @@ CAST(q.asked AS tsquery) LIMIT 3000) AS hits"
    "  WHERE q.read = '' OR hits.tokens @@ CAST(q.read AS tsquery)"
    "  ORDER BY hits.record_id DESC LIMIT q.most) AS hit"
).bindparams(*_QUESTIONS, bindparam("read", type_=ARRAY(String)))

"""The tree of departments stays a tree, and its paths tell what it is, whatever moves at once."""

from __future__ import annotations

import random
import threading

import pytest
from sqlalchemy import select, update

from core.entities import service
from core.errors import Invalid, Refusal
from core.security.models import Department

# One database is enough, but where transactions meet.
pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def make(unit_of_work):
    """``make(name, parent=None) -> id``."""

    def department(name: str, parent: int | None = None) -> int:
        with unit_of_work() as uow:
            (key,) = service.create(uow, "department", [{"name": name, "parent": parent}])
        return key

    return department


def _move(unit_of_work, parents: dict[int, int | None]) -> None:
    with unit_of_work() as uow:
        service.update(uow, "department", {key: {"parent": up} for key, up in parents.items()})


def _paths(unit_of_work) -> dict[int, str]:
    table = Department.__table__
    with unit_of_work(write=False) as uow:
        return dict(uow.execute(select(table.c.id, table.c.path)).all())


def test_two_that_would_lie_below_each_other_are_both_refused(unit_of_work, make):
    """Each move by itself is sound; together they would cut both off from the tree."""
    a, b = make("A"), make("B")
    with pytest.raises(Invalid) as refused:
        _move(unit_of_work, {a: b, b: a})
    assert {(p.item, p.field, p.code) for p in refused.value.problems} == {
        (0, "parent", "circle"),
        (1, "parent", "circle"),
    }
    assert _paths(unit_of_work) == {a: f"/{a}/", b: f"/{b}/"}


def test_what_hangs_below_a_circle_is_no_part_of_it(unit_of_work, make):
    a, b, c = make("A"), make("B"), make("C")
    with pytest.raises(Invalid) as refused:
        _move(unit_of_work, {c: a, a: b, b: a})
    assert [p.item for p in refused.value.problems] == [1, 2]


def test_above_and_below_change_places(unit_of_work, make):
    a = make("A")
    b = make("B", a)
    c = make("C", b)
    _move(unit_of_work, {a: b, b: None})
    assert _paths(unit_of_work) == {b: f"/{b}/", a: f"/{b}/{a}/", c: f"/{b}/{c}/"}


def test_paths_follow_any_number_of_moves_at_once(unit_of_work, make):
    """Against the tree itself, over random moves; those that would close a circle are refused."""
    rng = random.Random(5)
    keys = [make(f"D{n}") for n in range(8)]
    above: dict[int, int | None] = dict.fromkeys(keys)

    def path(key: int, tree: dict[int, int | None], depth: int = 0) -> str:
        up = tree[key]
        if depth > len(keys):
            raise RecursionError
        return f"{path(up, tree, depth + 1) if up else '/'}{key}/"

    moved = refused = 0
    for _turn in range(25):
        moves = {key: rng.choice([None, *keys]) for key in rng.sample(keys, 3)}
        tree = above | moves
        try:
            expected = {key: path(key, tree) for key in keys}
        except RecursionError:
            with pytest.raises(Invalid):
                _move(unit_of_work, moves)
            refused += 1
            continue
        _move(unit_of_work, moves)
        moved, above = moved + 1, tree
        assert _paths(unit_of_work) == expected
    assert moved > 3
    assert refused > 3


def test_a_path_that_was_wrong_is_mended_by_the_next_move(unit_of_work, make):
    a, b, c = make("A"), make("B"), make("C")
    table = Department.__table__
    with unit_of_work() as uow:
        for key, wrong in ((b, f"/{a}/{b}/"), (c, "/")):
            uow.execute(update(table).where(table.c.id == key).values(path=wrong))
    _move(unit_of_work, {b: a})
    assert _paths(unit_of_work) == {a: f"/{a}/", b: f"/{a}/{b}/", c: f"/{c}/"}
    with unit_of_work() as uow:
        uow.execute(update(table).where(table.c.id == b).values(path=f"/{b}/"))
    _move(unit_of_work, {b: None})
    assert _paths(unit_of_work)[b] == f"/{b}/"


def test_a_tree_that_grows_too_deep_is_refused(unit_of_work, make):
    """A path has room for 500 characters, and PostgreSQL fails over one more."""
    top = lowest = make("Top")
    while len(_paths(unit_of_work)[lowest]) < 495:
        lowest = make("Below", lowest)
    with pytest.raises(Refusal):
        make("Too deep", make("The last", lowest))
    above = make("Above")
    with pytest.raises(Refusal):
        _move(unit_of_work, {top: above})
    assert _paths(unit_of_work)[top] == f"/{top}/"


def _at_once(first, second) -> list[str]:
    """Begin ``second`` while the transaction of ``first`` is open; what became of it."""
    told: list[str] = []

    def other() -> None:
        try:
            second()
        except Refusal as refusal:
            told.append(refusal.code)

    thread = threading.Thread(target=other)
    with first():
        thread.start()
        thread.join(0.3)  # it waits; were it not to, it would be done long before
    thread.join()
    return told


@pytest.mark.databases("postgresql")
def test_two_who_move_departments_at_once_make_no_circle(unit_of_work, make):
    """Each below a department of the other: nothing that both of them write tells."""
    from contextlib import contextmanager

    a, b = make("A"), make("B")
    below_a, below_b = make("Below A", a), make("Below B", b)

    @contextmanager
    def first():
        with unit_of_work() as uow:
            service.update(uow, "department", {a: {"parent": below_b}})
            yield

    assert _at_once(first, lambda: _move(unit_of_work, {b: below_a})) == ["invalid"]
    assert _paths(unit_of_work)[below_a] == f"/{b}/{below_b}/{a}/{below_a}/"


@pytest.mark.databases("postgresql")
def test_two_administrators_who_remove_each_other_do_not_both_succeed(
    unit_of_work, make_person, admin_id
):
    from contextlib import contextmanager

    other = make_person("Other", roles=("admin",))

    @contextmanager
    def first():
        with unit_of_work() as uow:
            service.update(uow, "user", {other: {"roles": []}})
            yield

    def second() -> None:
        with unit_of_work() as uow:
            service.update(uow, "user", {admin_id: {"is_active": False}})

    assert _at_once(first, second) == ["invalid"]

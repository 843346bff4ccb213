"""What hooks return is looked at before it is used."""

from __future__ import annotations

import pytest
from sqlalchemy import column

from core.errors import Problem
from core.plugins.answers import check_answer
from core.plugins.contributions import Permission


def test_items_may_come_as_anything_that_can_be_iterated():
    item = Permission("a.b", "B")
    for answer in ([item], (item,), {item: 1}, (x for x in [item])):
        assert check_answer("register_permissions", answer) == [item]
    assert check_answer("register_permissions", None) == []


@pytest.mark.parametrize("answer", [7, "text", b"x", object()])
def test_what_is_no_list_is_refused(answer):
    with pytest.raises(
        TypeError, match="register_permissions returned .* not a list of Permission"
    ):
        check_answer("register_permissions", answer)


def test_a_wrong_item_is_named():
    with pytest.raises(TypeError, match="validate_changes returned a list with str, not Problem"):
        check_answer("validate_changes", [Problem("a", "b", "c"), "oops"])


@pytest.mark.parametrize(
    ("hook", "good", "bad"),
    [
        ("authenticate", 7, True),
        ("check_permission", False, 0),
        ("scope_query", column("x") == 1, True),
        ("resolve_theme", "portal", b"portal"),
    ],
)
def test_one_value_or_none(hook, good, bad):
    assert check_answer(hook, good) is good
    assert check_answer(hook, None) is None
    with pytest.raises(TypeError, match=f"{hook} returned"):
        check_answer(hook, bad)


def test_nothing_means_nothing():
    assert check_answer("before_changes", None) is None
    with pytest.raises(TypeError, match="it returns nothing"):
        check_answer("before_changes", [])

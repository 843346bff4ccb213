"""Themes are found, inherit in order, and a broken one stays out with its reason."""

from __future__ import annotations

import pytest

from core.theming import ThemeError, ThemeRegistry


def test_chain_runs_from_the_theme_to_its_farthest_parent(themes):
    assert [theme.name for theme in themes.chain("shop")] == ["shop", "acme", "default"]


def test_unknown_theme_falls_back_to_default(themes):
    assert themes.get("gone").name == "default"
    assert [theme.name for theme in themes.chain("gone")] == ["default"]


def test_title_is_read_and_defaults_to_the_name(themes):
    assert themes.get("default").title == "Plain"
    assert themes.get("acme").title == "acme"


def test_stylesheets_let_the_nearest_theme_have_the_last_word(themes):
    sheets = [(sheet.path, sheet.dark) for sheet in themes.stylesheets("shop")]
    assert sheets == [
        ("themes/default/tokens.css", False),
        ("themes/default/tokens.dark.css", True),
        ("themes/acme/tokens.css", False),
    ]


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("[theme]\nname = bad\nparent = gone", "gone is missing"),
        ("[theme]\nname = bad\nparent = bad", "circle"),
        ("[theme]\nname = other", "the folder's"),
        ("[plugin]\nname = bad", "no [theme] section"),
        ("name = bad", "no section headers"),
    ],
)
def test_broken_theme_is_left_out_with_its_reason(tree, write_files, config, reason):
    write_files({"themes/bad/theme.cfg": config})
    themes = ThemeRegistry([tree / "themes"])
    assert "bad" not in themes
    assert reason in themes.problems["bad"]
    assert "acme" in themes


def test_child_of_a_broken_theme_is_left_out_too(tree, write_files):
    write_files(
        {
            "themes/bad/theme.cfg": "[theme]\nname = bad\nparent = gone",
            "themes/child/theme.cfg": "[theme]\nname = child\nparent = bad",
        }
    )
    themes = ThemeRegistry([tree / "themes"])
    assert {"bad", "child"} == set(themes.problems)
    assert themes.chain("child")[0].name == "default"


def test_second_folder_cannot_replace_a_theme(tree, write_files):
    write_files({"more/acme/theme.cfg": "[theme]\nname = acme"})
    themes = ThemeRegistry([tree / "themes", tree / "more"])
    assert "same name" in themes.problems["acme"]


def test_without_default_theme_there_is_an_error(tmp_path):
    with pytest.raises(ThemeError, match="default theme is missing"):
        ThemeRegistry([tmp_path])
